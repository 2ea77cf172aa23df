"""The nightly job on a PostgreSQL server: the same answer, few rights, no password said."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot

from omop_scorer.cdm.tables import TABLES
from omop_scorer.errors import LockHeldError, SqlError
from omop_scorer.stores import open_results, open_store
from omop_scorer.stores.postgres.copy import copy_in
from tests.conftest import outcome_of
from tests.support import postgresql
from tests.support.command_line import AS_OF, RUN_TABLES, Site, assert_refused, start
from tests.support.server_site import ServerSite
from tests.support.truth_check import compare

SECRET = "s3ntinel"


@pytest.fixture
def server(tmp_path: Path, loaded: str) -> ServerSite:
    """Return the CDM on the server with a results schema that is still to be made."""
    return ServerSite(tmp_path, loaded, postgresql.new_schema("answer"))


def rounded(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a table with nine digits, sorted."""
    rows = [
        tuple(float(f"{v:.9g}") if isinstance(v, float) else v for v in row.values())
        for row in table.to_pylist()
    ]
    return sorted(rows, key=repr)


def test_both_engines_give_one_answer_and_it_is_the_truth(
    server_answered: ServerSite, made_up: Any, answered: Path
) -> None:
    of_files = Site(server_answered.folder, made_up(), answered)
    ((run_id,), (other,)) = (site.states() for site in (server_answered, of_files))
    found, expected = server_answered.tables(run_id), of_files.tables(other)
    for table in RUN_TABLES:
        assert rounded(found[table]) == rounded(expected[table]), table
    frames = {name: table.to_pandas() for name, table in found.items()}
    assert compare(made_up().with_name("cdm.truth.parquet"), frames) == []


def test_batch_size_changes_nothing(server_answered: ServerSite, server: ServerSite) -> None:
    assert server.run(batch_size=7).returncode == 0
    ((run_id,), (other,)) = (site.states() for site in (server_answered, server))
    expected, found = server_answered.tables(run_id), server.tables(other)
    assert [name for name in RUN_TABLES if not found[name].equals(expected[name])] == []


def test_readers_say_of_both_engines_the_same(
    server_answered: ServerSite, made_up: Any, answered: Path, tmp_path: Path
) -> None:
    of_files = Site(tmp_path, made_up(), answered)
    figures = []
    for site in (replace(server_answered, folder=tmp_path), of_files):
        folder = tmp_path / site.engine
        folder.mkdir()
        done = site.run("--csv", folder, command="report")
        assert done.returncode == 0, done.stderr
        (run_id,) = site.states()
        (folder / "run.csv").unlink()  # says which engine it was, and when
        figures.append(
            {
                path.name: path.read_text(encoding="utf-8").replace(str(run_id), "RUN")
                for path in folder.glob("*.csv")
            }
        )
    assert len(figures[0]) > 10
    assert figures[0] == figures[1]


def test_readers_read_it(server: ServerSite) -> None:
    assert server.run().returncode == 0
    assert server.run().returncode == 0
    where = [
        *("--set", f"results.url={server.url}"),
        *("--set", f"results.schema={server.results}"),
    ]
    listed = start("runs", "--format", "json", *where).finish()
    assert [run["status"] for run in json.loads(listed.stdout)] == ["COMPLETE", "COMPLETE"]
    assert start("diff", "previous", "latest", *where).wait() == 0
    writing = sqlglot.parse_one("CREATE TABLE results.x AS SELECT 1 AS n", read="postgres")
    with (
        open_results(server.config().connections) as reader,
        pytest.raises(SqlError, match="read-only"),
    ):
        reader.read(writing, {})


def test_the_cdm_is_not_written_to(server: ServerSite) -> None:
    def cdm() -> dict[str, object]:
        print_of = server.fingerprint()
        return {name: each for name, each in print_of.items() if name.startswith(server.cdm)}

    before = cdm()
    assert len(before) > 20
    assert server.run().returncode == 0
    assert cdm() == before


def test_a_second_run_is_refused_while_one_holds_the_lock(server: ServerSite) -> None:
    with closing(open_store(server.config().connections)):
        assert_refused(server.run(), 16, "another run is writing", server.results, "server process")
        with pytest.raises(LockHeldError):
            open_store(server.config().connections)
    assert server.run().returncode == 0


@pytest.fixture
def role(server: ServerSite) -> Iterator[str]:
    """Make a role without any right, and let the site use it; give the database back as it was."""
    name = f"{server.results}_{os.getpid()}"
    session = postgresql.session()
    session.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    database = session.info.dbname
    session.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
    server.own_cdm(postgresql.new_schema("guarded"))
    session.execute(f"CREATE SCHEMA {server.results}")
    server.url = server.results_url = with_user(server.url, f"{name}:{SECRET}")
    yield name
    session.execute(f'GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO PUBLIC')
    session.execute(f"DROP OWNED BY {name}")
    session.execute(f"DROP ROLE {name}")


def with_user(url: str, user: str) -> str:
    head, _, rest = url.partition("://")
    return f"{head}://{user}@{rest.partition('@')[2]}"


def rights_of(server: ServerSite) -> list[tuple[int, str]]:
    """Return the rights that a run needs, in the order in which it asks, and the exit codes."""
    database = f'DATABASE "{postgresql.session().info.dbname}"'
    return [
        (11, f"CONNECT ON {database}"),
        (15, f"USAGE, CREATE ON SCHEMA {server.results}"),
        (12, f"USAGE ON SCHEMA {server.cdm}"),
        (12, f"SELECT ON ALL TABLES IN SCHEMA {server.cdm}"),
    ]


def assert_named(server: ServerSite, code: int, *parts: str) -> None:
    """Hold `run` and `check` to the exit code and the words for a right that is missing."""
    for command in ("run", "check"):
        done = server.run(command=command)
        said = done.stderr + done.stdout
        assert done.returncode == code, (command, parts, said)
        for part in parts:
            assert part in said, (command, said)
        assert SECRET not in said
        assert "Traceback" not in said
        assert "unexpected error" not in said


def test_missing_rights_are_named_one_after_the_other_and_few_suffice(
    server: ServerSite, role: str
) -> None:
    session = postgresql.session()
    for code, right in rights_of(server):
        assert_named(server, code, f"GRANT {right.partition(' ON ')[0]} ON ")
        session.execute(f"GRANT {right} TO {role}")
    assert server.run(command="check").returncode == 0
    done = server.run()
    assert done.returncode == 0, done.stderr
    kept = server.rows(
        "SELECT config_json FROM scoring_run UNION ALL SELECT message FROM scoring_run_status"
    )
    assert all(SECRET not in (text or "") for (text,) in kept)


def test_each_right_that_is_taken_back_is_missed(server: ServerSite, role: str) -> None:
    """Yesterday's answer stays; who gives the right back has a clean night."""
    session = postgresql.session()
    for _, right in rights_of(server):
        session.execute(f"GRANT {right} TO {role}")
    assert server.run().returncode == 0
    (first,) = server.states()
    cdm, results = server.cdm, server.results
    vocabulary = f"{cdm}.concept_ancestor"
    for code, right, part in (
        (12, f"SELECT ON {cdm}.measurement", "measurement"),
        (12, f"SELECT ON {vocabulary}", "concept_ancestor"),
        (15, f"CREATE ON SCHEMA {results}", "CREATE ON SCHEMA"),
        (15, f"USAGE ON SCHEMA {results}", "USAGE"),
        (15, f"INSERT ON {results}.patient_subgroup", "patient_subgroup"),
        (15, f"DELETE ON {results}.patient_subgroup", "patient_subgroup"),
        (15, f"INSERT ON {results}.scoring_run_status", "scoring_run_status"),
        (15, f"SELECT ON {results}.schema_version", "schema_version"),
    ):
        session.execute(f"REVOKE {right} FROM {role}")
        assert_named(server, code, "GRANT", part)
        session.execute(f"GRANT {right} TO {role}")
        with postgresql.session().transaction():
            latest = session.execute(f"SELECT run_id FROM {results}.latest_run").fetchall()
        assert latest == [(first,)], right
    assert server.run().returncode == 0
    assert set(server.states().values()) <= {"COMPLETE", "FAILED"}


def test_results_of_another_owner(server: ServerSite, role: str) -> None:
    """Tables that somebody else has made are not written to by chance, nor half."""
    session = postgresql.session()
    for _, right in rights_of(server):
        session.execute(f"GRANT {right} TO {role}")
    owned = replace(server, url=postgresql.database(), results_url=postgresql.database())
    assert owned.run().returncode == 0
    seen = owned.answer()
    assert_named(server, 15, "GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA")
    assert owned.answer() == seen
    session.execute(
        f"GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA {server.results} TO {role}"
    )
    done = server.run()
    assert done.returncode == 0, done.stderr
    assert owned.answer() != seen


def test_the_vocabulary_in_a_schema_of_its_own(server: ServerSite, role: str) -> None:
    session = postgresql.session()
    for _, right in rights_of(server):
        session.execute(f"GRANT {right} TO {role}")
    vocabulary = postgresql.new_schema("vocabulary")
    session.execute(f"CREATE SCHEMA {vocabulary}")
    for table in (each.name for each in TABLES if each.schema == "vocab"):
        session.execute(f"ALTER TABLE {server.cdm}.{table} SET SCHEMA {vocabulary}")
    server.keys = {"cdm": {"vocabulary_schema": vocabulary}}
    assert_named(server, 12, f'GRANT USAGE ON SCHEMA "{vocabulary}"')
    session.execute(f"GRANT USAGE ON SCHEMA {vocabulary} TO {role}")
    assert server.run().returncode == 0


def test_no_failing_connection_says_the_password(server: ServerSite) -> None:
    head = "postgresql://somebody"
    for url, part in (
        (f"{head}:{SECRET}@localhost:1/d", "refused"),
        (f"{head}:{SECRET}@host.invalid/d", "host.invalid"),
        (f"{head}:{SECRET}@localhost:1/d?sslmode={'no' * 3}", "sslmode"),
        (f"{head}:{SECRET}@localhost:1/d?colour=blue", "colour"),
        (f"{head}:{SECRET}@{server.url.partition('@')[2]}", "somebody"),
    ):
        for command in ("run", "check"):
            done = server.run(command=command, cdm={"url": url}, results={"url": url})
            said = done.stdout + done.stderr
            assert done.returncode == 11, said
            assert part in said
            assert SECRET not in said
            assert "Traceback" not in said


def test_a_statement_that_takes_too_long_ends_the_run(server: ServerSite) -> None:
    session = postgresql.session()
    view = postgresql.new_schema("slow")
    session.execute(f"CREATE SCHEMA {view}")
    for (name,) in session.execute(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{server.cdm}'"
    ).fetchall():
        slow = ", pg_sleep(30)" if name == "death" else ""
        session.execute(
            f"CREATE VIEW {view}.{name} AS SELECT t.* FROM {server.cdm}.{name} AS t{slow}"
        )
    server.cdm = view
    began = time.monotonic()
    done = server.run(postgresql={"statement_timeout_seconds": 2})
    assert_refused(done, 13, "statement timeout")
    assert time.monotonic() - began < 20
    assert list(server.states().values()) == ["FAILED"]


def test_hostile_names_and_values_stay_what_they_are(server: ServerSite) -> None:
    session = postgresql.session()
    hostile = 'a "b"; DROP SCHEMA %s -- \' %(x)s é'
    quoted = '"' + hostile.replace('"', '""') + '"'
    results = f"{hostile} results"
    unit = "mg/L''); DROP TABLE person; --"
    session.execute(f"CREATE SCHEMA {quoted}")
    for (name,) in session.execute(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{server.cdm}'"
    ).fetchall():
        session.execute(f"CREATE TABLE {quoted}.{name} AS TABLE {server.cdm}.{name}")
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


def test_dates_of_any_year_reach_the_results() -> None:
    """Dates that PostgreSQL cannot hold become infinity."""
    days = {
        "0044-03-15 (BC)": "0044-03-15 BC",
        "0001-01-01": "0001-01-01",
        "9999-12-31": "9999-12-31",
        "12345-01-02": "12345-01-02",
        "5874897-12-31": "5874897-12-31",
        "5877642-06-25 (BC)": "-infinity",
        "5881580-07-10": "infinity",
        "-infinity": "-infinity",
        "infinity": "infinity",
    }
    written = duckdb.sql(
        "SELECT CAST(UNNEST(['" + "', '".join(days) + "']) AS DATE) AS d UNION ALL SELECT NULL"
    ).to_arrow_table()
    session = postgresql.session()
    with session.transaction(force_rollback=True):
        session.execute("CREATE TEMPORARY TABLE kept (d DATE)")
        assert copy_in(session, "kept", written.to_batches()) == len(days) + 1
        found = session.execute("SELECT CAST(d AS TEXT) FROM kept ORDER BY ctid").fetchall()
    assert found == [*((day,) for day in days.values()), (None,)]


def grant_all(server: ServerSite, role: str) -> None:
    for _, right in rights_of(server):
        postgresql.session().execute(f"GRANT {right} TO {role}")


def test_limits_and_habits_of_a_role_do_not_end_a_night(server: ServerSite, role: str) -> None:
    grant_all(server, role)
    for name, value in (
        ("default_transaction_read_only", "on"),
        ("idle_in_transaction_session_timeout", "100ms"),
        ("idle_session_timeout", "100ms"),
        ("DateStyle", "SQL, DMY"),
        ("search_path", server.cdm),
        ("TimeZone", "Pacific/Kiritimati"),
    ):
        if name != "idle_session_timeout" or postgresql.session().info.server_version >= 140000:
            postgresql.session().execute(f"ALTER ROLE {role} SET {name} = '{value}'")
    finished = server.run()
    assert finished.returncode == 0, finished.stderr


def test_rows_that_a_policy_hides_are_said(server: ServerSite, role: str) -> None:
    grant_all(server, role)
    person = f"{server.cdm}.person"
    postgresql.session().execute(f"ALTER TABLE {person} ENABLE ROW LEVEL SECURITY")
    postgresql.session().execute(f"CREATE POLICY half ON {person} USING (person_id % 2 = 0)")
    for command in ("run", "check"):
        done = server.run("--log-format", "text", command=command)
        assert done.returncode == 0, done.stderr
        assert "table person: the server hides some rows" in " ".join(
            (done.stderr + done.stdout).split()
        )


def test_no_way_leads_into_the_schema_of_the_cdm(server: ServerSite) -> None:
    query = (
        "SELECT COUNT(*) FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = '{server.cdm}'"
    )
    before = postgresql.session().execute(query).fetchall()
    join = "&" if "?" in server.url else "?"
    for places in (
        {"results": {"url": f"{server.url}{join}connect_timeout=9", "schema": server.cdm}},
        {"cdm": {"schema": None}, "results": {"schema": server.cdm}},
        {"cdm": {"schema": server.cdm.upper()}, "results": {"schema": server.cdm}},
    ):
        for command in ("run", "check"):
            done = server.run(command=command, **places)
            assert done.returncode == 15, done.stderr
            assert "results are never written to a CDM" in done.stderr + done.stdout
    assert postgresql.session().execute(query).fetchall() == before


def test_a_database_that_cannot_hold_every_text_is_refused(server: ServerSite) -> None:
    name = f"latin_{os.getpid()}"
    session = postgresql.session()
    session.execute(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    url = server.url.replace(session.info.dbname, name)
    try:
        assert_refused(server.run(results={"url": url}), 11, "LATIN1", "UTF8")
        assert_refused(server.run(cdm={"url": url}), 11, "LATIN1", "UTF8")
    finally:
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_option_that_there_is_not_is_named(server: ServerSite) -> None:
    join = "&" if "?" in server.url else "?"
    finished = server.run(cdm={"url": f"{server.url}{join}colour=blue"})
    assert_refused(finished, 11, "unknown connection option: colour")


def test_an_empty_password_file_is_no_password(server: ServerSite) -> None:
    file = server.folder / "password"
    file.write_text("\n", encoding="utf-8")
    finished = server.run(cdm={"password_file": str(file)})
    assert_refused(finished, 10, file, "contains no password")


def test_a_name_that_the_server_would_cut_is_refused(server: ServerSite) -> None:
    finished = server.run(results={"schema": "r" * 64})
    assert_refused(finished, 10, "at most 63 bytes")
