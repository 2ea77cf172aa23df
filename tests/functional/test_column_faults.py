"""An error of a query on a CDM names table, column and file as the site knows them, no value."""

from contextlib import closing
from datetime import date

import duckdb
import pytest
import sqlglot

from omop_scorer.config.run_file import RunConfig
from omop_scorer.engines import open_engine
from omop_scorer.errors import SqlError
from omop_scorer.staging.cdm_views import map_cdm
from tests.functional.test_odd_input import small_cdm
from tests.support.write_cdm import write_duckdb

READ = (
    "SELECT m.measurement_id, m.value_as_number FROM cdm.measurement AS m "
    "INNER JOIN cdm.person AS p ON p.person_id = m.person_id WHERE m.measurement_date <= :day"
)


@pytest.fixture
def engine(tmp_path):
    """Return an engine on a CDM whose measurements are a view that fails at one column."""
    path = tmp_path / "cdm.duckdb"
    write_duckdb(small_cdm(1, 2), path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE measurement RENAME TO kept")
        connection.execute(
            "CREATE VIEW Measurement AS SELECT * REPLACE (CAST(CASE WHEN measurement_id > 0 "
            "THEN 'SECRET 4711' END AS DOUBLE) AS value_as_number) FROM kept"
        )
    places = {"cdm": {"url": str(path)}, "results": {"url": "unused.duckdb"}}
    with closing(open_engine(RunConfig.model_validate(places).connections)) as opened:
        map_cdm(opened)
        yield opened


@pytest.mark.parametrize("way", ["stage", "fetch", "stream"])
def test_the_column_is_named(engine, way) -> None:
    query, parameters = sqlglot.parse_one(READ), {"day": date(2026, 1, 1)}
    ways = {
        "stage": lambda: engine.stage("covariate", query, parameters),
        "fetch": lambda: engine.fetch(query, parameters),
        "stream": lambda: list(engine.stream(query, parameters)),
    }
    with pytest.raises(SqlError) as caught:
        ways[way]()
    message = str(caught.value)
    assert 'main."Measurement": column value_as_number cannot be read' in message.replace(
        '"main"', "main"
    )
    assert "SECRET" not in message


def test_an_error_of_work_tables_alone_says_what_to_do(engine) -> None:
    engine.stage("name", sqlglot.parse_one("SELECT 'SECRET' AS name"), {})
    with pytest.raises(SqlError, match="please report this line") as caught:
        engine.fetch(sqlglot.parse_one("SELECT CAST(name AS BIGINT) FROM work.name"), {})
    assert "SECRET" not in str(caught.value)
