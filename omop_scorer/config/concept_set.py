"""Concept sets: their items and the CDM tables in which their records are counted."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Self

from pydantic import StrictBool, StrictStr, model_validator

from omop_scorer.documents import ConceptId, Frozen, Name, Text, shown
from omop_scorer.errors import ConfigurationError

Table = Literal["condition_occurrence", "drug_exposure", "measurement", "observation"]

_MOST_ITEMS = 200_000

_COLUMNS = ("concept_id", "vocabulary_id", "concept_code", "concept_name", "concept_class_id")


class ConceptItem(Frozen):
    """One item of a concept set: a concept, with or without its descendants.

    The concept is found by `concept_id`, else by `vocabulary_id` and `concept_code`, else by
    `vocabulary_id`, `concept_name` and `concept_class_id` among the standard concepts. If there is
    a `concept_id`, the other columns are documentation only.
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
            raise ValueError(
                "concept_name is for items without concept_id and concept_code; use name instead"
            )
        if self.concept_id is not None or (by_code and self.vocabulary_id is not None):
            return self
        if by_name and self.vocabulary_id is not None and self.concept_class_id is not None:
            return self
        raise ValueError(
            "does not identify a concept; allowed: concept_id; or vocabulary_id and concept_code; "
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
    """A concept set as written in a file, without its name."""

    title: Text
    tables: tuple[Table, ...] = ()
    source: Text
    note: Text | None = None
    include_sets: tuple[StrictStr, ...] = ()
    include: tuple[ConceptItem, ...] = ()
    exclude: tuple[ConceptItem, ...] = ()


class ConceptSet(ConceptSetDefinition):
    """A named set of concepts and the CDM tables in which its records are counted.

    Its members are the included concepts minus the excluded ones. A set named in `include_sets`
    contributes both, so a concept that it excludes is excluded here as well.
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
        """Return a set of concept ids, either all with or all without their descendants."""
        items = tuple(ConceptItem(concept_id=i, descendants=descendants) for i in ids)
        return cls(name=name, title=title, tables=tuple(tables), source="run file", include=items)


class ConceptSets(dict[str, ConceptSet]):
    """Concept sets of a folder, by name."""

    def item_rows(self, extra: Mapping[str, ConceptSet] | None = None) -> list[dict[str, object]]:
        """Return the rows of `work.concept_set_item` for these sets and those of the run file.

        Columns: concept_set, concept_id, vocabulary_id, concept_code, concept_name,
        concept_class_id (None where not used), include_descendants, is_excluded. Items of
        included sets are repeated under the set that includes them. Rows are unique.

        Parameters
        ----------
        extra
            The sets that the run file defines.

        Raises
        ------
        ConfigurationError
            A set of `extra` has the name of another set, or includes a set that does not exist.
        """
        sets = self._combined_with(extra)
        rows: dict[tuple[object, ...], dict[str, object]] = {}
        for name in sets:
            for item, is_excluded in _flattened(name, sets):
                row = {"concept_set": name, **item.identification()}
                row |= {"include_descendants": item.descendants, "is_excluded": is_excluded}
                rows.setdefault(tuple(row.values()), row)
            if len(rows) > _MOST_ITEMS:
                raise ConfigurationError(
                    f"the concept sets have more than {_MOST_ITEMS:,} items, those of included "
                    "sets counted in each set that includes them; include fewer sets in others"
                )
        return list(rows.values())

    def table_rows(self, extra: Mapping[str, ConceptSet] | None = None) -> list[dict[str, object]]:
        """Return the rows of `work.concept_set_table`: concept_set, cdm_table."""
        return [
            {"concept_set": name, "cdm_table": table}
            for name, concept_set in self._combined_with(extra).items()
            for table in sorted(set(concept_set.tables))
        ]

    @property
    def sha256(self) -> str:
        """SHA-256 of everything that affects members and counts, so not of titles and notes."""
        rows = [json.dumps(row, sort_keys=True) for row in self.item_rows() + self.table_rows()]
        return hashlib.sha256(json.dumps([sorted(self), sorted(rows)]).encode()).hexdigest()

    def _combined_with(self, extra: Mapping[str, ConceptSet] | None) -> dict[str, ConceptSet]:
        added = {} if extra is None else {each.name: each for each in extra.values()}
        problems = [
            f"concept set {name}: the run file defines this name; rename the set of the folder"
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
    """Yield (set, fault) for included sets that do not exist, and for cycles.

    `known` contains the names of further sets that exist; None means that any name may exist.
    """
    in_doubt = _including_cycles(sets)
    for name, concept_set in sets.items():
        for included in concept_set.include_sets:
            if known is not None and included not in sets and included not in known:
                yield name, f"no concept set {shown(included)}"
        if name in in_doubt and (cycle := _cycle(name, sets)):
            yield name, f"the set includes itself: {' > '.join([*cycle, name])}"


def _including_cycles(sets: Mapping[str, ConceptSet]) -> set[str]:
    """Return the sets of a cycle, and those that include them; empty in most folders."""
    left = {name: {i for i in sets[name].include_sets if i in sets} for name in sets}
    includers: dict[str, list[str]] = {}
    for name, included in left.items():
        for each in included:
            includers.setdefault(each, []).append(name)
    done = [name for name, included in left.items() if not included]
    while done:
        name = done.pop()
        del left[name]
        for includer in includers.get(name, ()):
            left[includer].discard(name)
            if not left[includer]:
                done.append(includer)
    return set(left)


def _cycle(name: str, sets: Mapping[str, ConceptSet]) -> list[str]:
    """Return the shortest path from a set back to itself; empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = [name]
    for each in waiting:
        for included in sets[each].include_sets if each in sets else ():
            if included == name:
                path = [each]
                while path[-1] != name:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if included not in came_from:
                came_from[included] = each
                waiting.append(included)
    return []


def _flattened(name: str, sets: Mapping[str, ConceptSet]) -> Iterator[tuple[ConceptItem, bool]]:
    """Yield the items of a set and of the sets that it includes, each set once."""
    waiting, seen = [name], {name}
    while waiting:
        concept_set = sets[waiting.pop()]
        yield from ((item, False) for item in concept_set.include)
        yield from ((item, True) for item in concept_set.exclude)
        fresh = [each for each in dict.fromkeys(concept_set.include_sets) if each not in seen]
        seen.update(fresh)
        waiting += reversed(fresh)
