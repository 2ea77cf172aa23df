"""Tables of a CDM in a DuckDB file or a folder of files, read as text for another database."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.ddl import Column
from omop_scorer.cdm.tables import TABLES, Kind, SiteTable
from omop_scorer.config.connections import Cdm
from omop_scorer.connections.duckdb import arrow_batches, confine, connected, errors_as
from omop_scorer.engines.duckdb.casts import safe_cast
from omop_scorer.engines.duckdb.source import Source
from omop_scorer.engines.site_columns import missing_as_null
from omop_scorer.errors import CdmError

_VOCABULARY = frozenset(table.name for table in TABLES if table.schema == "vocab")

#: Kinds of the casts by kind of the DDL.
_KINDS: Mapping[str, Kind] = {
    "integer": "integer",
    "numeric": "double",
    "date": "date",
    "timestamp": "timestamp",
    "varchar": "text",
}

_NARROW = ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT")

#: Limits of an INTEGER.
_LEAST, _MOST = exp.Literal.number(-(2**31)), exp.Literal.number(2**31 - 1)


class TextTables:
    """A CDM whose tables are found in any letter case and read as text.

    Raises
    ------
    ConnectionFailedError
        The file or folder does not exist or cannot be opened.
    """

    def __init__(self, path: str, null_text: Sequence[str] = ("",)) -> None:
        self._connection: duckdb.DuckDBPyConnection
        self._cdm = Cdm(url="files", null_text=tuple(null_text))
        with ExitStack() as stack:
            self._connection = stack.enter_context(connected())
            self._source = Source(
                self._connection, "cdm_to_load", "the CDM", path, [""], keeps_empty=True
            )
            with errors_as(CdmError, path):
                confine(self._connection, self._source.files())
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def find(self, table: str, needed: Collection[str] | None = None) -> SiteTable | None:
        """Return a table with its columns, or None if there is no such table.

        `needed` are the columns that will be read, in lower case; None for all.

        Raises
        ------
        CdmError
            Several tables match, or the table cannot be read.
        """
        return self._source.find(table, None, "person", needed, is_vocabulary=table in _VOCABULARY)

    def wide(self, site: SiteTable, columns: Sequence[Column]) -> tuple[str, ...]:
        """Return the integer columns that hold a number of more than 32 bits.

        Raises
        ------
        CdmError
            The table cannot be read.
        """
        wide = {name for part in site.pieces for name in self._wide(part, columns)}
        return tuple(column.name for column in columns if column.name in wide)

    def _wide(self, site: SiteTable, columns: Sequence[Column]) -> list[str]:
        unknown = [
            column
            for column in columns
            if column.kind == "integer" and site.columns.get(column.name, "INTEGER") not in _NARROW
        ]
        if not unknown:
            return []
        counts = []
        for column in unknown:
            number, _ = self._cast(site, column, "integer")
            is_wide = exp.not_(exp.Between(this=number, low=_LEAST, high=_MOST))
            counts.append(exp.Count(this=exp.case().when(is_wide, "1")))
        query = exp.select(*counts).from_(site.relation, dialect="duckdb")
        with errors_as(CdmError, site.label):
            (row,) = self._connection.execute(query.sql(dialect="duckdb")).fetchall()
        return [column.name for column, n in zip(unknown, row, strict=True) if n]

    def read(
        self, site: SiteTable, columns: Sequence[Column], batch_size: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of a table with every value as text, written as PostgreSQL reads it.

        A value that a run cannot read is passed on as it stands.

        Raises
        ------
        CdmError
            The table cannot be read, or a line of a CSV file is not valid.
        """
        for part in site.pieces:
            selected = [exp.alias_(self._text(part, c), c.name, quoted=True) for c in columns]
            query = exp.select(*selected).from_(part.relation, dialect="duckdb")
            with errors_as(CdmError, part.label):
                rows = self._connection.sql(query.sql(dialect="duckdb"))
                yield from arrow_batches(rows, batch_size)

    def _text(self, site: SiteTable, column: Column) -> exp.Expr:
        if column.name not in site.columns:  # another part of the table has it
            return exp.cast(exp.null(), "VARCHAR")
        kind = _KINDS[column.kind]
        raw = _raw(site, column)
        if site.columns[column.name] == "VARCHAR":
            raw = missing_as_null(raw, kind, self._cdm, "duckdb")
        text = exp.cast(raw, "VARCHAR")
        if kind == "text" and column.is_required and site.relation.startswith("READ_CSV"):
            # CSV does not tell an empty text from a missing one, unless it stands in quotes.
            return exp.func("COALESCE", text, exp.Literal.string(""))
        if kind in ("text", "double"):
            return text
        value, _ = self._cast(site, column, kind)
        return exp.func("COALESCE", exp.cast(value, "VARCHAR"), text)

    def _cast(
        self, site: SiteTable, column: Column, kind: Kind
    ) -> tuple[exp.Expr, exp.Expr | None]:
        return safe_cast(_raw(site, column), site.columns[column.name], kind, self._cdm)


def _raw(site: SiteTable, column: Column) -> exp.Expr:
    return exp.column(exp.to_identifier(site.names[column.name], quoted=True))
