"""Past runs, as the results tables record them.

Runs are in the order of the view `latest_run`: by as-of date, then by run_id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from omop_scorer import sql
from omop_scorer.errors import ConfigurationError, ResultsError
from omop_scorer.results.schema import read_version, refuse_newer
from omop_scorer.stores.base import ResultsReader
from omop_scorer.terms import COMPLETE, RUNNING, WITHDRAWN

_RUN_FIRST = "start a run first, with: omop-scorer run"

_N_NAMED = 10


@dataclass(frozen=True)
class Run:
    """One run, COMPLETE or not.

    Changes are relative to the previous COMPLETE run in the order of `latest_run`. They are None
    for the first COMPLETE run and for a run that is not COMPLETE.
    """

    run_id: int
    as_of_date: date
    started_at: datetime
    recorded_at: datetime
    status: str
    tool_version: str
    engine: str
    model_id: str
    model_sha256: str
    concept_sets_sha256: str
    uncertainty: str
    cdm_source_name: str | None
    cdm_version: str | None
    cdm_release_date: date | None
    vocabulary_version: str | None
    config_json: str
    n_cohort: int | None
    n_scored: int | None
    message: str | None
    cdm_snapshot: str | None = None
    cdm_last_date: date | None = None
    is_latest: bool = False
    previous_run_id: int | None = None
    n_cohort_change: int | None = None
    n_scored_change: int | None = None

    @property
    def is_complete(self) -> bool:
        """True if the run has published results that have not been withdrawn."""
        return self.status == COMPLETE

    @property
    def has_published(self) -> bool:
        """True if the run has published results, also if they have been withdrawn."""
        return self.status in (COMPLETE, WITHDRAWN)

    @property
    def seconds(self) -> float | None:
        """Seconds from start to end; None while the status is RUNNING, or if it is WITHDRAWN."""
        if self.status in (RUNNING, WITHDRAWN):
            return None
        return (self.recorded_at - self.started_at).total_seconds()


def list_runs(reader: ResultsReader) -> list[Run]:
    """Return every run, newest first.

    Raises
    ------
    ResultsError
        The schema has no run tables, or was written by a newer release.
    """
    _refuse_unreadable(reader)
    known = {field.name for field in fields(Run)}
    rows = read_file(reader, "runs", {})
    runs = [Run(**{name: row[name] for name in known & row.keys()}) for row in rows]
    complete = _in_order(runs)
    before = dict(zip([run.run_id for run in complete[1:]], complete, strict=False))
    latest = complete[-1].run_id if complete else None
    return [
        replace(_with_changes(run, before.get(run.run_id)), is_latest=run.run_id == latest)
        for run in runs
    ]


def find_run(reader: ResultsReader, which: str | int) -> Run:
    """Return a COMPLETE run.

    Parameters
    ----------
    reader
        The results.
    which
        A run id, `latest`, or `previous` (the COMPLETE run before the latest).

    Raises
    ------
    ConfigurationError
        No run has that id.
    ResultsError
        The run is not COMPLETE, or no run is.
    """
    return run_of(list_runs(reader), which)


def _refuse_unreadable(reader: ResultsReader) -> None:
    known = reader.tables()
    missing = sorted({"schema_version", "scoring_run", "scoring_run_status"} - known)
    if missing and missing != ["schema_version"]:
        raise ResultsError(
            f"{reader.where}: the schema has no table {', '.join(missing)}, so it has no runs; "
            f"{_RUN_FIRST}"
        )
    if (version := read_version(reader)) is not None:
        refuse_newer(version)


def _in_order(runs: Iterable[Run]) -> list[Run]:
    complete = [run for run in runs if run.is_complete]
    return sorted(complete, key=lambda run: (run.as_of_date, run.run_id))


def _with_changes(run: Run, before: Run | None) -> Run:
    if before is None:
        return run
    return replace(
        run,
        previous_run_id=before.run_id,
        n_cohort_change=_change(before.n_cohort, run.n_cohort),
        n_scored_change=_change(before.n_scored, run.n_scored),
    )


def _change(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def run_of(runs: list[Run], which: str | int) -> Run:
    """Return a COMPLETE run of a list by its id, or by `latest` or `previous`.

    Raises
    ------
    ConfigurationError
        No run has that id.
    ResultsError
        The run is not COMPLETE, or no run is.
    """
    complete = _in_order(runs)
    if not complete and which in ("latest", "previous"):
        raise ResultsError(f"none of {len(runs)} run(s) is COMPLETE; {_RUN_FIRST}")
    if which == "latest":
        return complete[-1]
    if which == "previous":
        if len(complete) == 1:
            raise ResultsError(
                f"run {complete[0].run_id} is the only COMPLETE run, so there is no previous one"
            )
        return complete[-2]
    found = [run for run in runs if str(run.run_id) == str(which)]
    if not found:
        raise ConfigurationError(
            f"no run {which!r}; allowed: latest, previous, or the id of a COMPLETE run: "
            f"{_named(complete)}"
        )
    (run,) = found
    if not run.is_complete:
        state = (
            f"was withdrawn ({run.message or 'no reason'})"
            if run.status == WITHDRAWN
            else f"is {run.status} and has no results"
        )
        raise ResultsError(f"run {run.run_id} {state}; COMPLETE runs: {_named(complete)}")
    return run


def _named(complete: list[Run]) -> str:
    ids = [str(run.run_id) for run in reversed(complete)]
    more = len(ids) - _N_NAMED
    return (", ".join(ids[:_N_NAMED]) or "there is none") + (
        f" and {more} more, see: omop-scorer runs" * (more > 0)
    )


def read_file(
    reader: ResultsReader, name: str, parameters: Mapping[str, object]
) -> list[dict[str, Any]]:
    """Return the rows of a SQL file in `sql/history`."""
    (query,) = sql.find(f"history/{name}").statements()
    rows: list[dict[str, Any]] = reader.read(query, parameters).to_pylist()
    return rows
