"""One scored patient, and lists of scored patients, as the results tables hold them.

Nothing here opens a CDM. What is read are rows of persons, so it stays in the warehouse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omop_scorer import sql
from omop_scorer.results.history import Run, read_file
from omop_scorer.stores.base import ResultsReader

#: Patients of one page of a work list.
PAGE_ROWS = 50

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A covariate that differs between two runs: value and status before and after."""

    covariate: str
    before: tuple[float | None, str] | None
    after: tuple[float | None, str] | None


@dataclass(frozen=True)
class PastLabel:
    """The label of a patient in a run, and what changed since the run before that scored them."""

    run: Run
    subgroup: str
    is_changed: bool = False
    """True if the label differs from the one before."""
    has_other_model: bool = False
    """True if it differs, and so do model or uncertainty."""
    changes: Sequence[Change] = ()
    """Covariates with another value than before, if the label differs."""


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
    labels: Sequence[PastLabel]
    """The labels over the runs, in the order of their as-of dates, up to this run."""


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


def read_record(
    reader: ResultsReader, run: Run, runs: Iterable[Run], person_id: int
) -> PatientRecord | None:
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
        labels=_labels(reader, run, runs, person_id),
    )


def _labels(
    reader: ResultsReader, run: Run, runs: Iterable[Run], person_id: int
) -> list[PastLabel]:
    rows = read_file(reader, "person_label", {"person_id": person_id})
    subgroups = {row["run_id"]: str(row["subgroup"]) for row in rows}
    order = (run.as_of_date, run.run_id)
    past = [
        each
        for each in sorted(runs, key=lambda each: (each.as_of_date, each.run_id))
        if each.is_complete and each.run_id in subgroups and (each.as_of_date, each.run_id) <= order
    ]
    labels: list[PastLabel] = []
    for before, after in zip([None, *past], past, strict=False):
        subgroup = subgroups[after.run_id]
        if before is None or subgroup == subgroups[before.run_id]:
            labels.append(PastLabel(after, subgroup))
            continue
        old, new = (_values(reader, each.run_id, person_id) for each in (before, after))
        changes = [
            Change(name, old.get(name), new.get(name))
            for name in {**old, **new}
            if old.get(name, (None, ""))[0] != new.get(name, (None, ""))[0]
        ]
        models = [(each.model_sha256, each.uncertainty) for each in (before, after)]
        labels.append(PastLabel(after, subgroup, True, models[0] != models[1], changes))
    return labels


def _values(
    reader: ResultsReader, run_id: int, person_id: int
) -> dict[str, tuple[float | None, str]]:
    query = sql.parse(
        "SELECT covariate, covariate_value, status FROM results.patient_covariate "
        "WHERE run_id = :run_id AND person_id = :person_id ORDER BY covariate"
    )
    rows = reader.read(query, {"run_id": run_id, "person_id": person_id}).to_pylist()
    return {row["covariate"]: (row["covariate_value"], row["status"]) for row in rows}


def read_work_list(
    reader: ResultsReader, run: Run, filters: Filters, n_skipped: int
) -> tuple[list[dict[str, Any]], int]:
    """Return up to PAGE_ROWS patients of a run, and how many the whole list has.

    Behind the end of the list, the number is 0. Patients are in the order of `person_id`.

    Raises
    ------
    SqlError
    """
    earlier = -1 if run.previous_run_id is None else run.previous_run_id
    rows = read_file(
        reader,
        "work_list",
        {
            "run_id": run.run_id,
            "earlier_run_id": earlier,
            "preference_group": filters.preference_group,
            "only_treated_otherwise": filters.treated_otherwise,
            "only_changed": filters.changed,
            "only_known": filters.known,
            "only_within": filters.within,
            "n_skipped": n_skipped,
            "n_rows": PAGE_ROWS,
        },
    )
    return rows, int(rows[0]["n_found"]) if rows else 0
