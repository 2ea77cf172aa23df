"""Synthetic CDM of the size of a warehouse: charts, and many further events drawn by DuckDB."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import duckdb
from sqlglot import exp

from omop_scorer.cdm.ddl import Column
from omop_scorer.resources import shipped
from omop_scorer.synthetic.duckdb_file import DuckDBWriter, disk_errors
from omop_scorer.synthetic.files import CdmWriter, ParquetWriter

# DuckDB gives each chunk of an Arrow table to one thread, so small chunks keep all threads busy.
_PERSONS_OF_A_CHUNK = 2048


class WarehouseWriter(CdmWriter, Protocol):
    """Writer of the charts of batches of persons that also draws and writes further events."""

    def begin(self, drawn: Mapping[str, Any]) -> None:
        """Begin a batch; `drawn` has the number of events of each person for each table."""


class _Draw:
    """Draws the events of one batch after the other.

    Parameters
    ----------
    connection
        Connection that draws the events and holds temporary tables.
    menus
        Concepts of the events of each table.
    threads
        Number of threads; None for one per core. It changes no row and no order.
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
        """Draw the visits of a batch; its other events belong to them."""
        self._drawn = drawn
        self._register("visit_occurrence")
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE visit AS {_query('visit')}")

    def rows(self, table: str, chart: Any) -> str:
        """Return a query for all rows of a table in this batch."""
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
    """Writer of a warehouse into the schema `cdm` of a new DuckDB file."""

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
        """Begin a batch; `drawn` has the number of events of each person for each table."""
        self._draw.begin(drawn)

    @disk_errors()
    def append(self, table: str, rows: Any) -> int:
        """Append the chart's rows and the drawn events to a table; return their number."""
        query = self._draw.rows(table, rows)
        return _count(self._connection.execute(f"INSERT INTO synthetic.cdm.{table} {query}"))


class WarehouseFolder(ParquetWriter):
    """Writer of a warehouse into a folder per table, with one Parquet file per batch.

    Each table without persons, that is of the vocabulary, is one file.
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
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
        super().__exit__(kind, error, traceback)

    def begin(self, drawn: Mapping[str, Any]) -> None:
        """Begin a batch; `drawn` has the number of events of each person for each table."""
        self._n_batches += 1
        self._draw.begin(drawn)

    @disk_errors()
    def append(self, table: str, rows: Any) -> int:
        """Append the chart's rows and the drawn events to a table; return their number."""
        if table not in self._in_parts:
            return super().append(table, rows)
        file = self._partial / table / f"part-{self._n_batches:05}.parquet"
        literal = exp.Literal.string(str(file)).sql(dialect="duckdb")
        query = self._draw.rows(table, rows)
        return _count(self._connection.execute(f"COPY ({query}) TO {literal} (FORMAT parquet)"))


def _count(executed: duckdb.DuckDBPyConnection) -> int:
    ((n,),) = executed.fetchall()
    return int(n)
