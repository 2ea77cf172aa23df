"""Aggregates of one run as read from the results tables: true counts, not yet protected."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from omop_scorer import sql, terms
from omop_scorer.config.run_file import Audit, Cohort, RunConfig
from omop_scorer.data_model import data_model
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.leaving import COLUMNS
from omop_scorer.disclosure.trend import read_trend
from omop_scorer.errors import ConfigurationError
from omop_scorer.model.card import ModelCard
from omop_scorer.model.load import load_model, shipped_models
from omop_scorer.model.subgroups import label_set
from omop_scorer.results.difference import PatientDifference, compare
from omop_scorer.results.history import Run
from omop_scorer.stores.base import ResultsReader

_AGE_GROUPS = tuple(name for name, _, _ in terms.AGE_GROUPS)

#: Printing order of coded words whose alphabetical order would confuse a reader.
_ORDER: Mapping[str, tuple[str, ...]] = {
    "population": (
        *(*terms.POPULATIONS, *terms.TREATED_POPULATIONS, terms.ACTIVE_DISEASE),
        *terms.SUMMARISED,
    ),
    "treatment": terms.TREATMENTS,
    "event": terms.YEARLY_EVENTS,
    "age_group": _AGE_GROUPS,
    "sex": terms.SEXES,
    "reason": terms.EXCLUSIONS,
    "index_rule": terms.INDEX_RULES,
    "stratum": tuple(terms.STRATUM_VALUES),
    "uncertainty": terms.UNCERTAINTIES,
    "assumption": terms.ASSUMPTIONS,
    "measure": (
        *(terms.WOMEN_50_AND_OVER, terms.AGE_OR_SEX_UNKNOWN),
        *(*terms.STATUS_MEASURES, coded.N_RECORDS),
        *terms.HISTOGRAMS,
        *terms.LABEL_CHECKS,
    ),
}


#: Numbers by which rows are in order.
_IN_ORDER = ("concept_id", "cohort_definition_id", "bin_low", "calendar_year")


@dataclass(frozen=True, eq=False)
class Change:
    """Differences from the previous COMPLETE run; `patients` is None if they are not known."""

    earlier: Run
    patients: PatientDifference | None


@dataclass(frozen=True, eq=False)
class RunTables:
    """A run, its aggregates and the changes since the previous run."""

    run: Mapping[str, Any]
    """The row of scoring_run with its COMPLETE status, `completed_at`, and `config`, parsed."""
    frames: Mapping[str, pd.DataFrame]
    """The tables in which the run has rows, without run_id, in reading order."""
    config: RunConfig | None
    """None if this release cannot read the run's configuration."""
    card: ModelCard | None
    """None if the card is neither shipped nor, unchanged, where the run read it."""
    change: Change | None
    trend: pd.DataFrame | None = None
    """Counts of the figures that are followed over the runs of a year, as `read_trend` has them."""


def aggregate_tables() -> list[str]:
    """Return the results tables that a report shows, in the order of the specification."""
    return [name for name in data_model() if name in COLUMNS]


def read_run(reader: ResultsReader, run: Run, runs: Sequence[Run] = ()) -> RunTables:
    """Read the aggregates of a run; tables that an older schema lacks are left out.

    `runs` are all runs, of which those of the last year are read for trends.

    Raises
    ------
    SqlError
        A table cannot be read.
    """
    card = _card_of(run)
    present = reader.tables()
    frames = {}
    for name in aggregate_tables():
        if name in present:
            rows = _read(reader, name, run.run_id)
            if rows.num_rows and set(COLUMNS[name]) <= set(rows.column_names):
                frames[name] = in_order(_frame(rows.select(COLUMNS[name])), card)
    (row,) = _read(reader, "scoring_run", run.run_id).to_pylist()
    change = None
    if run.previous_run_id is not None:
        difference = compare(reader, run.previous_run_id, run.run_id)
        change = Change(difference.earlier, difference.patients)
    status = {
        "n_cohort": run.n_cohort,
        "n_scored": run.n_scored,
        "message": run.message,
        "completed_at": run.recorded_at,
        "config": json.loads(run.config_json),
    }
    config = _config(run.config_json, str(row["uncertainty"]))
    trend = read_trend(reader, run, runs)
    return RunTables(row | status, frames, config, card, change, trend)


def _card_of(run: Run) -> ModelCard | None:
    """Return the model card of a run; a card of the site only with the digest that the run has."""
    if run.model_id in shipped_models():
        return load_model(run.model_id).card
    config = json.loads(run.config_json)
    path = Path(str(config.get("model") if isinstance(config, dict) else ""))
    try:
        model = load_model(path) if path.is_file() else None
    except (ConfigurationError, OSError, ValueError):
        return None
    return model.card if model is not None and model.sha256 == run.model_sha256 else None


def _read(reader: ResultsReader, table: str, run_id: int) -> pa.Table:
    query = sql.parse(f"SELECT * FROM results.{table} WHERE run_id = :run_id")  # noqa: S608
    return reader.read(query, {"run_id": run_id})


def _config(text: str, uncertainty: str) -> RunConfig | None:
    """Return the configuration of a run; None if this release cannot read it.

    From the configuration of another release, only the parts that link figures are read. Keys that
    this release does not know are ignored, and missing keys take their defaults.
    """
    try:
        return RunConfig.model_validate_json(text)
    except ValidationError:
        given = json.loads(text)
    linking: dict[str, Any] = {"cdm": {"url": "cdm"}, "results": {"url": "results"}}
    for name, section in (("audit", Audit), ("cohort", Cohort)):
        found = given.get(name) if isinstance(given, dict) else None
        known = section.model_fields if isinstance(found, dict) else {}
        linking[name] = {key: value for key, value in (found or {}).items() if key in known}
    try:
        return RunConfig.model_validate({**linking, "uncertainty": uncertainty})
    except ValidationError:
        return None


def _frame(rows: pa.Table) -> pd.DataFrame:
    types = {
        field.name: "Int64" if pa.types.is_integer(field.type) else "Float64"
        for field in rows.schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    }
    frame = pd.DataFrame(rows.to_pydict(), columns=rows.column_names)
    return frame.astype(types)


def in_order(rows: pd.DataFrame, card: ModelCard | None) -> pd.DataFrame:
    """Return rows sorted by their columns, with coded words in the order that readers expect."""
    known = {column: list(words) for column, words in _ORDER.items()}
    if card is not None:
        keys = [each.key for each in card.classes]
        labels = list(label_set([each.label for each in card.classes]))
        names = [each.name for each in card.covariates]
        known |= {"index_class": [terms.ALL, *keys], "next_class": list(terms.next_classes(keys))}
        groups = [terms.ALL, *terms.preference_groups(keys)]
        known |= {"preference_group": groups, "drug_class": list(terms.drug_classes(keys))}
        known |= dict.fromkeys(("subgroup", "subgroup_bootstrap", "subgroup_analytic"), labels)
        known |= {
            "covariate": names,
            "category": [*keys, *names, terms.SCORED],
            "preferred": [terms.ALL, *keys],
        }
        known["measure"] += [terms.alone_on_top(key) for key in keys]
    known["stratum_value"] = [*_AGE_GROUPS, coded.FEMALE, coded.MALE, *terms.YES_NO]

    def rank(column: "pd.Series[Any]") -> "pd.Series[Any]":
        words = known.get(str(column.name))
        if words is None:
            return column
        return column.map(lambda word: (words.index(word) if word in words else len(words), word))

    columns = [str(name) for name in rows if str(rows[name].dtype) not in ("Int64", "Float64")]
    columns += [name for name in _IN_ORDER if name in rows]
    if "step" in rows or "cohort_definition_id" in rows:
        columns = [str(rows.columns[0])]
    return rows.sort_values(columns, key=rank, kind="stable", ignore_index=True)
