"""Parquet files of a table: those that belong to it, and the columns that each declares."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from omop_scorer.engines.file_set import entries, file_errors_as
from omop_scorer.engines.parquet_types import ParquetType, columns_of
from omop_scorer.errors import CdmError

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

#: A Parquet file begins and ends with one of these, the second if its footer is encrypted.
_MAGIC = (b"PAR1", b"PARE")

#: Name of the folder for the rows in which the column is missing.
_MISSING = "__HIVE_DEFAULT_PARTITION__"

_OTHER_FORMATS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".orc", ".avro", ".json.gz")


@dataclass(frozen=True)
class Part:
    """A file of a table, without its rows."""

    file: Path
    """The file itself, where a symbolic link led to it when the run began."""
    label: str
    n_rows: int
    names: Mapping[str, str]
    """Name of each column as the file writes it, by lower-case name."""
    types: Mapping[str, ParquetType]
    """Type of each column that is needed, by lower-case name."""
    keys: Mapping[str, str | None]
    """Values in the names of the folders above it, as in `year=2025`, by lower-case name of the
    column, if the column is needed and the file lacks it."""


def files_of(folder: Path, label: str) -> Iterator[Path]:
    """Yield the Parquet files of a folder at any depth, in order of names.

    Names that begin with `_` or `.` are those of logs, checksums and writes that were not
    finished. A file with another ending is a part if it begins or ends as Parquet files do: one
    that was not written to its end only begins so.

    Raises
    ------
    CdmError
        A folder cannot be read, links lead in a circle, or a part has another format.
    """
    with file_errors_as(CdmError, label):
        yield from _files_of(folder, label, ())


def _files_of(folder: Path, label: str, above: tuple[Path, ...]) -> Iterator[Path]:
    home = folder.resolve()
    if home in above:
        raise CdmError(f"{label}: {folder.name} is a link to a folder above it; remove the link")
    for path in entries(folder, label, CdmError):
        where = f"{label}/{path.name}"
        if path.name.startswith(("_", ".")):
            continue
        if path.is_dir():
            yield from _files_of(path, where, (*above, home))
        elif path.name.lower().endswith(".parquet") or _is_parquet(path, where):
            yield path


def _is_parquet(path: Path, label: str) -> bool:
    if path.name.lower().endswith(_OTHER_FORMATS):
        raise CdmError(
            f"{label}: not Parquet, although the folder of the table holds its Parquet files; "
            "write all parts of a table as Parquet, or remove the file"
        )
    with path.open("rb") as file:
        first = file.read(4)
        file.seek(-len(first), 2)
        return first in _MAGIC or file.read(4) in _MAGIC


def read_part(
    file: Path, label: str, folders: Collection[str], needed: Collection[str] | None
) -> Part:
    """Read the columns that a file declares.

    Parameters
    ----------
    file
        The file, without symbolic links.
    label
        Its name in messages.
    folders
        Names of the folders between the table and the file, without what links in them lead to.
    needed
        Lower-case names of the columns that will be read; None for all. If it is empty, only
        names are asked for.

    Raises
    ------
    CdmError
        The file is not Parquet or is damaged, or a column that is needed has a type that no
        column of a CDM can have, stands there twice, or has two values in the names of folders.
    """
    footer = _footer(file, label)
    names: dict[str, str] = {}
    types: dict[str, ParquetType] = {}
    for column in columns_of(footer):
        lower = column.name.lower()
        is_needed = needed is None or lower in needed
        if is_needed and lower in names:
            raise CdmError(f"{label}: column {lower} stands there twice; keep one of them")
        names[lower] = column.name
        if is_needed:
            types[lower] = column.type
    _refuse_strange_types(types, label)
    keys: dict[str, str | None] = {}
    for key, value in _keys_of(folders):
        if key in names or (needed and key not in needed):
            continue
        if keys.setdefault(key, value) != value:
            raise CdmError(f"{label}: two of its folders give column {key}; keep one of them")
    return Part(file, label, footer.num_rows, names, types, keys)


def _keys_of(folders: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """Yield the columns in the names of folders, in lower case, and their values.

    Hive and Spark write a character that no name of a folder may hold as `%` and its code.
    """
    for folder in folders:
        name, equals, value = folder.partition("=")
        if equals:
            yield unquote(name).lower(), None if value == _MISSING else unquote(value)


def _footer(file: Path, label: str) -> "FileMetaData":
    # DuckDB files and CSV need no Arrow for Parquet.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.read_metadata(file)
    except PermissionError:
        raise CdmError(f"{label}: the user of the job may not read it") from None
    except (OSError, pa.ArrowException) as error:
        raise CdmError(
            f"{label}: cannot be read as Parquet ({type(error).__name__}); it is damaged, or was "
            "not written to its end"
        ) from None


def _refuse_strange_types(types: Mapping[str, ParquetType], label: str) -> None:
    for name, found in types.items():
        if found.family is None:
            raise CdmError(
                f"{label}: column {name} has the type {found.name}, which is not supported; "
                "write it as a number, a text, a date or a timestamp"
            )
