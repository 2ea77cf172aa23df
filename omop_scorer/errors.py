"""One class per cause of failure, one exit code per class.

A message says what is wrong, where, and what to do next. It never holds a value that
belongs to a patient: messages travel to logs, mails and tickets.
"""

from collections.abc import Sequence


class OmopScorerError(Exception):
    """Anything that ends a command with a message instead of a stack trace."""

    exit_code = 1
    is_transient = False
    """Whether the same may work in a while: a server restarts, a connection was lost."""

    def __init__(self, *problems: str) -> None:
        """Keep every problem found, worst or first first."""
        self.problems: Sequence[str] = problems
        super().__init__("\n".join(problems))


class ConfigurationError(OmopScorerError):
    """A run file, model card, unit table or concept set is not valid."""

    exit_code = 10


class ConnectionFailedError(OmopScorerError):
    """A database or folder cannot be opened."""

    exit_code = 11


class CdmError(OmopScorerError):
    """The CDM is not as expected: a table or column is missing or unusable."""

    exit_code = 12


class SqlError(OmopScorerError):
    """A query failed on the engine."""

    exit_code = 13


class ScoringError(OmopScorerError):
    """Patients cannot be scored: input rows refused, or a number came out not finite."""

    exit_code = 14


class ResultsError(OmopScorerError):
    """The results database cannot be created, migrated or written."""

    exit_code = 15


class LockHeldError(OmopScorerError):
    """Another run holds the lock on the results."""

    exit_code = 16


class UnhealthyError(OmopScorerError):
    """The last run failed, or the answer that readers see is too old."""

    exit_code = 17
