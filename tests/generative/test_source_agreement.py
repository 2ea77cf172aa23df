"""A CDM in a database gives the same answer as the same CDM in a file."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import layout
from tests.support.every_case import (
    AS_ARE_MOST,
    OTHERWISE,
    Rows,
    answer,
    differences,
    every_case,
    typed,
)

#: How a CDM is written for each source that is pulled.
SOURCES = {
    "postgresql": layout.write_postgresql,
    "sqlite": layout.write_sqlite,
    "mariadb": layout.write_mariadb,
}


@pytest.fixture(scope="module")
def cdm(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return typed(every_case(tmp_path_factory.mktemp("cases")))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("settings", [AS_ARE_MOST, OTHERWISE], ids=["most", "otherwise"])
def test_every_case(cdm: Rows, tmp_path: Path, source: str, settings: dict[str, Any]) -> None:
    file, database = tmp_path / "file", tmp_path / "database"
    file.mkdir()
    database.mkdir()
    one = layout.write_duckdb(cdm, file)
    other = SOURCES[source](cdm, database)
    left = answer("duckdb", settings, one["cdm"], one["results"])
    right = answer("duckdb", settings, other["cdm"], other["results"])
    assert len(left["latest_score"]) > 500
    assert differences(left, right) == []
