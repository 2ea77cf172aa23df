"""A site on a PostgreSQL server: what Site is for DuckDB's files."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import psycopg
import pyarrow as pa
import pytest
import sqlglot
from psycopg.sql import Identifier

from omop_scorer import data_model
from omop_scorer.config.run_file import RunConfig
from omop_scorer.results import schema as results_schema
from omop_scorer.stores import open_results, open_store
from tests.support import postgresql
from tests.support.command_line import RUN_TABLES, Site, prefixed, start


def load(cdm: Path, url: str, schema: str) -> None:
    """Load a made-up CDM into a schema of a database."""
    where = ("--to", url, "--schema", schema, "--cdm-version", "5.3")
    done = start("load-cdm", str(cdm), *where).finish()
    assert done.returncode == 0, done.stderr
    assert f"{schema}.person: " in done.stdout


@dataclass
class ServerSite(Site):
    """A run file with a CDM and results, which are schemas of the test server's database.

    The CDM is shared with other sites until it is changed; then it is a copy of their own.
    """

    engine: ClassVar[str] = "postgresql"
    dialect: ClassVar[str] = "postgres"
    cdm: str
    results: str
    url: str = ""
    results_url: str = ""
    is_shared: bool = True

    def __post_init__(self) -> None:
        self.url = self.url or postgresql.database()
        self.results_url = self.results_url or self.url

    def results_section(self) -> dict[str, str]:
        """Return where the results are, as a section of the run file."""
        return {"url": self.results_url, "schema": self.results}

    @property
    def results_schema(self) -> str:
        """Name the schema of the results."""
        return self.results

    def places(self) -> dict[str, Any]:
        """Return the sections of the run file that the engine needs."""
        return {
            "engine": "postgresql",
            "cdm": {"url": self.url, "schema": self.cdm},
            "results": {"url": self.results_url, "schema": self.results},
            "postgresql": self.manners(),
        }

    def manners(self) -> dict[str, Any]:
        """Return how a run deals with the server.

        Sessions bear the name of the results, so that a site's own can be told. A fault ends the
        run, unless a test asks for another try.
        """
        return {"application_name": self.results, "retries": 0}

    def config(self) -> RunConfig:
        """Return the configuration of the commands, for what is tested in this process."""
        return RunConfig.model_validate(self.places())

    def fresh(self) -> Self:
        """Return the same site before its first run."""
        return replace(self, results=postgresql.new_schema("fresh"))

    @contextmanager
    def session(self, url: str, schema: str) -> Iterator[psycopg.Connection[Any]]:
        """Yield a session, all of whose names are of one schema."""
        with self._session_of(url) as session:
            session.execute("SELECT set_config('search_path', %s, FALSE)", (_quoted(schema),))
            yield session
            session.execute("SELECT set_config('search_path', 'public', FALSE)")

    @contextmanager
    def _session_of(self, url: str) -> Iterator[psycopg.Connection[Any]]:
        if url == postgresql.database():
            yield postgresql.session()
        else:
            with psycopg.connect(url, autocommit=True) as session:
                yield session

    def change(self, *statements: str) -> None:
        """Change the CDM, in the words of DuckDB; tables are named without a schema."""
        if self.is_shared:
            self.own_cdm(postgresql.new_schema("cdm"))
        with self.session(self.url, self.cdm) as session:
            for statement in statements:
                session.execute(_translated(statement))

    def make_results_schema(self) -> None:
        """Make the schema of the results, empty."""
        with self._session_of(self.results_url) as session:
            session.execute(f"CREATE SCHEMA {_quoted(self.results)}")

    def write(self, *statements: str) -> None:
        """Change the results, in the words of DuckDB."""
        with self.session(self.results_url, self.results) as session:
            for statement in statements:
                session.execute(_translated(statement))

    def write_as_server(self, *statements: str) -> None:
        """Run statements on the results, in the words of the server."""
        with self.session(self.results_url, self.results) as session:
            for statement in statements:
                session.execute(statement)

    def at(self, results_url: str) -> Self:
        """Return the same site with another way to its results."""
        return replace(self, results_url=results_url)

    def fingerprint(self) -> dict[str, object]:
        """Return what changes when anything is written to the CDM or to the results."""
        found: dict[str, object] = {}
        for url, schema in ((self.url, self.cdm), (self.results_url, self.results)):
            with self.session(url, schema) as session:
                relations = session.execute(
                    "SELECT c.relname, c.relkind FROM pg_class AS c INNER JOIN pg_namespace AS n "
                    "ON n.oid = c.relnamespace WHERE n.nspname = %s",
                    (schema,),
                ).fetchall()
                for name, kind in relations:
                    rows = session.execute(
                        "SELECT COUNT(*), SUM(hashtextextended(CAST(t AS TEXT), 0)) "
                        f"FROM {_quoted(name)} AS t"
                        if kind == "r"
                        else "SELECT 0"
                    )
                    found[f"{schema}.{name}"] = (kind, rows.fetchall())
        return found

    def _copy_cdm(self, shared: str) -> None:
        """Copy the tables of a schema, with their columns' types and without keys."""
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        with self._session_of(self.url) as session:
            session.execute(f"CREATE SCHEMA {_quoted(self.cdm)}")
            for (name,) in session.execute(query, (shared,)).fetchall():
                target, source = (f"{_quoted(schema)}.{name}" for schema in (self.cdm, shared))
                session.execute(f"CREATE TABLE {target} AS TABLE {source}")

    def cdm_rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the CDM, in the words of DuckDB."""
        with self.session(self.url, self.cdm) as session:
            return session.execute(_translated(query)).fetchall()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the results, in the words of DuckDB."""
        with self.session(self.results_url, self.results) as session:
            return session.execute(_translated(query)).fetchall()

    def answer(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what readers see: the rows of the views, by table."""
        names = {"patient_subgroup": "score", "run_cohort": "cohort"}
        names["run_cohort_definition"] = "cohort_definition"
        with self.session(self.results_url, self.results) as session:
            seen = {
                view: session.execute(
                    "SELECT COUNT(*), SUM(hashtextextended(CAST(t AS TEXT), 0)) "
                    f"FROM {prefixed(view)} AS t"
                ).fetchall()
                for view in (names.get(table, table) for table in RUN_TABLES)
            }
            seen["run"] = session.execute("SELECT * FROM latest_run").fetchall()
        return seen

    def tables(self, run_id: int) -> dict[str, pa.Table]:
        """Return every table of a run, in an order of its own, without the run's id."""
        found = {}
        with open_results(self.config().connections) as reader:
            for table in RUN_TABLES:
                query = f"SELECT * FROM results.{table} WHERE run_id = {run_id}"
                rows = reader.read(sqlglot.parse_one(query), {}).drop_columns(["run_id"])
                found[table] = rows.sort_by([(name, "ascending") for name in rows.column_names])
        return found

    def states(self) -> dict[int, str]:
        """Return the latest status of each run."""
        rows = self.rows(
            "SELECT DISTINCT ON (run_id) run_id, status FROM scoring_run_status "
            "ORDER BY run_id, recorded_at DESC, CASE status WHEN 'RUNNING' THEN 1 ELSE 0 END"
        )
        return dict(rows)

    def settle(self) -> None:
        """Wait until the server has noticed that a process is gone, and let go of its lock."""
        deadline = time.monotonic() + 20
        query = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = %s"
        while time.monotonic() < deadline:
            for url in {self.url, self.results_url}:
                with self._session_of(url) as session:
                    if session.execute(query, (self.results,)).fetchall() != [(0,)]:
                        break
            else:
                return
            time.sleep(0.02)
        pytest.fail("the sessions of a process that is gone never ended")

    def own_cdm(self, schema: str) -> None:
        """Copy the CDM, which is shared, to a schema of this site's own."""
        shared, self.cdm, self.is_shared = self.cdm, schema, False
        self._copy_cdm(shared)

    def with_answer_of(self, other: "ServerSite") -> Self:
        """Make the results and put another site's into them; return itself."""
        with closing(open_store(self.config().connections)) as store:
            results_schema.migrate(store)
        with self.session(self.results_url, self.results) as session:
            for table in data_model.data_model():
                session.execute(f"INSERT INTO {table} SELECT * FROM {other.results}.{table}")
        return self


def _translated(statement: str) -> str:
    return sqlglot.transpile(statement, read="duckdb", write="postgres")[0]


def _quoted(name: str) -> str:
    return Identifier(name).as_string()
