"""Unit table and treatment lines: the small tables of `configs/`, read and checked whole.

Also how any YAML table is read, and how its faults are put into words, which concept sets share.
"""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    StrictBool,
    StrictFloat,
    StrictStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from omop_scorer.documents import ConceptId, Frozen, Name, Text, faults_of, read_yaml
from omop_scorer.errors import ConfigurationError

#: What sql/covariates/measurement_value.sql removes: space, tab, newline, return, no-break space.
_BLANKS = str.maketrans(dict.fromkeys(" \t\n\r\u00a0"))


class RejectedUnit(Frozen):
    """A unit that is known and refused, with the reason in `note`."""

    unit: Text
    concept_ids: tuple[ConceptId, ...] = ()
    texts: tuple[StrictStr, ...] = ()
    note: Text


class Unit(Frozen):
    """An accepted unit: value in the canonical unit = recorded value x `factor`."""

    unit: Text
    concept_ids: tuple[ConceptId, ...] = ()
    texts: tuple[StrictStr, ...] = ()
    factor: Annotated[StrictFloat, Field(gt=0)]
    note: Text | None = None


class Quantity(Frozen):
    """The units of one measured quantity."""

    canonical_unit: Text
    accept_missing_unit: StrictBool = False
    note: Text | None = None
    units: Annotated[tuple[Unit, ...], Field(min_length=1)]
    rejected: tuple[RejectedUnit, ...] = ()

    @model_validator(mode="after")
    def _says_one_thing_of_every_unit(self) -> Self:
        problems = []
        verdicts: dict[int | str, tuple[str, float | None]] = {}
        listed: tuple[Unit | RejectedUnit, ...] = (*self.units, *self.rejected)
        for unit in listed:
            factor = unit.factor if isinstance(unit, Unit) else None
            for text in unit.texts:
                if not normalise_unit_text(text):
                    problems.append(f"unit {unit.unit!r}: a text of blanks alone means no unit")
            keys: list[int | str] = [*unit.concept_ids, *map(normalise_unit_text, unit.texts)]
            for key in keys:
                other, verdict = verdicts.setdefault(key, (unit.unit, factor))
                if verdict != factor:
                    problems.append(
                        f"{key!r} stands under {other!r} and under {unit.unit!r}; "
                        "allowed: one factor, or rejected"
                    )
        _, factor = verdicts.get(normalise_unit_text(self.canonical_unit), ("", None))
        if factor != 1:
            problems.append(
                f"canonical_unit {self.canonical_unit!r}: missing from the texts with factor 1"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Units(Frozen):
    """The accepted units of every measured quantity."""

    quantities: dict[Name, Quantity]

    def concept_rows(self) -> list[dict[str, object]]:
        """Return the rows of `work.unit_concept`: quantity, unit_concept_id, factor."""
        rows = {
            (quantity, concept_id): unit.factor
            for quantity, rule in self.quantities.items()
            for unit in rule.units
            for concept_id in unit.concept_ids
        }
        return [
            {"quantity": quantity, "unit_concept_id": concept_id, "factor": factor}
            for (quantity, concept_id), factor in rows.items()
        ]

    def text_rows(self) -> list[dict[str, object]]:
        """Return the rows of `work.unit_text`: quantity, unit_text (normalised), factor."""
        rows = {
            (quantity, normalise_unit_text(text)): unit.factor
            for quantity, rule in self.quantities.items()
            for unit in rule.units
            for text in unit.texts
        }
        return [
            {"quantity": quantity, "unit_text": text, "factor": factor}
            for (quantity, text), factor in rows.items()
        ]

    def accepts_missing_unit(self, quantity: str) -> bool:
        """Whether a value without a unit is taken to be in the canonical unit."""
        return self.quantities[quantity].accept_missing_unit

    def canonical_unit(self, quantity: str) -> str:
        """Return the unit that values are converted to, as it is printed."""
        return self.quantities[quantity].canonical_unit

    def to_json(self) -> str:
        """Return what decides a conversion as canonical JSON; notes do not."""
        rows: list[dict[str, object]] = [
            {
                "quantity": name,
                "canonical_unit": rule.canonical_unit,
                "accept_missing_unit": rule.accept_missing_unit,
            }
            for name, rule in self.quantities.items()
        ]
        rows += self.concept_rows() + self.text_rows()
        return json.dumps(sorted(json.dumps(row, sort_keys=True) for row in rows))

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


class TreatmentDrug(Frozen):
    """A drug whose first exposure starts a treatment line."""

    drug: Text
    drug_class: Name
    concept_set: StrictStr

    @field_validator("concept_set")
    @classmethod
    def _exists(cls, name: str, info: ValidationInfo) -> str:
        if info.context is not None and name not in info.context["concept_sets"]:
            raise ValueError(f"no concept set {name!r}")
        return name


class TreatmentLines(Frozen):
    """The drugs that make treatment lines, in the order that breaks ties of one day."""

    treatment_lines: Annotated[tuple[TreatmentDrug, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        for key in ("drug", "concept_set"):
            values = [getattr(drug, key) for drug in self.treatment_lines]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{key} named more than once: {', '.join(twice)}; allowed: once")
        return self

    def rows(self) -> list[dict[str, object]]:
        """Return the rows of `work.line_drug`: concept_set, drug, drug_class, drug_order from 1."""
        return [
            {**drug.model_dump(), "drug_order": order}
            for order, drug in enumerate(self.treatment_lines, start=1)
        ]


def normalise_unit_text(text: str) -> str:
    """Return a unit as it is compared: lower case, all blanks removed."""
    return text.lower().translate(_BLANKS)


def load_units(path: Path) -> Units:
    """Read the unit table.

    Raises
    ------
    ConfigurationError
        With every fault of the file: key, what was found and what is allowed.
    """
    return _load(path, Units)


def load_treatment_lines(path: Path, concept_sets: Collection[str]) -> TreatmentLines:
    """Read the drugs that make treatment lines; `concept_sets` names the sets that exist.

    Raises
    ------
    ConfigurationError
        With every fault of the file, a concept set that does not exist included.
    """
    return _load(path, TreatmentLines, {"concept_sets": concept_sets})


_Model = TypeVar("_Model", bound=BaseModel)


def _load(path: Path, model: type[_Model], context: object = None) -> _Model:
    try:
        return model.model_validate(read_yaml(path), context=context)
    except ValidationError as error:
        raise ConfigurationError(*faults_of(path, error, model)) from None
