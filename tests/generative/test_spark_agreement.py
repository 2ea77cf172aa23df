"""Spark and DuckDB give the same answer to everything that the tests ask of DuckDB.

A query takes Spark a tenth of a second however small it is, so the cases do not run one by one:
every CDM of the rule tests, and generated ones, go into one CDM, each with persons of its own.
"""

import json
import math
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from sqlglot import exp
from test_agreement import GENERATED

from omop_scorer.config import run_file as config
from omop_scorer.engines import open_results
from tests.conftest import outcome_of
from tests.support import spark
from tests.support.tiny_cdm import scenarios

ROOT = Path(__file__).parents[2]
#: Between the ids of persons of two cases.
APART = 10**9
CDAI = [20000001, 2000001, 2000002, 2000099, 2000000001]
AS_ARE_MOST = {
    "as_of_date": "2024-03-01",
    "covariates": {"cdai": {"concept_ids": CDAI}, "crp": {"concept_ids": [2000004]}},
}
OTHERWISE = {
    "as_of_date": "2024-06-15",
    "cdm": {
        "date_formats": ["%m/%d/%Y", "%d.%m.%y", "%d-%b-%Y", "%B %d, %Y"],
        "null_text": ["", "n/a", "NULL"],
    },
    "cohort": {
        "extra_concept_ids": [46269889, 4340812],
        "exclude_concept_sets": ["ulcerative_colitis"],
        "age_rule": "year",
        "age_maximum": 60,
    },
    "covariates": {
        "cdai": {"concept_ids": CDAI, "lookback_days": 365},
        "prior_anti_tnf": {"lookback_days": 730},
        "immunomodulator": {"lookback_days": 91},
    },
    "audit": {"age_at": "index", "since": "2015-12-31", "continuing_days": 0},
    "missing": "reduced_model",
    "impute": "cohort_median",
    "uncertainty": "analytic",
}

Rows = dict[str, list[dict[str, Any]]]


def cdms_of_the_rule_tests(folder: Path) -> Iterator[Mapping[str, Any]]:
    """What the hand-worked tests of rules and audits write for DuckDB, every run's."""
    record = folder / "runs.jsonl"
    command = (
        "-q -p tests.support.recording -p no:cacheprovider -k duckdb tests/covariates tests/audits"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *command.split()],
        cwd=ROOT,
        env={**os.environ, "OMOP_SCORER_TEST_RECORD": str(record), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    for line in record.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)["tables"]


def generated_cdms() -> Iterator[Mapping[str, Any]]:
    found = []

    @seed(0)
    @settings(GENERATED, max_examples=60)
    @given(scenario=scenarios())
    def keep(scenario: Any) -> None:
        found.append(scenario[1])

    keep()
    return iter(found)


@pytest.fixture(scope="module")
def cdm(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Every case in one CDM; concepts and their relations are those of all cases together."""
    folder = tmp_path_factory.mktemp("cases")
    numbers, merged = count(), defaultdict(list)
    for tables in (*cdms_of_the_rule_tests(folder), *generated_cdms()):
        first = APART * next(numbers)
        for table, rows in tables.items():
            for row in rows:
                person = row.get("person_id")
                is_id = person is not None and str(person).isdecimal()
                moved = {"person_id": int(person) + first} if is_id else {}
                merged[table].append({**row, **moved})
    assert next(numbers) > 150
    persons = [row["person_id"] for row in merged["person"]]
    assert len({*persons}) > 1000
    return merged


def tables_of(document: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """The columns of every table and view of the results, rows in a fixed order."""
    found = {}
    with open_results(config.RunConfig.model_validate(document).connections) as reader:
        for name in sorted(reader.tables()):
            table = reader.read(exp.select("*").from_(exp.table_(name, "results")), {})
            # Between two runs these differ on any engine.
            columns = [c for c in sorted(table.column_names) if c not in ("run_id", "message")]
            if not name.startswith("scoring_run") and name not in ("latest_run", "schema_version"):
                rows = table.select(columns).to_pylist()
                found[name] = sorted(rows, key=lambda row: [_place(row[c]) for c in row])
    return found


def _place(value: Any) -> Any:
    # A double may differ in its last digits, which must not change the place of its row.
    return (value is None, f"{value:.6e}" if isinstance(value, float) else str(value))


def differences(left: Any, right: Any) -> list[str]:
    assert left.keys() == right.keys()
    found = []
    for name, rows in left.items():
        if len(rows) != len(right[name]):
            found.append(f"{name}: {len(rows)} and {len(right[name])} rows")
        found += [
            f"{name}: {one} and {other}"
            for one, other in zip(rows, right[name], strict=False)
            if one.keys() != other.keys() or not all(_same(one[c], other[c]) for c in one)
        ]
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return type(one) is type(other) and one == other


def answer(engine: str, settings: Mapping[str, Any], cdm: Any, results: Any) -> Any:
    document = {
        **settings,
        "engine": engine,
        "cdm": {**settings.get("cdm", {}), **cdm},
        "results": results,
    }
    outcome_of(document)
    return tables_of(document)


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
    finally:
        session.conf.unset("spark.sql.ansi.enabled")
        session.sql("DROP SCHEMA the_site CASCADE")
        session.sql("DROP SCHEMA IF EXISTS the_scores CASCADE")
    assert len(left["latest_score"]) > 500
    assert differences(left, right) == []
    assert "latest_score" in tables
    assert "omop_scorer_run_lock" not in tables
