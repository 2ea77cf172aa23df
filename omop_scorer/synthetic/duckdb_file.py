"""Synthetic CDM as a DuckDB file."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from omop_scorer.cdm.ddl import Column
from omop_scorer.connections.duckdb import attach


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise an error of reading or writing as OSError, as the other writers do."""
    try:
        yield
    except duckdb.IOException as error:
        raise OSError(errno.EIO, str(error)) from error


class DuckDBWriter:
    """Writer of a CDM into the schema `cdm` of a new DuckDB file."""

    def __init__(self, path: Path, columns: Mapping[str, list[Column]]) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._columns = columns

    @disk_errors()
    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._partial.unlink(missing_ok=True)
        # DuckDB would name a file cdm.duckdb like the schema `cdm`, so we give it another name.
        self._connection = duckdb.connect()
        attach(self._connection, self._partial, "synthetic", read_only=False)
        self._connection.execute("CREATE SCHEMA synthetic.cdm")
        for table, columns in self._columns.items():
            lines = ", ".join(column.sql for column in columns)
            self._connection.execute(f"CREATE TABLE synthetic.cdm.{table} ({lines})")
        return self

    @disk_errors()
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._connection.execute("DETACH synthetic")
        self._connection.close()
        if kind is None:
            self._path.with_name(f"{self._path.name}.wal").unlink(missing_ok=True)
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    @disk_errors()
    def append(self, table: str, rows: Any) -> int:
        """Append an Arrow table to a CDM table; return the number of rows written."""
        self._connection.from_arrow(rows).insert_into(f"synthetic.cdm.{table}")
        n: int = rows.num_rows
        return n
