"""The differences between two runs, as counts only."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omop_scorer.results.history import Run, list_runs, read_file, run_of
from omop_scorer.stores.base import ResultsReader

#: Columns of `scoring_run` that describe what a run is based on besides its configuration.
PROVENANCE = (
    *("as_of_date", "tool_version", "model_id", "model_sha256", "concept_sets_sha256"),
    *("cdm_source_name", "cdm_version", "cdm_release_date", "vocabulary_version"),
    "cdm_snapshot",
)

SEVERAL_COVARIATES = "several covariates"

MODEL_OR_SETTINGS = "model or settings"


@dataclass(frozen=True)
class Difference:
    """A setting or input that differs between two runs; None means absent or unknown."""

    what: str
    earlier: str | None
    later: str | None


@dataclass(frozen=True)
class Flow:
    """Persons with one label in the earlier run and another in the later; None means not scored."""

    earlier: str | None
    later: str | None
    n_persons: int

    @property
    def is_change(self) -> bool:
        """True if both runs scored these persons and their labels differ."""
        return None not in (self.earlier, self.later) and self.earlier != self.later


@dataclass(frozen=True)
class Cause:
    """Persons whose label changed, by cause: one covariate alone, several covariates, or none."""

    cause: str
    n_persons: int


@dataclass(frozen=True)
class CovariateChange:
    """Number of persons whose label changed and in whom this covariate has another value."""

    covariate: str
    n_persons: int


@dataclass(frozen=True)
class PatientDifference:
    """Changes among the patients. Each person scored in either run is counted in one flow.

    Causes add up to the patients whose label changed; covariate changes do not, because several
    covariates of one patient may differ.
    """

    flows: tuple[Flow, ...]
    causes: tuple[Cause, ...]
    covariate_changes: tuple[CovariateChange, ...]

    @property
    def n_in(self) -> int:
        """Number of persons scored in the later run only."""
        return sum(flow.n_persons for flow in self.flows if flow.earlier is None)

    @property
    def n_out(self) -> int:
        """Number of persons scored in the earlier run only."""
        return sum(flow.n_persons for flow in self.flows if flow.later is None)

    @property
    def n_both(self) -> int:
        """Number of persons scored in both runs."""
        return sum(flow.n_persons for flow in self.flows) - self.n_in - self.n_out

    @property
    def changes(self) -> tuple[Flow, ...]:
        """Flows from one label to another."""
        return tuple(flow for flow in self.flows if flow.is_change)

    @property
    def n_changed(self) -> int:
        """Number of persons scored in both runs whose label changed."""
        return sum(flow.n_persons for flow in self.changes)


@dataclass(frozen=True)
class RunDifference:
    """The differences between two COMPLETE runs.

    `patients` is None if retention has removed the person-level rows of one run or both, so that
    patients cannot be compared. `without_persons` holds the ids of those runs.
    """

    earlier: Run
    later: Run
    provenance: tuple[Difference, ...]
    configuration: tuple[Difference, ...]
    patients: PatientDifference | None
    without_persons: tuple[int, ...]


def compare(reader: ResultsReader, earlier_run_id: int, later_run_id: int) -> RunDifference:
    """Return the differences between two COMPLETE runs, from the earlier to the later.

    Raises
    ------
    ConfigurationError, ResultsError
        As for `find_run`.
    """
    runs = list_runs(reader)
    earlier, later = run_of(runs, earlier_run_id), run_of(runs, later_run_id)
    without_persons = tuple(_without_persons(reader, earlier, later))
    return RunDifference(
        earlier=earlier,
        later=later,
        provenance=tuple(_provenance(earlier, later)),
        configuration=tuple(_configuration(earlier, later)),
        patients=None if without_persons else _patients(reader, earlier, later),
        without_persons=without_persons,
    )


def _without_persons(reader: ResultsReader, earlier: Run, later: Run) -> Iterator[int]:
    rows = {row["run_id"]: row for row in _read_pair(reader, "person_rows", earlier, later)}
    for run in dict.fromkeys((earlier, later)):
        counts = rows.get(run.run_id, {})
        n_persons = {counts.get(name, 0) for name in ("n_with_subgroup", "n_with_covariates")}
        if n_persons != {run.n_scored or 0}:
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


def _dotted(document: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each dotted key, such as `cohort.age_rule`, and its value as JSON."""
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)


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
    return read_file(reader, name, {"earlier_run_id": earlier.run_id, "later_run_id": later.run_id})
