"""A CDM in MariaDB whose server fails, waits, or has more rows than the run wants."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.run_file import RunConfig
from omop_scorer.sources import open_source
from omop_scorer.sources.statement import fitted
from tests.support import mariadb
from tests.support.command_line import Finished, assert_refused, log_lines
from tests.support.database_site import DatabaseSite, in_mariadb
from tests.support.mariadb import MariaDb

#: Tables that take longer than anybody waits: one has too many rows, the other gives none for long.
ENDLESS = {
    "person": "SELECT p.* FROM (SELECT * FROM cdm.person_rows LIMIT 1) AS p "
    "CROSS JOIN seq_1_to_2000000000",
    "death": "SELECT d.* FROM cdm.death_rows AS d "
    "WHERE d.person_id > (SELECT SUM(MOD(seq, 7)) FROM seq_1_to_2000000000)",
}


@pytest.fixture(scope="module")
def server(made_up: Callable[..., Path]) -> Iterator[MariaDb]:
    """Start a server of our own, with the small CDM."""
    mariadb.server()  # or skip
    server = MariaDb()
    try:
        in_mariadb(made_up(), server, "cdm")
        yield server
    finally:
        server.remove()


@pytest.fixture
def site(tmp_path: Path, server: MariaDb) -> DatabaseSite:
    results = tmp_path / "results.duckdb"
    return DatabaseSite(tmp_path, tmp_path, results, url=server.url("cdm"))


def patient(n_retries: int = 3) -> dict[str, Any]:
    """Return the keys of a run that begins again after a fault that passes."""
    return {"postgresql": {"retries": n_retries, "retry_wait_seconds": 0.3}}


def on(server: MariaDb, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements on the server; return the rows of the last one."""
    with server.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def attempts(log: str) -> list[str]:
    """Return the messages of the attempts that failed and were followed by another."""
    messages = [str(line.get("message")) for line in log_lines(log)]
    return [message for message in messages if message.startswith("attempt ")]


def assert_begun_again(finished: Finished, said: str, code: str) -> None:
    said += finished.stderr
    assert finished.returncode == 0, said
    assert code in attempts(said)[0]
    assert "Exception ignored" not in said


def test_a_server_that_is_down_is_tried_again_and_then_given_up(
    site: DatabaseSite, server: MariaDb
) -> None:
    server.stop()
    try:
        finished = site.run("--log-format", "json", **patient(2))
    finally:
        server.start()
    assert finished.returncode == 11
    assert len(attempts(finished.stderr)) == 2
    assert "OperationalError 2003" in finished.stderr


def test_a_server_that_comes_back_is_read(site: DatabaseSite, server: MariaDb) -> None:
    server.stop()
    run = site.start("--log-format", "json", **patient(6))
    said = run.stderr.readline()
    server.start()
    assert_begun_again(run.finish(), said, "OperationalError 2003")


def test_a_session_that_is_ended_costs_an_attempt(site: DatabaseSite, server: MariaDb) -> None:
    run, said = site.start("--log-format", "json", **patient()), ""
    for line in run.stderr:
        said += line
        if log_lines(line)[0].get("step") == "pull persons":
            os.kill(run.pid, signal.SIGSTOP)
            for (session,) in on(
                server, "SELECT id FROM information_schema.processlist WHERE db = 'cdm'"
            ):
                on(server, f"KILL {session}")
            os.kill(run.pid, signal.SIGCONT)
            break
    assert_begun_again(run.finish(), said, "failed at step pull records")


def test_a_table_that_is_locked_for_too_long_costs_an_attempt(
    site: DatabaseSite, server: MariaDb
) -> None:
    on(server, "SET GLOBAL lock_wait_timeout = 1")
    with server.connect("cdm") as holder:
        holder.cursor().execute("LOCK TABLES death WRITE")
        run = site.start("--log-format", "json", **patient())
        said = ""
        for line in run.stderr:
            said += line
            if "attempt 1" in line:
                break
        holder.cursor().execute("UNLOCK TABLES")
    assert_begun_again(run.finish(), said, "OperationalError 1205")
    on(server, "SET GLOBAL lock_wait_timeout = 86400")


def test_too_many_sessions_cost_an_attempt(site: DatabaseSite, server: MariaDb) -> None:
    on(server, "SET GLOBAL max_connections = 10", "CREATE USER many", "GRANT SELECT ON *.* TO many")
    crowded = replace(site, url=site.url.replace("root@", "many@"))
    held = [server.connect() for _ in range(10)]
    try:
        run = crowded.start("--log-format", "json", **patient(6))
        said = run.stderr.readline()
    finally:
        for each in held:
            each.close()
    assert_begun_again(run.finish(), said, "OperationalError 1040")
    on(server, "SET GLOBAL max_connections = 151", "DROP USER many")


def test_a_wrong_password_is_not_tried_again(site: DatabaseSite) -> None:
    stranger = replace(site, url=site.url.replace("root@", "nobody:kite@"))
    finished = stranger.run("--log-format", "json", **patient())
    assert finished.returncode == 11
    assert attempts(finished.stderr) == []
    assert "kite" not in finished.stderr


@contextmanager
def endless(server: MariaDb, table: str) -> Iterator[None]:
    """Let a table have no end."""
    hide = f"RENAME TABLE cdm.{table} TO cdm.{table}_rows"
    on(server, "USE cdm", hide, f"CREATE VIEW cdm.{table} AS {ENDLESS[table]}")
    try:
        yield
    finally:
        on(
            server,
            f"DROP VIEW cdm.{table}",
            f"RENAME TABLE cdm.{table}_rows TO cdm.{table}",
        )


def sessions_at_work(server: MariaDb) -> int:
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'cdm'"
    return int(on(server, query)[0][0])


def assert_alone_soon(server: MariaDb) -> None:
    deadline = time.monotonic() + 10
    while sessions_at_work(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def source_of(site: DatabaseSite, **cdm: Any) -> Any:
    places = site.places()
    places["cdm"] |= cdm
    return open_source(RunConfig.model_validate(places).connections)


def statement_of(source: Any, name: str) -> Any:
    wanted = (name, "condition_occurrence")
    tables = {table.name: source.find(table) for table in TABLES if table.name in wanted}
    return fitted(name, tables)


def test_rows_that_nobody_reads_are_not_waited_for(site: DatabaseSite, server: MariaDb) -> None:
    cohort = on(server, "SELECT DISTINCT condition_concept_id FROM cdm.condition_occurrence")
    with endless(server, "person"), closing(source_of(site)) as source:
        ids = {"cohort_concept_ids": [concept for (concept,) in cohort], "cohort_source_ids": []}
        rows = source.pull(statement_of(source, "person"), ids)
        assert next(rows).num_rows > 0
        before = time.monotonic()
        rows.close()
        source.close()
        assert time.monotonic() - before < 10
        assert_alone_soon(server)


def test_a_run_that_copies_too_many_rows_ends_at_once(site: DatabaseSite, server: MariaDb) -> None:
    with endless(server, "person"):
        finished = site.run(cohort={"maximum_rows": 100_000})
        assert_alone_soon(server)
    assert_refused(finished, 12, "more than 100,000 rows", "cohort.maximum_rows")
    assert "Exception ignored" not in finished.stderr


@pytest.mark.parametrize("table", ["person", "death"])
def test_a_run_that_is_stopped_stops_its_statement(
    site: DatabaseSite, server: MariaDb, table: str
) -> None:
    query = (
        "SELECT 1 FROM information_schema.processlist WHERE db = 'cdm' AND time_ms > 300 "
        f"AND info LIKE 'SELECT%FROM `{table}`%'"
    )
    with endless(server, table):
        run = site.start("--log-format", "json")
        deadline = time.monotonic() + 60
        while not on(server, query):
            assert run.is_at_work
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGTERM)
        before = time.monotonic()
        finished = run.finish()
        assert time.monotonic() - before < 20
        assert_alone_soon(server)
    assert finished.returncode == 143, finished.stderr
    assert "Exception ignored" not in finished.stderr
    assert "Traceback" not in finished.stderr


def test_habits_of_the_server_change_nothing(site: DatabaseSite, server: MariaDb) -> None:
    """Without habits of its own, a session would find 3 of the persons, or no table at all."""
    query = "FROM cdm.condition_occurrence WHERE condition_concept_id = 201606"
    ((n_persons,),) = on(server, f"SELECT COUNT(DISTINCT person_id) {query}")
    on(
        server,
        "SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,ORACLE'",
        "SET GLOBAL sql_select_limit = 3",
        "SET GLOBAL sql_auto_is_null = 1",
        "SET GLOBAL init_connect = 'SET sql_select_limit = 2'",
        "CREATE USER habits",
        "GRANT SELECT ON *.* TO habits",
    )
    try:
        url = server.url("cdm").replace("root@", "habits@")
        with closing(source_of(replace(site, url=url))) as source:
            batches = list(
                source.pull(
                    statement_of(source, "person"),
                    {"cohort_concept_ids": [201606], "cohort_source_ids": []},
                )
            )
        assert sum(batch.num_rows for batch in batches) == n_persons > 3
    finally:
        on(
            server,
            "SET GLOBAL sql_mode = DEFAULT",
            "SET GLOBAL sql_select_limit = DEFAULT",
            "SET GLOBAL sql_auto_is_null = 0",
            "SET GLOBAL init_connect = ''",
            "DROP USER habits",
        )


@pytest.mark.parametrize(
    ("zone", "moment"), [("UTC", "2024-03-01T23:30:00"), ("Europe/Berlin", "2024-03-02T00:30:00")]
)
def test_a_moment_is_read_in_the_zone_of_the_run_file(
    site: DatabaseSite, server: MariaDb, zone: str, moment: str
) -> None:
    """The server is at home elsewhere. DATETIME has no time zone, and stays as it is."""
    on(
        server,
        "SET GLOBAL time_zone = '-05:00'",
        "CREATE DATABASE zoned",
        "CREATE TABLE zoned.measurement (measurement_id BIGINT, person_id BIGINT, "
        "measurement_concept_id BIGINT, measurement_date TIMESTAMP NULL, "
        "measurement_datetime DATETIME)",
        "CREATE TABLE zoned.condition_occurrence AS SELECT * FROM cdm.condition_occurrence LIMIT 0",
        "INSERT INTO zoned.condition_occurrence (person_id, condition_concept_id) "
        "VALUES (1, 201606)",
        "SET time_zone = '+00:00'",
        "INSERT INTO zoned.measurement VALUES "
        "(1, 1, 7, '2024-03-01 23:30:00', '2024-03-01 23:30:00'), (2, 1, 7, NULL, NULL)",
    )
    try:
        zoned = replace(site, url=server.url("zoned"))
        with closing(source_of(zoned, time_zone=zone)) as source:
            ids = {"concept_ids": [7], "cohort_concept_ids": [201606], "cohort_source_ids": []}
            (batch,) = source.pull(statement_of(source, "measurement"), ids)
        rows = {row["measurement_id"]: row for row in batch.to_pylist()}
        assert rows[1]["measurement_date"] == moment
        assert rows[1]["measurement_datetime"] == "2024-03-01T23:30:00"
        assert rows[2]["measurement_date"] is None
    finally:
        on(server, "SET GLOBAL time_zone = 'SYSTEM'", "DROP DATABASE zoned")
