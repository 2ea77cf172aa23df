"""Drugs whose first exposure starts a treatment line, with their classes."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StrictStr, ValidationInfo, field_validator, model_validator

from omop_scorer.documents import Frozen, Name, Text, load_document


class TreatmentDrug(Frozen):
    """One drug, its class and its concept set."""

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
    """Drugs that start treatment lines. Their order decides between lines of the same day."""

    treatment_lines: Annotated[tuple[TreatmentDrug, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _drugs_are_unique(self) -> Self:
        for key in ("drug", "concept_set"):
            values = Counter(getattr(drug, key) for drug in self.treatment_lines)
            repeated = sorted(value for value, n in values.items() if n > 1)
            if repeated:
                raise ValueError(
                    f"{key} named more than once: {', '.join(repeated)}; allowed: once"
                )
        return self

    def rows(self) -> list[dict[str, object]]:
        """Return the rows of `work.line_drug`: concept_set, drug, drug_class, drug_order from 1."""
        return [
            {**drug.model_dump(), "drug_order": order}
            for order, drug in enumerate(self.treatment_lines, start=1)
        ]


def load_treatment_lines(path: Path, concept_sets: Collection[str]) -> TreatmentLines:
    """Read the file of treatment lines.

    Parameters
    ----------
    path
        The YAML file.
    concept_sets
        Names of the concept sets that exist.

    Raises
    ------
    ConfigurationError
        Every fault of the file, including concept sets that do not exist.
    """
    return load_document(path, TreatmentLines, {"concept_sets": concept_sets})
