"""Findings of the checks before a run, with what to do about each, and the verdict."""

from dataclasses import dataclass, field
from typing import Literal

from omop_scorer.errors import OmopScorerError
from omop_scorer.nightly.next_steps import key_and_next_step
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide

Severity = Literal["error", "warning", "note"]

_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One finding: its severity, what and where, and the exit code that it causes.

    `key` is the key of the run file that it concerns, and `next_step` what to do; a note of a state
    that is right has neither.
    """

    severity: Severity
    message: str
    exit_code: int = 0
    key: str = ""
    next_step: str = ""


@dataclass
class Findings:
    """Everything that the checks found."""

    findings: list[Finding] = field(default_factory=list)

    def add(
        self,
        severity: Severity,
        *messages: str,
        exit_code: int = 0,
        key: str = "",
        next_step: str = "",
    ) -> None:
        """Keep findings of one severity. Errors and warnings always get a key and a next step."""
        for message in messages:
            advice = (key, next_step)
            if severity != "note" and not key:
                advice = key_and_next_step(message, exit_code)
            self.findings.append(Finding(severity, one_line(hide(message)), exit_code, *advice))

    def fail(self, error: OmopScorerError) -> None:
        """Keep every problem of an error."""
        self.add("error", *error.problems, exit_code=error.exit_code)

    def worst_first(self) -> list[Finding]:
        """Return the findings, errors first, each kind in the order found."""
        return sorted(self.findings, key=lambda finding: _ORDER.index(finding.severity))

    @property
    def verdict(self) -> str:
        """Whether a run would succeed, how many findings there are, and the first to look at."""
        errors, warnings = (
            [each for each in self.findings if each.severity == severity]
            for severity in ("error", "warning")
        )
        answer = "no" if errors else "yes"
        counts = f"{_counted(len(errors), 'error')}, {_counted(len(warnings), 'warning')}"
        first = "".join(f"; first: {each.message}" for each in (*errors, *warnings)[:1])
        return f"ready: {answer}, {counts}{first}"

    @property
    def exit_code(self) -> int:
        """The exit code of the first error, 0 without one."""
        errors = [finding.exit_code for finding in self.findings if finding.severity == "error"]
        return errors[0] if errors else 0


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
