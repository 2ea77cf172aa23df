"""Types of Parquet columns as their files declare them, and which of them go together.

The declarations alone decide, so every engine reads the same values from the same files.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pyarrow.parquet import ColumnSchema, FileMetaData

Family = Literal["integer", "decimal", "float", "text", "date", "moment", "boolean", "null"]

_NUMBERS = {"integer", "decimal", "float"}

#: The most digits of a decimal that every engine reads.
_MOST_DIGITS = 38


@dataclass(frozen=True)
class ParquetType:
    """Type of a column."""

    family: Family | None
    """None for a type that no column of a CDM can have, such as a list."""
    name: str
    """Name in messages, which also tells types of one family apart."""
    is_utc: bool = False
    """True for moments that are stored in UTC; False if they are days and times as written."""
    is_in_nanoseconds: bool = False


NULL = ParquetType("null", "NULL")
TEXT = ParquetType("text", "TEXT")

_LOGICAL = {
    "UNKNOWN": NULL,
    "STRING": TEXT,
    "JSON": TEXT,
    "ENUM": TEXT,
    "DATE": ParquetType("date", "DATE"),
}

#: Types of columns that declare only how they are stored.
_PHYSICAL = {
    "INT32": ParquetType("integer", "INT32"),
    "INT64": ParquetType("integer", "INT64"),
    "FLOAT": ParquetType("float", "FLOAT"),
    "DOUBLE": ParquetType("float", "DOUBLE"),
    "BOOLEAN": ParquetType("boolean", "BOOLEAN"),
    "INT96": ParquetType("moment", "INT96", is_utc=True),
    # Some writers do not mark text as UTF-8.
    "BYTE_ARRAY": TEXT,
}


@dataclass(frozen=True)
class ParquetColumn:
    """A column of a file."""

    name: str
    type: ParquetType


def columns_of(footer: "FileMetaData") -> Iterator[ParquetColumn]:
    """Yield the columns of a file in order; a column that is nested once."""
    nested: set[str] = set()
    for index in range(footer.num_columns):
        leaf = footer.schema.column(index)
        if leaf.path == leaf.name and leaf.max_repetition_level == 0:
            yield ParquetColumn(leaf.name, _type_of(leaf))
        elif (name := leaf.path.partition(".")[0]) not in nested:
            nested.add(name)
            yield ParquetColumn(name, ParquetType(None, "a nested type"))


def _type_of(column: "ColumnSchema") -> ParquetType:
    logical, physical = column.logical_type.type, column.physical_type
    about = json.loads(column.logical_type.to_json())
    unsupported = ParquetType(None, physical if logical == "NONE" else logical)
    match logical:
        case "NONE":
            return _PHYSICAL.get(physical, unsupported)
        case "INT":
            sign = "" if about["isSigned"] else "U"
            return ParquetType("integer", f"{sign}INT{about['bitWidth']}")
        case "TIMESTAMP":
            return _moment(about["isAdjustedToUTC"], about["timeUnit"])
        case "DECIMAL" if column.precision <= _MOST_DIGITS:
            return ParquetType("decimal", f"DECIMAL({column.precision},{column.scale})")
    return _LOGICAL.get(logical, unsupported)


def _moment(is_utc: bool, unit: str) -> ParquetType:
    name = f"TIMESTAMP in {unit}{' of UTC' if is_utc else ''}"
    return ParquetType("moment", name, is_utc, unit == "nanoseconds")


def can_be_one(one: ParquetType, other: ParquetType) -> bool:
    """Return True if the values of two types can be read as one column without losing any.

    A column without any value says nothing of its type. Numbers of any type go together, numbers
    with text, and days with moments.
    """
    families = {one.family, other.family} - {"null"}
    return any(
        families <= together for together in ({*_NUMBERS, "text"}, {"date", "moment"}, {"boolean"})
    )
