"""Tables of a CDM in a PostgreSQL schema, with the types, keys and indexes of OHDSI's DDL."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.ddl import Column
from omop_scorer.config.connections import Connections
from omop_scorer.connections.postgres import Connection, quoted
from omop_scorer.errors import CdmError
from omop_scorer.stores.postgres.copy import copy_in

#: What the server says of the row of COPY that it refuses. The rest of the text is a value.
_REFUSED = re.compile(r"COPY \w+, line (\d+)(?:, column (\w+))?")

_REASONS = {
    "22003": "the number is too large",
    "22021": "a character cannot be stored in this database",
    "23502": "the value is missing",
}

_TYPES = {
    "integer": "INTEGER",
    "numeric": "NUMERIC",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "varchar": "VARCHAR",
}

#: Columns that OHDSI indexes: one index per group, in each table that has all its columns.
_INDEXES = (
    *(("person_id",), ("visit_occurrence_id",), ("concept_code",), ("vocabulary_id",)),
    *(("domain_id",), ("concept_class_id",), ("concept_id_1",), ("concept_id_2",)),
    *(("relationship_id",), ("ancestor_concept_id",), ("descendant_concept_id",)),
    *((f"{of}_concept_id",) for of in ("condition", "drug", "measurement", "observation", "visit")),
)

#: Primary keys that are not named `<table>_id`; None means that a table has none.
_KEYS = {"cdm_source": None, "death": "person_id", "concept_ancestor": None}


@dataclass(frozen=True)
class Loaded:
    """A loaded table, its number of rows, its wide columns, and whether it got a primary key.

    `has_key` is False if ids occur more than once. It is True for a table that needs no key.
    """

    table: str
    n_rows: int
    has_key: bool
    wide: Sequence[str] = ()
    """Columns that are BIGINT instead of INTEGER."""


class CdmLoader:
    """Loader of tables into a schema that holds none of them yet, in one transaction.

    Call `load` inside `all_or_nothing`, then `close`.

    Raises
    ------
    ConnectionFailedError
    """

    def __init__(self, settings: Connections, schema: str) -> None:
        self._connection = Connection("cdm", settings.cdm, settings)
        self._schema = schema
        self.where = self._connection.where

    def load(
        self,
        table: str,
        columns: Sequence[Column],
        wide: Sequence[str],
        batches: Iterator[pa.RecordBatch],
        label: str,
    ) -> Loaded:
        """Create a table, copy rows of text into it, and add its key and its indexes.

        Parameters
        ----------
        table, columns
            The table to create.
        wide
            Columns that are BIGINT instead of INTEGER.
        batches
            Rows of text.
        label
            Name of their file in messages.

        Raises
        ------
        CdmError
            The table exists already, or a value does not fit its column.
        """
        target = exp.table_(table, self._schema, quoted=True).sql(dialect="postgres")
        declared = ", ".join(
            f"{quoted(c.name)} {'BIGINT' if c.name in wide else _TYPES[c.kind]}"
            f"{' NOT NULL' * c.is_required}"
            for c in columns
        )
        with self._connection.errors_as(CdmError, f"{self.where}: {target}"):
            self._connection.execute(f"CREATE TABLE {target} ({declared})")
            with _cell_named(label, columns):
                n_rows = copy_in(self._connection.driver, target, batches)
            has_key = self._add_key(target, table, columns)
            names = {column.name for column in columns}
            for group in _INDEXES:
                if names.issuperset(group):
                    listed = ", ".join(map(quoted, group))
                    self._connection.execute(f"CREATE INDEX ON {target} ({listed})")
            self._connection.execute(f"ANALYZE {target}")
        return Loaded(table, n_rows, has_key, wide)

    def _add_key(self, target: str, table: str, columns: Sequence[Column]) -> bool:
        key = _KEYS.get(table, f"{table}_id")
        if key is None or key not in {column.name for column in columns}:
            return True
        try:
            with self._connection.driver.transaction():
                self._connection.execute(f"ALTER TABLE {target} ADD PRIMARY KEY ({quoted(key)})")
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def all_or_nothing(self, work: Callable[[], Mapping[str, Loaded]]) -> Mapping[str, Loaded]:
        """Create the schema and call `work` in one transaction.

        Raises
        ------
        CdmError
        """
        with (
            self._connection.errors_as(CdmError),
            self._connection.driver.transaction(),
        ):
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._schema)}")
            return work()

    def close(self) -> None:
        """End the session."""
        self._connection.close()


@contextmanager
def _cell_named(label: str, columns: Sequence[Column]) -> Iterator[None]:
    """Raise an error that names file, line and column of the value that the server refuses."""
    try:
        yield
    except psycopg.DataError as error:
        raise _refused(error, label, columns) or error from None
    except psycopg.errors.NotNullViolation as error:
        raise _refused(error, label, columns) or error from None


def _refused(error: psycopg.Error, label: str, columns: Sequence[Column]) -> CdmError | None:
    found = _REFUSED.match(error.diag.context or "")
    if found is None:
        return None
    line, name = int(found[1]), error.diag.column_name or found[2]
    # Line 1 of a CSV file is the header.
    is_csv = re.search(r"[.][ct]sv([.]gz)?$", label, re.IGNORECASE)
    where = f"line {line + 1}" if is_csv else f"row {line}"
    kind = next((_TYPES[column.kind] for column in columns if column.name == name), "its type")
    reason = _REASONS.get(error.sqlstate or "", f"the value cannot be read as {kind}")
    at = f", column {name}" if name else ""
    return CdmError(
        f"{label}: {where}{at}: {reason} ({type(error).__name__}); correct the file and load it "
        "again"
    )
