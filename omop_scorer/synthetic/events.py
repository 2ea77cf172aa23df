"""Further events of synthetic persons. They give a CDM the size of a warehouse.

They do not change the correct results. The number of events of each person is drawn here. DuckDB
then derives each event from a hash of its row id, so threads and order of work change no event.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from omop_scorer.cdm.ddl import Array
from omop_scorer.resources import shipped_yaml
from omop_scorer.synthetic.population import Batch

LEAST_PER_PERSON, MOST_PER_PERSON = 20, 2000

"""Limits of the events per person. Charts alone have about 13 events per person, so fewer than the
least leave nothing to add. With more than the most, a batch has too few persons for a cohort."""

MOST_EVENTS = int(np.iinfo(np.int32).max)

"""Most rows of a table, because row ids of a CDM are 32-bit integers."""

_ROWS_OF_A_BATCH = 2_000_000


class Events:
    """Numbers of further events of persons, and the concepts of these events.

    Parameters
    ----------
    seed
        Seed of the CDM.
    per_person
        Average number of events per person, including those of the charts.
    """

    def __init__(self, seed: int, per_person: float) -> None:
        self._settings = shipped_yaml("synthetic/events.yaml")
        self._seed, self._per_person = seed, per_person

    @property
    def persons_at_once(self) -> int:
        """Number of persons in a batch that fits into memory."""
        return int(_ROWS_OF_A_BATCH / self._per_person)

    def concepts(self) -> list[dict[str, str]]:
        """Return the synthetic concepts as entries of the vocabulary."""
        return [
            {
                "concept_id": str(first + i),
                "concept_name": f"Synthetic {group['class'].lower()} {i + 1}",
                "domain_id": group["domain"],
                "vocabulary_id": "Synthetic",
                "concept_class_id": group["class"],
                "standard_concept": "S",
                "concept_code": str(first + i),
                **dict.fromkeys(("parents", "dose_forms", "withdrawn_dose_forms"), ""),
            }
            for group in self._settings["concepts"].values()
            for first in (group["first_concept_id"],)
            for i in range(group["n"])
        ]

    def menus(self) -> Mapping[str, Any]:
        """Return the concepts of the events of each table by rank, as Arrow tables."""
        return {table: self._menu(table) for table in self._settings["concepts"]}

    def _menu(self, table: str) -> Any:
        group, units = self._settings["concepts"][table], self._settings["units"]
        if table != "measurement":
            units = [[None, None]]
        known = {rank: row for rank, *row in self._settings["known"][table]}
        ways = [
            known.get(
                rank,
                (group["first_concept_id"] + rank - 1, *units[rank % len(units)],
                 1 + rank % 7, 10 + rank % 81, 0),
            )
            for rank in range(1, group["n"] + 1)
        ]  # fmt: skip
        concept, unit, text, lowest, highest, quiet_days = zip(*ways, strict=True)
        return pa.table(
            {
                "concept_rank": pa.array(range(1, group["n"] + 1), pa.int32()),
                "concept_id": pa.array(concept, pa.int32()),
                "unit_concept_id": pa.array(unit, pa.int32()),
                "unit_source_value": pa.array(text, pa.string()),
                "source_value": pa.array([f"S{c}" for c in concept]),
                "lowest": pa.array(lowest, pa.float64()),
                "highest": pa.array(highest, pa.float64()),
                "quiet_days": pa.array(quiet_days, pa.int32()),
            }
        )

    def draw(self, number: int, batch: Batch, next_id: dict[str, int]) -> dict[str, Any]:
        """Draw the number of events that each person of a batch has in each table.

        Parameters
        ----------
        number
            Position of the batch in the CDM, from 0.
        batch
            Persons whose charts are written; the events of the charts count too.
        next_id
            Next free row id of each table; increased by the number of events drawn.

        Returns
        -------
        dict
            An Arrow table with one row per person for each CDM table, visits first.
        """
        g, n = np.random.default_rng([self._seed, number, 1]), batch.n
        share = self._settings["share"]
        total = max(self._per_person * n - batch.rows.count(share), 0)
        weight = np.exp(self._settings["spread"] * g.standard_normal(n))
        weight = np.where(batch.has_crohns, self._settings["cohort_factor"], 1) * weight
        expected = total * weight / weight.sum()
        counts = {
            table: np.floor(share[table] * expected + g.random(n)).astype(np.int64)
            for table in sorted(share, key="visit_occurrence".__ne__)
        }
        # Every event other than a visit belongs to a visit.
        visits = np.maximum(counts["visit_occurrence"], sum(counts.values()) > 0)
        counts["visit_occurrence"] = visits
        first = {table: _first_ids(table, count, next_id) for table, count in counts.items()}
        persons = {
            "person_id": pa.array(batch.person_id, pa.int32()),
            "is_cohort": pa.array(batch.has_crohns),
            "last_day": pa.array(batch.charts.last.astype(np.int32)).view(pa.date32()),
            "days_back": pa.array(batch.charts.today - batch.charts.last, pa.int32()),
            "history_days": pa.array(batch.history_days, pa.int32()),
            "n_visits": pa.array(visits, pa.int32()),
            "first_visit_id": pa.array(first["visit_occurrence"], pa.int32()),
        }
        drawn = {}
        for i, (table, count) in enumerate(counts.items()):
            (salt,) = np.random.SeedSequence([self._seed, i]).generate_state(1, np.uint64)
            n_concepts = self._settings["concepts"].get(table, {"n": 0})["n"]
            drawn[table] = pa.table(
                {
                    **persons,
                    "n_events": pa.array(count, pa.int32()),
                    "first_id": pa.array(first[table], pa.int32()),
                    "salt": pa.array(np.full(n, salt)),
                    "n_concepts": pa.array(np.full(n, n_concepts), pa.int32()),
                }
            )
        return drawn


def _first_ids(table: str, count: Array, next_id: dict[str, int]) -> Array:
    first = next_id[table] + np.cumsum(count) - count
    next_id[table] += int(count.sum())
    return first
