"""Findings of the checks before a run, with what to do about each, and the verdict."""

import re
from dataclasses import dataclass, field
from typing import Literal

from omop_scorer.errors import OmopScorerError
from omop_scorer.nightly.next_steps import key_and_next_step
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide

Severity = Literal["error", "warning", "note"]

#: The share of the patients that a message is about, in percent, or nobody at all.
_OF_PATIENTS = re.compile(
    r"(?P<of>[\d.]+)% of patients|(?:patient|person)\(s\)[^(%]*\((?P<in>[\d.]+)%\)"
    r"|\bno (?:persons|patient)\b"
)

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
        """Return the findings: errors, then warnings, then notes.

        Errors and notes stay in the order found. The warnings that concern most patients come
        first, and one that does not say how many comes as if they were half of them.
        """
        return sorted(
            self.findings,
            key=lambda each: (
                _ORDER.index(each.severity),
                -_share(each.message) if each.severity == "warning" else 0,
            ),
        )

    @property
    def verdict(self) -> str:
        """Whether a run would succeed, how many findings there are, and the first to look at."""
        errors, warnings = (
            [each for each in self.worst_first() if each.severity == severity]
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


def _share(message: str) -> float:
    """Return the share of the patients that a warning concerns, 0 to 1."""
    found = _OF_PATIENTS.search(message)
    if found is None:
        return 0.5
    return float(found["of"] or found["in"] or 100) / 100


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
