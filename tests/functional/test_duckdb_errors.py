"""Errors of the DuckDB driver leave engine and store as ours: with a location, without a value."""

import re
import resource
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.ddl import Column
from omop_scorer.cdm.tables import TABLES, SiteTable
from omop_scorer.config import run_file as config
from omop_scorer.config.connections import Connections
from omop_scorer.connections.duckdb import connected
from omop_scorer.engines.base import Engine
from omop_scorer.engines.duckdb.engine import DuckDBEngine
from omop_scorer.errors import (
    CdmError,
    ConnectionFailedError,
    OmopScorerError,
    ResultsError,
    SqlError,
)
from omop_scorer.loading.text_tables import TextTables
from omop_scorer.stores import open_results, try_store
from omop_scorer.stores.base import ResultsReader, Store
from omop_scorer.stores.duckdb.store import DuckDBStore
from omop_scorer.stores.folder.files import ResultsFolder

#: A value of the data, which no message may hold.
SECRET = "SENTINEL4711"
#: More rows than the engine reads before it yields the first batch.
N_ROWS = 200_000
(PERSON,) = (table for table in TABLES if table.name == "person")
#: A query that cannot be answered in little memory without a temporary file.
LARGE = "SELECT range AS n, MD5(CAST(range AS VARCHAR)) AS t FROM RANGE(3000000) ORDER BY t"


@contextmanager
def raises(error_class: type[OmopScorerError], *parts: object) -> Iterator[None]:
    """Expect exactly this class, all parts in its message, and no trace of the driver's error."""
    with pytest.raises(OmopScorerError) as caught:
        yield
    message = str(caught.value)
    assert type(caught.value) is error_class, message
    assert [part for part in map(str, parts) if part not in message] == [], message
    assert SECRET not in message
    assert "\n" not in message
    assert caught.value.__suppress_context__


def settings_of(
    cdm: Path, results: Path, schema: str = "omop_scorer", **more: object
) -> Connections:
    document = {
        "cdm": {"url": str(cdm)},
        "results": {"url": str(results), "schema": schema},
        **more,
    }
    return config.RunConfig.model_validate(document).connections


@pytest.fixture(scope="module")
def cdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CDM whose texts hold the secret after many rows without it; it is only read."""
    path = tmp_path_factory.mktemp("site") / "cdm.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE person AS SELECT range AS person_id, 1980 AS year_of_birth, "
            f"CAST(range AS VARCHAR) AS person_source_value FROM RANGE({N_ROWS})"
        )
        connection.execute(f"INSERT INTO person VALUES (-1, 1980, '{SECRET}')")
    return path


@pytest.fixture
def settings(cdm: Path, tmp_path: Path) -> Connections:
    return settings_of(cdm, tmp_path / "results.duckdb", threads=1, batch_size=1000)


@pytest.fixture
def engine(settings: Connections) -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine(settings)
    yield opened
    opened.close()


@pytest.fixture
def store(settings: Connections) -> Iterator[DuckDBStore]:
    opened = DuckDBStore(settings)
    yield opened
    opened.close()


def tree(text: str) -> exp.Expr:
    return sql.parse(text)


def casts(engine: DuckDBEngine) -> exp.Expr:
    """Return a query whose last row cannot be cast."""
    site = engine.find_table(PERSON)
    assert site is not None
    selected = "CAST(person_source_value AS INTEGER) AS n"
    return exp.select(selected).from_(site.relation, dialect="duckdb")


def published(store: Store) -> list[pa.RecordBatch]:
    """Create `results.attrition` with the secret in many blocks; return its rows."""
    store.create_schema()
    store.define(tree("CREATE TABLE results.attrition (run_id BIGINT, reason VARCHAR)"))
    rows = pa.table({"run_id": range(N_ROWS), "reason": [f"{SECRET} {n}" for n in range(N_ROWS)]})
    with store.transaction():
        store.append("attrition", rows.to_batches())
    return rows.to_batches()


def batches(**columns: list[Any]) -> list[pa.RecordBatch]:
    return [pa.record_batch(columns)]


def corrupt(path: Path) -> None:
    """Overwrite all blocks of a DuckDB file but its headers."""
    size = path.stat().st_size
    assert size > 500_000
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * (size - 3 * 4096))


# A connection that is closed: every method of every class.


def in_transaction(store: Store) -> None:
    with store.transaction():
        pass


ROWS = pa.table({"person_id": [1]})
SELECT = "SELECT person_id FROM cdm.person"


def counted(engine: Engine) -> object:
    """Count the unreadable values of a table that was mapped before the connection closed."""
    assert isinstance(engine, DuckDBEngine)
    engine._unreadable["person"] = ("a.person", ("n",), tree(SELECT))
    return engine.count_unreadable(PERSON)


CLOSED: Mapping[str, tuple[Callable[[Engine], Any], type[OmopScorerError], str]] = {
    "find_table": (lambda e: e.find_table(PERSON), CdmError, "cdm.url"),
    "has_values": (
        lambda e: e.has_values(SiteTable('"a"."person"', "a.person", {}, {}), set()),
        *(SqlError, "a.person"),
    ),
    "map_table": (
        lambda e: e.map_table(PERSON, SiteTable('"a"."person"', "a.person", {}, {})),
        *(SqlError, "a.person"),
    ),
    "count_unreadable": (counted, SqlError, "a.person"),
    "stage": (lambda e: e.stage("cohort", tree(SELECT), {}), SqlError, "work.cohort"),
    "load": (lambda e: e.load("cohort", ROWS), SqlError, "work.cohort"),
    "fetch": (lambda e: e.fetch(tree(SELECT), {}), SqlError, "cdm.url"),
    "stream": (lambda e: list(e.stream(tree(SELECT), {})), SqlError, "cdm.url"),
    "explain": (lambda e: e.explain(tree(SELECT), {}), SqlError, "EXPLAIN"),
}

CLOSED_STORE: Mapping[str, Callable[[Store], Any]] = {
    "define": lambda s: s.define(tree("CREATE TABLE results.t (n BIGINT)")),
    "fetch": lambda s: s.fetch(tree("SELECT n FROM results.t"), {}),
    "append": lambda s: s.append("attrition", ROWS.to_batches()),
    "remove": lambda s: s.remove("attrition", [1]),
    "has_schema": lambda s: s.has_schema(),
    "create_schema": lambda s: s.create_schema(),
    "transaction": in_transaction,
}


def test_every_method_is_called_here() -> None:
    assert CLOSED.keys() == Engine.__abstractmethods__ - {"close"}
    assert CLOSED_STORE.keys() == Store.__abstractmethods__ - {"close"}


@pytest.mark.parametrize("method", CLOSED)
def test_an_engine_whose_connection_is_closed(engine: DuckDBEngine, method: str) -> None:
    call, error_class, part = CLOSED[method]
    engine.close()
    with raises(error_class, part, "ConnectionException"):
        call(engine)
    engine.close()


@pytest.mark.parametrize("method", CLOSED_STORE)
def test_a_store_whose_connection_is_closed(store: DuckDBStore, method: str) -> None:
    store.close()
    with raises(ResultsError, "results.url", "ConnectionException"):
        CLOSED_STORE[method](store)
    store.close()


def test_a_reader_whose_connection_is_closed(store: DuckDBStore, settings: Connections) -> None:
    published(store)
    store.close()
    reader = open_results(settings)
    reader.close()
    with raises(SqlError, settings.results.url, "ConnectionException"):
        reader.read(tree("SELECT run_id FROM results.attrition"), {})
    with raises(SqlError, settings.results.url, "ConnectionException"):
        reader.tables()


def test_text_tables_whose_connection_is_closed(settings: Connections) -> None:
    with TextTables(settings.cdm.url) as source:
        site = source.find("person")
        assert site is not None
    with raises(CdmError, settings.cdm.url):
        source.find("person")
    columns = [Column("person_id", "integer", True)]
    with raises(CdmError, site.label):
        source.wide(replace(site, columns={"person_id": "BIGINT"}), columns)
    with raises(CdmError, site.label):
        list(source.read(site, columns, 10))


# Statements that fail on the data.


def test_a_value_that_fails_when_rows_are_staged(engine: DuckDBEngine) -> None:
    with raises(SqlError, engine.site, "work.score", "ConversionException"):
        engine.stage("score", casts(engine), {})


def test_a_value_that_fails_in_the_middle_of_a_stream(engine: DuckDBEngine) -> None:
    rows = engine.stream(casts(engine), {})
    assert next(rows).num_rows > 0
    with raises(SqlError, engine.site, "ConversionException"):
        list(rows)


def test_a_work_table_that_has_other_columns(engine: DuckDBEngine) -> None:
    engine.load("member", pa.table({"n": [1]}))
    with raises(SqlError, "work.member", "ConversionException"):
        engine.load("member", pa.table({"n": [SECRET]}))
    with raises(SqlError, "work.member", "BinderException"):
        engine.load("member", pa.table({"other": [SECRET]}))
    with raises(SqlError, "work.member", "BinderException"):
        engine.stage("member", tree(f"SELECT 1 AS a, '{SECRET}' AS b"), {})
    assert engine.stage("member", tree("SELECT 2 AS n"), {}) == 2


def test_a_work_table_that_exists_already(engine: DuckDBEngine) -> None:
    engine._work.execute(f"CREATE TABLE memory.work.cohort AS SELECT '{SECRET}' AS t")
    with raises(SqlError, "work.cohort", "CatalogException"):
        engine.stage("cohort", tree("SELECT 1 AS n"), {})
    with raises(SqlError, "work.cohort", "CatalogException"):
        engine.load("cohort", pa.table({"n": [1]}))


def test_rows_that_do_not_fit_their_results_table(store: DuckDBStore) -> None:
    published(store)
    with raises(ResultsError, "results.url", "ConversionException"):
        store.append("attrition", batches(run_id=[SECRET]))
    with raises(ResultsError, "results.url", "BinderException"), store.transaction():
        store.append("attrition", batches(person=[SECRET]))
    with raises(ResultsError, "results.url", "CatalogException"):
        store.fetch(tree("SELECT n FROM results.nowhere"), {})
    with raises(ResultsError, "results.url", "CatalogException"):
        store.create_schema()


# Files that are unreadable or that change while they are open.


def test_a_results_file_that_is_corrupted_while_it_is_read(
    store: DuckDBStore, settings: Connections
) -> None:
    published(store)
    store.close()
    with open_results(settings) as reader:
        corrupt(Path(settings.results.url))
        with raises(SqlError, settings.results.url):
            reader.read(tree("SELECT MAX(reason) AS reason FROM results.attrition"), {})


def test_a_results_file_that_is_corrupted_while_a_run_writes(settings: Connections) -> None:
    with closing(DuckDBStore(settings)) as store:
        published(store)
    with closing(DuckDBStore(settings)) as store:
        assert store.has_schema()
        corrupt(Path(settings.results.url))
        with raises(ResultsError, store.where):
            store.fetch(tree("SELECT MAX(reason) AS reason FROM results.attrition"), {})
    with raises(ResultsError, settings.results.url):
        try_store(settings)


def test_a_results_file_that_cannot_grow(store: DuckDBStore, settings: Connections) -> None:
    rows = published(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with raises(ResultsError, settings.results.url, "no space is left on the disk"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
            with store.transaction():
                store.append("attrition", rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_results_file_with_other_tables_of_those_names(settings: Connections) -> None:
    with duckdb.connect(settings.results.url) as connection:
        connection.execute("CREATE SCHEMA omop_scorer")
        connection.execute(f"CREATE TABLE omop_scorer.schema_version AS SELECT '{SECRET}' AS v")
    with raises(ResultsError, settings.results.url, "BinderException"):
        try_store(settings)
    with duckdb.connect(settings.results.url) as connection:
        connection.execute("DROP TABLE omop_scorer.schema_version")
        connection.execute(f"CREATE VIEW omop_scorer.schema_version AS SELECT ERROR('{SECRET}') v")
        connection.execute("CREATE TABLE omop_scorer.version AS SELECT 1 AS n")
    with raises(ResultsError, settings.results.url):
        try_store(settings)


def test_a_file_of_a_table_that_is_no_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "cdm"
    folder.mkdir()
    (folder / "person.parquet").write_text(f"{SECRET}," * 100, encoding="utf-8")
    with TextTables(str(folder)) as source, raises(CdmError, folder / "person.parquet"):
        source.find("person")
    opened = DuckDBEngine(settings_of(folder, tmp_path / "r.duckdb"))
    with raises(CdmError, "cdm.url", folder / "person.parquet"):
        opened.find_table(PERSON)
    opened.close()


def test_a_parquet_file_that_loses_its_rows_while_it_is_open(tmp_path: Path) -> None:
    file = tmp_path / "person.parquet"
    texts = [f"{SECRET} {n}" for n in range(N_ROWS)]
    pq.write_table(pa.table({"person_source_value": texts}), file, compression="none")
    with TextTables(str(tmp_path)) as source:
        site = source.find("person")
        assert site is not None
        with file.open("r+b") as opened:
            opened.seek(4)
            opened.write(b"\xff" * (file.stat().st_size // 2))
        with raises(CdmError, file):
            list(source.read(site, [Column("person_source_value", "varchar", False)], 1000))


@pytest.mark.parametrize("n_rows", [3, N_ROWS])
def test_a_line_that_is_not_csv_early_or_late(tmp_path: Path, n_rows: int) -> None:
    file = tmp_path / "person.csv"
    lines = ["person_id,note", *(f"{n},x" for n in range(n_rows)), f"9,{SECRET},9"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with TextTables(str(tmp_path)) as source:
        said = f"line {n_rows + 2}: a wrong number of columns"
        with raises(CdmError, file, said):
            columns = [Column("person_id", "integer", True), Column("note", "varchar", False)]
            site = source.find("person")
            assert site is not None
            list(source.read(site, columns, 1000))


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    """A results folder with one table, whose texts hold the secret."""
    made = ResultsFolder(str(tmp_path), "scores")
    made.take_lock()
    made.make_empty("attrition")
    rows = pa.record_batch({"run_id": [1], "reason": [SECRET]})
    made.append("attrition", rows.schema, [rows])
    made.free_lock()
    return made


def reader_of(folder: ResultsFolder, columns: Mapping[str, str]) -> ResultsReader:
    folder.save_tables({"attrition": dict(columns)})
    return open_results(settings_of(Path("no CDM"), folder.home.parent, folder.home.name))


def test_a_folder_of_results_whose_files_are_no_parquet(folder: ResultsFolder) -> None:
    (file,) = folder.files("attrition")
    file.write_text(f"{SECRET}," * 100, encoding="utf-8")
    with raises(ResultsError, folder.where, "table attrition"):
        reader_of(folder, {"run_id": "BIGINT", "reason": "TEXT"})


@pytest.mark.parametrize("name", ["run_id=1.bak", "run_id=1 (copy)", "run_id=", "run_id=²"])
def test_a_copy_in_a_folder_of_results_is_named(folder: ResultsFolder, name: str) -> None:
    (original,) = (folder.home / "attrition").iterdir()
    shutil.copytree(original, copy := folder.home / "attrition" / name)
    said = f"{re.escape(str(copy))} is no folder of a run"
    for look in (folder.run_ids, folder.files):
        with pytest.raises(ResultsError, match=f"{said}; move it out of the results"):
            look("attrition")
    with pytest.raises(ResultsError, match=said):
        reader_of(folder, {"run_id": "BIGINT", "reason": "TEXT"}).close()


def test_a_folder_of_results_with_other_types(folder: ResultsFolder) -> None:
    query = tree("SELECT reason FROM results.attrition")
    with reader_of(folder, {"run_id": "BIGINT", "reason": "BIGINT"}) as reader:
        with raises(SqlError, folder.where, "ConversionException"):
            reader.read(query, {})
        (file,) = folder.files("attrition")
        file.unlink()
        with raises(SqlError, folder.where):
            reader.read(query, {})
    with raises(SqlError, folder.where, "ConnectionException"):
        reader.read(query, {})


# Settings, memory and disk.


def test_a_quota_for_temporary_files(settings: Connections) -> None:
    small = settings_of(
        Path(settings.cdm.url), Path(settings.results.url), memory_limit="30MB", threads=1
    )
    engine = DuckDBEngine(small)
    engine._work.execute("SET max_temp_directory_size = '1MB'")
    advice = ("no space is left for temporary files", "TMPDIR", "memory_limit")
    with raises(SqlError, engine.site, "work.large", *advice):
        engine.stage("large", tree(LARGE), {})
    with raises(SqlError, engine.site, *advice):
        list(engine.stream(tree(LARGE), {}))
    engine.close()


def test_too_little_memory(settings: Connections) -> None:
    small = settings_of(Path(settings.cdm.url), Path(settings.results.url), memory_limit="1MB")
    with raises(SqlError, "cdm.url", "OutOfMemoryException", "raise memory_limit"):
        engine = DuckDBEngine(small)
        engine.stage("large", tree(LARGE), {})


def test_a_setting_that_duckdb_does_not_know() -> None:
    with (
        raises(ConnectionFailedError, "DuckDB setting memory_limit"),
        connected(memory_limit="lots"),
    ):
        pytest.fail("it was opened")


def test_nothing_is_left_when_opening_fails(
    settings: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    Path(settings.results.url).write_bytes(b"no database" * 1000)
    with raises(ResultsError, settings.results.url):
        DuckDBStore(settings)
    with raises(ConnectionFailedError, settings.results.url):
        open_results(settings)
    assert list(temporary.iterdir()) == []
    temporary.rmdir()
    with raises(ResultsError, "temporary folder", "TMPDIR"):
        DuckDBEngine(settings)
