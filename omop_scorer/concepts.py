"""Concept sets: read, checked whole, flattened for the SQL that resolves them.

A set is written in YAML (`configs/concept_sets/`) or exported from ATLAS as JSON; every fault of
both is reported in one go. `sql/cohort/concept_set.sql` finds the members in the site's vocabulary.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from omop_scorer.documents import ConceptId, Frozen, Name, Text, faults_of, read_yaml
from omop_scorer.errors import ConfigurationError

Table = Literal["condition_occurrence", "drug_exposure", "measurement", "observation"]

_COLUMNS = ("concept_id", "vocabulary_id", "concept_code", "concept_name", "concept_class_id")

#: The CDM table that holds records of a domain, for sets exported from ATLAS.
_TABLE_OF_DOMAIN: Mapping[str, Table] = {
    "Condition": "condition_occurrence",
    "Drug": "drug_exposure",
    "Measurement": "measurement",
    "Observation": "observation",
}


class ConceptItem(Frozen):
    """One line of a set: a concept, with or without its descendants.

    Found by `concept_id`; without one by `vocabulary_id` and `concept_code`; without either by
    `vocabulary_id`, `concept_name` and `concept_class_id` among the standard concepts. Beside a
    `concept_id` the other columns only say what it means.
    """

    concept_id: ConceptId | None = None
    name: Text | None = None
    vocabulary_id: Text | None = None
    concept_code: Text | None = None
    concept_name: Text | None = None
    concept_class_id: Text | None = None
    descendants: StrictBool
    evidence: Text | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _is_identified_in_one_way(self) -> Self:
        by_code, by_name = self.concept_code is not None, self.concept_name is not None
        if by_name and (self.concept_id is not None or by_code):
            raise ValueError("concept_name finds a concept by name; beside an id or code use name")
        if self.concept_id is not None or (by_code and self.vocabulary_id is not None):
            return self
        if by_name and self.vocabulary_id is not None and self.concept_class_id is not None:
            return self
        raise ValueError(
            "names no concept; allowed: concept_id; or vocabulary_id and concept_code; "
            "or vocabulary_id, concept_name and concept_class_id"
        )

    def identification(self) -> dict[str, object]:
        """Return the columns of `work.concept_set_item` that find the concept."""
        if self.concept_id is not None:
            used = {"concept_id"}
        elif self.concept_code is not None:
            used = {"vocabulary_id", "concept_code"}
        else:
            used = {"vocabulary_id", "concept_name", "concept_class_id"}
        return {column: getattr(self, column) if column in used else None for column in _COLUMNS}


class _Definition(Frozen):
    title: Text
    tables: tuple[Table, ...] = ()
    source: Text
    note: Text | None = None
    include_sets: tuple[StrictStr, ...] = ()
    include: tuple[ConceptItem, ...] = ()
    exclude: tuple[ConceptItem, ...] = ()


class ConceptSet(_Definition):
    """A named set of concepts and the CDM tables in which its records are counted.

    Its members are the included concepts minus the excluded ones. Sets named in `include_sets`
    bring both: what one of them excludes is excluded here as well.
    """

    name: Name

    @classmethod
    def from_ids(
        cls,
        name: str,
        title: str,
        ids: Iterable[int],
        descendants: bool,
        tables: Iterable[Table] = (),
    ) -> "ConceptSet":
        """Return a set of concept ids, all with or all without their descendants."""
        items = tuple(ConceptItem(concept_id=i, descendants=descendants) for i in ids)
        return cls(name=name, title=title, tables=tuple(tables), source="run file", include=items)


class ConceptSets(dict[str, ConceptSet]):
    """The concept sets of a folder, by name."""

    def item_rows(self, extra: Mapping[str, ConceptSet] | None = None) -> list[dict[str, object]]:
        """Return the rows of `work.concept_set_item`, sets of `extra` (the run file's) included.

        Columns: concept_set, concept_id, vocabulary_id, concept_code, concept_name,
        concept_class_id (None where not used), include_descendants, is_excluded. Items of
        included sets are repeated under the set that includes them; no row stands twice.

        Raises
        ------
        ConfigurationError
            A set of `extra` has a name already taken, or includes a set that does not exist.
        """
        sets = self._with(extra)
        rows: dict[tuple[object, ...], dict[str, object]] = {}
        for name in sets:
            for item, is_excluded in _flattened(name, sets):
                row = {"concept_set": name, **item.identification()}
                row |= {"include_descendants": item.descendants, "is_excluded": is_excluded}
                rows.setdefault(tuple(row.values()), row)
        return list(rows.values())

    def table_rows(self, extra: Mapping[str, ConceptSet] | None = None) -> list[dict[str, object]]:
        """Return the rows of `work.concept_set_table`: concept_set, cdm_table."""
        return [
            {"concept_set": name, "cdm_table": table}
            for name, concept_set in self._with(extra).items()
            for table in sorted(set(concept_set.tables))
        ]

    @property
    def sha256(self) -> str:
        """SHA-256 of what decides members and counts; titles, notes and file names do not."""
        rows = [json.dumps(row, sort_keys=True) for row in self.item_rows() + self.table_rows()]
        return hashlib.sha256(json.dumps([sorted(self), sorted(rows)]).encode()).hexdigest()

    def _with(self, extra: Mapping[str, ConceptSet] | None) -> dict[str, ConceptSet]:
        added = {} if extra is None else {each.name: each for each in extra.values()}
        problems = [
            f"concept set {name}: the run file defines it; allowed in the folder: another name"
            for name in sorted(added.keys() & self.keys())
        ]
        sets = {**self, **added}
        problems += [f"concept set {name}: {fault}" for name, fault in _inclusion_faults(sets)]
        if problems:
            raise ConfigurationError(*problems)
        return sets


def load_concept_sets(folder: Path) -> ConceptSets:
    """Read every .yaml, .yml and .json (ATLAS) file of a folder.

    Raises
    ------
    ConfigurationError
        With every fault of every file: file, key, what was found and what is allowed.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix in {".yaml", ".yml", ".json"})
    if not files:
        raise ConfigurationError(f"{folder}: no such folder, or no .yaml or .json file in it")
    sets: dict[str, ConceptSet] = {}
    defined_in: dict[str, Path] = {}
    problems: list[str] = []
    is_every_name_known = True
    for path in files:
        found, names, faults = _read_file(path)
        problems += faults
        is_every_name_known &= names is not None
        for name in names or ():
            first = defined_in.setdefault(name, path)
            if first != path:
                problems.append(f"{path}: concept_sets.{name}: already defined in {first}")
        for concept_set in found:
            sets.setdefault(concept_set.name, concept_set)
    # A set that is looked for may well stand in the file that could not be read.
    known = defined_in if is_every_name_known else None
    problems += [
        f"{defined_in[name]}: concept_sets.{name}.include_sets: {fault}"
        for name, fault in _inclusion_faults(sets, known)
    ]
    if problems:
        raise ConfigurationError(*problems)
    return ConceptSets(sets)


def read_atlas(path: Path) -> tuple[ConceptSet, ...]:
    """Read the concept sets of an ATLAS (Circe) JSON file.

    It holds the expression of one set (`{"items": [...]}` or the list alone: named after the
    file), a set as exported (named by its `name`) or a cohort definition (its `ConceptSets`).
    Names become lower case with underscores; the title keeps the original.

    Raises
    ------
    ConfigurationError
        The file is not such JSON, or an item asks for `includeMapped`: source concepts mapped
        to a member stand in columns that a run does not read.
    """
    try:
        document = _with_atlas_keys(json.loads(path.read_text(encoding="utf-8-sig")))
    except json.JSONDecodeError as error:
        where = f"{path}: line {error.lineno}"
        raise ConfigurationError(f"{where}: not valid JSON: {error.msg}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
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
            problems.append(f"{path}: {title!r}: give the set a name of its own, in latin letters")
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


class _ConceptSetFile(Frozen):
    concept_sets: dict[Name, _Definition]


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
            raise ValueError("records are found by their standard concept alone; allowed: false")
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


#: ATLAS, WebAPI and R packages spell the same keys in different ways.
_ATLAS_KEYS = {
    key.lower().replace("_", ""): key
    for model in (_AtlasConcept, _AtlasItem)
    for key in (field.alias or name for name, field in model.model_fields.items())
} | {key.lower(): key for key in ("ConceptSets", "name", "expression", "items")}


def _read_file(path: Path) -> tuple[list[ConceptSet], list[str] | None, list[str]]:
    """Return the valid sets, the names of all (None: the file cannot be read), and the faults."""
    try:
        if path.suffix == ".json":
            found = list(read_atlas(path))
            return found, [concept_set.name for concept_set in found], []
        document = read_yaml(path)
    except ConfigurationError as error:
        return [], None, list(error.problems)
    faults = []
    try:
        _ConceptSetFile.model_validate(document)
    except ValidationError as error:
        faults = faults_of(path, error, _ConceptSetFile)
    given = document.get("concept_sets") if isinstance(document, dict) else None
    if not isinstance(given, dict):
        return [], None, faults
    sets = []
    for name, definition in given.items():
        with suppress(ValidationError):
            alone = _ConceptSetFile.model_validate({"concept_sets": {name: definition}})
            sets.append(ConceptSet(name=name, **dict(alone.concept_sets[name])))
    return sets, [str(name) for name in given], faults


def _inclusion_faults(
    sets: Mapping[str, ConceptSet], known: Iterable[str] | None = ()
) -> Iterator[tuple[str, str]]:
    """Yield (set, fault) for included sets that do not exist and for circles.

    `known` names sets that exist besides `sets`; None means that others may exist.
    """
    for name, concept_set in sets.items():
        for included in concept_set.include_sets:
            if known is not None and included not in sets and included not in known:
                yield name, f"no concept set {included!r}"
        if circle := _circle((name,), sets):
            yield name, f"the set includes itself: {' > '.join([*circle, name])}"


def _circle(path: tuple[str, ...], sets: Mapping[str, ConceptSet]) -> tuple[str, ...]:
    """Return the way from the first set of a path back to itself, empty if there is none."""
    for included in sets[path[-1]].include_sets if path[-1] in sets else ():
        if included == path[0]:
            return path
        if included not in path and (circle := _circle((*path, included), sets)):
            return circle
    return ()


def _flattened(name: str, sets: Mapping[str, ConceptSet]) -> Iterator[tuple[ConceptItem, bool]]:
    for item in sets[name].include:
        yield item, False
    for item in sets[name].exclude:
        yield item, True
    for included in sets[name].include_sets:
        yield from _flattened(included, sets)


def _with_atlas_keys(value: object) -> object:
    if isinstance(value, list):
        return [_with_atlas_keys(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {_ATLAS_KEYS.get(k.lower().replace("_", ""), k): each for k, each in value.items()}
    if isinstance(named.get("expression"), str):  # some WebAPI versions send it as text
        named["expression"] = json.loads(named["expression"])
    return {key: _with_atlas_keys(each) for key, each in named.items()}


def _atlas_expressions(path: Path, document: object, title: str) -> Iterator[tuple[str, object]]:
    """Yield (title, items) of every concept set in a document of any of ATLAS's shapes."""
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
        allowed = "a concept set (items) or a cohort definition (ConceptSets) from ATLAS"
        raise ConfigurationError(f"{path}: no concept set found; allowed: {allowed}")
