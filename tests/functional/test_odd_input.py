"""Odd input: nothing of it becomes a No, a zero or an empty answer without a word."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from omop_scorer.config.run_file import RunConfig
from omop_scorer.documents import faults_of
from omop_scorer.errors import CdmError
from tests.conftest import run_on
from tests.support.write_cdm import write_csv_folder, write_duckdb

AS_OF = date(2026, 1, 1)
CROHNS, METHOTREXATE, CRP, MG_PER_L = 201606, 1305058, 3020460, 8751


def person(number: int) -> dict:
    return {"person_id": number, "gender_concept_id": 8532, "year_of_birth": 1980}


def crohns(number: int, day: date | None = date(2020, 1, 1)) -> dict:
    return {
        "condition_occurrence_id": number,
        "person_id": number,
        "condition_concept_id": CROHNS,
        "condition_start_date": day,
    }


def crp(number: int, value: float) -> dict:
    return {
        "measurement_id": number,
        "person_id": number,
        "measurement_concept_id": CRP,
        "measurement_date": date(2025, 12, 1),
        "value_as_number": value,
        "unit_concept_id": MG_PER_L,
        "unit_source_value": "mg/L",
    }


def small_cdm(*numbers: int) -> dict:
    return {
        "person": [person(number) for number in numbers],
        "condition_occurrence": [crohns(number) for number in numbers],
        "measurement": [crp(number, 7) for number in numbers],
        "drug_exposure": [],
        "death": [],
    }


def test_records_and_deaths_without_a_date_are_counted_and_said(tmp_path: Path) -> None:
    cdm = small_cdm(1, 2)
    cdm["condition_occurrence"] += [crohns(3, None)]
    cdm["person"] += [person(3)]
    cdm["death"] = [{"person_id": 2, "death_date": None}]
    write_duckdb(cdm, tmp_path / "cdm.duckdb")
    outcome = run_on(tmp_path / "cdm.duckdb", tmp_path / "r.duckdb", {"as_of_date": AS_OF})
    quality = dict(
        outcome.rows(
            "SELECT measure, n FROM omop_scorer.latest_covariate_quality "
            "WHERE covariate = 'crohns_disease'"
        )
    )
    assert quality["n_records_without_date"] == 1
    assert quality["n_deaths_without_date"] == 1
    assert "1 record(s) of the disease have no date" in outcome.log
    assert "1 person(s) of the cohort have a death without a date" in outcome.log
    assert outcome.summary.n_scored == 2


def test_an_exposure_without_end_goes_on(tmp_path: Path) -> None:
    cdm = small_cdm(1)
    cdm["drug_exposure"] = [
        {
            "drug_exposure_id": 9,
            "person_id": 1,
            "drug_concept_id": METHOTREXATE,
            "drug_exposure_start_date": date(2020, 1, 1),
            "drug_exposure_end_date": date(2020, 1, 1),
        }
    ]
    path = tmp_path / "cdm.duckdb"
    write_duckdb(cdm, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE drug_exposure SET drug_exposure_end_date = 'infinity'")
    outcome = run_on(path, tmp_path / "r.duckdb", {"as_of_date": AS_OF})
    assert outcome.rows(
        "SELECT covariate_value, source_id FROM omop_scorer.latest_patient_covariate "
        "WHERE covariate = 'immunomodulator'"
    ) == [(1.0, 9)]


@pytest.mark.parametrize("first_quote", [1, 60_000])
def test_quotes_far_down_a_csv_file_are_read_as_at_its_top(
    tmp_path: Path, first_quote: int
) -> None:
    folder = tmp_path / "cdm"
    write_csv_folder(small_cdm(1), folder)
    file = folder / "measurement.csv"
    header, line = file.read_text(encoding="utf-8").splitlines()
    columns, values = header.split(","), line.split(",")
    values[columns.index("value_as_number")] = '"7"'
    values[columns.index("unit_source_value")] = '"mg/L"'
    values[columns.index("measurement_source_value")] = '"CRP, high sensitivity"'
    other = line.replace("2025-12-01", "2001-12-01")
    lines = [header, *[other] * first_quote, ",".join(values), ""]
    file.write_text("\n".join(lines), encoding="utf-8")
    outcome = run_on(folder, tmp_path / "r.duckdb", {"as_of_date": AS_OF})
    assert outcome.rows(
        "SELECT covariate_value, status, source_unit FROM omop_scorer.latest_patient_covariate "
        "WHERE covariate = 'crp'"
    ) == [(7.0, "observed", "mg/L")]


def test_person_ids_that_are_no_numbers_do_not_publish_an_empty_answer(tmp_path: Path) -> None:
    results = tmp_path / "r.duckdb"
    write_duckdb(small_cdm(1, 2), tmp_path / "good.duckdb")
    run_on(tmp_path / "good.duckdb", results, {"as_of_date": AS_OF})
    path = tmp_path / "cdm.duckdb"
    write_duckdb(small_cdm(1, 2), path)
    with duckdb.connect(str(path)) as connection:
        for table in ("person", "condition_occurrence", "measurement"):
            connection.execute(f"ALTER TABLE {table} ALTER person_id TYPE VARCHAR")
            connection.execute(f"UPDATE {table} SET person_id = 'P' || person_id")
    with pytest.raises(CdmError, match=r"person\.person_id: none of 2 value\(s\) can be read"):
        run_on(path, results, {"as_of_date": AS_OF})
    with duckdb.connect(str(results), read_only=True) as connection:
        seen = connection.execute("SELECT n_scored FROM omop_scorer.latest_run").fetchall()
        states = connection.execute(
            "SELECT status FROM omop_scorer.scoring_run_status ORDER BY recorded_at"
        ).fetchall()
    assert seen == [(2,)]
    assert [status for (status,) in states] == ["RUNNING", "COMPLETE", "RUNNING", "FAILED"]


def test_a_url_with_a_password_is_refused_and_not_repeated() -> None:
    url = "mssql+pyodbc://u:SECRET@host/db"
    document = {"cdm": {"url": "cdm.duckdb"}, "results": {"url": url}}
    with pytest.raises(ValueError, match="results are kept in") as caught:
        RunConfig.model_validate(document)
    lines = faults_of(Path("run.yaml"), caught.value, RunConfig)
    (line,) = lines
    assert line.endswith("a folder, a PostgreSQL database or a Spark catalog")
    assert "SECRET" not in line


def test_a_moment_is_a_day_in_the_configured_time_zone(tmp_path: Path) -> None:
    path = tmp_path / "cdm.duckdb"
    write_duckdb(small_cdm(1), path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "ALTER TABLE measurement ALTER measurement_date TYPE TIMESTAMP WITH TIME ZONE"
        )
        connection.execute("UPDATE measurement SET measurement_date = '2026-01-02 04:00:00+00'")
    found = {}
    for zone in ("UTC", "America/Los_Angeles"):
        outcome = run_on(
            path, tmp_path / "r.duckdb", {"as_of_date": AS_OF, "cdm": {"time_zone": zone}}
        )
        ((found[zone],),) = outcome.rows(
            "SELECT status FROM omop_scorer.latest_patient_covariate WHERE covariate = 'crp'"
        )
    assert found == {"UTC": "imputed", "America/Los_Angeles": "observed"}
