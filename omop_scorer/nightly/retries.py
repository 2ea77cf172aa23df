"""What a night does about faults that may pass: it waits, and begins again."""

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential

from omop_scorer.config.connections import PostgreSQL
from omop_scorer.errors import ConnectionFailedError, LockHeldError, OmopScorerError
from omop_scorer.journal import Journal

CONNECT = "connect"

"""The step in which a run reaches its databases."""

_LONGEST_WAIT_SECONDS = 300


def retrying(server: PostgreSQL, journal: Journal) -> Retrying:
    """Return what calls a function until it succeeds, or fails for good.

    Parameters
    ----------
    server
        How often, and how long between.
    journal
        Knows the step that failed, and is told of every new try.
    """
    n_tries = 1 + server.retries

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        journal.begin_again(
            state.attempt_number,
            f"try {state.attempt_number} of {n_tries} failed, step {journal.current}: {error}; "
            f"the run begins again in {state.upcoming_sleep:g} s",
        )

    return Retrying(
        stop=stop_after_attempt(n_tries),
        wait=wait_exponential(multiplier=server.retry_wait_seconds, max=_LONGEST_WAIT_SECONDS),
        retry=retry_if_exception(_may_pass(journal)),
        before_sleep=say,
        reraise=True,
    )


def _may_pass(journal: Journal) -> Callable[[BaseException], bool]:
    """Return what tells faults that may pass from those that need a person.

    Once a try has reached the server, later ones take every refused connection for one that may
    pass, and a held lock too: the server may not know yet that the session of that try is gone.
    """
    has_connected = False

    def may_pass(error: BaseException) -> bool:
        nonlocal has_connected
        is_ours = has_connected and isinstance(error, ConnectionFailedError | LockHeldError)
        has_connected = has_connected or journal.current != CONNECT
        return is_ours or (isinstance(error, OmopScorerError) and error.is_transient)

    return may_pass
