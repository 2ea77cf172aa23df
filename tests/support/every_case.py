"""Every case of the rule tests in one CDM, to compare the answers of two ways to read it.

A run costs some engines seconds however small it is, so the cases do not run one by one: every CDM
of the rule tests, and generated ones, go into one CDM, each with persons of its own.
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

import duckdb
import pyarrow as pa
from hypothesis import given, seed, settings
from sqlglot import exp

from omop_scorer.config import run_file as config
from omop_scorer.stores import open_results
from tests.conftest import outcome_of
from tests.support.layout import TYPES
from tests.support.tiny_cdm import GENERATED, scenarios
from tests.support.write_cdm import as_text

ROOT = Path(__file__).parents[2]
#: Between the ids of persons of two cases.
APART = 10**10
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
    "audit": {
        **{"age_at": "index", "since": "2015-12-31", "continuing_days": 0},
        **{"gap_days": 30, "exposure_days": 56},
    },
    "missing": "reduced_model",
    "impute": "cohort_median",
    "uncertainty": "analytic",
}

#: Tests that run no job on a CDM of their own.
NOT_RECORDED = (
    "not (casts or plain or sums or university or postgresql or sqlite or mariadb or planted)"
)

Rows = dict[str, list[dict[str, Any]]]


def cdms_of_the_rule_tests(folder: Path) -> Iterator[Mapping[str, Any]]:
    """What the hand-worked tests of rules and audits write for DuckDB, every run's."""
    record = folder / "runs.jsonl"
    command = "-q -p tests.support.recording -p no:cacheprovider tests/covariates tests/audits"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *command.split(), "-k", NOT_RECORDED],
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


def every_case(folder: Path) -> Rows:
    """Return every case in one CDM, with the concepts and relations of all cases."""
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


#: Between two runs these differ on any engine.
_OF_A_RUN = ("run_id", "first_run_id", "message")
_RUNS = ("latest_run", "complete_run", "schema_version")


def tables_of(document: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """The columns of every table and view of the results, rows in a fixed order."""
    found = {}
    with open_results(config.RunConfig.model_validate(document).connections) as reader:
        for name in sorted(reader.tables()):
            table = reader.read(exp.select("*").from_(exp.table_(name, "results")), {})
            columns = [c for c in sorted(table.column_names) if c not in _OF_A_RUN]
            if not name.startswith("scoring_run") and name not in _RUNS:
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


def typed(cdm: Rows) -> dict[str, list[dict[str, str | None]]]:
    """Return a CDM as text, without the values that a typed column of a database cannot hold."""
    found = {}
    with duckdb.connect() as connection:
        for table, columns in TYPES.items():
            rows = cdm.get(table, ())
            text = {
                name: pa.array(
                    [None if row.get(name) is None else as_text(row[name]) for row in rows],
                    pa.string(),
                )
                for name in columns
            }
            connection.register("given", pa.table(text))
            selected = ", ".join(
                f"CASE WHEN {_is_kept(name, kind)} THEN "
                f"CAST(TRY_CAST({name} AS {kind}) AS VARCHAR) END AS {name}"
                for name, kind in columns.items()
            )
            query = f"SELECT {selected} FROM given"
            found[table] = connection.sql(query).to_arrow_table().to_pylist()
            connection.unregister("given")
    return found


def _is_kept(name: str, kind: str) -> str:
    value = f"TRY_CAST({name} AS {kind})"
    # No other database keeps a NaN, an infinite day, or a year before 1.
    if kind == "DOUBLE":
        return f"ISFINITE({value})"
    if kind in ("DATE", "TIMESTAMP"):
        return f"ISFINITE({value}) AND YEAR({value}) BETWEEN 1 AND 9999"
    return f"{value} IS NOT NULL"
