"""Tables of a CDM in a DuckDB file or a folder of files, read as text for another database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer.connections.duckdb import arrow_batches, confine, connected, errors_as
from omop_scorer.engines.duckdb.source import Source
from omop_scorer.errors import CdmError


class TextTables:
    """A CDM whose tables are found in any letter case and read as text.

    Raises
    ------
    ConnectionFailedError
        The file or folder does not exist or cannot be opened.
    """

    def __init__(self, path: str, null_text: Sequence[str] = ("",)) -> None:
        self._connection: duckdb.DuckDBPyConnection
        with ExitStack() as stack:
            self._connection = stack.enter_context(connected())
            self._source = Source(self._connection, "cdm_to_load", "the CDM", path, null_text)
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

    def columns(self, table: str) -> Mapping[str, str] | None:
        """Return the site's column names by lower-case name, or None if there is no such table.

        Raises
        ------
        CdmError
            Several tables match, or the table cannot be read.
        """
        found = self._source.find(table, None, "person")
        return None if found is None else found.names

    def read(self, table: str, columns: Sequence[str], batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield columns of a table, given by the site's names, with every value as text.

        Raises
        ------
        CdmError
            The table cannot be read, or a line of a CSV file is not valid.
        """
        found = self._source.find(table, None, "person")
        if found is None:
            return
        selected = [
            exp.alias_(
                exp.cast(exp.column(exp.to_identifier(name, quoted=True)), "VARCHAR"),
                name.lower(),
                quoted=True,
            )
            for name in columns
        ]
        query = exp.select(*selected).from_(found.relation, dialect="duckdb")
        with errors_as(CdmError, found.label):
            rows = self._connection.sql(query.sql(dialect="duckdb"))
            yield from arrow_batches(rows, batch_size)
