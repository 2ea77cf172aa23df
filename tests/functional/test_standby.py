"""The CDM is read from a hot standby of PostgreSQL, and the results go to its primary."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import postgresql
from tests.support.command_line import Finished, assert_refused, log_lines
from tests.support.forked import Forked
from tests.support.private_server import PrivateServer
from tests.support.server_site import ServerSite, load

#: A conflict with the primary ends a session of the standby at once.
IMPATIENT = {"max_standby_streaming_delay": "0"}


@pytest.fixture(scope="module")
def primary(made_up) -> Iterator[PrivateServer]:
    """Start a server of our own, with the small CDM."""
    server = PrivateServer()
    try:
        server.start()
        load(made_up(), server.url(), "cdm")
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def standby(primary: PrivateServer) -> Iterator[PrivateServer]:
    """Start a hot standby of the primary, which streams from it."""
    server = PrivateServer(primary)
    try:
        server.start(**IMPATIENT)
        server.follow(primary)
        yield server
    finally:
        server.remove()


@pytest.fixture
def night(tmp_path: Path, primary: PrivateServer, standby: PrivateServer) -> ServerSite:
    """Return a site that reads the standby and writes to the primary."""
    schema = postgresql.new_schema("night")
    return ServerSite(tmp_path, "cdm", schema, url=standby.url(), results_url=primary.url())


def only_run(site: ServerSite) -> int:
    ((run_id,),) = site.rows("SELECT run_id FROM latest_run")
    return int(run_id)


def test_the_answer_is_that_of_a_night_on_the_primary(
    night: ServerSite, tmp_path: Path, primary: PrivateServer
) -> None:
    checked = night.run(command="check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = night.run()
    assert done.returncode == 0, done.stderr
    other = ServerSite(tmp_path, "cdm", postgresql.new_schema("night"), url=primary.url())
    assert other.run().returncode == 0
    expected, found = other.tables(only_run(other)), night.tables(only_run(night))
    assert found.keys() == expected.keys()
    assert expected["patient_subgroup"].num_rows > 50
    for table, rows in expected.items():
        assert found[table].equals(rows), table


def conflict(primary: PrivateServer, standby: PrivateServer) -> None:
    """Empty a table on the primary, which the standby cannot repeat while a night has it open."""
    primary.execute("CREATE TABLE IF NOT EXISTS cdm.vocabulary_2 AS TABLE cdm.vocabulary")
    primary.execute("TRUNCATE cdm.vocabulary")
    primary.execute("INSERT INTO cdm.vocabulary TABLE cdm.vocabulary_2")
    standby.follow(primary)


def start_patient(night: ServerSite) -> Forked:
    """Start a night that begins again after a fault that passes."""
    retries = {"retries": 3, "retry_wait_seconds": 0.05}
    return night.start("--log-format", "json", postgresql={**night.manners(), **retries})


def assert_begun_again(night: ServerSite, finished: Finished, said: str, step: str) -> None:
    said += finished.stderr
    assert finished.returncode == 0, said
    (again,) = [line["message"] for line in log_lines(said) if "attempt 1 of 4" in str(line)][:1]
    assert re.search(f"failed at step ({step}): ", again), again
    assert "conflict with recovery" in again
    assert "40001" in again
    assert sorted(night.states().values()) == ["COMPLETE", "FAILED"]


def test_a_conflict_between_two_statements_begins_the_night_again(
    night: ServerSite, primary: PrivateServer, standby: PrivateServer
) -> None:
    run, said = start_patient(night), ""
    for line in run.stderr:
        said += line
        if log_lines(line)[0].get("step") == "pull persons":
            os.kill(run.pid, signal.SIGSTOP)
            conflict(primary, standby)
            os.kill(run.pid, signal.SIGCONT)
            break
    assert_begun_again(night, run.finish(), said, "pull records")


@pytest.fixture
def slow(primary: PrivateServer, standby: PrivateServer) -> Iterator[None]:
    """Make observation a view that takes a second and a half to begin."""
    primary.execute(
        "ALTER TABLE cdm.observation RENAME TO observation_rows",
        "CREATE VIEW cdm.observation AS SELECT o.* FROM cdm.observation_rows AS o "
        "CROSS JOIN (SELECT pg_sleep(1.5)) AS pause",
    )
    standby.follow(primary)
    yield
    primary.execute(
        "DROP VIEW cdm.observation", "ALTER TABLE cdm.observation_rows RENAME TO observation"
    )
    standby.follow(primary)


@pytest.mark.usefixtures("slow")
def test_a_conflict_within_a_statement_begins_the_night_again(
    night: ServerSite, primary: PrivateServer, standby: PrivateServer
) -> None:
    run = start_patient(night)
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE 'COPY%'"
    with psycopg.connect(standby.url(), autocommit=True) as session:
        deadline = time.monotonic() + 30
        while not session.execute(query).fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    conflict(primary, standby)
    # Both steps read the slow view, and the conflict may come in either.
    assert_begun_again(night, run.finish(), "", "CDM|pull counts")


def test_results_are_not_written_to_a_standby(night: ServerSite, standby: PrivateServer) -> None:
    there = night.at(standby.url())
    refused = (r"results\.url", "is a standby", "the address of the primary")
    assert_refused(there.run(), 15, *refused)
    checked = there.run(command="check")
    assert checked.returncode == 15, checked.stderr
    (problem,) = [each for each in checked.stdout.splitlines() if each.startswith("error")]
    assert all(re.search(part, problem) for part in refused), problem


def test_results_are_read_from_a_standby(
    night: ServerSite, primary: PrivateServer, standby: PrivateServer
) -> None:
    assert night.run().returncode == 0
    standby.follow(primary)
    there = night.at(standby.url())
    listed = there.run(command="runs")
    assert listed.returncode == 0, listed.stderr
    assert str(only_run(night)) in listed.stdout
    # Nobody but the primary knows who holds a lock there.
    assert_refused(there.run(command="status"), 15, "is a standby", "the address of the primary")
