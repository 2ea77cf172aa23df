"""Sources of a synthetic CDM: an excerpt of the vocabulary, and the ways to write records.

Ids, names and codes of the excerpt are facts of the OMOP vocabularies. Products whose ids are in no
public source have invented ids of 2,100,000,000 and above, and the vocabulary_id 'Synthetic'.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from omop_scorer.cdm.ddl import NULL, Array, Column, arrow_schema
from omop_scorer.resources import shipped, shipped_yaml

_ALWAYS, _EVER = date(1970, 1, 1), date(2099, 12, 31)

_WITHDRAWN = date(2019, 12, 31)


@dataclass(frozen=True)
class Vocabulary:
    """Excerpt of the vocabulary: concepts with their sets, parents and dose forms."""

    concepts: list[dict[str, str]]

    @classmethod
    def read(cls) -> "Vocabulary":
        """Read the shipped excerpt."""
        path = shipped("configs") / "synthetic" / "vocabulary.csv"
        with path.open(encoding="utf-8", newline="") as lines:
            return cls(list(csv.DictReader(lines)))

    def members(self, *concept_sets: str) -> list[int]:
        """Return the concept ids of these sets."""
        return [int(c["concept_id"]) for c in self.concepts if c["concept_set"] in concept_sets]

    def levels(self) -> dict[tuple[int, int], int]:
        """Return the least number of levels by (ancestor, descendant), without a concept itself."""
        parents = {
            int(c["concept_id"]): [int(p) for p in c["parents"].split()] for c in self.concepts
        }
        levels: dict[tuple[int, int], int] = {}
        for concept, above_it in parents.items():
            above, level = above_it, 1
            while above:
                for ancestor in above:
                    levels.setdefault((ancestor, concept), level)
                above, level = [p for a in above for p in parents[a]], level + 1
        return levels

    def descendants(self, ancestor: int) -> list[int]:
        """Return the ids of a concept and of its descendants."""
        return [ancestor] + [below for above, below in self.levels() if above == ancestor]

    def tables(
        self, columns: Mapping[str, list[Column]], cdm_version: str, as_of: date
    ) -> dict[str, Any]:
        """Return the vocabulary tables and the one row of cdm_source as Arrow tables."""
        version = "synthetic 1"
        validity: dict[str, object] = {
            "valid_start_date": _ALWAYS,
            "valid_end_date": _EVER,
            "invalid_reason": None,
        }
        concept = [
            {
                **{name: text or None for name, text in c.items()},
                "concept_id": int(c["concept_id"]),
                "concept_code": c["concept_code"],
                **validity,
            }
            for c in self.concepts
        ]
        levels = self.levels()
        # In some vocabularies a concept is its own ancestor and in some not; here half of them are.
        levels |= {(i, i): 0 for i in (int(c["concept_id"]) for c in self.concepts) if i % 2 == 0}
        ancestor = [
            {
                "ancestor_concept_id": above,
                "descendant_concept_id": below,
                "min_levels_of_separation": level,
                "max_levels_of_separation": level,
            }
            for (above, below), level in sorted(levels.items())
        ]
        withdrawn: dict[str, object] = {
            **validity,
            "valid_end_date": _WITHDRAWN,
            "invalid_reason": "D",
        }
        relationship: list[dict[str, Any]] = []
        for c in self.concepts:
            for column, valid in (("dose_forms", validity), ("withdrawn_dose_forms", withdrawn)):
                for form in c[column].split():
                    product = int(c["concept_id"])
                    pairs = [
                        (product, int(form), "RxNorm has dose form"),
                        (int(form), product, "RxNorm dose form of"),
                    ]
                    relationship += [
                        {"concept_id_1": one, "concept_id_2": two, "relationship_id": name, **valid}
                        for one, two, name in pairs
                    ]
        vocabulary = [
            {
                "vocabulary_id": name,
                "vocabulary_name": name,
                "vocabulary_reference": "excerpt",
                "vocabulary_version": version,
                "vocabulary_concept_id": 0,
            }
            for name in sorted({c["vocabulary_id"] for c in self.concepts} | {"None"})
        ]
        source = {
            "cdm_source_name": "Synthetic CDM of omop-scorer",
            "cdm_source_abbreviation": "synthetic",
            "cdm_holder": "none: no real person is in it",
            "source_description": "Written by omop-scorer synth; expected results are beside it.",
            "source_release_date": as_of,
            "cdm_release_date": as_of,
            "cdm_version": cdm_version,
            "cdm_version_concept_id": 0,
            "vocabulary_version": version,
        }
        rows: dict[str, list[dict[str, Any]]] = {
            "concept": concept,
            "concept_ancestor": ancestor,
            "concept_relationship": relationship,
            "vocabulary": vocabulary,
            "cdm_source": [source],
        }
        return {
            name: pa.Table.from_pylist(
                [{c.name: row.get(c.name) for c in columns[name]} for row in table],
                schema=arrow_schema(columns[name]),
            )
            for name, table in rows.items()
        }


class Pool:
    """Ways to write a record, drawn at random by weight.

    Parameters
    ----------
    names
        Names of the columns, without the last one, which is the weight.
    rows
        One row per way to write a record; None becomes NULL in a column of numbers.
    """

    def __init__(self, names: str, rows: Sequence[Sequence[Any]]) -> None:
        self._column: dict[str, Array] = {}
        for name, values in zip(names.split(), zip(*rows, strict=True), strict=False):
            if any(isinstance(value, (str, list)) for value in values):
                self._column[name] = np.empty(len(values), dtype=object)
                self._column[name][:] = values
            else:
                self._column[name] = np.array([NULL if v is None else v for v in values])
        self.weight = np.array([row[-1] for row in rows], dtype=float)

    def __getitem__(self, name: str) -> Array:
        return self._column[name]

    def pick(self, generator: np.random.Generator, n: int, among: Array | None = None) -> Array:
        """Return n row indices, drawn by weight from the rows where `among` is true."""
        cumulative = np.cumsum(self.weight if among is None else self.weight * among)
        drawn: Array = np.searchsorted(cumulative / cumulative[-1], generator.random(n), "right")
        return drawn

    def spell(self, form: Array, value: Array) -> Array:
        """Return values in the unit and with the decimals of the given rows."""
        scale = 10.0 ** self["decimals"][form]
        spelled: Array = np.rint(value / self["factor"][form] * scale) / scale
        return spelled


@dataclass(frozen=True)
class World:
    """Settings and vocabulary from which a synthetic population is drawn."""

    population: Mapping[str, Any]
    records: Mapping[str, Any]
    vocabulary: Vocabulary
    good: Mapping[str, Pool]
    unusable: Mapping[str, Pool]
    courses: Mapping[str, Pool]
    biologics: Pool

    @classmethod
    def read(cls) -> "World":
        """Read the shipped files of configs/synthetic."""
        population = shipped_yaml("synthetic/population.yaml")
        records = shipped_yaml("synthetic/records.yaml")
        measured = records["measurements"]
        return cls(
            population,
            records,
            Vocabulary.read(),
            {q: Pool("table concept unit text factor decimals", m["good"])
             for q, m in measured.items()},
            {q: Pool("table concept unit text value", m["unusable"]) for q, m in measured.items()},
            {c: Pool("concept route how", rows) for c, rows in records["courses"].items()},
            # In the file the weight is the fourth column and the products are the fifth.
            Pool("name drug_class approved products",
                 [[*row[:3], row[4], row[3]] for row in records["biologics"]]),
        )  # fmt: skip

    def concepts(self, location: str) -> list[int]:
        """Return the concepts of Crohn's disease at a location, the usual one first."""
        sets = self.records["disease_location"][location]
        return [concept for name in sets for concept in self.vocabulary.members(name)]

    def others(self) -> list[int]:
        """Return the concepts of conditions other than Crohn's disease."""
        return self.vocabulary.members(*self.records["other_condition_sets"])
