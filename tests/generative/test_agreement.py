"""The SQL and the brute-force extractor give the same rows on generated CDMs."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, seed, settings

from tests.conftest import Outcome, run_on
from tests.support.audit_peer import COLUMNS, audit
from tests.support.extractor import Cdm, Extraction, Settings, extract
from tests.support.shipped_label import say
from tests.support.thoroughness import examples
from tests.support.tiny_cdm import GENERATED, scenarios
from tests.support.write_cdm import (
    as_read_from_csv,
    write_csv_folder,
    write_duckdb,
)

TABLES = {
    "attrition": "step, reason, n_persons, n_excluded",
    "patient_covariate": "person_id, covariate, covariate_value, status, source_table, source_id, "
    "source_concept_id, source_date, source_value, source_unit, unit_concept_id, unit_source, "
    "factor, is_censored",
    "covariate_input": "person_id, quantity, covariate, quantity_value, source_table, source_id, "
    "source_concept_id, source_date, source_value, source_unit, unit_concept_id, unit_source, "
    "factor, is_censored",
    "treatment_line": "person_id, line_number, drug, drug_class, start_date, last_start_date, "
    "last_exposure_date, is_current",
    "covariate_quality": "covariate, measure, n",
}


def sections(rules: Settings) -> dict[str, Any]:
    """Say in the words of the run file what the extractor's settings say."""
    return {
        "as_of_date": rules.as_of_date,
        "concept_mapping": rules.concept_mapping,
        "cohort": {
            "concept_ids": rules.cohort_concept_ids,
            "extra_concept_ids": rules.extra_cohort_concept_ids,
            "minimum_distinct_days": rules.minimum_distinct_days,
            "age_rule": rules.age_rule,
        },
        "covariates": {"cdai": {"concept_ids": rules.cdai_concept_ids}},
        "audit": {
            "since": rules.since,
            "age_at": rules.age_at,
            "continuing_days": rules.continuing_days,
        },
    }


def rows_of(outcome: Outcome) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of each table, read through one connection, for opening one takes longest."""
    queries = {
        table: f"SELECT {columns} FROM omop_scorer.latest_{table}"
        for table, columns in (TABLES | COLUMNS).items()
    }
    queries["covariate_quality"] += (
        " WHERE covariate NOT IN ('input', 'crohns_disease') OR measure LIKE '%_mapped'"
    )
    with duckdb.connect(str(outcome.results), read_only=True) as connection:
        return {
            table: sorted(connection.execute(query).fetchall()) for table, query in queries.items()
        }


def differences(
    expected: Extraction,
    audits: dict[str, list[tuple[Any, ...]]],
    outcome: Outcome,
) -> list[str]:
    rows = rows_of(outcome)
    found = [f"not exact: {row}" for row in inexact(rows)]
    for table, right in rows.items():
        left = audits[table] if table in COLUMNS else expected.rows(table)
        if len(left) != len(right):
            found.append(f"{table}: {len(left)} rows expected, {len(right)} found")
        found += [
            f"{table}: expected {a}, found {b}"
            for a, b in zip(left, right, strict=False)
            if not same(a, b)
        ]
    return found


def same(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
        if isinstance(a, float) and b is not None
        else a == b
        for a, b in zip(left, right, strict=True)
    )


def inexact(rows: dict[str, list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """Return the rows whose value is not exactly the recorded number times the factor.

    Numbers this close to 0 count as 0, because some engines fail if a product underflows.
    """
    measured = [(row[2], row[8], row[12], row) for row in rows["patient_covariate"]]
    measured += [(row[3], row[8], row[12], row) for row in rows["covariate_input"]]
    return [
        row
        for value, number, factor, row in measured
        if factor is not None and value != (number * factor if abs(number) > 1e-290 else 0)
    ]


def compare(rules: Settings, cdm: Cdm, write: Callable[[Cdm, Path], None], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(cdm, path)
        judge(rules, cdm, run_on(path, Path(folder) / "results.duckdb", sections(rules)))


def judge(rules: Settings, cdm: Cdm, outcome: Outcome) -> None:
    expected = extract(cdm, rules)
    assert differences(expected, audit(cdm, rules, expected, say), outcome) == []
    colitis = outcome.rows(
        "SELECT n FROM omop_scorer.latest_covariate_quality "
        "WHERE measure = 'n_with_ulcerative_colitis'"
    )
    assert colitis == [(expected.n_also_ulcerative_colitis,)]
    counted = outcome.rows(
        "SELECT measure, n FROM omop_scorer.latest_covariate_quality "
        "WHERE covariate = 'crohns_disease'"
    )
    found = {measure: n for measure, n in counted if measure in expected.doubts}
    assert found == expected.doubts


@pytest.mark.parametrize("part", range(2))
def test_duckdb_file_agrees(part: int) -> None:
    @seed(part)
    @GENERATED
    @given(scenario=scenarios())
    def agree(scenario: tuple[Settings, Cdm]) -> None:
        compare(*scenario, write_duckdb, "cdm.duckdb")

    agree()


@settings(GENERATED, max_examples=examples(10))
@given(scenario=scenarios())
def test_folder_of_text_agrees(scenario: tuple[Settings, Cdm]) -> None:
    rules, cdm = scenario
    compare(
        rules,
        as_read_from_csv(cdm),
        lambda c, path: write_csv_folder(c, path, upper_case=True),
        "cdm",
    )
