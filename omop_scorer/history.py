"""Runs that were, and what differs between two of them: counts, never patients.

Everything comes from the results tables alone. Runs are put in the order of the view
`latest_run`: by as-of date, then by run_id.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import sqlglot

from omop_scorer import sql
from omop_scorer.engines.base import ResultsReader
from omop_scorer.errors import ConfigurationError, ResultsError
from omop_scorer.results import refuse_newer

#: What a run rests on besides its configuration: columns of `scoring_run`.
PROVENANCE = (
    *("as_of_date", "tool_version", "model_id", "model_sha256", "concept_sets_sha256"),
    *("cdm_source_name", "cdm_version", "cdm_release_date", "vocabulary_version"),
)
SEVERAL_COVARIATES = "several covariates"
MODEL_OR_SETTINGS = "model or settings"
_RUN_FIRST = "start a run first, with: omop-scorer run"
_N_NAMED = 10


@dataclass(frozen=True)
class Run:
    """One run, COMPLETE or not.

    Changes are the difference from the COMPLETE run before it in the order of `latest_run`; they
    are None for a run that is not COMPLETE, and for the first.
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
    is_latest: bool = False
    previous_run_id: int | None = None
    n_cohort_change: int | None = None
    n_scored_change: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the run has an answer."""
        return self.status == "COMPLETE"

    @property
    def seconds(self) -> float | None:
        """Seconds from its start to its end; None while it has not ended."""
        if self.status == "RUNNING":
            return None
        return (self.recorded_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Difference:
    """Something that has another value in the later run; None: it is not there, or not known."""

    what: str
    earlier: str | None
    later: str | None


@dataclass(frozen=True)
class Flow:
    """Persons with this label in the earlier run and that in the later; None: not scored in it."""

    earlier: str | None
    later: str | None
    n_persons: int

    @property
    def is_change(self) -> bool:
        """Whether both runs scored these persons, and their labels differ."""
        return None not in (self.earlier, self.later) and self.earlier != self.later


@dataclass(frozen=True)
class Cause:
    """What changed in persons whose label did: one covariate alone, several, or none."""

    cause: str
    n_persons: int


@dataclass(frozen=True)
class CovariateChange:
    """In how many of the persons whose label changed a covariate has another value."""

    covariate: str
    n_persons: int


@dataclass(frozen=True)
class PatientDifference:
    """What became of the patients: everybody scored in either run stands in one flow.

    Causes add up to the patients whose label changed; covariate changes do not, because several
    covariates of a patient may differ.
    """

    flows: tuple[Flow, ...]
    causes: tuple[Cause, ...]
    covariate_changes: tuple[CovariateChange, ...]

    @property
    def n_in(self) -> int:
        """Scored in the later run only."""
        return sum(flow.n_persons for flow in self.flows if flow.earlier is None)

    @property
    def n_out(self) -> int:
        """Scored in the earlier run only."""
        return sum(flow.n_persons for flow in self.flows if flow.later is None)

    @property
    def n_both(self) -> int:
        """Scored in both runs."""
        return sum(flow.n_persons for flow in self.flows) - self.n_in - self.n_out

    @property
    def changes(self) -> tuple[Flow, ...]:
        """The flows from one label to another."""
        return tuple(flow for flow in self.flows if flow.is_change)

    @property
    def n_changed(self) -> int:
        """Scored in both runs, with another label."""
        return sum(flow.n_persons for flow in self.changes)


@dataclass(frozen=True)
class RunDifference:
    """What differs between two COMPLETE runs.

    `patients` is None when the rows of persons have been removed from one of the runs or both,
    which `without_persons` then names: nobody can tell who was in them.
    """

    earlier: Run
    later: Run
    provenance: tuple[Difference, ...]
    configuration: tuple[Difference, ...]
    patients: PatientDifference | None
    without_persons: tuple[int, ...]


def list_runs(reader: ResultsReader) -> list[Run]:
    """Return every run, the one started last first.

    Raises
    ------
    ResultsError
        The schema holds no tables of runs, or was written by a newer release.
    """
    _refuse_unreadable(reader)
    runs = [Run(**row) for row in _read(reader, "runs", {})]
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
        A run id, or `latest`, or `previous`: the COMPLETE run before the latest.

    Raises
    ------
    ConfigurationError
        There is no such run.
    ResultsError
        It is not COMPLETE, or none is.
    """
    return _find(list_runs(reader), which)


def previous_run(reader: ResultsReader, run_id: int) -> Run | None:
    """Return the COMPLETE run before a COMPLETE run in the order of `latest_run`, or None.

    Raises
    ------
    ConfigurationError, ResultsError
        As `find_run`.
    """
    runs = list_runs(reader)
    before = _find(runs, run_id).previous_run_id
    return None if before is None else _find(runs, before)


def compare(reader: ResultsReader, earlier_run_id: int, later_run_id: int) -> RunDifference:
    """Return what differs between two COMPLETE runs, from the first named to the second.

    Raises
    ------
    ConfigurationError, ResultsError
        As `find_run`.
    """
    runs = list_runs(reader)
    earlier, later = _find(runs, earlier_run_id), _find(runs, later_run_id)
    without_persons = tuple(_without_persons(reader, earlier, later))
    return RunDifference(
        earlier=earlier,
        later=later,
        provenance=tuple(_provenance(earlier, later)),
        configuration=tuple(_configuration(earlier, later)),
        patients=None if without_persons else _patients(reader, earlier, later),
        without_persons=without_persons,
    )


def _refuse_unreadable(reader: ResultsReader) -> None:
    wanted = {"schema_version", "scoring_run", "scoring_run_status"}
    if missing := sorted(wanted - reader.tables()):
        raise ResultsError(
            f"{reader.where}: the schema has no table {', '.join(missing)}, so it holds no runs; "
            f"{_RUN_FIRST}"
        )
    query = sqlglot.parse_one(
        "SELECT COALESCE(MAX(version), 0) AS version FROM results.schema_version", read="duckdb"
    )
    refuse_newer(int(reader.read(query, {})["version"][0].as_py()))


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


def _find(runs: list[Run], which: str | int) -> Run:
    complete = _in_order(runs)
    if not complete:
        raise ResultsError(f"no run is COMPLETE, {len(runs)} are not; {_RUN_FIRST}")
    if which == "latest":
        return complete[-1]
    if which == "previous":
        if len(complete) == 1:
            raise ResultsError(f"run {complete[0].run_id} is the only COMPLETE run")
        return complete[-2]
    found = [run for run in runs if str(run.run_id) == str(which)]
    if not found:
        raise ConfigurationError(
            f"no run {which!r}; allowed: latest, previous, or the id of a COMPLETE run: "
            f"{_named(complete)}"
        )
    (run,) = found
    if not run.is_complete:
        raise ResultsError(
            f"run {run.run_id} is {run.status}: it has no answer; COMPLETE runs: {_named(complete)}"
        )
    return run


def _named(complete: list[Run]) -> str:
    ids = [str(run.run_id) for run in reversed(complete)]
    more = len(ids) - _N_NAMED
    return ", ".join(ids[:_N_NAMED]) + (f" and {more} more, see: omop-scorer runs" * (more > 0))


def _without_persons(reader: ResultsReader, earlier: Run, later: Run) -> Iterator[int]:
    rows = {row["run_id"]: row for row in _read_pair(reader, "person_rows", earlier, later)}
    for run in dict.fromkeys((earlier, later)):
        counts = rows.get(run.run_id, {})
        held = {counts.get(name, 0) for name in ("n_with_subgroup", "n_with_covariates")}
        if held != {run.n_scored or 0}:
            yield run.run_id


def _provenance(earlier: Run, later: Run) -> Iterator[Difference]:
    for name in PROVENANCE:
        values = [getattr(run, name) for run in (earlier, later)]
        if values[0] != values[1]:
            yield Difference(name, *(None if value is None else str(value) for value in values))


def _configuration(earlier: Run, later: Run) -> Iterator[Difference]:
    before, after = (dict(_dotted(json.loads(run.config_json))) for run in (earlier, later))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Difference(key, before.get(key), after.get(key))


def _dotted(document: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key with what is above it, and its value as JSON."""
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(value, ensure_ascii=False)


def _patients(reader: ResultsReader, earlier: Run, later: Run) -> PatientDifference:
    flows = [
        Flow(row["earlier_subgroup"], row["later_subgroup"], row["n_persons"])
        for row in _read_pair(reader, "subgroup_flow", earlier, later)
    ]
    n_persons, n_alone = {}, {}
    for row in _read_pair(reader, "covariate_change", earlier, later):
        n_persons[row["covariate"]] = row["n_persons"]
        n_alone[row["covariate"]] = row["n_alone"]
    causes = {MODEL_OR_SETTINGS: n_persons.pop(None, 0)}
    causes |= {covariate: n_alone[covariate] for covariate in n_persons}
    n_changed = sum(flow.n_persons for flow in flows if flow.is_change)
    causes[SEVERAL_COVARIATES] = n_changed - sum(causes.values())
    return PatientDifference(
        flows=tuple(sorted(flows, key=lambda f: (-f.n_persons, f.earlier or "", f.later or ""))),
        causes=tuple(Cause(*item) for item in _largest_first(causes) if item[1]),
        covariate_changes=tuple(CovariateChange(*item) for item in _largest_first(n_persons)),
    )


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _read_pair(reader: ResultsReader, name: str, earlier: Run, later: Run) -> list[dict[str, Any]]:
    return _read(reader, name, {"earlier_run_id": earlier.run_id, "later_run_id": later.run_id})


def _read(
    reader: ResultsReader, name: str, parameters: Mapping[str, object]
) -> list[dict[str, Any]]:
    (query,) = sql.find(f"history/{name}").statements()
    rows: list[dict[str, Any]] = reader.read(query, parameters).to_pylist()
    return rows
