"""Accepted units of the measured quantities, with the factors that convert recorded values."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictFloat, StrictStr, field_validator, model_validator

from omop_scorer.documents import ConceptId, Frozen, Name, Text, load_document

#: Characters that sql/covariates/measurement_value.sql removes: space, tab, line feed, carriage
#: return and no-break space.
_BLANKS = str.maketrans(dict.fromkeys(" \t\n\r\u00a0"))


class RejectedUnit(Frozen):
    """A unit whose records are rejected, with the reason in `note`."""

    unit: Text
    concept_ids: tuple[ConceptId, ...] = ()
    texts: tuple[StrictStr, ...] = ()
    note: Text


class Unit(Frozen):
    """An accepted unit: value in the canonical unit = recorded value * `factor`."""

    unit: Text
    concept_ids: tuple[ConceptId, ...] = ()
    texts: tuple[StrictStr, ...] = ()
    factor: Annotated[StrictFloat, Field(gt=0, le=1e12)]
    note: Text | None = None

    @field_validator("factor")
    @classmethod
    def _factor_is_not_tiny(cls, factor: float) -> float:
        if factor < 1e-12:
            raise ValueError(f"found {factor}; it should be 1e-12 or more")
        return factor


class Quantity(Frozen):
    """The units of one measured quantity."""

    canonical_unit: Text
    accept_missing_unit: StrictBool = False
    note: Text | None = None
    units: Annotated[tuple[Unit, ...], Field(min_length=1)]
    rejected: tuple[RejectedUnit, ...] = ()

    @model_validator(mode="after")
    def _units_agree(self) -> Self:
        problems = []
        verdicts: dict[int | str, tuple[str, float | None]] = {}
        listed: tuple[Unit | RejectedUnit, ...] = (*self.units, *self.rejected)
        for unit in listed:
            factor = unit.factor if isinstance(unit, Unit) else None
            for text in unit.texts:
                if not normalise_unit_text(text):
                    problems.append(f"unit {unit.unit!r}: a text of only blanks is not a unit")
            keys: list[int | str] = [*unit.concept_ids, *map(normalise_unit_text, unit.texts)]
            for key in keys:
                other, verdict = verdicts.setdefault(key, (unit.unit, factor))
                if verdict != factor:
                    problems.append(
                        f"{key!r} is listed under {other!r} and under {unit.unit!r}; "
                        "allowed: one factor, or rejected"
                    )
        _, factor = verdicts.get(normalise_unit_text(self.canonical_unit), ("", None))
        if factor != 1:
            problems.append(
                f"canonical_unit {self.canonical_unit!r}: not among the texts with factor 1"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Units(Frozen):
    """Accepted units of every measured quantity."""

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
        """Return True if a value without a unit is accepted as being in the canonical unit."""
        return self.quantities[quantity].accept_missing_unit

    def canonical_unit(self, quantity: str) -> str:
        """Return the name of the unit that values are converted to."""
        return self.quantities[quantity].canonical_unit

    def to_json(self) -> str:
        """Return everything that affects a conversion, so not the notes, as canonical JSON."""
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


def normalise_unit_text(text: str) -> str:
    """Return a unit text as it is compared: lower case, without blanks."""
    return text.lower().translate(_BLANKS)


def load_units(path: Path) -> Units:
    """Read the file of units.

    Raises
    ------
    ConfigurationError
        Every fault of the file, with key, what was found and what is allowed.
    """
    return load_document(path, Units)
