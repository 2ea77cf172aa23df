"""Health of the nightly runs: the last run, the run that readers see, and their age."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from omop_scorer.results.history import Run, list_runs
from omop_scorer.results.row_counts import lost_rows
from omop_scorer.results.runs import CLOCK_TOLERANCE
from omop_scorer.stores.base import ResultsReader


@dataclass(frozen=True)
class Health:
    """The last run, the run that readers see, and the problems found. Times are in UTC."""

    at: datetime
    last: Run | None
    """The run that was started last."""
    answer: Run | None
    """The COMPLETE run that the `latest_` views show."""
    is_under_way: bool
    """True if a run holds the lock now."""
    problems: tuple[str, ...]

    @property
    def is_healthy(self) -> bool:
        """True if no problem was found."""
        return not self.problems


def look(reader: ResultsReader, now: datetime, longest: timedelta) -> Health:
    """Check the results for failed, killed and missing runs, and for what readers see.

    Parameters
    ----------
    reader
        The results.
    now
        The current time in UTC, without a time zone, like the times in the results tables.
    longest
        Longest time since the last COMPLETE run that is not a problem.

    Raises
    ------
    ResultsError, SqlError
        The results cannot be read.
    """
    # The lock is read before and after the runs, because a run that starts or ends in between would
    # otherwise look like a killed one.
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
            f"the last run, {last.run_id}, was killed: its status is RUNNING, but no run holds the "
            "lock; the next run will remove its rows"
        )
    if answer is not None:
        problems += _problems_of(answer, runs, now)
        problems += [
            f"run {answer.run_id}, which readers see, has changed: {each}"
            for each in lost_rows(reader, answer, runs)
        ]
    if last is not None and not completed:
        problems.append("no run is COMPLETE, so the latest_ views are empty")
    elif completed and now - max(completed) > longest:
        problems.append(
            f"no run has been completed for {age(now - max(completed))}; "
            f"at most {age(longest)} are allowed"
        )
    return Health(now, last, answer, is_under_way, tuple(problems))


def _problems_of(answer: Run, runs: list[Run], now: datetime) -> list[str]:
    """Return what is wrong with the run that readers see, without a look at its rows."""
    take_back = f"if it is wrong, take it back with: omop-scorer withdraw {answer.run_id}"
    problems = []
    if answer.n_cohort == 0:
        problems.append(f"the latest complete run, {answer.run_id}, has an empty cohort")
    newest = max((run for run in runs if run.is_complete), key=lambda run: run.run_id)
    if newest is not answer:
        problems.append(
            f"readers see run {answer.run_id}, as of {answer.as_of_date}, and not the last "
            f"completed run, {newest.run_id}, as of {newest.as_of_date}: the latest_ views show "
            f"the latest as-of date; {take_back}"
        )
    # The date is that of the time zone of the site, which may be ahead of UTC.
    if answer.as_of_date > (now + timedelta(days=1)).date():
        problems.append(
            f"run {answer.run_id} is as of {answer.as_of_date}, which is after today; {take_back}"
        )
    if answer.recorded_at > now + CLOCK_TOLERANCE:
        problems.append(
            f"run {answer.run_id} was completed at {answer.recorded_at:%Y-%m-%d %H:%M} UTC, which "
            f"is after now: a clock was wrong; {take_back}"
        )
    return problems


def age(span: timedelta) -> str:
    """Return a time span in words: minutes below 2 hours, hours below 4 days, days otherwise."""
    minutes = span.total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    if minutes < 4 * 24 * 60:
        return f"{minutes / 60:.0f} hours"
    return f"{minutes / 60 / 24:.0f} days"
