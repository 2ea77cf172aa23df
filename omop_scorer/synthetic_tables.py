"""The tables of a made-up CDM: typed columns, rows on their way, and the files they go to."""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped

Array = NDArray[Any]

NULL = int(np.iinfo(np.int64).min)
"""Stands for SQL's NULL in the integer, date and timestamp columns of the generator."""

NOTHING = np.array(None)
"""The same for text."""

CDM_VERSIONS = ("5.3", "5.4")
_EHR = 32817
# Rows that real extracts hold twice; one person has one person row, one death, one period.
_DUPLICATED = ("condition_occurrence", "drug_exposure", "measurement", "observation")

# NUMERIC without a precision is DECIMAL(18,3) in DuckDB, so a CDM made by OHDSI's DDL keeps three
# decimals; Parquet holds the same type, so that both kinds of CDM hold the same values.
_TYPES = {
    "integer": ("INTEGER", pa.int32()),
    "numeric": ("DECIMAL(18,3)", pa.decimal128(18, 3)),
    "date": ("DATE", pa.date32()),
    "timestamp": ("TIMESTAMP", pa.timestamp("us")),
    "varchar": ("VARCHAR", pa.string()),
}
_GENERATED: dict[str, type] = {"varchar": object, "numeric": float}


@dataclass(frozen=True)
class Column:
    """One column of a CDM table: its name, its type, and whether NULL may stand in it."""

    name: str
    kind: str
    is_required: bool

    @property
    def sql(self) -> str:
        """Return the column's line in CREATE TABLE."""
        return f"{self.name} {_TYPES[self.kind][0]}{' NOT NULL' if self.is_required else ''}"

    @property
    def filler(self) -> object:
        """Return what stands where the generator gives nothing."""
        if not self.is_required:
            return None
        return _EHR if self.name.endswith("_type_concept_id") else 0

    def array(self, values: Array) -> Any:
        """Return generator values (NULL, NaN and None stand for missing) as an Arrow array."""
        arrow_type = _TYPES[self.kind][1]
        if self.kind == "varchar":
            return pa.array(values, type=arrow_type)
        if self.kind == "numeric":
            missing = np.isnan(values)
            # Whole thousandths are exact, a cast from DOUBLE would have to round.
            thousandths = np.rint(np.where(missing, 0, values) * 1000).astype(np.int64)
            decimal = np.zeros((len(values), 2), dtype=np.int64)
            decimal[:, 0], decimal[:, 1] = thousandths, thousandths >> 63
            bits = pa.array(~missing).buffers()[1]
            return pa.Array.from_buffers(
                arrow_type, len(values), [bits, pa.py_buffer(decimal.tobytes())]
            )
        missing = values == NULL
        physical = np.int64 if self.kind == "timestamp" else np.int32
        return pa.array(np.where(missing, 0, values).astype(physical), mask=missing).view(
            arrow_type
        )


def table_columns(cdm_version: str) -> dict[str, list[Column]]:
    """Return the columns of every table of a made-up CDM, in the order of OHDSI's DDL."""
    text = (shipped("configs") / "synthetic" / "cdm_tables.yaml").read_text(encoding="utf-8")
    other = {f"v{version}" for version in CDM_VERSIONS} - {f"v{cdm_version}"}
    return {
        table: [
            Column(name, words[0], "required" in words)
            for name, words in ((name, words.split()) for name, words in columns.items())
            if not other & set(words)
        ]
        for table, columns in yaml.safe_load(text).items()
    }


def arrow_schema(columns: list[Column]) -> Any:
    """Return the Arrow schema of a table."""
    return pa.schema([(column.name, _TYPES[column.kind][1]) for column in columns])


class Rows:
    """Rows on their way into the CDM, table by table, numbered as they come.

    Parameters
    ----------
    next_id
        Per table the next free row id; shared by the batches of one CDM.
    """

    def __init__(self, next_id: dict[str, int]) -> None:
        self._next_id = next_id
        self._parts: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)

    def add(self, table: str, n: int, **values: Any) -> Array:
        """Add n rows, each value one for all or one per row; return their row ids, rising."""
        ids = self._next_id[table] + np.arange(n)
        self._next_id[table] += n
        self._parts[table].append((n, {f"{table}_id": ids} | values))
        return ids

    def count(self, tables: Iterable[str]) -> int:
        """Return how many rows were added to these tables."""
        return sum(n for table in tables for n, _ in self._parts[table])

    def tables(
        self,
        columns: Mapping[str, list[Column]],
        generator: np.random.Generator,
        duplicate_share: float,
    ) -> Iterator[tuple[str, Any]]:
        """Yield each table in Arrow, in no order, some rows of events standing there twice.

        Columns that the version of the CDM does not have are left out.
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


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn the refusal of a disk or a file system into a message that names the path."""
    try:
        yield
    except OSError as fault:
        raise ConfigurationError(
            f"cannot write the made-up CDM {path}: {fault.strerror}"
        ) from fault


class CdmWriter(Protocol):
    """Takes the rows of a CDM table by table; nothing stands at its path before all is written."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None: ...
    def append(self, table: str, rows: Any) -> int:
        """Append an Arrow table to a CDM table; return how many rows were written."""


class ParquetWriter:
    """Writes a CDM into a folder, one Parquet file per table."""

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
        at: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        if kind is None:
            self._path.mkdir(exist_ok=True)
            for written in self._partial.iterdir():
                # An earlier CDM may have the table as one file or as a folder of parts.
                (self._path / f"{written.stem}.parquet").unlink(missing_ok=True)
                if (self._path / written.stem).is_dir():
                    shutil.rmtree(self._path / written.stem)
                written.replace(self._path / written.name)
        shutil.rmtree(self._partial, ignore_errors=True)

    def append(self, table: str, rows: Any) -> int:
        """Append an Arrow table to a CDM table; return how many rows were written."""
        self._files[table].write_table(rows)
        n: int = rows.num_rows
        return n


class TruthFile:
    """A Parquet file of truth, in place only once all is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._partial = path, path.with_name(f"{path.name}.partial")
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def append(self, rows: Any) -> None:
        """Append an Arrow table; the first one gives the schema."""
        self._file = self._file or pq.ParquetWriter(self._partial, rows.schema)
        self._file.write_table(rows)
