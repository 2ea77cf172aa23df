"""Made-up CDMs at the size of a warehouse: charts and, drawn by DuckDB, many further events."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import duckdb
from sqlglot import exp

from omop_scorer.cdm.ddl import Column
from omop_scorer.resources import shipped
from omop_scorer.synthetic.duckdb_file import DuckDBWriter, refused_by_the_disk
from omop_scorer.synthetic.files import CdmWriter, ParquetWriter

# Few enough that all threads have work: DuckDB hands out Arrow tables by the chunk.
_PERSONS_OF_A_CHUNK = 2048


class WarehouseWriter(CdmWriter, Protocol):
    """Takes the charts of batches of persons, and adds events of its own drawing."""

    def begin(self, drawn: Mapping[str, Any]) -> None:
        """Begin a batch: per table, how many events each of its persons gets."""


class _Draw:
    """Draws the events of one batch after another.

    Parameters
    ----------
    connection
        Where the work is done; it gets temporary tables.
    menus
        Per table the concepts of its events.
    threads
        How many threads may work; None: one per core. They change no row and no order.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        menus: Mapping[str, Any],
        threads: int | None,
    ) -> None:
        self._connection, self._menus = connection, menus
        if threads is not None:
            connection.execute("SET threads = $threads", {"threads": threads})
        self._drawn: Mapping[str, Any] = {}

    def begin(self, drawn: Mapping[str, Any]) -> None:
        """Draw the visits of a batch, to which its other events belong."""
        self._drawn = drawn
        self._register("visit_occurrence")
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE visit AS {_query('visit')}")

    def rows(self, table: str, chart: Any) -> str:
        """Return the query for all rows of a table in this batch."""
        self._connection.register("chart", chart)
        if table not in self._drawn:
            return "FROM chart"
        self._register(table)
        if table in self._menus:
            self._connection.register("concept_menu", self._menus[table])
            self._connection.execute(f"CREATE OR REPLACE TEMP VIEW event AS {_query('event')}")
        return _query(table)

    def _register(self, table: str) -> None:
        chunks = self._drawn[table].to_batches(max_chunksize=_PERSONS_OF_A_CHUNK)
        whole = type(self._drawn[table]).from_batches(chunks)
        self._connection.register("drawn_person", whole)


def _query(name: str) -> str:
    path = shipped("configs") / "synthetic" / "events" / f"{name}.sql"
    return path.read_text(encoding="utf-8")


class WarehouseFile(DuckDBWriter):
    """Writes a warehouse into the schema `cdm` of a new DuckDB file."""

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, list[Column]],
        menus: Mapping[str, Any],
        threads: int | None,
    ) -> None:
        super().__init__(path, columns)
        self._menus, self._threads = menus, threads

    def __enter__(self) -> Self:
        super().__enter__()
        self._draw = _Draw(self._connection, self._menus, self._threads)
        return self

    def begin(self, drawn: Mapping[str, Any]) -> None:
        """Begin a batch: per table, how many events each of its persons gets."""
        self._draw.begin(drawn)

    @refused_by_the_disk()
    def append(self, table: str, rows: Any) -> int:
        """Append the chart's rows and the drawn events to a table; return how many rows."""
        query = self._draw.rows(table, rows)
        return _count(self._connection.execute(f"INSERT INTO made_up.cdm.{table} {query}"))


class WarehouseFolder(ParquetWriter):
    """Writes a warehouse into a folder: one Parquet file per batch in a folder per table.

    Tables without persons, those of the vocabulary, are one file each.
    """

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, list[Column]],
        menus: Mapping[str, Any],
        threads: int | None,
    ) -> None:
        self._in_parts = [
            table for table, of in columns.items() if "person_id" in (c.name for c in of)
        ]
        super().__init__(path, {t: c for t, c in columns.items() if t not in self._in_parts})
        self._menus, self._threads, self._n_batches = menus, threads, 0

    def __enter__(self) -> Self:
        super().__enter__()
        for table in self._in_parts:
            (self._partial / table).mkdir()
        self._connection = duckdb.connect()
        self._draw = _Draw(self._connection, self._menus, self._threads)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._connection.close()
        super().__exit__(kind, error, at)

    def begin(self, drawn: Mapping[str, Any]) -> None:
        """Begin a batch: per table, how many events each of its persons gets."""
        self._n_batches += 1
        self._draw.begin(drawn)

    @refused_by_the_disk()
    def append(self, table: str, rows: Any) -> int:
        """Append the chart's rows and the drawn events to a table; return how many rows."""
        if table not in self._in_parts:
            return super().append(table, rows)
        file = self._partial / table / f"part-{self._n_batches:05}.parquet"
        literal = exp.Literal.string(str(file)).sql(dialect="duckdb")
        query = self._draw.rows(table, rows)
        return _count(self._connection.execute(f"COPY ({query}) TO {literal} (FORMAT parquet)"))


def _count(executed: duckdb.DuckDBPyConnection) -> int:
    ((n,),) = executed.fetchall()
    return int(n)
