"""Search of Parquet files for a value, in any column of any file.

No query can search them, because columns that nobody reads may differ from file to file.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from omop_scorer.errors import CdmError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 10_000


def hold_values(files: Iterable[Path], label: str, no_values: Collection[str]) -> bool:
    """Return True if one of the files holds a value.

    Parameters
    ----------
    files
        Parquet files.
    label
        Name of their table in messages.
    no_values
        Texts, in lower case and without blanks around them, that are no values.

    Raises
    ------
    CdmError
        A file cannot be read.
    """
    return any(_holds_value(file, label, no_values) for file in files)


def _holds_value(file: Path, label: str, no_values: Collection[str]) -> bool:
    # DuckDB files and CSV need no Arrow for Parquet.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(file) as opened:
            batches = opened.iter_batches(_ROWS_AT_ONCE)
            return any(_is_filled(column, no_values) for batch in batches for column in batch)
    except (OSError, pa.ArrowException) as error:
        raise CdmError(
            f"{label}: {file.name} cannot be read as Parquet ({type(error).__name__}); it is "
            "damaged"
        ) from None


def _is_filled(column: "pa.Array", no_values: Collection[str]) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    if column.null_count == len(column):
        return False
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # Text without the mark of UTF-8 is text, as everywhere.
    if column.type not in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        return True
    cells = map(_text, column.drop_null().unique().to_pylist())
    return any(cell.strip(" ").lower() not in no_values for cell in cells)


def _text(cell: str | bytes) -> str:
    return cell if isinstance(cell, str) else cell.decode(errors="replace")
