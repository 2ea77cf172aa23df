"""Rows of Arrow into PostgreSQL by COPY, and rows of a query as Arrow."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from omop_scorer.connections.postgres import quoted
from omop_scorer.errors import SqlError

#: Rows that are turned into text at a time.
_CHUNK = 10_000

#: Days since 1970 that are too early and too late for a year of four digits.
_YEAR_0, _YEAR_10000 = -719_163, 2_932_897
_JULIAN_DAY_OF_1970 = 2_440_588
#: 31 December 5874897, the last day of PostgreSQL. DuckDB has a few later, and earlier, ones.
_LAST_JULIAN_DAY = 2_147_483_493

_ARROW = {
    "bool": pa.bool_(),
    "int2": pa.int32(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float64(),
    "float8": pa.float64(),
    "numeric": pa.decimal128(38, 9),
    "text": pa.string(),
    "varchar": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


def copy_in(
    connection: psycopg.Connection[Any], target: str, batches: Iterable[pa.RecordBatch]
) -> int:
    """Append rows to a table with one COPY, by column name; return their number."""
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return 0
    n_rows = 0
    columns = ", ".join(map(quoted, first.schema.names))
    text = f"COPY {target} ({columns}) FROM STDIN (FORMAT csv)"
    with connection.cursor() as cursor, cursor.copy(text.encode()) as copy:
        for batch in chain([first], batches):
            n_rows += batch.num_rows
            for start in range(0, batch.num_rows, _CHUNK):
                sink = pa.BufferOutputStream()
                pyarrow.csv.write_csv(_days_as_text(batch.slice(start, _CHUNK)), sink, options)
                copy.write(sink.getvalue())
    return n_rows


def _days_as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Write dates out of the years 1 to 9999 as PostgreSQL reads them: Julian days, or infinity."""
    for index, field in enumerate(batch.schema):
        if field.type != pa.date32():
            continue
        days = batch.column(index).cast(pa.int32()).cast(pa.int64())
        is_plain = pc.fill_null(
            pc.and_(pc.greater(days, _YEAR_0), pc.less(days, _YEAR_10000)), True
        )
        if pc.all(is_plain).as_py():
            continue
        number = pc.add(days, _JULIAN_DAY_OF_1970)
        julian = pc.binary_join_element_wise("J", number.cast(pa.string()), "")
        text = pc.if_else(pc.less(number, 0), "-infinity", julian)
        text = pc.if_else(pc.greater(number, _LAST_JULIAN_DAY), "infinity", text)
        plain = pc.if_else(is_plain, batch.column(index), None).cast(pa.string())
        batch = batch.set_column(index, field.name, pc.if_else(is_plain, plain, text))
    return batch


def as_arrow(cursor: psycopg.Cursor[Any], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Return rows as an Arrow table with the types that the server gave their columns.

    Raises
    ------
    SqlError
        A column has a type that no query of ours gives.
    """
    described = cursor.description or ()
    types = [_arrow_type(connection_type(cursor, column.type_code)) for column in described]
    values = zip(*rows, strict=True) if rows else [()] * len(types)
    arrays = [pa.array(column, kind) for column, kind in zip(values, types, strict=True)]
    return pa.Table.from_arrays(arrays, [column.name for column in described])


def connection_type(cursor: psycopg.Cursor[Any], oid: int) -> str:
    """Return the server's name of a type, its number where psycopg does not know it."""
    known = cursor.connection.adapters.types.get(oid)
    return known.name if known else str(oid)


def _arrow_type(name: str) -> pa.DataType:
    if name not in _ARROW:
        raise SqlError(f"a query returns a column of type {name}, which is not supported")
    return _ARROW[name]
