"""A CDM in any database of SQLAlchemy: SQL Server, Oracle, Snowflake, MariaDB, SQLite, ...

SQLAlchemy connects, describes the tables, binds the values and streams the rows. The SQL is that of
`sql/source`, quoted by sqlglot for the dialect of the URL.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy
from sqlalchemy import types
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlglot import exp

from omop_scorer.cdm.tables import Kind, SiteTable, Table
from omop_scorer.config.connections import Cdm
from omop_scorer.errors import (
    CdmError,
    ConfigurationError,
    ConnectionFailedError,
    OmopScorerError,
    SqlError,
)
from omop_scorer.sources.base import PulledSource
from omop_scorer.sources.driver_errors import errors_as
from omop_scorer.sources.mysql import MySqlSession, set_habits
from omop_scorer.sources.statement import Ids, Statement, bound
from omop_scorer.sources.values import arrow_column
from omop_scorer.sql import Dialect

_MYSQL = ("mysql", "mariadb")
#: sqlglot's dialect by the name of SQLAlchemy's.
_DIALECTS: Mapping[str, Dialect] = {
    "mssql": "tsql",
    "oracle": "oracle",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "redshift": "redshift",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "databricks": "databricks",
    "trino": "trino",
}
#: What to install for a database, by the name of SQLAlchemy's dialect.
_EXTRAS = {
    **{name: name for name in ("mssql", "oracle", "snowflake", "bigquery", "redshift", "mysql")},
    **{"mariadb": "mysql", "databricks": "databricks"},
}
#: Isolation level that reads one state of the database and blocks no writer, by dialect.
_SNAPSHOTS = {
    "mssql": "SNAPSHOT",
    "oracle": "SERIALIZABLE",
    "sqlite": "SERIALIZABLE",
    **dict.fromkeys(_MYSQL, "REPEATABLE READ"),
}
#: SQL Server refuses the level SNAPSHOT in a database that does not allow it, but only later.
_ALLOWS_SNAPSHOT = (
    "SELECT 1 FROM sys.databases WHERE database_id = DB_ID() AND snapshot_isolation_state = 1"
)
_BATCH_ROWS = 50_000


class SqlAlchemySource(PulledSource):
    """A database by its SQLAlchemy URL, read in one transaction."""

    def __init__(self, cdm: Cdm) -> None:
        """Connect, and begin the transaction in which everything is read.

        Raises
        ------
        ConfigurationError
            No driver for the URL is installed.
        ConnectionFailedError
        """
        self.where = f"cdm.url {cdm.url}"
        self._cdm = cdm
        self._zone = ZoneInfo(cdm.time_zone)
        engine = self._engine(cdm)
        self._connection: sqlalchemy.Connection | None = None
        self._mysql: MySqlSession | None = None
        self._tables: dict[str | None, Mapping[str, list[str]]] = {}
        try:
            with self._errors_as(ConnectionFailedError, self.where):
                self._connection = engine.connect()
                self._begin()
                self._inspector = sqlalchemy.inspect(self._connection)
        except BaseException:
            self.close()
            raise

    def _engine(self, cdm: Cdm) -> sqlalchemy.Engine:
        try:
            url = _url(cdm)
            self._name = url.get_backend_name()
            if self._name == "postgresql":
                raise ConfigurationError(
                    f"{self.where}: write postgresql://..., without the name of a driver; the run "
                    "then reads one snapshot, and locks the tables against being emptied"
                )
            self.dialect = _DIALECTS.get(self._name, "")
            options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
            if self._name == "sqlite":
                options["creator"] = partial(_open_sqlite, self.where, url.database)
            engine = sqlalchemy.create_engine(url, **options)
        except (NoSuchModuleError, ModuleNotFoundError):
            raise ConfigurationError(_no_driver(self.where, self._name)) from None
        except (SQLAlchemyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{self.where}: not a URL of SQLAlchemy ({type(error).__name__}); see "
                "configs/README.md for a URL of each database"
            ) from None
        if self._name in _MYSQL:
            set_habits(engine, self.where)
        return engine

    def _begin(self) -> None:
        connection = self._open
        level = _SNAPSHOTS.get(self._name)
        self.snapshot = f"{self._name}: no snapshot, tables read one after another"
        if level == "SNAPSHOT":
            if not connection.execute(sqlalchemy.text(_ALLOWS_SNAPSHOT)).all():
                level = None
            connection.rollback()
        if level is not None:
            connection.execution_options(isolation_level=level)
            self.snapshot = f"{self._name}: one snapshot"
        if self._name == "sqlite":
            # The driver itself begins a transaction only before it writes.
            connection.exec_driver_sql("BEGIN")
        if self._name in _MYSQL:
            self._mysql = MySqlSession(connection)

    def _errors_as(
        self, error_class: type[OmopScorerError], where: str
    ) -> AbstractContextManager[None]:
        return errors_as(error_class, where, self._name)

    @property
    def _open(self) -> sqlalchemy.Connection:
        assert self._connection is not None
        return self._connection

    def find(self, table: Table) -> SiteTable | None:
        """Look in the schema of the CDM, or of the vocabulary, for a table or a view."""
        cdm = self._cdm
        schema = cdm.schema_
        if table.schema == "vocab" and cdm.vocabulary_schema is not None:
            schema = cdm.vocabulary_schema
        wanted = cdm.table_names.get(table.name, table.name)
        with self._errors_as(CdmError, f"{self.where}: the tables cannot be listed"):
            names = self._named(schema).get(wanted.lower(), [])
        if len(names) > 1 and wanted in names:
            names = [wanted]
        if len(names) > 1:
            raise CdmError(
                f"{self.where}: table {wanted} is found as {', '.join(names)}; name one of them "
                f"under cdm.tables"
            )
        if not names:
            return None
        label = names[0] if schema is None else f"{schema}.{names[0]}"
        kinds = {each.name: each.kind for each in table.columns}
        with self._errors_as(CdmError, f"{self.where}: {label} cannot be read"):
            columns = self._inspector.get_columns(names[0], schema=schema)
        return SiteTable(
            relation=label,
            label=label,
            columns={each["name"].lower(): self._native(each, kinds) for each in columns},
            names={each["name"].lower(): self._stored(each["name"]) for each in columns},
            padded=frozenset(
                each["name"].lower()
                for each in columns
                if isinstance(each["type"], types.CHAR | types.NCHAR)
            ),
            dated=frozenset(
                each["name"].lower()
                for each in columns
                if isinstance(each["type"], types.Date) and self._name not in ("sqlite", *_MYSQL)
            ),
            numeric=frozenset(
                each["name"].lower()
                for each in columns
                if isinstance(each["type"], types.Integer | types.Numeric | types.Float)
            ),
            table=self._qualified(names[0], schema),
        )

    def _stored(self, name: str) -> str:
        """Return a name as it is stored: SQLAlchemy shows upper case as lower case for some."""
        dialect = self._open.dialect
        if getattr(dialect, "requires_name_normalize", False):
            return str(dialect.denormalize_name(name))
        return name

    def _qualified(self, name: str, schema: str | None) -> exp.Table:
        """Return a quoted table. A schema may be `catalog.schema`, as SQLAlchemy takes it."""
        *catalog, home = (schema or "").split(".")
        return exp.table_(
            exp.to_identifier(self._stored(name), quoted=True),
            db=exp.to_identifier(self._stored(home), quoted=True) if home else None,
            catalog=exp.to_identifier(self._stored(".".join(catalog)), quoted=True)
            if catalog
            else None,
        )

    def _named(self, schema: str | None) -> Mapping[str, list[str]]:
        """Return the tables and views of a schema by their names in lower case."""
        if schema not in self._tables:
            self._refuse_unknown(schema)
            found: dict[str, list[str]] = {}
            known = {
                *self._inspector.get_table_names(schema=schema),
                *self._inspector.get_view_names(schema=schema),
            }
            for name in sorted(known):
                found.setdefault(name.lower(), []).append(name)
            self._tables[schema] = found
        return self._tables[schema]

    def _refuse_unknown(self, schema: str | None) -> None:
        """Name the schemas that exist. A name with a catalog or database is left to the server."""
        if schema is None or "." in schema:
            return
        known = self._inspector.get_schema_names()
        if schema.lower() not in {name.lower() for name in known}:
            raise CdmError(
                f"{self.where}: no schema {schema!r}; correct cdm.schema or cdm.vocabulary_schema. "
                f"Schemas: {', '.join(sorted(known)) or 'none'}"
            )

    def _native(self, column: ReflectedColumn, kinds: Mapping[str, Kind]) -> str:
        """Return the type in which a column arrives. SQLite keeps any value in any column.

        Drivers give a float of 32 bits as one of 64, which hides that it cannot hold every id.
        """
        kind = column["type"]
        if self._name == "sqlite" or isinstance(kind, types.NullType):
            return "VARCHAR"
        if isinstance(kind, types.Integer):
            return "VARCHAR" if getattr(kind, "unsigned", False) else "BIGINT"
        if isinstance(kind, types.Float):
            is_id = kinds.get(column["name"].lower()) == "integer"
            return "FLOAT" if is_id and self._is_short(kind) else "DOUBLE"
        return "VARCHAR"

    def _is_short(self, kind: types.TypeEngine[Any]) -> bool:
        """Return True if a type is a float of 32 bits."""
        name = type(kind).__name__.upper()
        return name in ("REAL", "BINARY_FLOAT") or (name == "FLOAT" and self._name in _MYSQL)

    def pull(self, statement: Statement, ids: Ids) -> Generator[pa.RecordBatch, None, None]:
        """Stream the rows; the driver fetches them in blocks."""
        for tree, values in bound(statement, ids):
            text = sqlalchemy.text(self._rendered(tree))
            with self._errors_as(SqlError, f"{self.where}: {statement.name}"):
                with self._interruptible():
                    result = self._open.execution_options(
                        stream_results=True, max_row_buffer=_BATCH_ROWS
                    ).execute(text, values)
                with result, self._interruptible():
                    for rows in result.partitions(_BATCH_ROWS):
                        yield self._batch(statement, result, rows)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Stop the statement if the run ends before its last row."""
        try:
            yield
        except SQLAlchemyError:  # it has failed, so it is not at work
            raise
        except BaseException:
            if self._mysql is not None:
                self._mysql.stop()
            raise

    def _batch(
        self,
        statement: Statement,
        result: sqlalchemy.CursorResult[Any],
        rows: Sequence[Sequence[Any]],
    ) -> pa.RecordBatch:
        if self._mysql is not None:
            rows = self._mysql.rows(result, rows)
        arrays = [arrow_column(column, self._zone) for column in zip(*rows, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, list(statement.columns))

    def shown(self, statement: Statement, ids: Ids) -> str:
        """Return the statement as the database receives it, parameters by name."""
        return ";\n".join(self._rendered(tree, pretty=True) for tree, _ in bound(statement, ids))

    def _rendered(self, tree: exp.Select, *, pretty: bool = False) -> str:
        """Return a statement as text of SQLAlchemy, in which a colon of a name is escaped."""
        tree = tree.copy()
        for identifier in tree.find_all(exp.Identifier):
            identifier.set("this", identifier.name.replace(":", "\\:"))
        for holder in list(tree.find_all(exp.Placeholder)):
            # sqlglot writes placeholders in each driver's way; SQLAlchemy wants them in its own.
            holder.replace(exp.Var(this=f":{holder.name}"))
        return tree.sql(dialect=self.dialect, comments=False, pretty=pretty)

    def release(self) -> None:
        """End the transaction and the session."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()


def _url(cdm: Cdm) -> sqlalchemy.URL:
    url = sqlalchemy.make_url(cdm.url)
    password = cdm.password
    return url if password is None else url.set(password=password.get_secret_value())


def _open_sqlite(where: str, path: str | None) -> sqlite3.Connection:
    """Open a SQLite file for reading; SQLite itself would create one that is missing."""
    if not path or not Path(path).is_file():
        raise ConnectionFailedError(f"{where}: no such file")
    connection = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)
    # Views of the file are code of somebody else: they call no function with effects, and write
    # nothing.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    # SQLite keeps any bytes as text. A text that is not UTF-8 must not end the run.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def _no_driver(where: str, name: str) -> str:
    if extra := _EXTRAS.get(name):
        return f"{where}: no driver is installed; run: pip install 'omop-scorer[{extra}]'"
    return f"{where}: unknown kind of database {name!r}; known: {', '.join(sorted(_DIALECTS))}"
