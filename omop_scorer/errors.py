"""Errors of the program: one class per cause, one exit code per class.

A message says what is wrong, where, and what to do next. It never contains a value of a patient,
because messages end up in logs, mails and tickets.
"""

import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide, keep_environment

_Parameters = ParamSpec("_Parameters")

_Result = TypeVar("_Result")


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


def unexpected(error: Exception) -> str:
    """Return the message of an error that is not ours: its kind and where it was raised.

    Its text may quote a patient's value, so it is left out.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    file = Path(trace.tb_frame.f_code.co_filename).name if trace else "unknown"
    line = trace.tb_lineno if trace else 0
    return f"unexpected error ({type(error).__name__} at {file}:{line}); please report this line"


def as_the_program_says(
    function: Callable[_Parameters, _Result],
) -> Callable[_Parameters, _Result]:
    """Make a function raise the errors of the package only, with the texts of the command line.

    Texts are without secrets. The error that was raised first is not kept as a cause or context,
    because it may hold a secret or a patient's value. A call with arguments that the function does
    not have is a TypeError, as for every function.
    """

    @wraps(function)
    def called(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        keep_environment(os.environ)
        try:
            return function(*arguments, **named)
        except OmopScorerError as error:
            said = type(error)(*(one_line(hide(problem)) for problem in error.problems))
        except Exception as error:
            is_of_the_call = error.__traceback__ is None or error.__traceback__.tb_next is None
            if isinstance(error, TypeError) and is_of_the_call:
                raise
            said = OmopScorerError(unexpected(error))
        raise said

    return called
