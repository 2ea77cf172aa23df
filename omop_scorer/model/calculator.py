"""The texts of a model card for the page that scores one patient. No score depends on them."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, StrictFloat, StrictStr, model_validator

from omop_scorer.documents import Frozen, shown

Text = Annotated[StrictStr, Field(pattern=r"\S", max_length=1000)]

Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]

Positive = Annotated[StrictFloat, Field(gt=0)]

Range = tuple[StrictFloat, StrictFloat]

#: Unit of a covariate that the page can compute from height and weight.
_BMI_UNIT = "kg/m2"


class Tick(Frozen):
    """A condition that the patient must meet, and why the result does not apply otherwise."""

    text: Text
    otherwise: Text


class OtherUnit(Frozen):
    """A second unit of a covariate; a value that looks like the wrong one of the two is asked."""

    unit: Text
    factor: Positive
    """The covariate's unit per other unit: 10 for mg/L and mg/dL."""
    ask_below: StrictFloat
    """In the covariate's unit, a smaller value may be one of the other unit."""
    ask_above: StrictFloat
    """In the other unit, a greater value may be one of the covariate's unit."""


class Choice(Frozen):
    """One answer of an item, and its value."""

    text: Text
    value: StrictFloat


class Reference(Frozen):
    """The number from which the answer to an item is subtracted, by a yes/no covariate."""

    covariate: Name
    no: StrictFloat
    yes: StrictFloat


class Item(Frozen):
    """One part of a covariate that is a weighted sum, such as an activity index."""

    text: Text
    weight: StrictFloat
    range: Range
    choices: tuple[Choice, ...] = ()
    subtract_from: Reference | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> "Item":
        low, high = self.range
        if low >= high:
            raise ValueError(f"range: found {low:g} to {high:g}; allowed: low < high")
        if outside := [each.value for each in self.choices if not low <= each.value <= high]:
            raise ValueError(f"choices: found {outside[0]:g}; allowed: {low:g} to {high:g}")
        return self


class CovariateTexts(Frozen):
    """Texts of the question for one covariate."""

    label: Text | None = None
    hint: Text | None = None
    recent: Text | None = None
    """The greatest age of the value, in words."""
    enrolled: Range | None = None
    """The range in which the trials enrolled, in the covariate's unit."""
    other_unit: OtherUnit | None = None
    from_height_and_weight: bool = False
    items: tuple[Item, ...] = ()
    items_source: Text | None = None
    locked: Text | None = None
    """Why `what if` does not change this covariate."""

    @model_validator(mode="after")
    def _enrolled_in_a_range(self) -> "CovariateTexts":
        if self.enrolled is not None and self.enrolled[0] >= self.enrolled[1]:
            low, high = self.enrolled
            raise ValueError(f"enrolled: found {low:g} to {high:g}; allowed: low < high")
        return self


class Example(Frozen):
    """An example of a reason against a drug class, and the label or guideline that gives it."""

    text: Text
    source: Text


class ClassTexts(Frozen):
    """Examples of why a patient may not have a drug class."""

    contraindicated: tuple[Example, ...] = ()
    not_available: tuple[Example, ...] = ()


class Calculator(Frozen):
    """Texts of the page for one patient; every part may be absent, and the page then says so."""

    title: Text | None = None
    eligibility: tuple[Tick, ...] = ()
    covariates: dict[Name, CovariateTexts] = Field(default_factory=dict)
    classes: dict[Name, ClassTexts] = Field(default_factory=dict)
    limits: Text | None = None
    not_in_model: tuple[Text, ...] = ()


def calculator_contradictions(document: object) -> Iterator[str]:
    """Check the texts of a card against its covariates and classes, as raw YAML."""
    covariates = _by_text(_mappings(document, "covariates"), "name")
    keys = list(_by_text(_mappings(document, "classes"), "key"))
    section = document.get("calculator") if isinstance(document, dict) else None
    given = section if isinstance(section, dict) else {}
    for where, known in (("covariates", list(covariates)), ("classes", keys)):
        texts = given.get(where)
        for name in texts if isinstance(texts, dict) else ():
            if name not in known:
                yield f"calculator.{where}: found {shown(name)}; allowed: {', '.join(known)}"
    texts = given.get("covariates")
    for name, each in texts.items() if isinstance(texts, dict) else ():
        if isinstance(each, dict) and name in covariates:
            faults = _covariate_contradictions(each, covariates[name], covariates)
            yield from (f"calculator.covariates.{name}.{fault}" for fault in faults)


def _covariate_contradictions(
    texts: dict[str, Any], covariate: dict[str, Any], covariates: dict[str, dict[str, Any]]
) -> Iterator[str]:
    if covariate.get("kind") == "yes_no":
        for key in ("enrolled", "other_unit", "from_height_and_weight", "items"):
            if texts.get(key):
                yield f"{key}: found for a yes/no covariate; allowed: none"
    if texts.get("from_height_and_weight") and covariate.get("unit") != _BMI_UNIT:
        found = shown(covariate.get("unit"))
        yield f"from_height_and_weight: found the unit {found}; allowed: {_BMI_UNIT!r}"
    for i, item in enumerate(_mappings(texts, "items")):
        reference = item.get("subtract_from")
        name = reference.get("covariate") if isinstance(reference, dict) else None
        if isinstance(name, str) and covariates.get(name, {}).get("kind") != "yes_no":
            found = f"items.{i}.subtract_from.covariate: found {shown(name)}"
            yield f"{found}; allowed: a yes/no covariate"


def _by_text(mappings: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {each[key]: each for each in mappings if isinstance(each.get(key), str)}


def _mappings(document: object, key: str) -> list[dict[str, Any]]:
    given = document.get(key) if isinstance(document, dict) else None
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
