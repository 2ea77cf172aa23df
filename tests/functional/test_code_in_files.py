"""Views, macros, types and triggers in DuckDB and SQLite files, which somebody else wrote."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from omop_scorer import sql
from omop_scorer.cdm.ddl import Column
from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.connections import Connections
from omop_scorer.config.run_file import RunConfig
from omop_scorer.engines.duckdb.engine import DuckDBEngine
from omop_scorer.errors import CdmError, ConfigurationError, ResultsError, SqlError
from omop_scorer.loading.text_tables import TextTables
from omop_scorer.results.schema import migrate
from omop_scorer.sources.sqlalchemy import SqlAlchemySource
from omop_scorer.stores import open_results, open_store, try_store
from omop_scorer.synthetic import write as synthetic
from tests.conftest import run_on
from tests.support.command_line import Site, assert_refused

SECRET = "TOP-SECRET-4711"
(CDM_SOURCE,) = (table for table in TABLES if table.name == "cdm_source")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text(f"name\n{SECRET}\n", encoding="utf-8")
    with duckdb.connect(tmp_path / "other.duckdb") as other:
        other.execute(f"CREATE TABLE t AS SELECT '{SECRET}' AS name")
    return path


def settings_of(folder: Path, cdm: Path, **more: object) -> Connections:
    document = {"cdm": {"url": str(cdm), **more}, "results": {"url": str(folder / "r.duckdb")}}
    return RunConfig.model_validate(document).connections


def names_loaded(tables: TextTables) -> list[pa.RecordBatch]:
    """Read the names of the CDM as `load-cdm` does."""
    site = tables.find("cdm_source")
    assert site is not None
    return list(tables.read(site, [Column("cdm_source_name", "varchar", is_required=False)], 100))


def read_cdm_source(engine: DuckDBEngine) -> list[tuple[object, ...]]:
    engine.map_table(CDM_SOURCE, engine.find_table(CDM_SOURCE))
    return engine.fetch(sql.parse("SELECT cdm_source_name FROM cdm.cdm_source"), {})


#: Queries of one column `name`, by which a view reads what is not in its file.
READING = {
    "text": "SELECT content AS name FROM read_text('{secret}')",
    "blob": "SELECT content::VARCHAR AS name FROM read_blob('{secret}')",
    "csv": "SELECT name FROM read_csv('{secret}')",
    "name as a table": "SELECT name FROM '{secret}'",
    "list of files": "SELECT file AS name FROM glob('{secret}*')",
    "sniffer": "SELECT prompt AS name FROM sniff_csv('{secret}')",
    "another database": "SELECT name FROM read_duckdb('{folder}/other.duckdb')",
    "macro": "SELECT name FROM cdm.peep()",
    "scalar macro": "SELECT cdm.peep_one() AS name",
    "view of a view": "SELECT name FROM cdm.peeping",
    "query in a text": "SELECT * FROM query('SELECT name FROM read_csv(''{secret}'')')",
}


def hostile(folder: Path, secret: Path, query: str) -> Path:
    """Write a file whose table cdm_source is a view over a query."""
    path = folder / "site.duckdb"
    with duckdb.connect(path) as site:
        site.execute("CREATE SCHEMA cdm; CREATE TABLE cdm.person (person_id BIGINT)")
        reading = f"SELECT name FROM read_csv('{secret}')"
        site.execute(f"CREATE MACRO cdm.peep() AS TABLE {reading}")
        site.execute(f"CREATE MACRO cdm.peep_one() AS ({reading})")
        site.execute(f"CREATE VIEW cdm.peeping AS {reading}")
        named = query.format(secret=secret, folder=folder)
        site.execute(f"CREATE VIEW cdm.cdm_source AS SELECT name AS cdm_source_name FROM ({named})")
    return path


@pytest.mark.parametrize("name", READING)
def test_a_view_reads_no_file_but_its_own_unless_it_is_allowed(
    tmp_path: Path, secret: Path, name: str
) -> None:
    path = hostile(tmp_path, secret, READING[name])
    with closing(DuckDBEngine(settings_of(tmp_path, path))) as engine:
        with pytest.raises(CdmError, match=r"cdm\.allow_external_files: true") as caught:
            read_cdm_source(engine)
        assert SECRET not in str(caught.value)
        assert "cdm_source" in str(caught.value) or name == "sniffer"
        for statement in ("SET lock_configuration = false", "SET enable_external_access = true"):
            with pytest.raises(duckdb.Error):
                engine._work.execute(statement)
    with TextTables(str(path)) as tables, pytest.raises(CdmError):
        names_loaded(tables)
    with closing(DuckDBEngine(settings_of(tmp_path, path, allow_external_files=True))) as engine:
        rows = read_cdm_source(engine)
    assert (SECRET in str(rows)) == (name not in ("list of files", "sniffer"))


def test_views_of_the_file_itself_are_read(tmp_path: Path, secret: Path) -> None:
    path = hostile(tmp_path, secret, "SELECT person_id::VARCHAR AS name FROM cdm.person")
    with closing(DuckDBEngine(settings_of(tmp_path, path))) as engine:
        assert engine.find_table(CDM_SOURCE) is not None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with a made-up CDM of its own, and no results yet."""
    path = tmp_path / "made_up.duckdb"
    synthetic.write(path, 60, 3, crohns_share=1)
    return Site(tmp_path, path, tmp_path / "results.duckdb")


def test_the_command_refuses_such_a_cdm_and_says_what_to_do(site: Site, secret: Path) -> None:
    with duckdb.connect(site.cdm) as cdm:
        cdm.execute("ALTER TABLE cdm.cdm_source RENAME TO src")
        cdm.execute(
            "CREATE VIEW cdm.cdm_source AS SELECT * REPLACE "
            f"((SELECT name FROM read_csv('{secret}')) AS cdm_source_name) FROM cdm.src"
        )
    assert_refused(site.run(), 12, "cdm_source", secret, "cdm.allow_external_files: true")


#: Things in a file that have the names of DuckDB's own functions, types, catalogs and schemas.
STAND_INS = [
    *(f"CREATE MACRO {s}.{m}" for s in ("main", "cdm") for m in (
        "sum(x) AS 42", "max(x) AS 42", "min(x) AS 1", "count(x) AS 1", "coalesce(a, b) AS 1",
        "trim(x) AS 'x'", "floor(x) AS 1", "abs(x) AS 1", "lower(x) AS 'x'", "row_number() AS 3",
    )),
    *("CREATE TYPE cdm.bigint AS VARCHAR", "CREATE TYPE cdm.date AS VARCHAR"),
    *(f"CREATE SCHEMA {name}" for name in ("memory", "system", "site_cdm", "work", "vocab")),
    *("CREATE TABLE memory.person (a INT)", "CREATE TABLE work.cohort (a INT)"),
]  # fmt: skip


def test_names_of_the_cdm_take_the_place_of_nothing(site: Site) -> None:
    answers = []
    for name in ("plain.duckdb", "hostile.duckdb"):
        path = site.folder / name
        shutil.copy(site.cdm, path)
        if name.startswith("hostile"):
            with duckdb.connect(path) as cdm:
                for statement in STAND_INS:
                    cdm.execute(statement)
        settings = {"cdm": {"schema": "cdm"}, "as_of_date": "2026-01-01"}
        outcome = run_on(path, site.folder / f"r_{name}", settings)
        answers.append(
            [
                outcome.rows(f"SELECT * EXCLUDE (run_id) FROM omop_scorer.{table} ORDER BY ALL")
                for table in ("patient_covariate", "counterfactual", "covariate_quality")
            ]
        )
    assert answers[0] == answers[1]
    assert answers[0][0]


@pytest.fixture
def results(tmp_path: Path) -> Connections:
    """Settings of a results file with its tables."""
    settings = settings_of(tmp_path, tmp_path / "none.duckdb")
    with closing(open_store(settings)) as store:
        migrate(store)
    return settings


@pytest.mark.parametrize(
    ("statement", "drop"),
    [
        ("CREATE MACRO omop_scorer.max(x) AS 42", 'DROP MACRO "omop_scorer"."max"'),
        ("CREATE MACRO main.COUNT(x) AS 42", 'DROP MACRO "main"."COUNT"'),
        ("CREATE MACRO omop_scorer.range(x) AS TABLE SELECT 1", "DROP MACRO TABLE"),
        ("CREATE TYPE omop_scorer.bigint AS VARCHAR", 'DROP TYPE "omop_scorer"."bigint"'),
    ],
)
def test_a_results_file_that_defines_functions_anew_is_refused(
    results: Connections, statement: str, drop: str
) -> None:
    with duckdb.connect(results.results.url) as file:
        file.execute("CREATE MACRO omop_scorer.of_the_site(x) AS x + 1")
    open_results(results).close()
    with duckdb.connect(results.results.url) as file:
        file.execute(statement)
    for use in (open_store, try_store, open_results):
        with pytest.raises(ResultsError, match="DROP") as caught:
            use(results)
        assert drop in str(caught.value)


def test_a_trigger_of_a_results_file_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, tmp_path / "none.duckdb")
    with duckdb.connect() as connection:  # the format of an older DuckDB, ours, has no triggers
        connection.execute(f"ATTACH '{settings.results.url}' AS made (STORAGE_VERSION 'v2.0.0')")
    with closing(open_store(settings)) as store:
        migrate(store)
    with duckdb.connect(settings.results.url) as file:
        file.execute("CREATE TABLE omop_scorer.loot (n INT)")
        file.execute(
            "CREATE TRIGGER t AFTER INSERT ON omop_scorer.scoring_run "
            "INSERT INTO omop_scorer.loot SELECT 1"
        )
    for use in (open_store, try_store):
        with pytest.raises(ResultsError, match=r'results\.allow_triggers: \["scoring_run\.t"\]'):
            use(settings)
    results = settings.results.model_copy(update={"allow_triggers": ("scoring_run.t",)})
    document = {"cdm": {"url": "none"}, "results": results.model_dump(by_alias=True)}
    assert try_store(RunConfig.model_validate(document).connections) > 0


def test_a_view_of_a_results_file_reads_no_other_file(results: Connections, secret: Path) -> None:
    with duckdb.connect(results.results.url) as file:
        file.execute(
            f"CREATE OR REPLACE VIEW omop_scorer.latest_score AS SELECT * FROM read_csv('{secret}')"
        )
    query = sql.parse("SELECT * FROM results.latest_score")
    with open_results(results) as reader, pytest.raises(SqlError, match="not allowed") as caught:
        reader.read(query, {})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["memory", "System", "temp", "site_results"])
def test_a_schema_with_the_name_of_a_catalog_is_refused(tmp_path: Path, name: str) -> None:
    document = {
        "cdm": {"url": "none"},
        "results": {"url": str(tmp_path / "r.duckdb"), "schema": name},
    }
    with pytest.raises((ConfigurationError, ValueError), match="DuckDB keeps the name"):
        RunConfig.model_validate(document)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT load_extension('x.so') AS cdm_source_name",
        "SELECT file AS cdm_source_name FROM pragma_database_list",
        "SELECT token AS cdm_source_name FROM fts3tokenize",
    ],
)
def test_a_view_of_sqlite_calls_nothing_with_effects(tmp_path: Path, query: str) -> None:
    path = tmp_path / "cdm.sqlite"
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"CREATE VIEW cdm_source AS {query}")
        file.commit()
    cdm = settings_of(tmp_path, Path(f"sqlite:///{path}")).cdm.model_copy(
        update={"url": f"sqlite:///{path}"}
    )
    with closing(SqlAlchemySource(cdm)) as source, pytest.raises(CdmError, match="cdm_source"):
        source.find(CDM_SOURCE)
