"""CSV files of a CDM: the header decides on delimiter and columns, and nothing is guessed later.

DuckDB's own detection looks at the first rows, and later rows may differ from them.
"""

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from sqlglot import exp

from omop_scorer.cdm.csv_header import delimiter_of
from omop_scorer.errors import CdmError

#: Byte order marks of encodings that are not read.
_OTHER_ENCODINGS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))

#: A value that a program has put in quotes: no quote inside but doubled ones.
_ENCLOSED = re.compile(rb'"(?:[^"]|"")*"')

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class CsvFile:
    """The dialect and the columns of a CSV file."""

    path: Path
    delimiter: str
    has_quotes: bool
    """False if `"` is a character like any other."""
    names: Sequence[str]
    """Name of each column; an unnamed one has a name that no column of a CDM has."""
    columns: Sequence[str]
    """Names of the columns that have one; none for an empty file."""

    def relation(self, null_text: Sequence[str], *, keeps_empty: bool = False) -> str:
        """Return READ_CSV with every option fixed. All columns are text.

        Parameters
        ----------
        null_text
            Texts that mean missing, in quotes or not.
        keeps_empty
            True to read `""` as an empty text, and only a value without quotes as missing.
        """
        if not self.names:
            return "(SELECT 1 AS nothing WHERE FALSE)"
        # DuckDB reads the name as a glob pattern, so we escape the special characters.
        file = _literal(re.sub(r"([\[*?])", r"[\1]", str(self.path)))
        columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in self.names)
        quote = '"' if self.has_quotes else ""
        # The list must not be empty, so an impossible text stands for no text at all.
        missing = ", ".join(_literal(text) for text in (null_text or ("\x00",)))
        return (
            f"READ_CSV([{file}], auto_detect = FALSE, columns = {{{columns}}}, "
            f"delim = '{self.delimiter}', quote = '{quote}', escape = '{quote}', comment = '', "
            f"header = TRUE, strict_mode = TRUE, hive_partitioning = FALSE, nullstr = [{missing}], "
            f"allow_quoted_nulls = {not keeps_empty}, "
            f"compression = '{'gzip' if _is_gzip(self.path) else 'none'}')"
        )


def read_header(path: Path, label: str, *, is_vocabulary: bool) -> CsvFile:
    """Read the header of a file.

    Parameters
    ----------
    path
        A file whose name ends with .csv or .tsv, or with .gz after it.
    label
        Name of the file in messages.
    is_vocabulary
        True for a table of the vocabulary. Athena publishes them without quoting.

    Raises
    ------
    CdmError
        The file cannot be read, is not UTF-8, or a column is named twice.
    """
    try:
        with _open(path) as file:
            line = _first_line(file, label)
            if not line.strip() and not file.read(1):
                return CsvFile(path, ",", True, (), ())
        delimiter = delimiter_of(line)
        has_quotes = '"' in line or not (
            is_vocabulary and delimiter == "\t" and _is_without_quoting(path)
        )
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except (OSError, EOFError, csv.Error) as error:
        raise CdmError(f"{label}: cannot be read as CSV ({type(error).__name__})") from None
    columns = [name for cell in cells if (name := cell.strip())]
    if not columns:
        raise CdmError(f"{label}: line 1: the header is empty")
    lower = [name.lower() for name in columns]
    if twice := sorted({name for name in lower if lower.count(name) > 1}):
        raise CdmError(f"{label}: line 1: the header names column {', '.join(twice)} twice")
    names = [cell.strip() or f"column {n} without a name" for n, cell in enumerate(cells, 1)]
    return CsvFile(path, delimiter, has_quotes, names, columns)


def _first_line(file: BinaryIO, label: str) -> str:
    line = file.readline(_BLOCK_BYTES)
    found = next((name for mark, name in _OTHER_ENCODINGS if line.startswith(mark)), None)
    if found is None and b"\x00" in line[:4]:
        found = "UTF-16"
    try:
        # A file with the line ends of old Macs is a single line for readline.
        first, *_ = line.decode("utf-8-sig").splitlines() or [""]
    except UnicodeDecodeError:
        found = found or "not UTF-8, perhaps Latin-1 or Windows-1252"
    if found is not None:
        raise CdmError(
            f"{label}: line 1: the encoding is {found}; a run reads UTF-8: convert the file, for "
            "example with iconv"
        )
    return first


def _is_without_quoting(path: Path) -> bool:
    """Return True if a quote stands where no program that encloses values in quotes puts one."""
    return any(
        not _ENCLOSED.fullmatch(value)
        for line in _lines_with_quotes(path)
        for value in line.split(b"\t")
        if b'"' in value
    )


def _lines_with_quotes(path: Path) -> Iterator[bytes]:
    with _open(path) as file:
        while block := file.read(_BLOCK_BYTES):
            if b'"' in (block := block + file.readline()):
                yield from (line for line in block.splitlines() if b'"' in line)


def _open(path: Path) -> BinaryIO:
    if _is_gzip(path):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql(dialect="duckdb")
