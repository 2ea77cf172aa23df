"""Bulk transfer of rows as Arrow, by COPY and server-side cursors."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg.abc import Buffer

from omop_scorer.connections.postgres import quoted
from omop_scorer.errors import SqlError

#: Rows that are turned into Python's values, or into text, at a time.
_CHUNK = 10_000

_COLUMN_TYPES = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_int64, "BIGINT"),
    (pa.types.is_integer, "INT"),
    (pa.types.is_floating, "DOUBLE PRECISION"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    # Ordered byte by byte, as every other engine orders text.
    (lambda kind: pa.types.is_string(kind) or pa.types.is_null(kind), 'TEXT COLLATE "C"'),
)

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


def column_definitions(schema: pa.Schema) -> str:
    """Return the columns of CREATE TABLE for an Arrow schema."""
    return ", ".join(f"{quoted(field.name)} {_column_type(field.type)}" for field in schema)


def copy_in(connection: psycopg.Connection[Any], target: str, rows: pa.Table) -> None:
    """Append an Arrow table to a table, columns by name."""
    columns = ", ".join(map(quoted, rows.column_names))
    text = f"COPY {target} ({columns}) FROM STDIN (FORMAT csv)"
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    with connection.cursor() as cursor, cursor.copy(text.encode()) as copy:
        for batch in rows.to_batches(max_chunksize=_CHUNK):
            sink = pa.BufferOutputStream()
            pyarrow.csv.write_csv(batch, sink, options)
            copy.write(sink.getvalue())


def copy_out(
    connection: psycopg.Connection[Any], query: str, parameters: dict[str, object]
) -> Iterator[Buffer]:
    """Yield the rows of a query, in blocks, as COPY writes them."""
    text = f"COPY ({query}) TO STDOUT"
    with connection.cursor() as cursor, cursor.copy(text.encode(), parameters) as rows:
        yield from rows


def copy_blocks_in(
    connection: psycopg.Connection[Any],
    target: str,
    columns: Sequence[str],
    blocks: Iterable[Buffer],
) -> None:
    """Append rows that COPY has written to a table, columns by place."""
    text = f"COPY {target} ({', '.join(map(quoted, columns))}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(text.encode()) as copy:
        for block in blocks:
            copy.write(block)


def stream(
    connection: psycopg.Connection[Any], query: str, batch_size: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query in batches; other statements may run in between."""
    with psycopg.ServerCursor(connection, "rows_to_score") as cursor:
        cursor.execute(query.encode(), binary=True)
        while True:
            chunks = []
            n = 0
            while n < batch_size:
                rows = cursor.fetchmany(min(_CHUNK, batch_size - n))
                if not rows:
                    break
                n += len(rows)
                chunks.append(as_arrow(cursor, rows))
            if not n:
                return
            yield from pa.concat_tables(chunks).combine_chunks().to_batches()


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
        raise SqlError(
            f"a query returns a column of type {name}, which engine postgresql does not support"
        )
    return _ARROW[name]


def _column_type(kind: pa.DataType) -> str:
    return next(name for is_it, name in _COLUMN_TYPES if is_it(kind))
