"""The keys of the run file: defaults and meanings from its text, allowed values from its models."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from omop_scorer.config.run_file import RunConfig, shipped_run_file
from omop_scorer.config.units import load_units
from omop_scorer.resources import shipped
from tests.documentation.markdown import code, table, text

KeyPath = tuple[str, ...]

#: The sections whose keys are listed one by one; `covariates` is laid out by quantity.
SECTIONS = ("cdm", "results", "postgresql", "spark", "cohort", "audit", "report", "disclosure")
_COVARIATES = "covariates"

_LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value>.*?)(?: # (?P<comment>.*))?")
_CONTINUED = re.compile(r" +# (.*)")
_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "`null`",
}
_FORMATS = {"date": "date", "date-time": "date and time with a zone"}
#: From it on a limit only keeps a number in bounds, and is no rule.
_LARGEST_LIMIT = 10**9


@dataclass
class Key:
    """A key of the shipped run file, or a section of it: then without a value."""

    value: str
    meaning: str


@cache
def keys() -> dict[KeyPath, Key]:
    """Return the keys of the shipped run file in its order, each with its comment."""
    found: dict[KeyPath, Key] = {}
    path: KeyPath = ()
    for line in shipped_run_file().read_text(encoding="utf-8").splitlines():
        if continued := _CONTINUED.fullmatch(line):
            found[path].meaning += f" {continued[1].strip()}"
        elif match := _LINE.fullmatch(line):
            path = (*path[: len(match["indent"]) // 2], match["key"])
            found[path] = Key(match["value"].strip(), (match["comment"] or "").strip())
    return found


@cache
def schemas() -> dict[KeyPath, dict[str, Any]]:
    """Return what the models say of every key that takes a value, as JSON schema."""
    document = RunConfig.model_json_schema()
    found: dict[KeyPath, dict[str, Any]] = {}

    def walk(schema: dict[str, Any], path: KeyPath) -> None:
        for name, member in schema["properties"].items():
            if "$ref" in member:
                walk(document["$defs"][member["$ref"].rpartition("/")[2]], (*path, name))
            else:
                is_required = name in schema.get("required", ())
                found[*path, name] = {**member, "is_required": is_required}
                if "$ref" in (items := member.get("items", {})):
                    section = document["$defs"][items["$ref"].rpartition("/")[2]]
                    found[*path, name]["items"] = section

    walk(document, ())
    return found


def allowed(schema: dict[str, Any]) -> str:
    """Return in words what a key takes."""
    if "anyOf" in schema:
        return " or ".join(allowed(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(map(code, schema.get("enum") or [schema["const"]]))
    if schema["type"] == "array":
        return f"list of {_items(schema['items'])}"
    if schema["type"] == "object":
        values = schema["additionalProperties"]
        words = [_WORDS[each["type"]] for each in values.get("anyOf", [values])]
        return f"a {' or '.join(words)} for each name"
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    return _WORDS[schema["type"]] + _range(schema.get("minimum"), schema.get("maximum"))


def _items(schema: dict[str, Any]) -> str:
    names = ", ".join(schema.get("properties", ()))
    return code(f"{{{names}}}") if names else f"{_WORDS[schema['type']]}s"


def _range(low: float | None, high: float | None) -> str:
    if high is not None and high >= _LARGEST_LIMIT:
        high = None
    if low is not None and low <= -_LARGEST_LIMIT:
        low = None
    if low is None:
        return "" if high is None else f" ({high:,} or less)"
    return f" ({low:,} or more)" if high is None else f" ({low:,} to {high:,})"


def _row(path: KeyPath) -> list[str]:
    key, schema = keys()[path], schemas()[path]
    # Deeper keys are required of their class only: the section above gives them a default.
    default = "none: name one" if schema["is_required"] and len(path) == 2 else code(key.value)
    return [code(".".join(path)), default, allowed(schema), text(key.meaning)]


def _listed(paths: list[KeyPath]) -> str:
    return table(["key", "default", "allowed", "meaning"], map(_row, paths))


def top_level() -> str:
    """Return the keys that stand in no section."""
    return _listed([path for path in schemas() if len(path) == 1])


def section(name: str) -> str:
    """Return the keys of a section."""
    return _listed([path for path in schemas() if path[0] == name])


def quantities() -> tuple[str, ...]:
    """Return the measured quantities that have a section under `covariates`."""
    return tuple(path[1] for path in schemas() if path[-1] == "maximum")


def covariates() -> str:
    """Return the keys of measured quantities, their defaults side by side, and the other keys."""
    names = quantities()
    measured = [path[-1] for path in schemas() if path[:2] == (_COVARIATES, names[0])]
    units = load_units(shipped("configs") / "units.yaml")
    meanings = {
        key: next((found for q in names if (found := keys()[_COVARIATES, q, key].meaning)), "")
        for key in measured
    }
    meaning_rows = [
        [code(key), allowed(schemas()[_COVARIATES, names[0], key]), text(meanings[key])]
        for key in measured
    ]
    default_rows = [
        [code(key), *(code(keys()[_COVARIATES, q, key].value) for q in names)] for key in measured
    ]
    headings = ["default", *(f"{code(q)}, {text(units.canonical_unit(q))}" for q in names)]
    others = [path for path in schemas() if path[0] == _COVARIATES and path[1] not in names]
    return "\n\n".join(
        [
            table(["key of a quantity", "allowed", "meaning"], meaning_rows),
            table(headings, default_rows),
            _listed(others),
        ]
    )
