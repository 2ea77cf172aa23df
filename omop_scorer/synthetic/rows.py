"""Rows of a synthetic CDM, collected by table and returned as Arrow tables."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from omop_scorer.cdm.ddl import NULL, Array, Column, arrow_schema

NOTHING = np.array(None)

"""Value that represents SQL NULL in text columns."""

# Tables in which real extracts hold some rows twice. A person has one row in person, in death and
# in observation_period.
_DUPLICATED = ("condition_occurrence", "drug_exposure", "measurement", "observation")

_GENERATED: dict[str, type] = {"varchar": object, "numeric": float}


class Rows:
    """Rows for the CDM by table, with row ids in the order in which they are added.

    Parameters
    ----------
    next_id
        Next free row id of each table; shared by the batches of one CDM.
    """

    def __init__(self, next_id: dict[str, int]) -> None:
        self._next_id = next_id
        self._parts: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)

    def add(self, table: str, n: int, **values: Any) -> Array:
        """Add n rows and return their increasing row ids.

        A value is either one for all rows or an array with one per row.
        """
        ids = self._next_id[table] + np.arange(n)
        self._next_id[table] += n
        self._parts[table].append((n, {f"{table}_id": ids} | values))
        return ids

    def count(self, tables: Iterable[str]) -> int:
        """Return the number of rows that were added to these tables."""
        return sum(n for table in tables for n, _ in self._parts[table])

    def tables(
        self,
        columns: Mapping[str, list[Column]],
        generator: np.random.Generator,
        duplicate_share: float,
    ) -> Iterator[tuple[str, Any]]:
        """Yield each table as an Arrow table in random order, with some rows of events twice.

        Columns that the version of the CDM does not have are omitted.
        """
        for table, parts in self._parts.items():
            length = sum(n for n, _ in parts)
            rows = pa.table(
                [self._column(column, parts) for column in columns[table]],
                schema=arrow_schema(columns[table]),
            )
            order = generator.permutation(length)
            if table in _DUPLICATED:
                twice = np.flatnonzero(generator.random(length) < duplicate_share)
                order = np.insert(order, generator.integers(0, length + 1, len(twice)), twice)
            yield table, rows.take(pa.array(order))

    @staticmethod
    def _column(column: Column, parts: list[tuple[int, dict[str, Any]]]) -> Any:
        if not any(column.name in values for _, values in parts) and not column.is_required:
            return pa.nulls(sum(n for n, _ in parts), arrow_schema([column])[0].type)
        missing = {"varchar": None, "numeric": np.nan}.get(column.kind, NULL)
        kind = _GENERATED.get(column.kind, np.int64)
        filled: list[Array] = []
        for n, values in parts:
            value = values.get(column.name, column.filler)
            array: Array = np.asarray(missing if value is None else value, dtype=kind)
            filled.append(np.broadcast_to(array, n))
        return column.array(np.concatenate(filled))
