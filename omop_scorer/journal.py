"""Progress and warnings of a run: a bar on a terminal, lines of text or JSON for a scheduler.

Only names of steps, counts, seconds and messages are logged, never a value or id of a patient, and
never a secret. A message may name places of the site, so the log is for its operator.
"""

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide


@dataclass
class Step:
    """One step of a run: its name, duration and number of rows produced."""

    name: str
    seconds: float = 0.0
    rows: int | None = None


class Journal(ABC):
    """Log of a run, which also keeps its steps and warnings."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        """Start an empty log; a quiet one shows warnings and errors only."""
        self.is_quiet = is_quiet
        self.steps: list[Step] = []
        self.warnings: list[str] = []
        self._failed_attempts: list[str] = []
        self.current = "start"

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step. The caller sets `rows` of the step that this yields."""
        step = Step(name)
        self.current = name
        self.begin(step)
        start = time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - start
        self.steps.append(step)
        self.end(step)

    def begin_again(self, attempt_number: int, reason: str) -> None:
        """Log the reason for a new attempt, and replace the warnings by a list of failed attempts.

        The reason itself is not kept: warnings go into the report, which may leave the site, and
        the reason may name servers and folders of the site.
        """
        kept = f"attempt {attempt_number} failed at step {self.current}, and the run started again"
        self._failed_attempts.append(kept)
        self.steps.clear()
        self.warnings[:] = self._failed_attempts
        self.say("warning", reason)

    def warn(self, message: str) -> None:
        """Keep and log a warning."""
        self.warnings.append(one_line(hide(message)))
        self.say("warning", message)

    def notice(self, message: str) -> None:
        """Log a message like a warning, but do not keep it with the run."""
        self.say("warning", message)

    def begin(self, step: Step) -> None:
        """Log the start of a step."""

    def end(self, step: Step) -> None:
        """Log the end of a step."""

    def advance(self, n_done: int, n_total: int) -> None:
        """Log the progress within a step."""

    @abstractmethod
    def say(self, level: str, message: str) -> None:
        """Log a message. `level` is info, warning or error."""

    def close(self) -> None:
        """Restore the terminal."""


class SilentJournal(Journal):
    """Log that is not shown: it only keeps the steps and warnings for its caller."""

    def say(self, level: str, message: str) -> None:
        """Show nothing."""


class JsonJournal(Journal):
    """Log with one JSON object per line, for schedulers."""

    def __init__(self, stream: TextIO, *, is_quiet: bool = False) -> None:
        super().__init__(is_quiet=is_quiet)
        self._stream = stream

    def say(self, level: str, message: str) -> None:
        """Write a JSON line with the message."""
        self._write(level=level, event="message", message=hide(message))

    def end(self, step: Step) -> None:
        """Write a JSON line with the name, seconds and rows of the step."""
        self._write(
            level="info",
            event="step",
            step=step.name,
            seconds=round(step.seconds, 3),
            rows=step.rows,
        )

    def _write(self, **entry: object) -> None:
        if self.is_quiet and entry["level"] == "info":
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}
        print(json.dumps(line), file=self._stream, flush=True)


class PlainJournal(Journal):
    """Log with one line of text per step, for files and mails."""

    def __init__(self, stream: TextIO, *, is_quiet: bool = False) -> None:
        super().__init__(is_quiet=is_quiet)
        self._stream = stream

    def say(self, level: str, message: str) -> None:
        """Write the message."""
        if self.is_quiet and level == "info":
            return
        print(f"{level}: {one_line(hide(message))}", file=self._stream, flush=True)

    def end(self, step: Step) -> None:
        """Write the name, rows and seconds of the step."""
        if self.is_quiet:
            return
        rows = "" if step.rows is None else f"{step.rows:,} rows, "
        print(f"{step.name}: {rows}{step.seconds:.1f} s", file=self._stream, flush=True)


class TerminalJournal(Journal):
    """Progress bar with the name of the current step."""

    def __init__(self, console: Console, n_steps: int) -> None:
        super().__init__()
        self._progress = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=n_steps)
        self._n_steps = n_steps
        self._progress.start()

    def say(self, level: str, message: str) -> None:
        """Print a message above the bar, but not a warning: the summary of the run lists those."""
        if level != "warning":
            self._progress.console.print(one_line(hide(message)), markup=False)

    def notice(self, message: str) -> None:
        """Print a message above the bar, because the summary does not repeat it."""
        self._progress.console.print(one_line(hide(message)), markup=False)

    def begin(self, step: Step) -> None:
        """Show the name of the step."""
        self._progress.update(self._task, description=step.name)

    def end(self, step: Step) -> None:  # noqa: ARG002
        """Advance the bar by one step."""
        self._progress.update(self._task, completed=min(len(self.steps), self._n_steps))

    def advance(self, n_done: int, n_total: int) -> None:
        """Advance the bar within the step."""
        share = n_done / n_total if n_total else 1.0
        self._progress.update(self._task, completed=min(len(self.steps) + share, self._n_steps))

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


def open_journal(log_format: str, n_steps: int, *, is_quiet: bool | None = None) -> Journal:
    """Return the journal for a log format: `json`, `text`, or `auto` (a bar on a terminal).

    A quiet journal shows warnings and errors only. With `is_quiet` None, that is a journal of text
    whose standard error is not a terminal.
    """
    if log_format == "json":
        return JsonJournal(sys.stderr, is_quiet=bool(is_quiet))
    console = Console(stderr=True)
    if log_format == "auto" and console.is_terminal and not is_quiet:
        return TerminalJournal(console, n_steps)
    return PlainJournal(
        sys.stderr, is_quiet=not console.is_terminal if is_quiet is None else is_quiet
    )
