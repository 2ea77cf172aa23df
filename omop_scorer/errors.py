"""Errors of the program: one class per cause, one exit code per class.

A message says what is wrong, where, and what to do next. It never contains a value of a patient,
because messages end up in logs, mails and tickets.
"""

from collections.abc import Sequence


class OmopScorerError(Exception):
    """Base class of the errors that end a command with a message instead of a stack trace."""

    exit_code = 1
    is_transient = False
    """True if a retry may succeed, for example after a lost connection or a server restart."""

    def __init__(self, *problems: str) -> None:
        """Keep every problem found, in the order in which they are printed."""
        self.problems: Sequence[str] = problems
        super().__init__("\n".join(problems))


class ConfigurationError(OmopScorerError):
    """A run file, model card, unit table or concept set is not valid."""

    exit_code = 10


class ConnectionFailedError(OmopScorerError):
    """A database or folder cannot be opened."""

    exit_code = 11


class CdmError(OmopScorerError):
    """The CDM is not as expected: for example, a table or column is missing or unusable."""

    exit_code = 12


class SqlError(OmopScorerError):
    """A query failed on the engine."""

    exit_code = 13


class ScoringError(OmopScorerError):
    """Rows of patients or of trial participants are refused, or a score is not finite."""

    exit_code = 14


class ResultsError(OmopScorerError):
    """The results cannot be created, migrated, read or written."""

    exit_code = 15


class LockHeldError(OmopScorerError):
    """Another run holds the lock on the results."""

    exit_code = 16


class UnhealthyError(OmopScorerError):
    """The last run failed or was killed, or what readers see is empty, changed or too old."""

    exit_code = 17
