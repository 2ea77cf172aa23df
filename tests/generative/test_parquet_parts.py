"""A table in Parquet parts of any types, orders and folders has the rows of one plain file."""

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.connections import Cdm, Connections, PostgreSQL, Results, Spark
from omop_scorer.engines import open_engine
from tests.support import spark
from tests.support.parquet_parts import COLUMNS, ZONE, random_rows, write_parts, write_plain

MEASUREMENT = next(table for table in TABLES if table.name == "measurement")


def rows_of(engine_name: Any, folder: Path) -> tuple[list[Any], int]:
    """Return the sorted rows of the table, and how many values could not be read."""
    cdm = Cdm(url=str(folder), time_zone=str(ZONE))
    engine = open_engine(
        Connections(engine_name, cdm, Results(url="r"), PostgreSQL(), Spark(), 1000, 1, None, 1000)
    )
    try:
        engine.map_table(MEASUREMENT, engine.find_table(MEASUREMENT))
        query = exp.select(*COLUMNS).from_(exp.table_("measurement", db="cdm"))
        rows = engine.fetch(query, {})
        unreadable = sum(engine.count_unreadable(MEASUREMENT).values())
        engine.refuse_changed_files()
    finally:
        engine.close()
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


@pytest.mark.parametrize("block", range(4))
def test_duckdb_reads_parts_as_one_file(block: int) -> None:
    for case in range(block * 15, block * 15 + 15):
        check("duckdb", case)


def test_spark_reads_parts_as_one_file() -> None:
    spark.session()
    for case in range(12):
        check("spark", case)
