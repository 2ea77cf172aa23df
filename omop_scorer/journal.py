"""What a run says while it works: a bar on a terminal, plain or JSON lines to a scheduler.

Only names of steps, counts and seconds pass through here, never a patient's value or id.
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


@dataclass
class Step:
    """One step of a run: its name, how long it took and how many rows it made."""

    name: str
    seconds: float = 0.0
    rows: int | None = None


class Journal(ABC):
    """Listens to a run and keeps its steps and warnings."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.warnings: list[str] = []
        self._tries: list[str] = []
        self.current = "start"

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; set `rows` on what it yields."""
        step = Step(name)
        self.current = name
        self.begin(step)
        start = time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - start
        self.steps.append(step)
        self.end(step)

    def begin_again(self, try_number: int, reason: str) -> None:
        """Say that the run begins again, and why; kept of the last try is that there was one.

        Warnings go into the report, which leaves the site, and a reason names the site's places.
        """
        kept = f"try {try_number} failed at step {self.current}, and the run began again"
        self._tries.append(kept)
        self.steps.clear()
        self.warnings[:] = self._tries
        self.say("warning", reason)

    def warn(self, message: str) -> None:
        """Keep a warning, and say it."""
        self.warnings.append(message)
        self.say("warning", message)

    def begin(self, step: Step) -> None:
        """Say that a step begins."""

    def end(self, step: Step) -> None:
        """Say that a step has ended."""

    def advance(self, n_done: int, n_total: int) -> None:
        """Say how far the step is."""

    @abstractmethod
    def say(self, level: str, message: str) -> None:
        """Say one line."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class JsonJournal(Journal):
    """One JSON object a line, for schedulers."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def say(self, level: str, message: str) -> None:
        """Write a line with a message."""
        self._write(level=level, event="message", message=message)

    def end(self, step: Step) -> None:
        """Write a line with the step's seconds and rows."""
        self._write(
            level="info",
            event="step",
            step=step.name,
            seconds=round(step.seconds, 3),
            rows=step.rows,
        )

    def _write(self, **entry: object) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}
        print(json.dumps(line), file=self._stream, flush=True)


class PlainJournal(Journal):
    """One line a step, for files and mails."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def say(self, level: str, message: str) -> None:
        """Write the message."""
        print(f"{level}: {message}", file=self._stream, flush=True)

    def end(self, step: Step) -> None:
        """Write the step, its rows and seconds."""
        rows = "" if step.rows is None else f"{step.rows:,} rows, "
        print(f"{step.name}: {rows}{step.seconds:.1f} s", file=self._stream, flush=True)


class TerminalJournal(Journal):
    """A bar that says which step is under way; warnings stand above it."""

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
        """Warnings wait for the summary, which lists them; the rest stands above the bar."""
        if level != "warning":
            self._progress.console.print(message, markup=False)

    def begin(self, step: Step) -> None:
        """Show the step's name."""
        self._progress.update(self._task, description=step.name)

    def end(self, step: Step) -> None:  # noqa: ARG002
        """Move the bar on."""
        self._progress.update(self._task, completed=min(len(self.steps), self._n_steps))

    def advance(self, n_done: int, n_total: int) -> None:
        """Move the bar within the step."""
        share = n_done / n_total if n_total else 1.0
        self._progress.update(self._task, completed=min(len(self.steps) + share, self._n_steps))

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def open_journal(log_format: str, n_steps: int) -> Journal:
    """Return the journal for a log format: `json`, `text`, or `auto` (a bar on a terminal)."""
    if log_format == "json":
        return JsonJournal(sys.stderr)
    console = Console(stderr=True)
    if log_format == "auto" and console.is_terminal:
        return TerminalJournal(console, n_steps)
    return PlainJournal(sys.stderr)
