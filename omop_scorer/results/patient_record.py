"""One scored patient, and lists of scored patients, as the results tables hold them.

Nothing here opens a CDM. The rows are those of persons, so they stay in the warehouse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from omop_scorer import sql
from omop_scorer.results.history import Run, read_file
from omop_scorer.stores.base import ResultsReader

#: Patients of one page of a work list.
PAGE_ROWS = 50

Row = Mapping[str, Any]

_ANSWER = (
    *("subgroup", "first_class", "second_class", "third_class"),
    *("p_first_second", "p_second_third", "p_first_third"),
)


@dataclass(frozen=True)
class Change:
    """A covariate that differs between two runs: value and status before and after."""

    covariate: str
    before: tuple[float | None, str] | None
    after: tuple[float | None, str] | None


@dataclass(frozen=True)
class LabelPeriod:
    """Consecutive runs that gave a patient the same label, and what changed before them."""

    score: Row
    """Label, classes and p-values, as in `label_history`: those of the last of these runs."""
    first_as_of_date: date
    last_as_of_date: date
    n_runs: int | None
    """Number of these runs; None if later ones than the run of the record may be among them."""
    is_first: bool
    """True if no run that is kept scored the patient before."""
    has_other_model: bool
    """True if the first of these runs has another model or uncertainty than the run before."""
    changes: Sequence[Change]
    """Covariates that have another value than in the run before."""

    @property
    def subgroup(self) -> str:
        """The label."""
        return str(self.score["subgroup"])


@dataclass(frozen=True)
class PatientRecord:
    """One patient as scored in a run; rows are by the names of their columns."""

    run: Run
    person_id: int
    score: Row
    """The row of `patient_subgroup`."""
    classes: Mapping[str, Row]
    """The rows of `counterfactual` by drug class."""
    covariates: Mapping[str, Row]
    """The rows of `patient_covariate` by covariate."""
    inputs: Mapping[str, Sequence[Row]]
    """The rows of `covariate_input` by covariate."""
    treatments: Sequence[Row]
    """The rows of `treatment_line`, the earliest first."""
    index_treatments: Sequence[Row]
    """The rows of `index_treatment`."""
    labels: Sequence[LabelPeriod]
    """The labels over the runs up to this one, the earliest first."""


@dataclass(frozen=True)
class Filters:
    """Which patients a work list shows; without a filter, all of them."""

    preference_group: str | None = None
    treated_otherwise: bool = False
    """With one class alone on top, and a drug of another class in use."""
    changed: bool = False
    """With another label than in the run before."""
    known: bool = False
    """With nothing imputed."""
    within: bool = False
    """Like the trials' participants."""


@dataclass(frozen=True)
class WorkList:
    """One page of the patients of the latest run that filters let through."""

    run: Run
    filters: Filters
    rows: Sequence[Row]
    n_found: int
    """Number of patients in the whole list; 0 behind its end."""
    has_earlier: bool
    """True if the labels of the run before are known."""


def read_record(reader: ResultsReader, run: Run, person_id: int) -> PatientRecord | None:
    """Return a patient as scored in a COMPLETE run; None if the run did not score the person.

    Raises
    ------
    SqlError
    """
    known = reader.tables()

    def rows(table: str) -> list[dict[str, Any]]:
        if table not in known:
            return []
        query = sql.parse(
            f"SELECT * FROM results.{table} "  # noqa: S608
            "WHERE run_id = :run_id AND person_id = :person_id"
        )
        found = reader.read(query, {"run_id": run.run_id, "person_id": person_id}).to_pylist()
        return list(found)

    scores = rows("patient_subgroup")
    if not scores:
        return None
    inputs: dict[str, list[Row]] = {}
    for row in rows("covariate_input"):
        inputs.setdefault(row["covariate"], []).append(row)
    return PatientRecord(
        run=run,
        person_id=person_id,
        score=scores[0],
        classes={row["drug_class"]: row for row in rows("counterfactual")},
        covariates={row["covariate"]: row for row in rows("patient_covariate")},
        inputs=inputs,
        treatments=sorted(rows("treatment_line"), key=lambda row: int(row["line_number"])),
        index_treatments=sorted(rows("index_treatment"), key=lambda row: str(row["index_rule"])),
        labels=_labels(reader, run, scores[0]),
    )


def _labels(reader: ResultsReader, run: Run, score: Row) -> list[LabelPeriod]:
    def rows(view: str) -> list[dict[str, Any]]:
        query = sql.parse(f"SELECT * FROM results.{view} WHERE person_id = :person_id")  # noqa: S608
        return list(reader.read(query, {"person_id": score["person_id"]}).to_pylist())

    changes: dict[int, list[Change]] = {}
    for row in sorted(rows("label_change"), key=lambda row: str(row["covariate"])):
        values = [(row[f"{when}_value"], row[f"{when}_status"]) for when in ("earlier", "later")]
        before, after = (None if status is None else (value, status) for value, status in values)
        change = Change(row["covariate"], before, after)
        changes.setdefault(row["label_number"], []).append(change)
    history = sorted(rows("label_history"), key=lambda row: int(row["label_number"]))
    known = [
        LabelPeriod(
            score={name: row[name] for name in _ANSWER},
            first_as_of_date=row["first_as_of_date"],
            last_as_of_date=min(row["last_as_of_date"], run.as_of_date),
            n_runs=row["n_runs"],
            is_first=row["earlier_run_id"] is None,
            has_other_model=row["has_other_model"],
            changes=changes.get(row["label_number"], ()),
        )
        for row in history
        if (row["first_as_of_date"], row["first_run_id"]) <= (run.as_of_date, run.run_id)
    ]
    if run.is_latest:
        return known
    answer = {name: score[name] for name in _ANSWER}
    return [*known[:-1], replace(known[-1], score=answer, n_runs=None)]


def read_work_list(reader: ResultsReader, run: Run, filters: Filters, n_skipped: int) -> WorkList:
    """Return up to PAGE_ROWS patients of the latest run, in the order of `person_id`.

    Raises
    ------
    SqlError
    """
    rows = read_file(
        reader,
        "work_list",
        {
            "run_id": run.run_id,
            "preference_group": filters.preference_group,
            "only_treated_otherwise": filters.treated_otherwise,
            "only_changed": filters.changed,
            "only_known": filters.known,
            "only_within": filters.within,
            "n_skipped": n_skipped,
            "n_rows": PAGE_ROWS,
        },
    )
    earlier = reader.read(
        sql.parse("SELECT run_id FROM results.previous_patient_subgroup LIMIT 1"), {}
    )
    n_found = int(rows[0]["n_found"]) if rows else 0
    return WorkList(run, filters, rows, n_found, has_earlier=earlier.num_rows > 0)
