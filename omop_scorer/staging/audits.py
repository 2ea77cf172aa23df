"""The audits: prevalence, subgroups, and the treatment that patients received next.

`sql/audit/` counts over the staged cohort, treatment lines and scores. This module runs it and adds
Wilson intervals.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from omop_scorer import data_model
from omop_scorer.model.load import Model
from omop_scorer.results.intervals import wilson_interval
from omop_scorer.scoring.batch import patient_preference
from omop_scorer.scoring.preference import no_patient_preference
from omop_scorer.staging.audit_cells import AUDITS, TREATMENT_KEYS, load_cells
from omop_scorer.staging.cohort import stage_patients
from omop_scorer.staging.covariates import stage_values
from omop_scorer.staging.matrix import matrix_query
from omop_scorer.staging.night import Night
from omop_scorer.terms import Uncertainty

_QUARTILES = {"first_quartile_days": 0.25, "median_days": 0.5, "third_quartile_days": 0.75}

Audits = Mapping[str, pd.DataFrame]
"""The rows of the audits by table, without run_id."""


def stage_audits(night: Night) -> None:
    """Stage the members of each audit population, and score patients as of their first biologic.

    Requires the staged cohort, the treatment lines and `work.patient_score`.
    """
    load_cells(night)
    with night.step("audits") as step:
        for name in ("audit_person", "audit_population", "run_cohort", "index_treatment"):
            night.stage(f"audit/{name}")
        step.rows = night.stage("audit/index_member")
    night.load("index_preference", no_patient_preference())
    at_index = night.at_index_treatment()
    with at_index.step("cohort") as step:
        step.rows = night.stage("audit/index_cohort")
    if step.rows:
        stage_patients(at_index)
        stage_values(at_index)
        with at_index.step("score") as step:
            prefer = partial(_prefer, model=night.model, uncertainty=night.config.uncertainty)
            query = matrix_query(night.model, at_index.prefix)
            step.rows = sum(night.engine.map_batches(query, night.config.batch_size, prefer))


def _prefer(
    batch: pa.RecordBatch, model: Model, uncertainty: Uncertainty
) -> tuple[dict[str, pa.Table], int]:
    rows = patient_preference(batch, model, uncertainty)
    return {"work.index_preference": rows}, rows.num_rows


def fetch_audits(night: Night) -> Audits:
    """Return the audits that `stage_audits` staged, shares with Wilson 95% intervals."""
    audits = {table: _counted(night, table) for table in AUDITS}
    days = pd.DataFrame(
        night.fetch("audit/days_to_next"), columns=[*TREATMENT_KEYS, "days", "n_persons"]
    )
    groups = audits["next_treatment"][TREATMENT_KEYS].drop_duplicates(ignore_index=True)
    return {**audits, "next_treatment_time": _quartiles(days, groups)}


def _counted(night: Night, table: str) -> pd.DataFrame:
    keys, total = AUDITS[table]
    counts = ["n_persons", *([total] if total else [])]
    rows = pd.DataFrame(night.fetch(f"audit/{table}"), columns=[*keys, *counts])
    rows = rows.astype(dict.fromkeys(counts, "int64"))
    return rows if total is None else with_wilson_interval(rows, total)


def with_wilson_interval(rows: pd.DataFrame, total: str) -> pd.DataFrame:
    """Add share, ci_low and ci_high of n_persons in the column `total`; NaN where that is 0."""
    count, n = rows["n_persons"], rows[total]
    low, high = wilson_interval(count, n)
    return rows.assign(share=count / n.where(n > 0), ci_low=low, ci_high=high)


def _quartiles(days: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the quartiles of days per group, interpolated linearly between order statistics."""
    found = dict(iter(days.groupby(TREATMENT_KEYS)))
    out: list[dict[str, object]] = []
    for group in groups.itertuples(index=False, name=None):
        row: dict[str, object] = {**dict(zip(TREATMENT_KEYS, group, strict=True)), "n_persons": 0}
        row |= dict.fromkeys(_QUARTILES)
        if group in found:
            n = found[group]["n_persons"].to_numpy(np.int64)
            values = np.repeat(found[group]["days"].to_numpy(np.float64), n)
            row["n_persons"] = len(values)
            row |= {name: float(np.quantile(values, q)) for name, q in _QUARTILES.items()}
        out.append(row)
    return pd.DataFrame(out, columns=[*TREATMENT_KEYS, "n_persons", *_QUARTILES])


def arrow_tables(audits: Audits, run_id: int) -> Iterator[tuple[str, pa.Table]]:
    """Yield each results table and the rows to append to it."""
    for table, rows in audits.items():
        schema = data_model.arrow_schema(table)
        columns = rows.assign(run_id=run_id)[schema.names]
        yield table, pa.Table.from_pandas(columns, schema=schema, preserve_index=False)
