"""Treatment lines: the drugs whose first exposure starts a line, with their classes."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StrictStr, ValidationInfo, field_validator, model_validator

from omop_scorer.documents import Frozen, Name, Text, load_document


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


def load_treatment_lines(path: Path, concept_sets: Collection[str]) -> TreatmentLines:
    """Read the drugs that make treatment lines; `concept_sets` names the sets that exist.

    Raises
    ------
    ConfigurationError
        With every fault of the file, a concept set that does not exist included.
    """
    return load_document(path, TreatmentLines, {"concept_sets": concept_sets})
