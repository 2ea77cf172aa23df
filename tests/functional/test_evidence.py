"""From a value to its record: the query of sql/README.md, for every value of a run."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

README = Path(__file__).parents[2] / "sql" / "README.md"
ONE_PATIENT = "WHERE c.person_id = (SELECT MIN(person_id) FROM omop_scorer.latest_score)\n"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def connection(answered: Path, made_up: Callable[[], Path]) -> duckdb.DuckDBPyConnection:
    """The results of a run, and the CDM that it read."""
    connection = duckdb.connect(str(answered), read_only=True)
    connection.execute(f"ATTACH '{made_up()}' AS site (READ_ONLY)")
    return connection


@pytest.fixture(scope="module")
def rows(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """What the query gives of every patient."""
    queries = re.findall(r"```sql\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)
    (query,) = (each for each in queries if "latest_covariate_input" in each)
    assert ONE_PATIENT in query
    return asked(connection, query.replace(ONE_PATIENT, ""))


def asked(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    found = connection.execute(query)
    names = [each[0] for each in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_every_value_has_its_records(connection: Any, rows: list[Row]) -> None:
    """One record a value, two of a computed one, none of what was not found."""
    ((n_values,),) = connection.execute(
        "SELECT count(*) FROM omop_scorer.latest_patient_covariate"
    ).fetchall()
    found = Counter((row["person_id"], row["covariate"]) for row in rows)
    assert len(found) == n_values > 1000
    for row in rows:
        is_computed = row["status"] == "computed"
        assert found[row["person_id"], row["covariate"]] == 1 + is_computed
        assert (row["source_id"] is None) == (row["status"] in ("absent", "imputed", "left_out"))
    statuses = {row["status"] for row in rows}
    assert statuses == {"observed", "computed", "absent", "imputed"}


def test_every_value_is_that_of_its_record(connection: Any, rows: list[Row]) -> None:
    records: dict[tuple[str, int], Row] = {}
    for table in {row["source_table"] for row in rows} - {None}:
        for record in asked(connection, f"SELECT * FROM site.cdm.{table}"):
            records[table, record[f"{table}_id"]] = record
    parts: dict[int, dict[str, float]] = {}
    bmi: dict[int, float] = {}
    for row in rows:
        table, value = row["source_table"], row["covariate_value"]
        if table is None:
            assert {row[name] for name in row if name.startswith(("source", "unit"))} == {None}
            continue
        record = records[table, row["source_id"]]
        assert record["person_id"] == row["person_id"]
        if table in ("measurement", "observation"):
            assert record[f"{table}_date"] == row["source_date"]
            assert record[f"{table}_concept_id"] == row["source_concept_id"]
            assert float(record["value_as_number"]) == row["source_value"]
            assert record["unit_source_value"] == row["source_unit"]
            assert record["unit_concept_id"] == row["unit_concept_id"]
            bound = record.get("operator_concept_id") in (4171756, 4171754, 4172704, 4171755)
            assert row["is_censored"] == bound
            assert row["quantity_value"] == row["source_value"] * row["factor"]
            if row["status"] == "computed":
                parts.setdefault(row["person_id"], {})[row["quantity"]] = row["quantity_value"]
                bmi[row["person_id"]] = value
            else:
                assert value == row["quantity_value"]
            continue
        assert row["factor"] is row["unit_source"] is row["is_censored"] is None
        if table == "person":
            is_age = row["covariate"] == "age"
            assert row["source_value"] == (record["year_of_birth"] if is_age else None)
            assert is_age or (record["gender_concept_id"] == 8507) == value
        else:
            start = "drug_exposure_start_date" if table == "drug_exposure" else None
            assert record[start or "condition_start_date"] == row["source_date"]
            assert value == 1 or row["covariate"] == "ileal"
    assert len(bmi) > 10
    for person_id, value in bmi.items():
        metres = parts[person_id]["body_height"] / 100
        assert value == parts[person_id]["body_weight"] / (metres * metres)
    factors = {row["factor"] for row in rows if row["covariate"] == "crp"}
    assert len(factors - {None, 1.0}) >= 2
