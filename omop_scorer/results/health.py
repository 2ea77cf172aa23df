"""Whether the nights go well: the last run, the answer that readers see, and how old they are."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from omop_scorer.engines.base import ResultsReader
from omop_scorer.results.history import Run, list_runs


@dataclass(frozen=True)
class Health:
    """The last run, the answer in view, and what is wrong with them, if anything is.

    Times are in UTC, as the tables keep them.
    """

    at: datetime
    last: Run | None
    """The run started last."""
    answer: Run | None
    """The run that the `latest_` views show."""
    is_under_way: bool
    """Whether a run holds the lock at this moment."""
    problems: tuple[str, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def look(reader: ResultsReader, now: datetime, longest: timedelta) -> Health:
    """Look at the results.

    Parameters
    ----------
    reader
        The results.
    now
        The time in UTC, without a time zone, as the tables keep it.
    longest
        How long ago the last answer may have been completed.

    Raises
    ------
    ResultsError, SqlError
        The results cannot be read.
    """
    # Before and after: a run that ends or begins between two looks is not taken for a dead one.
    is_under_way = reader.is_run_under_way()
    runs = list_runs(reader)
    is_under_way = is_under_way or reader.is_run_under_way()
    last = max(runs, key=lambda run: run.run_id, default=None)
    answer = next((run for run in runs if run.is_latest), None)
    completed = [run.recorded_at for run in runs if run.is_complete]
    problems = []
    if last is None:
        problems.append("no run yet; start one with: omop-scorer run")
    elif last.status == "FAILED":
        problems.append(f"the last run, {last.run_id}, failed: {last.message or 'no message'}")
    elif last.status == "RUNNING" and not is_under_way:
        problems.append(
            f"the last run, {last.run_id}, was killed: its last word is RUNNING, and no run holds "
            "the lock; the next run clears up after it"
        )
    if answer is not None and answer.n_cohort == 0:
        problems.append(f"the answer in view, {answer.run_id}, is of nobody: its cohort is empty")
    if last is not None and not completed:
        problems.append("no run is COMPLETE: readers see no answer")
    elif completed and now - max(completed) > longest:
        problems.append(
            f"no run has been completed for {age(now - max(completed))}, {age(longest)} are allowed"
        )
    return Health(now, last, answer, is_under_way, tuple(problems))


def age(span: timedelta) -> str:
    """Return a span of time in words: minutes below two hours, hours below four days, days."""
    minutes = span.total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    if minutes < 4 * 24 * 60:
        return f"{minutes / 60:.0f} hours"
    return f"{minutes / 60 / 24:.0f} days"
