"""A table in Parquet parts of any types, orders and folders has the rows of one plain file."""

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.connections import Cdm, Connections, PostgreSQL, Results, Spark
from omop_scorer.engines import open_engine
from omop_scorer.engines.base import Engine
from omop_scorer.errors import CdmError
from omop_scorer.staging.cdm_views import inspect_tables
from tests.support import spark
from tests.support.parquet_parts import COLUMNS, ZONE, random_rows, write_parts, write_plain
from tests.support.thoroughness import examples

MEASUREMENT = next(table for table in TABLES if table.name == "measurement")


@contextmanager
def engine_on(engine_name: Any, folder: Path) -> Iterator[Engine]:
    """Open an engine and map the table."""
    cdm = Cdm(url=str(folder), time_zone=str(ZONE))
    settings = (engine_name, cdm, Results(url="r"), PostgreSQL(), Spark(), 1000, 1, None, 1000)
    with closing(open_engine(Connections(*settings))) as engine:
        engine.map_table(MEASUREMENT, engine.find_table(MEASUREMENT))
        yield engine


def rows_of(engine_name: str, folder: Path) -> tuple[list[Any], int]:
    """Return the sorted rows of the table, and how many values could not be read."""
    with engine_on(engine_name, folder) as engine:
        query = exp.select(*COLUMNS).from_(exp.table_("measurement", db="cdm"))
        rows = engine.fetch(query, {})
        unreadable = sum(engine.count_unreadable(MEASUREMENT).values())
        engine.refuse_changed_files()
    return sorted(rows, key=repr), unreadable


def check(engine_name: str, case: int) -> None:
    choose = random.Random(case)
    rows = random_rows(choose)
    with tempfile.TemporaryDirectory() as name:
        write_plain(rows, Path(name) / "plain")
        write_parts(rows, Path(name) / "parts", choose)
        expected = sorted(rows, key=repr), 0
        assert rows_of(engine_name, Path(name) / "plain") == expected, case
        assert rows_of(engine_name, Path(name) / "parts") == expected, case


def test_duckdb_reads_parts_as_one_file() -> None:
    for case in range(examples(20)):
        check("duckdb", case)


def test_spark_reads_parts_as_one_file() -> None:
    spark.session()
    for case in range(examples(5)):
        check("spark", case)


def write_part(file: Path, **columns: list[int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


@pytest.mark.parametrize("engine_name", ["duckdb", "spark"])
def test_the_folders_of_a_path_give_what_the_files_lack(engine_name: str, tmp_path: Path) -> None:
    if engine_name == "spark":
        spark.session()
    cdm, there = tmp_path / "unit_concept_id=3" / "cdm", tmp_path / "measurement_concept_id=9"
    home, key = cdm / "measurement", "measurement_concept_id"
    for number in range(1, 6):
        write_part(there / f"{number}.parquet", measurement_id=[number])
    (home / f"{key}=10 +%3B\u00e4#").mkdir(parents=True)
    (home / f"{key}=10 +%3B\u00e4#" / "a").symlink_to(there / "1.parquet")
    (home / f"{key}=11").mkdir()
    (home / f"{key}=11" / "a.parquet").symlink_to(there / "1.parquet")
    write_part(home / f"{key}=11" / "b.parquet", measurement_id=[12])
    (home / f"{key}=13").symlink_to(there)
    (home / "c.parquet").symlink_to(there / "2.parquet")
    write_part(home / f"{key}=14=x" / "a.parquet", measurement_id=[14])
    write_part(
        home / f"{key}=15" / "person_id=17" / "a.parquet", measurement_id=[15], person_id=[1]
    )
    write_part(home / f"{key}=16" / "person_id=17" / "a b.parquet", measurement_id=[16])
    names = "measurement_id", "person_id", key, "unit_concept_id"
    with engine_on(engine_name, cdm) as engine:
        query = exp.select(*names).from_(exp.table_("measurement", db="cdm"))
        found = sorted(engine.fetch(query, {}), key=repr)
        counts = engine.count_unreadable(MEASUREMENT)
    assert {name: n for name, n in counts.items() if n} == {key: 2}
    expected = [
        (1, None, 11, None),
        *((1, None, value, None) for value in (13, None)),
        *((2, None, value, None) for value in (13, None)),
        *((number, None, 13, None) for number in (3, 4, 5)),
        (12, None, 11, None),
        (14, None, None, None),
        (15, 1, 15, None),
        (16, 17, 16, None),
    ]
    assert found == sorted(expected, key=repr)


@pytest.mark.parametrize("engine_name", ["duckdb", "spark"])
def test_a_name_that_is_not_utf_8_is_named(engine_name: str, tmp_path: Path) -> None:
    if engine_name == "spark":
        spark.session()
    write_part(tmp_path / "measurement" / "a.parquet", measurement_id=[1])
    home = tmp_path / "measurement" / os.fsdecode(b"caf\xe9")
    home.mkdir()
    (tmp_path / "measurement" / "a.parquet").rename(home / "a.parquet")
    with pytest.raises(CdmError, match=r"caf\\xe9/a\.parquet is not UTF-8; rename"):
        rows_of(engine_name, tmp_path)


@pytest.mark.parametrize("engine_name", ["duckdb", "spark"])
def test_columns_that_nobody_reads_may_differ_where_a_needed_one_is_missing(
    engine_name: str, tmp_path: Path
) -> None:
    if engine_name == "spark":
        spark.session()
    (tmp_path / "death").mkdir()
    for name, note in (("a", pa.nulls(1, pa.list_(pa.date32()))), ("b", pa.array(["x"]))):
        rows = pa.table({"person_id": pa.nulls(1, pa.int64()), "note": note})
        pq.write_table(rows, tmp_path / "death" / f"{name}.parquet")
    cdm = Cdm(url=str(tmp_path))
    settings: Any = (engine_name, cdm, Results(url="r"), PostgreSQL(), Spark(), 1000, 1, None, 1000)
    with closing(open_engine(Connections(*settings))) as engine:
        problems, _, _ = inspect_tables(engine)
    (said,) = (each for each in problems if "death" in each)
    assert said.startswith(f"cdm.url {tmp_path}: column death.death_date is missing; a run needs")
    assert "cdm.tables: {death: null}" in said


@pytest.mark.parametrize("name", [".a.parquet", "_a.parquet", "a._COPYING_"])
def test_a_part_that_spark_would_skip_is_named(name: str, tmp_path: Path) -> None:
    spark.session()
    home = tmp_path / "cdm" / "measurement"
    write_part(home / "a.parquet", measurement_id=[1])
    write_part(tmp_path / name, measurement_id=[2])
    (home / "b.parquet").symlink_to(tmp_path / name)
    assert len(rows_of("duckdb", tmp_path / "cdm")[0]) == 2
    with pytest.raises(CdmError, match=f"{name}: Spark reads no file of this name"):
        rows_of("spark", tmp_path / "cdm")


@pytest.mark.parametrize("engine_name", ["duckdb", "spark"])
def test_a_part_that_is_changed_is_named(engine_name: str, tmp_path: Path) -> None:
    if engine_name == "spark":
        spark.session()
    write_parts(random_rows(random.Random(1)), tmp_path, random.Random(1))
    part = next(path for path in tmp_path.rglob("part-0.*") if path.parent.name[:1] != "_")
    with engine_on(engine_name, tmp_path) as engine:
        os.utime(part)
        with pytest.raises(CdmError, match=rf"{part.name} was changed during the run"):
            engine.refuse_changed_files()
