"""A file of trial data as columns of cells: CSV with any quoting and padding, or Parquet."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from omop_scorer.cdm.csv_header import delimiter_of
from omop_scorer.errors import ScoringError
from omop_scorer.trials.layout import plain

Cell: TypeAlias = str | float | bool | None

"""A cell as the file has it; text without blanks around it, None where it is missing."""

_PARQUET = b"PAR1"

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a file, without empty lines."""

    path: Path
    sha256: str
    """SHA-256 of the file, as hexadecimal text."""
    n_rows: int
    names: Sequence[str]
    """Names of the columns as the file has them."""
    columns: Sequence[Sequence[Cell]]
    """Cells of each column, in the order of the rows."""

    def places(self, name: str) -> list[int]:
        """Return the places of the columns of this name; letter case and padding do not count."""
        return [i for i, each in enumerate(self.names) if plain(each) == plain(name)]


def read_table(path: Path) -> Table:
    """Read a file of trial data.

    Raises
    ------
    ScoringError
        The file cannot be read, or is not a table. The message never holds a cell.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ScoringError(f"{path}: {error.strerror}") from None
    read = _read_parquet if content.startswith(_PARQUET) else _read_csv
    names, columns = read(path, content)
    n_rows = len(columns[0]) if columns else 0
    if not n_rows:
        raise ScoringError(f"{path}: has no rows; give one row per participant, below a header")
    return Table(path, hashlib.sha256(content).hexdigest(), n_rows, names, columns)


def _read_parquet(path: Path, content: bytes) -> tuple[list[str], list[list[Cell]]]:
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        raise ScoringError(f"{path}: cannot be read as Parquet; write the file again") from None
    names = list(table.column_names)
    columns = [[_cell(each) for each in column.to_pylist()] for column in table.columns]
    return names, columns


def _cell(value: Any) -> Cell:
    """Return a value of Parquet as a cell; what is no text and no number becomes a text of it."""
    if isinstance(value, str):
        return value.strip() or None
    if value is None or isinstance(value, bool | int):
        return value
    try:
        return None if value != value else float(value)  # noqa: PLR0124
    except (TypeError, ValueError):
        return str(value)


def _read_csv(path: Path, content: bytes) -> tuple[list[str], list[list[Cell]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoding = "UTF-16" if content[:2] in _UTF_16 else "perhaps Latin-1 or Windows-1252"
        raise ScoringError(f"{path}: not UTF-8 text ({encoding}); convert the file") from None
    if text.count('"') % 2:
        raise ScoringError(f'{path}: not CSV: a quote (") has no second one')
    lines = io.StringIO(text, newline="")
    delimiter = delimiter_of(text[: text.find("\n")])
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        names, *rows = [row for row in reader if len(row) > 1 or "".join(row).strip()] or [[]]
    except csv.Error as error:
        raise ScoringError(f"{path}: not CSV: {error}") from None
    if not names:
        raise ScoringError(f"{path}: the file is empty; give a header and one row per participant")
    if n_odd := sum(len(row) != len(names) for row in rows):
        raise ScoringError(
            f"{path}: {n_odd} row(s) have more or fewer cells than the header, {len(names)}; "
            "put a cell that holds the delimiter in quotes"
        )
    columns: list[list[Cell]] = [
        [cell.strip() or None for cell in each] for each in zip(*rows, strict=True)
    ]
    return names, columns or [[] for _ in names]
