"""A made-up CDM as a DuckDB file."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from omop_scorer.cdm.ddl import Column
from omop_scorer.engines.duckdb.session import attach


@contextmanager
def refused_by_the_disk() -> Iterator[None]:
    """Turn a fault of reading or writing into the one that every other writer raises."""
    try:
        yield
    except duckdb.IOException as fault:
        raise OSError(errno.EIO, str(fault)) from fault


class DuckDBWriter:
    """Writes a CDM into the schema `cdm` of a new DuckDB file."""

    def __init__(self, path: Path, columns: Mapping[str, list[Column]]) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._columns = columns

    @refused_by_the_disk()
    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._partial.unlink(missing_ok=True)
        # Attached under a name of its own: a file cdm.duckdb would be called cdm like the schema.
        self._connection = duckdb.connect()
        attach(self._connection, self._partial, "made_up", read_only=False)
        self._connection.execute("CREATE SCHEMA made_up.cdm")
        for table, columns in self._columns.items():
            lines = ", ".join(column.sql for column in columns)
            self._connection.execute(f"CREATE TABLE made_up.cdm.{table} ({lines})")
        return self

    @refused_by_the_disk()
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None:
            self._connection.execute("DETACH made_up")
        self._connection.close()
        if kind is None:
            self._path.with_name(f"{self._path.name}.wal").unlink(missing_ok=True)
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    @refused_by_the_disk()
    def append(self, table: str, rows: Any) -> int:
        """Append an Arrow table to a CDM table; return how many rows were written."""
        self._connection.from_arrow(rows).insert_into(f"made_up.cdm.{table}")
        n: int = rows.num_rows
        return n
