"""The program on a CDM in a database, from which it copies the rows of the cohort."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.run_file import RunConfig
from omop_scorer.sources import open_source
from omop_scorer.sources.sqlalchemy import SqlAlchemySource
from omop_scorer.sources.statement import fitted
from tests.functional.conftest import N_SMALL
from tests.support import mariadb, postgresql
from tests.support.command_line import Site, assert_refused
from tests.support.database_site import DatabaseSite, in_sqlite, rows_of

SECRET = "kite-apple-sun"


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory, made_up: Callable[..., Path]) -> Path:
    return in_sqlite(made_up(), tmp_path_factory.mktemp("sqlite"))


@pytest.fixture
def sqlite_site(tmp_path: Path, sqlite_file: Path) -> DatabaseSite:
    results = tmp_path / "results.duckdb"
    return DatabaseSite(tmp_path, sqlite_file, results, url=f"sqlite:///{sqlite_file}")


@pytest.fixture
def role(loaded: str) -> Iterator[str]:
    """Make a role that may read the CDM, and do nothing else."""
    session, name = postgresql.session(), f"reader_{os.getpid()}"
    database = session.info.dbname
    session.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    session.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
    session.execute(f'GRANT CONNECT ON DATABASE "{database}" TO {name}')
    session.execute(f"GRANT USAGE ON SCHEMA {loaded} TO {name}")
    session.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {loaded} TO {name}")
    yield name
    session.execute(f'GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO PUBLIC')
    session.execute(f"DROP OWNED BY {name}")
    session.execute(f"DROP ROLE {name}")


@pytest.fixture
def server_site(tmp_path: Path, loaded: str, role: str) -> DatabaseSite:
    head, _, rest = postgresql.database().partition("://")
    url = f"{head}://{role}:{SECRET}@{rest.partition('@')[2]}"
    results = tmp_path / "results.duckdb"
    return DatabaseSite(tmp_path, tmp_path, results, url=url, schema=loaded)


@pytest.fixture(params=["sqlite_site", "server_site"])
def database_site(request: pytest.FixtureRequest) -> DatabaseSite:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, DatabaseSite)
    return found


def test_the_results_are_those_of_a_file(
    database_site: DatabaseSite, made_up: Callable[..., Path], answered: Path
) -> None:
    done = database_site.run()
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    name = "postgresql" if database_site.schema else "sqlite"
    ((state,),) = database_site.rows("SELECT cdm_snapshot FROM latest_run")
    assert state == f"{name}: one snapshot"
    assert f"CDM state: {state}\n" in done.stdout
    assert rows_of(database_site) == rows_of(Site(database_site.folder, made_up(), answered))


def test_check_and_dry_run_show_what_is_sent(database_site: DatabaseSite) -> None:
    checked = database_site.run(command="check")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    assert f"cohort: {N_SMALL:,} persons" in checked.stdout
    shown = database_site.run("--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "rows pulled: " in shown.stdout
    assert shown.stdout.count("condition_occurrence") > 5
    assert not database_site.results.exists()
    assert SECRET not in shown.stdout + shown.stderr


def test_a_missing_right_is_named(server_site: DatabaseSite, loaded: str, role: str) -> None:
    postgresql.session().execute(f"REVOKE SELECT ON {loaded}.measurement FROM {role}")
    done = server_site.run()
    assert_refused(done, 12, "GRANT SELECT", "measurement")
    assert SECRET not in done.stderr


def test_a_wrong_concept_set_does_not_copy_the_warehouse(database_site: DatabaseSite) -> None:
    done = database_site.run(cohort={"maximum_rows": 100})
    assert_refused(done, 12, "more than 100 rows", "cohort.maximum_rows")


def test_a_missing_driver_says_what_to_install(sqlite_site: DatabaseSite) -> None:
    url = "oracle+oracledb://scorer@warehouse:1521/?service_name=omop"
    assert_refused(replace(sqlite_site, url=url).run(), 10, r"omop-scorer\[oracle\]")
    unknown = replace(sqlite_site, url="nosuchbase://scorer@warehouse/omop")
    assert_refused(unknown.run(), 10, "nosuchbase")


@pytest.mark.parametrize(
    "url",
    [
        f"mssql+pyodbc:///?odbc_connect=UID=scorer;PWD={SECRET}",
        f"snowflake://scorer@account/omop?token={SECRET}",
        f"mysql+pymysql://scorer@warehouse/omop?passwd={SECRET}",
    ],
)
def test_a_secret_among_the_options_is_refused_and_not_repeated(
    sqlite_site: DatabaseSite, url: str
) -> None:
    done = replace(sqlite_site, url=url).run()
    assert_refused(done, 10, "must not contain a password or secret")
    assert SECRET not in done.stderr


def test_missing_tables_and_columns_are_named(tmp_path: Path, sqlite_file: Path) -> None:
    own = tmp_path / "own.sqlite"
    own.write_bytes(sqlite_file.read_bytes())
    site = DatabaseSite(tmp_path, own, tmp_path / "results.duckdb", url=f"sqlite:///{own}")
    with closing(sqlite3.connect(own)) as connection, connection:
        connection.execute("ALTER TABLE death RENAME TO gone")
        connection.execute("ALTER TABLE person DROP COLUMN race_concept_id")
    done = site.run()
    assert done.returncode == 0, done.stderr
    assert "table death is missing" in done.stderr
    assert "column person.race_concept_id is missing" in done.stderr
    with closing(sqlite3.connect(own)) as connection, connection:
        connection.execute("ALTER TABLE measurement RENAME TO labs")
    assert_refused(site.run(), 12, "table measurement is missing", "cdm.tables")
    assert site.run(cdm={"tables": {"measurement": "labs"}}).returncode == 0


def test_a_server_that_is_gone_says_so(tmp_path: Path) -> None:
    server = mariadb.MariaDb() if mariadb.server() else None
    assert server is not None
    try:
        url = server.url("mysql")
        server.stop()
        site = DatabaseSite(tmp_path, tmp_path, tmp_path / "results.duckdb", url=url)
        assert_refused(site.run(), 11, "cdm.url mysql")
    finally:
        server.remove()


def test_nothing_is_written_to_the_database(sqlite_site: DatabaseSite, sqlite_file: Path) -> None:
    before = sqlite_file.read_bytes()
    assert sqlite_site.run().returncode == 0
    assert sqlite_file.read_bytes() == before
    assert sorted(path.name for path in sqlite_file.parent.iterdir()) == ["cdm.sqlite"]


def test_a_text_that_is_not_utf_8_does_not_end_the_night(
    tmp_path: Path, sqlite_file: Path, made_up: Callable[..., Path], answered: Path
) -> None:
    """SQLite keeps any bytes as text. A unit that nobody can read is no accepted unit."""
    own = tmp_path / "own.sqlite"
    own.write_bytes(sqlite_file.read_bytes())
    with closing(sqlite3.connect(own)) as connection, connection:
        ((record,),) = connection.execute(
            "SELECT MAX(measurement_id) FROM measurement WHERE measurement_concept_id = 3020460 "
            "AND unit_concept_id = 8751 AND value_as_number BETWEEN 1 AND 100 "
            "AND measurement_date BETWEEN '2025-03-01' AND '2025-06-15'"
        ).fetchall()
        connection.execute(
            "UPDATE measurement SET unit_concept_id = 0, "
            "unit_source_value = CAST(X'6D672FFF4C' AS TEXT) WHERE measurement_id = ?",
            (record,),
        )
        connection.execute("UPDATE concept SET concept_name = CAST(X'E9' AS TEXT)")
    results = tmp_path / "results.duckdb"
    site = DatabaseSite(tmp_path, own, results, url=f"sqlite:///{own}")
    done = site.run()
    assert done.returncode == 0, done.stderr
    query = (
        "SELECT n FROM covariate_quality WHERE covariate = 'crp' AND measure = 'n_rejected_unit'"
    )
    before = Site(tmp_path, made_up(), answered).rows(query)
    assert site.rows(query) == [(before[0][0] + 1,)]


def test_no_statement_binds_more_values_than_sql_server_takes(sqlite_site: DatabaseSite) -> None:
    """Each row comes once, however long the lists are."""
    connections = RunConfig.model_validate(sqlite_site.places()).connections
    with closing(sqlite3.connect(sqlite_site.cdm)) as connection:
        expected, concepts, cohort = (
            [value for (value,) in connection.execute(query).fetchall()]
            for query in (
                "SELECT measurement_id FROM measurement WHERE "
                "person_id IN (SELECT person_id FROM condition_occurrence) ORDER BY 1",
                "SELECT DISTINCT measurement_concept_id FROM measurement",
                "SELECT DISTINCT condition_concept_id FROM condition_occurrence",
            )
        )
    ids = {
        "concept_ids": [*concepts[:1], *range(-3000, 0), *concepts[1:]],
        "cohort_source_ids": [],
        "cohort_concept_ids": [*cohort[:1], *range(-3000, 0), *cohort[1:]],
    }
    with closing(open_source(connections)) as source:
        assert isinstance(source, SqlAlchemySource)
        assert source._connection is not None
        driver = source._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2100)
        wanted = ("measurement", "condition_occurrence")
        found = {table.name: source.find(table) for table in TABLES if table.name in wanted}
        tables = {name: site for name, site in found.items() if site is not None}
        batches = list(source.pull(fitted("measurement", tables), ids))
    pulled = [value for batch in batches for value in batch["measurement_id"].to_pylist()]
    assert len(expected) > 500
    assert sorted(pulled) == expected
