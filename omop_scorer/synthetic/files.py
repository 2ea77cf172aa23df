"""Files of a synthetic CDM: Parquet tables, and the correct results."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow.parquet as pq

from omop_scorer.cdm.ddl import Column, arrow_schema
from omop_scorer.errors import ConfigurationError


@contextmanager
def os_errors_named(path: Path) -> Iterator[None]:
    """Raise an OSError as a ConfigurationError that names the path."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the synthetic CDM {path}: {error.strerror}"
        ) from error


class CdmWriter(Protocol):
    """Writer of a CDM, table by table. The CDM appears at its path once all of it is written."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def append(self, table: str, rows: Any) -> int:
        """Append an Arrow table to a CDM table; return the number of rows written."""


class ParquetWriter:
    """Writer of a CDM into a folder, one Parquet file per table."""

    def __init__(self, path: Path, columns: Mapping[str, list[Column]]) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._columns = columns

    def __enter__(self) -> Self:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        self._files = {
            table: pq.ParquetWriter(self._partial / f"{table}.parquet", arrow_schema(columns))
            for table, columns in self._columns.items()
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        if kind is None:
            self._path.mkdir(exist_ok=True)
            for written in self._partial.iterdir():
                # An earlier CDM at this path may hold the table as one file or as a folder.
                (self._path / f"{written.stem}.parquet").unlink(missing_ok=True)
                if (self._path / written.stem).is_dir():
                    shutil.rmtree(self._path / written.stem)
                written.replace(self._path / written.name)
        shutil.rmtree(self._partial, ignore_errors=True)

    def append(self, table: str, rows: Any) -> int:
        """Append an Arrow table to a CDM table; return the number of rows written."""
        self._files[table].write_table(rows)
        n: int = rows.num_rows
        return n


class TruthFile:
    """Parquet file of correct results. It appears at its path once all of it is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._partial = path, path.with_name(f"{path.name}.partial")
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def append(self, rows: Any) -> None:
        """Append an Arrow table; the first table defines the schema."""
        self._file = self._file or pq.ParquetWriter(self._partial, rows.schema)
        self._file.write_table(rows)
