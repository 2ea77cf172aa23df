"""The two answers in JSON, with the names of a `score` CSV."""

import json
from collections.abc import Mapping
from typing import Any

from omop_scorer import __version__
from omop_scorer.errors import ScoringError
from omop_scorer.model.load import Model, load_model
from omop_scorer.results.patient_record import PatientRecord
from omop_scorer.scoring.csv_file import patient_row
from omop_scorer.terms import UNCERTAINTIES

#: The model of `/api/score`.
MODEL = "crohns_srs_2025"

_EVIDENCE = (
    *("covariate", "covariate_value", "status", "source_table", "source_id", "source_concept_id"),
    *("source_date", "source_value", "source_unit", "unit_concept_id", "unit_source", "factor"),
    "is_censored",
)

_LINE = ("line_number", "drug", "drug_class", "start_date", "last_exposure_date", "is_current")


def score_document(content: object) -> dict[str, Any]:
    """Return the scores of one patient: the inputs, then the output columns of `score`.

    `content` is an object with the columns of a `score` CSV; null is unknown. It may also hold
    `uncertainty` and `exclude`, a list of class keys.

    Raises
    ------
    ScoringError
        The content is not as described; no message holds a value of it.
    """
    if not isinstance(content, dict):
        raise ScoringError("allowed: one object with the columns of a patient")
    given = dict(content)
    uncertainty, excluded = given.pop("uncertainty", "bootstrap"), given.pop("exclude", [])
    model = load_model(MODEL)
    card = model.card
    keys, columns = [each.key for each in card.classes], [e.csv_column for e in card.covariates]
    problems = []
    if uncertainty not in UNCERTAINTIES:
        problems.append(f"uncertainty: allowed: {', '.join(UNCERTAINTIES)}")
    if not isinstance(excluded, list) or any(each not in keys for each in excluded):
        problems.append(f"exclude: allowed: a list of {', '.join(keys)}")
    if any(name not in columns for name in given):
        problems.append(f"unknown column; allowed: {', '.join(columns)}, uncertainty, exclude")
    for covariate in card.covariates:
        value = given.get(covariate.csv_column)
        kinds = (bool, str) if covariate.kind == "yes_no" else (int, float)
        is_right = isinstance(value, kinds) and (
            covariate.kind == "yes_no" or not isinstance(value, bool)
        )
        if value is not None and not is_right:
            words = "a word, true or false" if covariate.kind == "yes_no" else "a number"
            problems.append(f"{covariate.csv_column}: allowed: {words}, or null")
        elif isinstance(value, int) and abs(value) > 1e9:
            problems.append(f"{covariate.csv_column}: out of range")
    if problems:
        raise ScoringError(*problems)
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in given.items()
    }
    row = json.loads(patient_row(given, model, uncertainty, frozenset(excluded)))
    return {**row, "model": card.id, "model_sha256": model.sha256, "tool_version": __version__}


def patient_document(record: PatientRecord, model: Model | None) -> dict[str, Any]:
    """Return what a run stored of a patient; scores have the names of a `score` CSV."""
    score, run = record.score, record.run
    scores: dict[str, Any] = {"placebo_effect": score["placebo_effect"]}
    keys = [each.key for each in model.card.classes] if model else sorted(record.classes)
    for key in keys:
        row = record.classes[key]
        scores[f"{key}_effect"] = row["attributable_effect"]
        scores[f"{key}_standard_error"] = row["standard_error"]
        scores[f"{key}_response_probability"] = row["response_probability"]
    names = ("subgroup", "first_class", "second_class", "third_class")
    tests = ("p_first_second", "p_second_third", "p_first_third", "worst_class_ruled_out")
    more = ("n_imputed", "within_trial_range")
    return {
        "person_id": record.person_id,
        "run_id": run.run_id,
        "as_of_date": str(run.as_of_date),
        "model": run.model_id,
        "model_sha256": run.model_sha256,
        "uncertainty": run.uncertainty,
        "tool_version": run.tool_version,
        "age": score["age"],
        **scores,
        **{name: score[name] for name in (*names, *tests, *more)},
        "covariates": [_plain(row, _EVIDENCE) for row in record.covariates.values()],
        "treatments": [_plain(row, _LINE) for row in record.treatments],
    }


def _plain(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: str(value) if hasattr(value := row.get(name), "isoformat") else value
        for name in names
    }
