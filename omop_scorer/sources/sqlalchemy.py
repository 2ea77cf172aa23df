"""A CDM in any database of SQLAlchemy: SQL Server, Oracle, Snowflake, MariaDB, SQLite, ...

SQLAlchemy connects, describes the tables, binds the values and streams the rows. The SQL is that of
`sql/source`, quoted by sqlglot for the dialect of the URL.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy
from sqlalchemy import types
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.config.connections import Cdm
from omop_scorer.errors import (
    CdmError,
    ConfigurationError,
    ConnectionFailedError,
    OmopScorerError,
    SqlError,
)
from omop_scorer.sources.base import PulledSource
from omop_scorer.sources.statement import Ids, Statement, bound
from omop_scorer.sql import Dialect

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
    "postgresql": "postgres",
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
    **dict.fromkeys(("mysql", "mariadb", "postgresql"), "REPEATABLE READ"),
}
#: SQL Server refuses the level SNAPSHOT in a database that does not allow it, but only later.
_ALLOWS_SNAPSHOT = (
    "SELECT 1 FROM sys.databases WHERE database_id = DB_ID() AND snapshot_isolation_state = 1"
)
#: Codes of errors that name no value: of the SQL standard, of Oracle, and plain numbers.
_CODE = re.compile(r"(?=.*[0-9])[0-9A-Z]{5}|[A-Z]{3}-[0-9]+")
_BATCH_ROWS = 50_000
#: Beyond it a float does not hold every whole number, so that an id in it cannot be trusted.
_EXACT = 2**53


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
        engine = self._engine(cdm)
        self._connection: sqlalchemy.Connection | None = None
        with _errors_as(ConnectionFailedError, self.where):
            self._connection = self._begin(engine)
            self._inspector = sqlalchemy.inspect(self._connection)
        self._tables: dict[str | None, Mapping[str, list[str]]] = {}

    def _engine(self, cdm: Cdm) -> sqlalchemy.Engine:
        try:
            url = _url(cdm)
            self._name = url.get_backend_name()
            self.dialect = _DIALECTS.get(self._name, "")
            options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
            if self._name == "sqlite":
                options["creator"] = partial(_open_sqlite, self.where, url.database)
            return sqlalchemy.create_engine(url, **options)
        except (NoSuchModuleError, ModuleNotFoundError):
            raise ConfigurationError(_no_driver(self.where, self._name)) from None
        except (SQLAlchemyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{self.where}: not a URL of SQLAlchemy ({type(error).__name__}); see "
                "configs/README.md for a URL of each database"
            ) from None

    def _begin(self, engine: sqlalchemy.Engine) -> sqlalchemy.Connection:
        connection = engine.connect()
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
        return connection

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
        wanted = cdm.tables.get(table.name, table.name)
        with _errors_as(CdmError, f"{self.where}: the tables cannot be listed"):
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
        with _errors_as(CdmError, f"{self.where}: {label} cannot be read"):
            columns = self._inspector.get_columns(names[0], schema=schema)
        return SiteTable(
            relation=label,
            label=label,
            columns={each["name"].lower(): self._native(each) for each in columns},
            names={each["name"].lower(): self._stored(each["name"]) for each in columns},
            padded=frozenset(
                each["name"].lower()
                for each in columns
                if isinstance(each["type"], types.CHAR | types.NCHAR)
            ),
            dated=frozenset(
                each["name"].lower()
                for each in columns
                if isinstance(each["type"], types.Date)
                and self._name not in ("sqlite", "mysql", "mariadb")
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
            found: dict[str, list[str]] = {}
            known = {
                *self._inspector.get_table_names(schema=schema),
                *self._inspector.get_view_names(schema=schema),
            }
            for name in sorted(known):
                found.setdefault(name.lower(), []).append(name)
            self._tables[schema] = found
        return self._tables[schema]

    def _native(self, column: ReflectedColumn) -> str:
        """Return the type in which a column arrives. SQLite keeps any value in any column."""
        kind = column["type"]
        if self._name == "sqlite" or isinstance(kind, types.NullType):
            return "VARCHAR"
        if isinstance(kind, types.Integer):
            return "VARCHAR" if getattr(kind, "unsigned", False) else "BIGINT"
        if isinstance(kind, types.Float):
            return "DOUBLE"
        return "VARCHAR"

    def pull(self, statement: Statement, ids: Ids) -> Iterator[pa.RecordBatch]:
        """Stream the rows; the driver fetches them in blocks."""
        for tree, values in bound(statement, ids):
            text = sqlalchemy.text(self._rendered(tree))
            with _errors_as(SqlError, f"{self.where}: {statement.name}"):
                result = self._open.execution_options(
                    stream_results=True, max_row_buffer=_BATCH_ROWS
                ).execute(text, values)
                with result:
                    for rows in result.partitions(_BATCH_ROWS):
                        yield self._batch(statement, rows)

    def _batch(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
        arrays = [_array(column) for column in zip(*rows, strict=True)]
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
        """End the transaction."""
        with _errors_as(SqlError, self.where):
            self._open.rollback()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()


def _array(values: Sequence[object]) -> pa.Array:
    """Return a column as integers, floats or text; everything else becomes exact text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        with suppress(pa.ArrowInvalid, OverflowError):
            return pa.array(values, pa.int64())
    if kinds == {float} and not any(isinstance(v, float) and abs(v) > _EXACT for v in values):
        return pa.array(values, pa.float64())
    return pa.array([None if each is None else _text(each) for each in values], pa.string())


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case float():
            # A whole number that a float cannot hold must not look like an id.
            return repr(value) if abs(value) <= _EXACT else f"{value:.17e}"
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode("utf-8", "replace")
        case _:
            return str(value)


def _url(cdm: Cdm) -> sqlalchemy.URL:
    url = sqlalchemy.make_url(cdm.url)
    password = cdm.password
    return url if password is None else url.set(password=password.get_secret_value())


def _open_sqlite(where: str, path: str | None) -> sqlite3.Connection:
    """Open a SQLite file for reading; SQLite itself would create one that is missing."""
    if not path or not Path(path).is_file():
        raise ConnectionFailedError(f"{where}: no such file")
    return sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)


def _no_driver(where: str, name: str) -> str:
    if extra := _EXTRAS.get(name):
        return f"{where}: no driver is installed; run: pip install 'omop-scorer[{extra}]'"
    return f"{where}: unknown kind of database {name!r}; known: {', '.join(sorted(_DIALECTS))}"


@contextmanager
def _errors_as(error_class: type[OmopScorerError], where: str) -> Iterator[None]:
    """Raise errors of SQLAlchemy and its drivers as ours. Their texts may quote values."""
    try:
        yield
    except DBAPIError as error:
        ours = error_class(f"{where}: the database refused it ({_kind(error.orig)})")
        ours.is_transient = error.connection_invalidated
        raise ours from None
    except (SQLAlchemyError, TypeError) as error:
        # A driver raises TypeError for an option that it does not know.
        raise error_class(
            f"{where}: {type(error).__name__}; check the options of the URL"
        ) from None


def _kind(error: BaseException | None) -> str:
    """Return the kind of a driver's error, with its code; its text may hold a value."""
    first = error.args[0] if error is not None and error.args else None
    code = getattr(error, "sqlstate", None) or getattr(first, "full_code", None) or first
    is_code = isinstance(code, int) or (isinstance(code, str) and _CODE.fullmatch(code))
    return f"{type(error).__name__} {code}" if is_code else type(error).__name__
