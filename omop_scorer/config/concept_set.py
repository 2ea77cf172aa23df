"""A concept set: its items, and the CDM tables that it is looked for in."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Self

from pydantic import StrictBool, StrictStr, model_validator

from omop_scorer.documents import ConceptId, Frozen, Name, Text
from omop_scorer.errors import ConfigurationError

Table = Literal["condition_occurrence", "drug_exposure", "measurement", "observation"]

_COLUMNS = ("concept_id", "vocabulary_id", "concept_code", "concept_name", "concept_class_id")


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


class ConceptSetDefinition(Frozen):
    """A concept set as its file defines it."""

    title: Text
    tables: tuple[Table, ...] = ()
    source: Text
    note: Text | None = None
    include_sets: tuple[StrictStr, ...] = ()
    include: tuple[ConceptItem, ...] = ()
    exclude: tuple[ConceptItem, ...] = ()


class ConceptSet(ConceptSetDefinition):
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
        problems += [f"concept set {name}: {fault}" for name, fault in inclusion_faults(sets)]
        if problems:
            raise ConfigurationError(*problems)
        return sets


def inclusion_faults(
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
