"""The audits: prevalence, subgroups, and the treatment that patients received next.

`sql/audit/` counts over the staged cohort, treatment lines and scores. This module runs it and adds
Wilson intervals.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from omop_scorer import data_model
from omop_scorer.model.arrays import Floats
from omop_scorer.model.intervals import wilson_interval
from omop_scorer.model.load import Model
from omop_scorer.scoring.batch import patient_preference
from omop_scorer.scoring.preference import no_patient_preference
from omop_scorer.staging.audit_cells import AUDITS, TREATMENT_KEYS, load_cells
from omop_scorer.staging.cohort import stage_patients
from omop_scorer.staging.covariates import stage_values
from omop_scorer.staging.matrix import matrix_query
from omop_scorer.staging.night import Night
from omop_scorer.staging.persistence import fetch_persistence, load_class_preferences
from omop_scorer.terms import INDEX_RULES, Uncertainty

_QUARTILES = {"first_quartile_days": 0.25, "median_days": 0.5, "third_quartile_days": 0.75}

Audits = Mapping[str, pa.Table]
"""The rows of the audits by table, without run_id."""


def stage_audits(night: Night) -> None:
    """Stage the members of each audit population, and score patients as of their index treatments.

    Requires the staged cohort, the treatment lines and `work.patient_score`.
    """
    load_cells(night)
    load_class_preferences(night, [each.key for each in night.model.card.classes])
    with night.step("audits") as step:
        for name in (
            *("audit_person", "audit_population", "run_cohort", "stratum_count"),
            *("last_treatment", "patient_attribute", "treatment_now"),
        ):
            night.stage(f"audit/{name}")
        step.rows = night.stage("audit/index_line")
        night.stage("audit/persistence_followed")
        night.stage("audit/persistence_time")
    for index_rule in INDEX_RULES:
        _stage_preferences(night, index_rule)
    with night.step("index_treatment") as step:
        step.rows = night.stage("audit/index_treatment")
        night.stage("audit/index_member")


def _stage_preferences(night: Night, index_rule: str) -> None:
    """Score the persons with an index treatment by a rule as of the day on which it started."""
    at_index = night.at_index_treatment(index_rule)
    at_index.load("preference", no_patient_preference())
    with at_index.step("cohort") as step:
        cohort = f"{at_index.prefix}cohort"
        step.rows = night.stage("audit/index_cohort", cohort, index_rule=index_rule)
    if step.rows:
        stage_patients(at_index)
        stage_values(at_index)
        with at_index.step("score") as step:
            prefer = partial(
                _prefer,
                table=f"work.{at_index.prefix}preference",
                model=night.model,
                uncertainty=night.config.uncertainty,
            )
            query = matrix_query(night.model, at_index.prefix)
            step.rows = sum(night.engine.map_batches(query, prefer))


def _prefer(
    batch: pa.RecordBatch, table: str, model: Model, uncertainty: Uncertainty
) -> tuple[dict[str, pa.Table], int]:
    rows = patient_preference(batch, model, uncertainty)
    return {table: rows}, rows.num_rows


def fetch_audits(night: Night) -> Audits:
    """Return the audits that `stage_audits` staged, shares with Wilson 95% intervals."""
    audits = {table: _counted(night, table) for table in AUDITS}
    times = _quartiles(night, audits["next_treatment"])
    return {**audits, "next_treatment_time": times, **fetch_persistence(night)}


def _counted(night: Night, table: str) -> pa.Table:
    keys, total = AUDITS[table]
    names = [*keys, "n_persons", *([total] if total else [])]
    rows = night.fetch(f"audit/{table}")
    columns: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    if total is not None:
        columns |= _shares(np.array(columns["n_persons"], float), np.array(columns[total], float))
    return pa.table(columns, data_model.rows_schema(table))


def _shares(count: Floats, n: Floats) -> dict[str, pa.Array]:
    """Return the share count / n and the ends of its interval, NULL where n is 0."""
    low, high = wilson_interval(count, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(n > 0, count / n, np.nan)
    values = {"share": share, "ci_low": low, "ci_high": high}
    return {name: pa.array(each, from_pandas=True) for name, each in values.items()}


def _quartiles(night: Night, next_treatment: pa.Table) -> pa.Table:
    """Return the quartiles of days per group, interpolated linearly between order statistics."""
    days: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for *key, day, n_persons in night.fetch("audit/days_to_next"):
        days.setdefault(tuple(key), []).append((int(str(day)), int(str(n_persons))))
    groups = dict.fromkeys(
        zip(*(next_treatment[k].to_pylist() for k in TREATMENT_KEYS), strict=True)
    )
    rows: list[dict[str, object]] = []
    for group in groups:
        row: dict[str, object] = {**dict(zip(TREATMENT_KEYS, group, strict=True)), "n_persons": 0}
        if group in days:
            values = np.repeat(
                np.array([day for day, _ in days[group]], np.float64),
                np.array([n for _, n in days[group]], np.int64),
            )
            row["n_persons"] = len(values)
            row |= {name: float(np.quantile(values, q)) for name, q in _QUARTILES.items()}
        rows.append(row)
    return pa.Table.from_pylist(rows, data_model.rows_schema("next_treatment_time"))


def arrow_tables(audits: Audits, run_id: int) -> Iterator[tuple[str, pa.Table]]:
    """Yield each results table and the rows to append to it."""
    for table, rows in audits.items():
        schema = data_model.arrow_schema(table)
        whole = rows.append_column("run_id", pa.repeat(run_id, rows.num_rows))
        yield table, whole.select(schema.names).cast(schema)
