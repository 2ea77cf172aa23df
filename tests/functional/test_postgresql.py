"""The nightly job on a PostgreSQL server: the same answer, few rights, no password said."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlglot
from command_line import AS_OF, CDAI, RUN_TABLES, Finished, assert_refused, omop_scorer, start
from truth_check import compare

from omop_scorer.config import RunConfig
from omop_scorer.engines import open_engine, open_results
from omop_scorer.engines.base import ResultsReader
from omop_scorer.errors import LockHeldError, SqlError
from tests import postgresql
from tests.conftest import outcome_of

SECRET = "s3ntinel"
TABLES = (*RUN_TABLES, "scoring_run_status")


@dataclass
class Server:
    """A made-up CDM on the server, and a results schema of its own."""

    folder: Path
    schema: str
    results: str
    url: str

    def settings(self, **keys: str) -> list[str]:
        """Return the options of a command."""
        given = {
            "engine": "postgresql",
            "cdm.url": self.url,
            "cdm.schema": self.schema,
            "results.url": self.url,
            "results.schema": self.results,
            "as_of_date": str(AS_OF),
            "covariates": json.dumps(CDAI),
            **keys,
        }
        return [word for key, value in given.items() for word in ("--set", f"{key}={value}")]

    def run(self, *arguments: object, command: str = "run", **keys: str) -> Finished:
        """Run a command on this server."""
        shipped = Path(__file__).parents[2] / "configs" / "nightly.yaml"
        return omop_scorer(command, "--config", shipped, *self.settings(**keys), *arguments)

    def config(self) -> RunConfig:
        """Return the configuration of the commands."""
        cdm = {"url": self.url, "schema": self.schema}
        results = {"url": self.url, "schema": self.results}
        return RunConfig.model_validate({"engine": "postgresql", "cdm": cdm, "results": results})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; tables are those of the results."""
        with postgresql.session().transaction():
            postgresql.session().execute(f"SET LOCAL search_path = {self.results}")
            return postgresql.session().execute(query).fetchall()

    def states(self) -> dict[int, set[str]]:
        """Return the statuses of each run."""
        found: dict[int, set[str]] = {}
        for run_id, status in self.rows("SELECT run_id, status FROM scoring_run_status"):
            found.setdefault(run_id, set()).add(status)
        return found


@pytest.fixture(scope="module")
def loaded(made_up: Any) -> str:
    """Load the small CDM once; return its schema."""
    schema = postgresql.new_schema("loaded")
    done = omop_scorer(
        *("load-cdm", made_up(), "--to", postgresql.database()),
        *("--schema", schema, "--cdm-version", "5.3"),
    )
    assert done.returncode == 0, done.stderr
    assert f"{schema}.person: " in done.stdout
    return schema


@pytest.fixture
def server(tmp_path: Path, loaded: str) -> Server:
    """Return the CDM on the server with a results schema that is still to be made."""
    return Server(tmp_path, loaded, postgresql.new_schema("answer"), postgresql.database())


def tables_of(reader: ResultsReader) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the latest run, rounded to nine digits, without its id and its times."""
    found = {}
    for table in RUN_TABLES:
        query = sqlglot.parse_one(f"SELECT * FROM results.{table}", read="duckdb")
        rows = reader.read(query, {}).drop_columns(["run_id"]).to_pylist()
        found[table] = sorted(
            (tuple(_rounded(value) for value in row.values()) for row in rows), key=repr
        )
    return found


def _rounded(value: object) -> object:
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_both_engines_give_one_answer_and_it_is_the_truth(
    server: Server, made_up: Any, answered: Path
) -> None:
    done = server.run("--log-format", "json")
    assert done.returncode == 0, done.stderr
    with open_results(server.config()) as reader:
        found = tables_of(reader)
        frames = {
            name: pd.DataFrame(server.rows(f"SELECT * FROM {name}"), columns=names)
            for name, names in columns_of(server).items()
            if name in ("patient_covariate", "attrition", "treatment_line")
        }
    site = {"cdm": {"url": str(made_up())}, "results": {"url": str(answered)}}
    with open_results(RunConfig.model_validate(site)) as reader:
        expected = tables_of(reader)
    for table in RUN_TABLES:
        assert found[table] == expected[table], table
    assert compare(made_up().with_name("cdm.truth.parquet"), frames) == []


def columns_of(server: Server) -> dict[str, list[str]]:
    rows = server.rows(
        "SELECT table_name, column_name FROM information_schema.columns "
        f"WHERE table_schema = '{server.results}' ORDER BY table_name, ordinal_position"
    )
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


def test_readers_read_it(server: Server) -> None:
    assert server.run().returncode == 0
    assert server.run().returncode == 0
    where = [
        *("--set", f"results.url={server.url}"),
        *("--set", f"results.schema={server.results}"),
    ]
    listed = omop_scorer("runs", "--format", "json", *where)
    assert [run["status"] for run in json.loads(listed.stdout)] == ["COMPLETE", "COMPLETE"]
    assert omop_scorer("diff", "previous", "latest", *where).returncode == 0
    page = server.folder / "report.html"
    done = omop_scorer("report", "-o", page, *where)
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size > 10_000
    writing = sqlglot.parse_one("CREATE TABLE results.x AS SELECT 1 AS n", read="postgres")
    with open_results(server.config()) as reader, pytest.raises(SqlError, match="read-only"):
        reader.read(writing, {})


def test_the_cdm_is_not_written_to(server: Server) -> None:
    def names() -> list[tuple[Any, ...]]:
        return (
            postgresql.session()
            .execute(
                "SELECT c.relname, c.relkind, pg_stat_get_tuples_inserted(c.oid) "
                "FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace "
                f"WHERE n.nspname = '{server.schema}' ORDER BY c.relname"
            )
            .fetchall()
        )

    before = names()
    assert server.run().returncode == 0
    assert names() == before


def test_a_second_run_is_refused_while_one_holds_the_lock(server: Server) -> None:
    engine = open_engine(server.config(), with_results=True)
    try:
        assert_refused(server.run(), 16, "another run writes", server.results, "server process")
        with pytest.raises(LockHeldError):
            open_engine(server.config(), with_results=True)
    finally:
        engine.close()
    assert server.run().returncode == 0


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("measurement_value", signal.SIGKILL),
        ("score", signal.SIGTERM),
        ("score", signal.SIGKILL),
        ("write", signal.SIGKILL),
    ],
)
def test_a_stopped_run_leaves_yesterdays_answer(server: Server, step: str, number: int) -> None:
    assert server.run().returncode == 0
    (yesterday,) = server.rows("SELECT * FROM latest_run")
    shipped = Path(__file__).parents[2] / "configs" / "nightly.yaml"
    run = start("run", "--config", shipped, *server.settings(), "--log-format", "json")
    assert run.stderr is not None
    for line in run.stderr:
        if json.loads(line).get("step") == step:
            os.kill(run.pid, number)
            break
    rest = run.stderr.read()
    run.stderr.close()
    assert "Traceback" not in rest
    code = run.wait()
    assert code in {-signal.SIGKILL, 143, 0}  # 0: it ended first
    wait_for_the_lock(server)
    if code:
        assert server.rows("SELECT * FROM latest_run") == [yesterday]
        union = " UNION ".join(f"SELECT run_id FROM {table}" for table in RUN_TABLES)
        assert server.rows(union) == [(yesterday[0],)]
    if code == 143:
        states = list(server.states().values())
        assert all(state & {"COMPLETE", "FAILED"} for state in states)
    again = server.run()
    assert again.returncode == 0, again.stderr
    assert all(state & {"COMPLETE", "FAILED"} for state in server.states().values())
    assert server.rows("SELECT * FROM latest_run") != [yesterday]


def wait_for_the_lock(server: Server) -> None:
    """Wait until the server has noticed that a client is gone."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            open_engine(server.config(), with_results=True).close()
        except LockHeldError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the lock was never given back")


@pytest.fixture
def role(server: Server) -> Iterator[str]:
    """Make a role without any right; give it back as it was found."""
    name = f"{server.results}_{os.getpid()}"
    session = postgresql.session()
    session.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    database = session.info.dbname
    session.execute(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC')
    yield name
    session.execute(f'GRANT TEMPORARY ON DATABASE "{database}" TO PUBLIC')
    session.execute(f"DROP OWNED BY {name}")
    session.execute(f"DROP ROLE {name}")


def test_missing_rights_are_named_one_after_the_other_and_few_suffice(
    server: Server, role: str
) -> None:
    session = postgresql.session()
    head, _, rest = server.url.partition("://")
    server.url = f"{head}://{role}:{SECRET}@{rest.partition('@')[2]}"
    session.execute(f"CREATE SCHEMA {server.results}")
    database = session.info.dbname
    steps = [
        (15, f"USAGE, CREATE ON SCHEMA {server.results}"),
        (11, f'TEMPORARY ON DATABASE "{database}"'),
        (12, f"USAGE ON SCHEMA {server.schema}"),
        (12, f"SELECT ON ALL TABLES IN SCHEMA {server.schema}"),
    ]
    for code, right in steps:
        for command in ("run", "check"):
            done = server.run(command=command)
            assert done.returncode == code, (command, right, done.stderr, done.stdout)
            assert f"GRANT {right.partition(' ON ')[0]} ON " in done.stderr + done.stdout
            assert SECRET not in done.stderr + done.stdout
        session.execute(f"GRANT {right} TO {role}")
    assert server.run(command="check").returncode == 0
    done = server.run()
    assert done.returncode == 0, done.stderr
    kept = server.rows(
        "SELECT config_json FROM scoring_run UNION ALL SELECT message FROM scoring_run_status"
    )
    assert all(SECRET not in (text or "") for (text,) in kept)


def test_no_failing_connection_says_the_password(server: Server) -> None:
    head = "postgresql://somebody"
    for url, part in (
        (f"{head}:{SECRET}@localhost:1/d", "refused"),
        (f"{head}:{SECRET}@host.invalid/d", "host.invalid"),
        (f"{head}:{SECRET}@localhost:1/d?sslmode={'no' * 3}", "sslmode"),
        (f"{head}:{SECRET}@localhost:1/d?colour=blue", "colour"),
        (f"{head}:{SECRET}@{server.url.partition('@')[2]}", "somebody"),
    ):
        for command in ("run", "check"):
            done = server.run(command=command, **{"cdm.url": url, "results.url": url})
            said = done.stdout + done.stderr
            assert done.returncode == 11, said
            assert part in said
            assert SECRET not in said
            assert "Traceback" not in said


def test_a_statement_that_takes_too_long_ends_the_run(server: Server) -> None:
    session = postgresql.session()
    view = postgresql.new_schema("slow")
    session.execute(f"CREATE SCHEMA {view}")
    for (name,) in session.execute(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{server.schema}'"
    ).fetchall():
        slow = ", pg_sleep(30)" if name == "death" else ""
        session.execute(
            f"CREATE VIEW {view}.{name} AS SELECT t.* FROM {server.schema}.{name} AS t{slow}"
        )
    server.schema = view
    began = time.monotonic()
    done = server.run(**{"postgresql.statement_timeout_seconds": "2"})
    assert_refused(done, 13, "statement timeout")
    assert time.monotonic() - began < 20
    assert [set(state) for state in server.states().values()] == [{"RUNNING", "FAILED"}]


def test_hostile_names_and_values_stay_what_they_are(server: Server) -> None:
    session = postgresql.session()
    hostile = 'a "b"; DROP SCHEMA %s -- \' %(x)s é'
    quoted = '"' + hostile.replace('"', '""') + '"'
    results = f"{hostile} results"
    unit = "mg/L''); DROP TABLE person; --"
    session.execute(f"CREATE SCHEMA {quoted}")
    for (name,) in session.execute(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{server.schema}'"
    ).fetchall():
        session.execute(f"CREATE TABLE {quoted}.{name} AS TABLE {server.schema}.{name}")
    session.execute(
        f"UPDATE {quoted}.measurement SET unit_concept_id = NULL, unit_source_value = '{unit}' "
        "WHERE measurement_concept_id = 3038553"
    )
    config = {
        "engine": "postgresql",
        "cdm": {"url": server.url, "schema": hostile},
        "results": {"url": server.url, "schema": results},
        "as_of_date": AS_OF,
    }
    outcome = outcome_of(config)
    assert outcome.summary.n_scored > 0
    rows = outcome.rows(
        "SELECT n FROM omop_scorer.covariate_quality WHERE covariate = 'bmi' "
        "AND measure = 'n_rejected_unit'"
    )
    assert rows[0][0] > 0
    assert session.execute(f"SELECT COUNT(*) FROM {quoted}.person").fetchall() != [(0,)]
