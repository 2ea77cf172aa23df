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
    typed,
)

#: How a CDM is written for each source that is pulled, or that a package of its own reads.
SOURCES = {
    "delta": layout.write_delta,
    "postgresql": layout.write_postgresql,
    "sqlite": layout.write_sqlite,
    "mariadb": layout.write_mariadb,
}


@pytest.fixture(scope="module")
def cdm(every_case_in_one: Rows) -> Rows:
    return typed(every_case_in_one)


@pytest.fixture(scope="module", params=[AS_ARE_MOST, OTHERWISE], ids=["most", "otherwise"])
def from_file(
    request: pytest.FixtureRequest, cdm: Rows, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Any]:
    """Settings, and the answer from a DuckDB file under these settings."""
    file = layout.write_duckdb(cdm, tmp_path_factory.mktemp("file"))
    return request.param, answer("duckdb", request.param, file["cdm"], file["results"])


@pytest.mark.parametrize("source", SOURCES)
def test_every_case(
    cdm: Rows, tmp_path: Path, from_file: tuple[dict[str, Any], Any], source: str
) -> None:
    settings, expected = from_file
    other = SOURCES[source](cdm, tmp_path)
    found = answer("duckdb", settings, other["cdm"], other["results"])
    assert len(expected["latest_score"]) > 500
    assert differences(expected, found) == []
