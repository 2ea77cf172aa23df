"""The description of the two answers in JSON, as OpenAPI."""

from collections.abc import Sequence
from typing import Any

from omop_scorer import __version__
from omop_scorer.model.card import Covariate
from omop_scorer.model.load import load_model
from omop_scorer.terms import UNCERTAINTIES
from omop_scorer.web.api import MODEL


def description() -> dict[str, Any]:
    """Return the OpenAPI document of the app."""
    card = load_model(MODEL).card
    inputs = {each.csv_column: _input(each) for each in card.covariates}
    required = [each.csv_column for each in card.covariates if each.imputed_value is None]
    keys = [each.key for each in card.classes]
    text = {"type": "string"}
    scores = _scores(keys)
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


def _input(covariate: Covariate) -> dict[str, Any]:
    """Return the schema of a covariate, with null if it may be unknown."""
    unknown = [{"type": "null"}] if covariate.imputed_value is not None else []
    if covariate.kind == "yes_no":
        words: list[dict[str, Any]] = [{"type": "string", "enum": sorted(covariate.words)}]
        flag = [] if covariate.coding else [{"type": "boolean"}]
        return {"anyOf": [*words, *flag, *unknown], "description": covariate.title}
    number: dict[str, Any] = {"type": "number"}
    low, high = covariate.accepted_range or (None, None)
    number |= {} if low is None else {"minimum": low}
    number |= {} if high is None else {"maximum": high}
    return {"anyOf": [number, *unknown], "description": f"{covariate.title}, {covariate.unit}"}


def _scores(keys: Sequence[str]) -> dict[str, Any]:
    """Return the schemas of the output columns of `score`."""
    number, text, flag = {"type": "number"}, {"type": "string"}, {"type": ["boolean", "null"]}
    scores: dict[str, Any] = {"placebo_effect": number}
    for key in keys:
        for name in ("effect", "standard_error", "response_probability"):
            scores[f"{key}_{name}"] = number
    scores["subgroup"] = {"type": ["string", "null"]}
    for place in ("first", "second", "third"):
        scores[f"{place}_class"] = {"type": ["string", "null"]}
    for pair in ("first_second", "second_third", "first_third"):
        scores[f"p_{pair}"] = {"type": ["number", "null"]}
    scores |= {"worst_class_ruled_out": flag, "n_imputed": {"type": "integer"}}
    scores |= {"within_trial_range": flag, "model": text, "model_sha256": text}
    return scores | {"tool_version": text}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
