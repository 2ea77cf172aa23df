"""Spark and DuckDB give the same answer to everything that the tests ask of DuckDB."""

import pytest

from tests.support import spark
from tests.support.every_case import AS_ARE_MOST, OTHERWISE, Rows, answer, differences
from tests.support.thoroughness import only_thorough


@pytest.fixture
def cdm(every_case_in_one: Rows) -> Rows:
    return every_case_in_one


def test_every_case(cdm, tmp_path):
    spark.session()
    place = {"url": str(spark.write_parquet(cdm, tmp_path / "cdm"))}
    left = answer("duckdb", AS_ARE_MOST, place, {"url": str(tmp_path / "results.duckdb")})
    right = answer("spark", AS_ARE_MOST, place, {"url": str(tmp_path / "results")})
    assert len(left["latest_score"]) > 1000
    assert differences(left, right) == []


def test_every_case_as_text_in_a_catalog_by_other_rules(cdm, tmp_path):
    session = spark.session()
    folder = spark.write_parquet(cdm, tmp_path / "cdm", as_it_is=True)
    own = {"url": str(tmp_path / "results.duckdb")}
    left = answer("duckdb", OTHERWISE, {"url": str(folder)}, own)
    session.conf.set("spark.sql.ansi.enabled", "false")
    session.sql("CREATE SCHEMA the_site")
    try:
        for file in folder.glob("*.parquet"):
            name = f"the_site.{file.stem.upper()}"
            session.sql(f"CREATE TABLE {name} USING parquet LOCATION '{file}'")
        place = {"url": "spark", "schema": "spark_catalog.the_site"}
        right = answer("spark", OTHERWISE, place, {"url": "spark", "schema": "the_scores"})
        tables = {row.tableName for row in session.sql("SHOW TABLES IN the_scores").collect()}
        pulled = answer("duckdb", OTHERWISE, place, {"url": f"{tmp_path / 'folder'}/"})
    finally:
        session.conf.unset("spark.sql.ansi.enabled")
        session.sql("DROP SCHEMA the_site CASCADE")
        session.sql("DROP SCHEMA IF EXISTS the_scores CASCADE")
    assert len(left["latest_score"]) > 500
    assert differences(left, right) == []
    assert differences(left, pulled) == []
    assert "latest_score" in tables
    assert "omop_scorer_run_lock" not in tables


@only_thorough
def test_every_case_pulled_from_a_catalog(cdm, tmp_path):
    session = spark.session()
    folder = spark.write_parquet(cdm, tmp_path / "cdm")
    own = {"url": str(tmp_path / "results.duckdb")}
    left = answer("duckdb", AS_ARE_MOST, {"url": str(folder)}, own)
    session.sql("CREATE SCHEMA pulled_site")
    try:
        for file in folder.glob("*.parquet"):
            name = f"pulled_site.{file.stem}"
            session.sql(f"CREATE TABLE {name} USING parquet LOCATION '{file}'")
        place = {"url": "spark", "schema": "pulled_site"}
        right = answer("duckdb", AS_ARE_MOST, place, {"url": f"{tmp_path}/results/"})
    finally:
        session.sql("DROP SCHEMA pulled_site CASCADE")
    assert len(left["latest_score"]) > 1000
    assert differences(left, right) == []
