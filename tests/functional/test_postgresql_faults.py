"""Whatever happens to the server, to the line or to the disk: one whole answer, a true status.

After each fault the answer of yesterday is in view, what is recorded of the night is true, and the
next night is a clean one.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.support import postgresql
from tests.support.command_line import Finished, assert_refused, assert_whole, log_lines, start
from tests.support.forked import Forked
from tests.support.private_server import FAST, IMMEDIATE, SMART, PrivateServer, Wire, wire_to
from tests.support.server_site import ServerSite, load
from tests.support.small_disk import fill, small_disk

#: The lock for which the results wait in the middle of a table.
HELD = 4711


@pytest.fixture(scope="module")
def server(made_up) -> Iterator[PrivateServer]:
    """Start a server of our own, with the small CDM."""
    server = PrivateServer()
    try:
        server.start()
        load(made_up(), server.url(), "cdm")
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory, server: PrivateServer) -> ServerSite:
    """Return a site on our own server with one COMPLETE run."""
    site = ServerSite(tmp_path_factory.mktemp("yesterday"), "cdm", "yesterday", url=server.url())
    assert site.run().returncode == 0
    return site


@pytest.fixture
def night(tmp_path: Path, yesterday: ServerSite) -> ServerSite:
    """Return a site on our own server with yesterday's answer."""
    schema = postgresql.new_schema("night")
    keys = {"results": {"allow_triggers": ["patient_covariate.held"]}}
    site = ServerSite(tmp_path, "cdm", schema, url=yesterday.url, keys=keys)
    return site.with_answer_of(yesterday)


@contextmanager
def held_after(site: ServerSite, step: str) -> Iterator[Forked]:
    """Yield a run that is held still where it has logged the end of a step; let it go on after."""
    run = start("run", "--config", site.run_file(), "--log-format", "json")
    for line in run.stderr:
        if log_lines(line)[0].get("step") == step:
            os.kill(run.pid, signal.SIGSTOP)
            break
    else:
        pytest.fail(f"the run never logged the step {step}")
    try:
        yield run
    finally:
        with suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGCONT)


@contextmanager
def held_amid_a_table(site: ServerSite, far: ServerSite | None = None) -> Iterator[Forked]:
    """Yield a run whose COPY to the results waits in the server after many rows.

    The run may go another way to the site than we do.
    """
    site.write_as_server(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"PERFORM pg_advisory_xact_lock_shared({HELD}); RETURN NEW; END $$",
        "CREATE TRIGGER held BEFORE INSERT ON patient_covariate FOR EACH ROW "
        "WHEN (NEW.person_id > 70) EXECUTE FUNCTION hold()",
    )
    with psycopg.connect(site.results_url) as holder:
        holder.execute(f"SELECT pg_advisory_xact_lock({HELD})")
        run = start("run", "--config", (far or site).run_file(), "--log-format", "json")
        until(lambda: waiting(site))
        yield run
    until(lambda: not waiting(site))
    site.write_as_server("DROP TRIGGER held ON patient_covariate", "DROP FUNCTION hold")


def waiting(site: ServerSite) -> list[int]:
    """Return the server process of a site's COPY that waits for the lock."""
    with site.session(site.results_url, site.results) as session:
        rows = session.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s "
            "AND wait_event = 'advisory' AND query LIKE 'COPY %%'",
            (site.results,),
        ).fetchall()
    return [pid for (pid,) in rows]


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("what was waited for never came")
        time.sleep(0.02)


def assert_ended(finished: Finished, exit_codes: set[int], *parts: str) -> None:
    """Hold a run that could not go on to its exit code and to a message, in JSON as asked."""
    assert finished.returncode in exit_codes, finished.stderr
    errors = [line for line in log_lines(finished.stderr) if line["level"] == "error"]
    said = "\n".join(line["message"] for line in errors)
    assert errors, finished.stderr
    assert "unexpected error" not in said
    for part in parts:
        assert part in said, said


def assert_recovers(site: ServerSite, seen: dict, statuses: set[str]) -> None:
    """Hold a site after a fault to yesterday's answer, a true status and a clean next night."""
    site.settle()
    (dead,) = assert_whole(site, seen, set())
    assert site.answer() == seen
    assert site.states()[dead] in statuses
    finished = site.run()
    assert finished.returncode == 0, finished.stderr
    assert assert_whole(site, seen, {dead}) == {dead}
    assert site.rows("SELECT run_id FROM latest_run") == [(max(site.states()),)]


@pytest.mark.parametrize("how", [FAST, IMMEDIATE], ids=["fast", "immediate"])
@pytest.mark.parametrize("step", ["measurement_value", "score", "write"])
def test_the_server_stops_and_starts_again(
    server: PrivateServer, night: ServerSite, how: signal.Signals, step: str
) -> None:
    seen = night.answer()
    with held_after(night, step) as run:
        server.stop(how)
        server.start()
    assert_ended(run.finish(), {13, 15}, "url postgresql://")
    assert_recovers(night, seen, {"RUNNING"})


def test_the_server_stops_and_stays_away(server: PrivateServer, night: ServerSite) -> None:
    seen = night.answer()
    with held_after(night, "score") as run:
        server.stop()
    began = time.monotonic()
    try:
        assert_ended(run.finish(), {13, 15}, "url postgresql://")
        for command in ("run", "check"):
            assert night.run(command=command).returncode == 11
        assert time.monotonic() - began < 30
    finally:
        server.start()
    assert_recovers(night, seen, {"RUNNING"})


def test_a_server_that_shuts_down_is_not_entered(server: PrivateServer, night: ServerSite) -> None:
    seen = night.answer()
    with psycopg.connect(server.url()) as last:
        server.ask_to_stop(SMART)
        until(lambda: "shutting down" in night.run().stderr)
        assert_refused(night.run(), 11, r"cdm\.url postgresql://", "shutting down")
        assert last.execute("SELECT 1").fetchall() == [(1,)]
    server.stop()
    server.start()
    assert night.answer() == seen
    assert night.run().returncode == 0


def test_a_session_is_ended_amid_a_table(night: ServerSite) -> None:
    seen = night.answer()
    with held_amid_a_table(night) as run:
        (pid,) = waiting(night)
        night.write_as_server(f"SELECT pg_terminate_backend({pid})")
        assert_ended(run.finish(), {15}, "results.url", "connection")
    assert_recovers(night, seen, {"RUNNING"})


def test_a_line_is_cut_amid_a_table(server: PrivateServer, night: ServerSite) -> None:
    """The server does not know yet: until it does it holds the lock, and the next run says so."""
    seen = night.answer()
    with wire_to(server) as wire:
        far = night.at(f"postgresql://postgres@127.0.0.1:{wire.port}/postgres")
        with held_amid_a_table(night, far) as run:
            wire.close()
            assert_ended(run.finish(), {15}, "results.url", "connection")
            assert waiting(night)
            assert_refused(night.run(), 16, "another run", "server process")
    assert_recovers(night, seen, {"RUNNING"})


def test_the_session_that_reads_is_ended(night: ServerSite) -> None:
    """The other session lives, and records what happened."""
    seen = night.answer()
    with held_after(night, "pull persons") as run:
        night.write_as_server(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE application_name = '{night.results}' AND state = 'idle in transaction'"
        )
    assert_ended(run.finish(), {13}, "cdm.url", "connection")
    ((message,),) = night.rows("SELECT message FROM scoring_run_status WHERE status = 'FAILED'")
    assert "connection" in message
    assert_recovers(night, seen, {"FAILED"})


@pytest.mark.parametrize("n_bytes_left", [0, 100_000])
def test_the_disk_of_the_results_is_full(
    tmp_path: Path, server: PrivateServer, n_bytes_left: int
) -> None:
    folder = server.folder / f"disk_{n_bytes_left}"
    folder.mkdir()
    with small_disk(folder, 64) as mounted:
        if not mounted:
            reason = "no disk of 64 MB can be mounted here, which takes root"
            if os.environ.get("CI") == "true" and os.geteuid() == 0:
                pytest.fail(reason)
            pytest.skip(reason)
        server.own(folder)
        server.execute(
            f"CREATE TABLESPACE small LOCATION '{folder}'",
            "CREATE DATABASE small TEMPLATE template0 TABLESPACE small",
        )
        try:
            fill_up_and_recover(tmp_path, server, folder / "filler", n_bytes_left)
        finally:
            server.execute("DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")


def fill_up_and_recover(
    tmp_path: Path, server: PrivateServer, filler: Path, n_bytes_left: int
) -> None:
    site = ServerSite(
        *(tmp_path, "cdm", "answers"), url=server.url(), results_url=server.url("small")
    )
    assert site.run().returncode == 0
    seen = site.answer()
    fill(filler, n_bytes_left)
    finished = site.run()
    assert_refused(finished, 15, r"results\.url", "disk of the server is full", "no space")
    assert site.answer() == seen
    filler.unlink()
    assert_recovers(site, seen, {"FAILED", "RUNNING"})


def test_a_cdm_that_changes_meanwhile(night: ServerSite) -> None:
    """A run sees one moment, and nothing can be taken from under it."""
    night.own_cdm(postgresql.new_schema("changing"))
    (first,) = night.states()
    expected = night.tables(first)
    with held_after(night, "attrition") as run:
        night.change(
            "DELETE FROM measurement",
            "UPDATE drug_exposure SET drug_concept_id = 0",
            "DELETE FROM person WHERE person_id % 2 = 0",
            "UPDATE condition_occurrence SET condition_start_date = DATE '1999-01-01'",
            "DELETE FROM concept_ancestor",
        )
        with night.session(night.url, night.cdm) as session:
            session.execute("SET lock_timeout = '50ms'")
            for statement in ("TRUNCATE death", "DROP TABLE observation"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    session.execute(statement)
    assert run.finish().returncode == 0
    second = max(night.states())
    found = night.tables(second)
    assert [name for name in expected if not found[name].equals(expected[name])] == []
    assert night.run().returncode == 0
    assert night.tables(max(night.states()))["attrition"] != expected["attrition"]


def test_an_analyst_who_reads_stops_no_night(night: ServerSite) -> None:
    """Nor does the night change what the analyst sees in one transaction."""
    with psycopg.connect(night.results_url) as analyst:
        analyst.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        query = f"SELECT run_id, COUNT(*) FROM {night.results}.latest_score GROUP BY run_id"
        before = analyst.execute(query).fetchall()
        finished = night.run()
        assert finished.returncode == 0, finished.stderr
        assert analyst.execute(query).fetchall() == before
    assert night.rows(query) != before


def test_of_twenty_runs_at_once_one_runs(night: ServerSite) -> None:
    seen = night.answer()
    path = night.run_file()
    with psycopg.connect(night.url) as holder:
        # The first of them waits here, with the lock of the run, until all others have ended.
        holder.execute(f"LOCK TABLE {night.cdm}.person IN ACCESS EXCLUSIVE MODE")
        runs = [start("run", "--config", path) for _ in range(20)]
        until(lambda: sum(run.is_at_work for run in runs) <= 1, seconds=120)
        assert sum(run.is_at_work for run in runs) == 1
    finished = [run.finish() for run in runs]
    assert sorted(each.returncode for each in finished) == [0] + [16] * 19
    for each in finished:
        if each.returncode:
            assert_refused(each, 16, "another run", night.results, "start again")
    assert assert_whole(night, seen, set()) == set()
    assert list(night.states().values()) == ["COMPLETE", "COMPLETE"]


@pytest.mark.parametrize("where", ["another database", "another server"])
def test_results_apart_from_the_cdm(
    tmp_path: Path, server: PrivateServer, server_answered: ServerSite, where: str
) -> None:
    name = postgresql.new_schema("apart")
    server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    site = ServerSite(tmp_path, "cdm", "answers", url=server.url(), results_url=server.url(name))
    if where == "another server":
        site.cdm, site.url = server_answered.cdm, server_answered.url
    for _ in range(2):
        finished = site.run()
        assert finished.returncode == 0, finished.stderr
    assert site.run(command="check").returncode == 0
    assert list(site.states().values()) == ["COMPLETE", "COMPLETE"]
    (expected,) = (server_answered.tables(run_id) for run_id in server_answered.states())
    for run_id in site.states():
        found = site.tables(run_id)
        assert [table for table in expected if not found[table].equals(expected[table])] == []
    schemas = "SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'answers'"
    assert site.cdm_rows(schemas) == []


def test_a_table_cannot_be_emptied_under_a_run(night: ServerSite) -> None:
    """To a snapshot that is older, an emptied or exchanged table would look empty."""
    night.own_cdm(postgresql.new_schema("loading"))
    with held_after(night, "CDM") as run, psycopg.connect(night.url) as load:
        load.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            load.execute(f"TRUNCATE {night.cdm}.measurement")
    assert run.finish().returncode == 0


def test_a_materialized_view_cannot_be_refreshed_under_a_run(night: ServerSite) -> None:
    """A refresh writes rows that older snapshots see too; LOCK TABLE does not reach the view."""
    night.own_cdm(postgresql.new_schema("loading"))
    with psycopg.connect(night.url, autocommit=True) as load:
        load.execute(f"ALTER TABLE {night.cdm}.death RENAME TO death_table")
        load.execute(f"CREATE MATERIALIZED VIEW {night.cdm}.death AS TABLE {night.cdm}.death_table")
        load.execute("SET lock_timeout = '100ms'")
        with held_after(night, "CDM") as run, pytest.raises(psycopg.errors.LockNotAvailable):
            load.execute(f"REFRESH MATERIALIZED VIEW {night.cdm}.death")
        assert run.finish().returncode == 0


def test_a_run_waits_for_a_load_and_reads_what_it_leaves(night: ServerSite) -> None:
    ((yesterday,),) = night.rows("SELECT run_id FROM latest_run")
    night.own_cdm(postgresql.new_schema("loading"))
    with psycopg.connect(night.url) as load:
        run = _start_amid_load(night, load)
        load.commit()
    assert run.finish().returncode == 0
    ((today,),) = night.rows("SELECT run_id FROM latest_run")
    assert today > yesterday
    for table, rows in night.tables(yesterday).items():
        assert night.tables(today)[table].equals(rows), table


def test_a_run_that_waits_for_a_load_can_be_stopped_and_gives_up(night: ServerSite) -> None:
    seen = night.answer()
    night.own_cdm(postgresql.new_schema("loading"))
    with psycopg.connect(night.url) as load:
        run = _start_amid_load(night, load)
        os.kill(run.pid, signal.SIGTERM)
        assert run.finish().returncode == 128 + signal.SIGTERM
        assert sorted(night.states().values()) == ["COMPLETE", "FAILED"]
        patience = {"postgresql": {"lock_timeout_seconds": 1}}
        finished = night.run("--log-format", "json", **patience)
        assert_ended(finished, {13}, "lock timeout")
    assert sorted(night.states().values()) == ["COMPLETE", "FAILED", "FAILED"]
    assert night.answer() == seen


def _start_amid_load(site: ServerSite, load: psycopg.Connection) -> Forked:
    """Start a run while a table is loaded anew, and wait until it waits for that."""
    table = f"{site.cdm}.measurement"
    load.execute(f"CREATE TEMPORARY TABLE kept AS TABLE {table}")
    load.execute(f"TRUNCATE {table}")
    load.execute(f"INSERT INTO {table} TABLE kept")
    run = site.start("--log-format", "json")
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
    )

    def is_waiting() -> bool:
        with psycopg.connect(site.url) as session:
            return bool(session.execute(query, (site.results,)).fetchall())

    until(is_waiting)
    return run


def test_a_pooler_in_between_is_refused(server: PrivateServer, night: ServerSite) -> None:
    """A pooler gives each client a process number of its own making."""

    def renumbered(data: bytes) -> bytes:
        return re.sub(
            rb"K\0\0\0\x0c(.{4})",
            lambda m: b"K\0\0\0\x0c" + (int.from_bytes(m[1]) ^ 1).to_bytes(4),
            data,
            flags=re.DOTALL,
        )

    wire = Wire(server.socket, renumbered)
    try:
        url = f"postgresql://postgres@127.0.0.1:{wire.port}/postgres"
        far = replace(night, url=url, results_url=url)
        for command in ("run", "check"):
            done = far.run(command=command)
            assert done.returncode == 11, done.stderr
            assert "this is a connection pooler" in done.stderr + done.stdout
    finally:
        wire.close()
