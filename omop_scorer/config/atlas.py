"""Concept sets exported from ATLAS or Circe. A run reads them as they are or converted to YAML."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator

from omop_scorer.config.concept_set import ConceptItem, ConceptSet, Table
from omop_scorer.documents import ConceptId, faults_of, parse_json, read_json
from omop_scorer.errors import ConfigurationError

#: CDM table that holds the records of a domain.
_TABLE_OF_DOMAIN: Mapping[str, Table] = {
    "Condition": "condition_occurrence",
    "Drug": "drug_exposure",
    "Measurement": "measurement",
    "Observation": "observation",
}


def read_atlas(path: Path) -> tuple[ConceptSet, ...]:
    """Read the concept sets of an ATLAS (Circe) JSON file.

    The file holds the expression of one set (`{"items": [...]}` or only the list; named after the
    file), an exported set (named by its `name`) or a cohort definition (its `ConceptSets`).
    Names are converted to lower case with underscores; the title keeps the original.

    Raises
    ------
    ConfigurationError
        The file is not such JSON, or an item has `includeMapped`: `concept_mapping` of the run
        file decides for all sets.
    """
    document = _with_atlas_keys(path, read_json(path))
    problems: list[str] = []
    sets: dict[str, ConceptSet] = {}
    for title, items in _atlas_expressions(path, document, path.stem):
        name = re.sub("[^a-z0-9]+", "_", title.lower()).strip("_")
        try:
            parsed = _AtlasExpression.model_validate({"items": items}).items
        except ValidationError as error:
            problems += faults_of(path, error, _AtlasExpression, f"{title}: ")
            continue
        if not name or name in sets:
            problems.append(f"{path}: {title!r}: give the set a unique name in Latin letters")
            continue
        included = [item for item in parsed if not item.is_excluded]
        domains = sorted({item.concept.DOMAIN_ID or "" for item in included})
        sets[name] = ConceptSet(
            name=name,
            title=title,
            tables=tuple(_TABLE_OF_DOMAIN[d] for d in domains if d in _TABLE_OF_DOMAIN),
            source=f"ATLAS, {path.name}",
            include=tuple(item.to_item() for item in included),
            exclude=tuple(item.to_item() for item in parsed if item.is_excluded),
        )
    if problems:
        raise ConfigurationError(*problems)
    return tuple(sets.values())


def atlas_to_yaml(path: Path) -> str:
    """Return the concept sets of an ATLAS JSON file as the text of a concept-set YAML file.

    Raises
    ------
    ConfigurationError
        As for `read_atlas`.
    """
    sets = {
        each.name: each.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        for each in read_atlas(path)
    }
    return yaml.safe_dump({"concept_sets": sets}, sort_keys=False, allow_unicode=True, width=100)


class _AtlasConcept(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)
    CONCEPT_ID: ConceptId
    CONCEPT_NAME: str | None = None
    VOCABULARY_ID: str | None = None
    CONCEPT_CODE: str | None = None
    DOMAIN_ID: str | None = None


class _AtlasItem(BaseModel):
    concept: _AtlasConcept
    is_excluded: StrictBool | None = Field(default=False, alias="isExcluded")
    has_descendants: StrictBool | None = Field(default=False, alias="includeDescendants")
    has_mapped: StrictBool | None = Field(default=False, alias="includeMapped")

    @field_validator("has_mapped")
    @classmethod
    def _is_not_mapped(cls, value: bool | None) -> bool | None:
        if value:
            raise ValueError("records are found by standard concept only; allowed: false")
        return value

    def to_item(self) -> ConceptItem:
        return ConceptItem(
            concept_id=self.concept.CONCEPT_ID,
            name=self.concept.CONCEPT_NAME or None,
            vocabulary_id=self.concept.VOCABULARY_ID or None,
            concept_code=self.concept.CONCEPT_CODE or None,
            descendants=bool(self.has_descendants),
        )


class _AtlasExpression(BaseModel):
    items: tuple[_AtlasItem, ...]


#: Keys as the models spell them; ATLAS, WebAPI and R packages spell them in different ways.
_ATLAS_KEYS = {
    key.lower().replace("_", ""): key
    for model in (_AtlasConcept, _AtlasItem)
    for key in (field.alias or name for name, field in model.model_fields.items())
} | {key.lower(): key for key in ("ConceptSets", "name", "expression", "items")}


def _with_atlas_keys(path: Path, value: object) -> object:
    if isinstance(value, list):
        return [_with_atlas_keys(path, each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {_ATLAS_KEYS.get(k.lower().replace("_", ""), k): each for k, each in value.items()}
    if isinstance(named.get("expression"), str):  # some WebAPI versions send JSON as text
        named["expression"] = parse_json(path, named["expression"])
    return {key: _with_atlas_keys(path, each) for key, each in named.items()}


def _atlas_expressions(path: Path, document: object, title: str) -> Iterator[tuple[str, object]]:
    """Yield (title, items) of every concept set in a document, which may have any ATLAS layout."""
    if isinstance(document, list):
        yield title, document
    elif isinstance(document, dict) and isinstance(document.get("ConceptSets"), list):
        for i, each in enumerate(document["ConceptSets"]):
            yield from _atlas_expressions(path, each, f"{title}_{i}")
    elif isinstance(document, dict) and "items" in document:
        yield title, document["items"]
    elif isinstance(document, dict) and "expression" in document:
        name = document.get("name") or title
        yield from _atlas_expressions(path, document["expression"], str(name))
    else:
        expected = "a concept set (items) or a cohort definition (ConceptSets) from ATLAS"
        raise ConfigurationError(f"{path}: no concept set found; expected {expected}")
