"""Folders of tables in several formats, and folders that only look like Parquet."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from omop_scorer.cdm.tables import TABLES, SiteTable
from omop_scorer.config.connections import Cdm, Connections, PostgreSQL, Results, Spark
from omop_scorer.engines.duckdb.engine import DuckDBEngine
from omop_scorer.engines.duckdb.source import Source
from omop_scorer.errors import CdmError, ConnectionFailedError

PERSON, DEATH, CONCEPT = (
    next(table for table in TABLES if table.name == name) for name in ("person", "death", "concept")
)
ROWS = pa.table({"person_id": [1]})


def engine_on(url: str, **settings: Any) -> DuckDBEngine:
    cdm = Cdm(url=url, **settings)
    connections = Connections(
        "duckdb", cdm, Results(url="results.duckdb"), PostgreSQL(), Spark(), 1000, 1, None, 1000
    )
    return DuckDBEngine(connections)


def found_by(engine: DuckDBEngine, table: Any = PERSON) -> SiteTable | None:
    try:
        return engine.find_table(table)
    finally:
        engine.close()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a folder with a Delta table person, and with Parquet and CSV beside it."""
    write_deltalake(tmp_path / "PERSON", ROWS)
    pq.write_table(ROWS, tmp_path / "death.parquet")
    (tmp_path / "concept.csv").write_text("concept_id,concept_name\n1,a\n", encoding="utf-8")
    return tmp_path


def test_a_folder_may_hold_tables_of_several_formats(mixed: Path) -> None:
    engine = engine_on(str(mixed))
    try:
        found = {table.name: engine.find_table(table) for table in (PERSON, DEATH, CONCEPT)}
        snapshot = engine.snapshot
    finally:
        engine.close()
    labels = {name: site.label.rpartition("/")[2] for name, site in found.items() if site}
    assert labels == {"person": "PERSON", "death": "death.parquet", "concept": "concept.csv"}
    assert snapshot == "delta: person=0"


def test_files_alone_have_no_snapshot(mixed: Path) -> None:
    engine = engine_on(str(mixed))
    engine.find_table(DEATH)
    assert engine.snapshot is None
    engine.close()


def test_after_the_prefix_every_table_is_delta(mixed: Path) -> None:
    site = found_by(engine_on(f"delta:{mixed}"))
    assert site is not None
    assert site.label.endswith("/PERSON")
    with pytest.raises(CdmError, match=r"death\.parquet: not a Delta table.*without delta:"):
        found_by(engine_on(f"delta:{mixed}"), DEATH)
    with pytest.raises(ConnectionFailedError, match="not a folder of Delta tables"):
        engine_on(f"delta:{mixed}/death.parquet")


@pytest.mark.parametrize(
    ("settings", "table", "message"),
    [
        (
            {"delta_versions": {"death": 1}},
            DEATH,
            r"death\.parquet: not a Delta table, so it has no versions",
        ),
        ({"delta_versions": {"observation": 1}}, None, "no table observation"),
        ({"delta_as_of": "2026-01-31T06:00:00Z"}, DEATH, "its state at cdm.delta_as_of"),
    ],
)
def test_an_old_state_of_another_format_is_refused(
    mixed: Path, settings: dict[str, Any], table: Any, message: str
) -> None:
    observation = next(table for table in TABLES if table.name == "observation")
    with pytest.raises(CdmError, match=message):
        found_by(engine_on(str(mixed), **settings), table or observation)


def test_a_vocabulary_in_another_format_has_no_old_state(mixed: Path) -> None:
    settings = {"delta_as_of": "2026-01-31T06:00:00Z"}
    assert found_by(engine_on(str(mixed), **settings), CONCEPT) is not None


def iceberg(folder: Path) -> None:
    (folder / "metadata").mkdir()
    (folder / "metadata" / "v1.metadata.json").write_text("{}", encoding="utf-8")


def hudi(folder: Path) -> None:
    (folder / ".hoodie").mkdir()


@pytest.mark.parametrize(("write", "name"), [(iceberg, "an Iceberg"), (hudi, "a Hudi")])
def test_other_table_formats_are_refused_by_name(tmp_path: Path, write: Any, name: str) -> None:
    (tmp_path / "person").mkdir()
    pq.write_table(ROWS, tmp_path / "person" / "part.parquet")
    write(tmp_path / "person")
    with pytest.raises(CdmError, match=f"/person: {name} table.*engine: spark"):
        found_by(engine_on(str(tmp_path)))
    with pytest.raises(CdmError, match=name):
        spark_folder(tmp_path).find("person", None)


def test_only_a_run_reads_delta(mixed: Path) -> None:
    with duckdb.connect() as connection:
        source = Source(connection, "cdm_to_load", "the CDM", str(mixed), ("",))
        with pytest.raises(CdmError, match="/PERSON: a Delta table, which this command"):
            source.find("person", None, "person")


def test_engine_spark_takes_no_folder_of_delta_for_parquet(mixed: Path) -> None:
    with pytest.raises(CdmError, match=r"/PERSON: a Delta table.*engine duckdb reads it"):
        spark_folder(mixed).find("person", None)


def spark_folder(folder: Path) -> Any:
    """Return a source that needs no session, because it refuses the table before it reads it."""
    pytest.importorskip("pyspark")
    from omop_scorer.engines.spark.folder import FolderSource

    no_session: Any = None
    return FolderSource(no_session, "cdm.url", str(folder), "x")
