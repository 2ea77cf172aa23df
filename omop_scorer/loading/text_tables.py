"""The tables of a CDM in a DuckDB file or a folder of files, as text, for another database."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer.engines.duckdb.session import unreadable_line
from omop_scorer.engines.duckdb.source import Source
from omop_scorer.errors import CdmError


class TextTables:
    """A CDM whose tables are read as text, in any letter case.

    Raises
    ------
    ConnectionFailedError
        There is no such file or folder.
    """

    def __init__(self, path: str, null_text: Sequence[str] = ("",)) -> None:
        self._connection = duckdb.connect()
        try:
            self._connection.execute("SET autoinstall_known_extensions = false")
            self._source = Source(self._connection, "cdm_to_load", "the CDM", path, null_text)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._connection.close()

    def columns(self, table: str) -> Mapping[str, str] | None:
        """Return a table's columns as it writes them, by lower-case name; None without it."""
        found = self._source.find(table, None, "person")
        return None if found is None else found.names

    def read(self, table: str, columns: Sequence[str], batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield these columns, which are as the table writes them, every value as text.

        Raises
        ------
        CdmError
            A line of a CSV file cannot be read.
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
        try:
            rows = self._connection.sql(query.sql(dialect="duckdb"))
            yield from rows.to_arrow_reader(batch_size)
        except duckdb.Error as error:
            cause = unreadable_line(str(error)) or type(error).__name__
            raise CdmError(f"{found.label}: {cause}; nothing is loaded") from None
