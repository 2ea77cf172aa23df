"""Retries of a run after a transient fault, with exponential back-off."""

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential

from omop_scorer.config.connections import PostgreSQL
from omop_scorer.errors import ConnectionFailedError, LockHeldError, OmopScorerError
from omop_scorer.journal import Journal

CONNECT = "connect"

"""Name of the step in which a run connects to its databases."""

_LONGEST_WAIT_SECONDS = 300


def retrying(server: PostgreSQL, journal: Journal) -> Retrying:
    """Return a caller that repeats a function after transient faults, up to the last attempt.

    Parameters
    ----------
    server
        Number of retries, and the wait before the first one in seconds. Each wait is twice the one
        before, up to five minutes.
    journal
        Provides the name of the step that failed, and receives a message per new attempt.
    """
    n_attempts = 1 + server.retries

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        journal.begin_again(
            state.attempt_number,
            f"attempt {state.attempt_number} of {n_attempts} failed at step {journal.current}: "
            f"{error}; the run starts again in {state.upcoming_sleep:g} s",
        )

    return Retrying(
        stop=stop_after_attempt(n_attempts),
        wait=wait_exponential(multiplier=server.retry_wait_seconds, max=_LONGEST_WAIT_SECONDS),
        retry=retry_if_exception(_transience(journal)),
        before_sleep=report,
        reraise=True,
    )


def _transience(journal: Journal) -> Callable[[BaseException], bool]:
    """Return a function that returns True for a fault that a new attempt may not meet.

    Once an attempt has reached the server, a refused connection or a held lock in a later one also
    counts as transient: the server may not know yet that the session of the earlier one has ended.
    """
    has_connected = False

    def is_transient(error: BaseException) -> bool:
        nonlocal has_connected
        is_after_loss = has_connected and isinstance(error, ConnectionFailedError | LockHeldError)
        has_connected = has_connected or journal.current != CONNECT
        return is_after_loss or (isinstance(error, OmopScorerError) and error.is_transient)

    return is_transient
