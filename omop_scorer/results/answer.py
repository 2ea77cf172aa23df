"""The run that the `latest_` views show to readers, and how to take a run back."""

from dataclasses import dataclass
from datetime import date

from omop_scorer import sql
from omop_scorer.errors import ResultsError
from omop_scorer.results.history import Run
from omop_scorer.results.runs import record_status
from omop_scorer.stores.base import Store
from omop_scorer.terms import WITHDRAWN


@dataclass(frozen=True)
class Answer:
    """A run that readers see, and its as-of date."""

    run_id: int
    as_of: date


def other_answer(answer: Answer) -> str:
    """Return a warning that readers see another run than the one that has just ended."""
    return (
        f"readers do not see this run: the latest_ views show run {answer.run_id}, as of "
        f"{answer.as_of}, because its as-of date is later; if it is wrong, take it back with: "
        f"omop-scorer withdraw {answer.run_id}"
    )


def answer_of(store: Store) -> Answer | None:
    """Return the run that readers see now; None if the `latest_` views are empty."""
    rows = store.fetch(sql.parse("SELECT run_id, as_of_date FROM results.latest_run"), {})
    if not rows:
        return None
    ((run_id, as_of),) = rows
    assert isinstance(as_of, date)
    return Answer(int(str(run_id)), as_of)


def withdraw_run(store: Store, run: Run, reason: str) -> Answer | None:
    """Take a run back: it gets the status WITHDRAWN, and the views skip it. Its rows stay.

    Returns the run that readers see from now on.

    Raises
    ------
    ResultsError
        The run has been withdrawn already, or the status cannot be written.
    """
    with store.transaction():
        if _is_withdrawn(store, run.run_id):
            raise ResultsError(f"{store.where}: run {run.run_id} is WITHDRAWN already")
        record_status(
            store,
            run.run_id,
            WITHDRAWN,
            n_cohort=run.n_cohort,
            n_scored=run.n_scored,
            message=reason,
        )
        if not _is_withdrawn(store, run.run_id):
            raise ResultsError(
                f"{store.where}: the status WITHDRAWN of run {run.run_id} was written and is not "
                "found: a trigger, a rule or a row-level policy removed it"
            )
    return answer_of(store)


def _is_withdrawn(store: Store, run_id: int) -> bool:
    query = sql.parse(
        "SELECT 1 AS one FROM results.scoring_run_status "
        "WHERE run_id = :run_id AND status = 'WITHDRAWN'"
    )
    return bool(store.fetch(query, {"run_id": run_id}))
