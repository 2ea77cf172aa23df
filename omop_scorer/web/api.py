"""The two answers in JSON, with the names of a `score` CSV, and their description as OpenAPI."""

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


def description() -> dict[str, Any]:
    """Return the OpenAPI document of the app."""
    card = load_model(MODEL).card
    inputs: dict[str, Any] = {}
    for each in card.covariates:
        kinds = ["boolean", "string"] if each.kind == "yes_no" else ["number"]
        is_optional = each.imputed_value is not None
        schema: dict[str, Any] = {"type": [*kinds, "null"] if is_optional else kinds}
        schema["description"] = each.title if each.kind == "yes_no" else f"{each.title}, {each.unit}"
        low, high = each.accepted_range or (None, None)
        if each.kind != "yes_no" and low is not None:
            schema["minimum"] = low
        if each.kind != "yes_no" and high is not None:
            schema["maximum"] = high
        if each.kind == "yes_no":
            words = sorted(each.words)
            schema = {
                "anyOf": [
                    {"type": "string", "enum": words},
                    *([] if each.coding else [{"type": "boolean"}]),
                    *([{"type": "null"}] if is_optional else []),
                ],
                "description": schema["description"],
            }
        inputs[each.csv_column] = schema
    required = [each.csv_column for each in card.covariates if each.imputed_value is None]
    keys = [each.key for each in card.classes]
    number, text = {"type": "number"}, {"type": "string"}
    flag = {"type": ["boolean", "null"]}
    scores: dict[str, Any] = {"placebo_effect": number}
    for key in keys:
        scores[f"{key}_effect"] = number
        scores[f"{key}_standard_error"] = number
        scores[f"{key}_response_probability"] = number
    scores["subgroup"] = {"type": ["string", "null"]}
    for place in ("first", "second", "third"):
        scores[f"{place}_class"] = {"type": ["string", "null"]}
    for pair in ("first_second", "second_third", "first_third"):
        scores[f"p_{pair}"] = {"type": ["number", "null"]}
    scores |= {"worst_class_ruled_out": flag, "n_imputed": {"type": "integer"}}
    scores |= {"within_trial_range": flag, "model": text, "model_sha256": text}
    scores["tool_version"] = text
    problem = {"type": "object", "required": ["problems"], "properties": {"problems": _list(text)}}
    failures = {
        str(status): {"$ref": f"#/components/responses/{name}"}
        for status, name in (
            *((400, "plain"), (401, "plain"), (403, "plain"), (408, "plain"), (413, "plain")),
            *((429, "plain"), (500, "plain"), (503, "problems")),
        )
    }
    request = {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {
            **inputs,
            "uncertainty": {"type": "string", "enum": list(UNCERTAINTIES)},
            "exclude": {"type": "array", "items": {"type": "string", "enum": keys}},
        },
    }
    patient_id = {
        "name": "person_id",
        "in": "path",
        "required": True,
        "description": "person_id in the CDM.",
        "schema": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "omop-scorer",
            "version": __version__,
            "description": "Scores of published treatment-effect models. They inform and do not "
            "decide; this is not a medical device. Names are those of a `score` CSV.",
        },
        "security": [{}, {"bearer": []}, {"basic": []}],
        "paths": {
            "/api/patients/{person_id}": {
                "get": {
                    "operationId": "patient",
                    "summary": "One patient as the latest run stored it; every look is logged.",
                    "parameters": [patient_id],
                    "responses": {
                        "200": _json("The patient.", {"$ref": "#/components/schemas/Patient"}),
                        "404": _json("Not found, or not for you.", problem),
                        **failures,
                    },
                }
            },
            "/api/score": {
                "post": {
                    "operationId": "score",
                    "summary": "Score one patient; nothing is stored.",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": request}},
                    },
                    "responses": {
                        "200": _json("The scores.", {"$ref": "#/components/schemas/Scores"}),
                        "415": _json("The body is not JSON.", problem),
                        "422": _json("What is not allowed, without values.", problem),
                        **failures,
                    },
                }
            },
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
            "responses": {
                "plain": {
                    "description": "Refused or failed; in the same words whatever was asked for.",
                    "content": {"text/plain": {"schema": text}},
                },
                "problems": _json("The results cannot be read now.", problem),
            },
            "schemas": {
                "Scores": {"type": "object", "required": list(scores), "properties": scores},
                "Patient": {
                    "type": "object",
                    "required": ["person_id", "run_id", "as_of_date", *scores],
                    "properties": {
                        "person_id": {"type": "integer"},
                        "run_id": {"type": "integer"},
                        "as_of_date": {"type": "string", "format": "date"},
                        "uncertainty": {"type": "string", "enum": list(UNCERTAINTIES)},
                        "age": {"type": "integer"},
                        **scores,
                        "covariates": _list({"type": "object"}),
                        "treatments": _list({"type": "object"}),
                    },
                },
            },
        },
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
