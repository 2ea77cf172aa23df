"""Write a CDM given as rows: a DuckDB file with the types of CDM 5.4, or a folder of CSV files."""

import csv
import functools
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tests.support.extractor import Cdm, Row

ID, WHOLE, NUMBER, DAY, MOMENT, TEXT = "BIGINT", "INTEGER", "DOUBLE", "DATE", "TIMESTAMP", "VARCHAR"
ARROW = {
    ID: pa.int64(),
    WHOLE: pa.int32(),
    NUMBER: pa.float64(),
    DAY: pa.date32(),
    MOMENT: pa.timestamp("us"),
    TEXT: pa.string(),
}

# The columns of CDM 5.4 in its order; no NOT NULL, as real CDMs break it.
COLUMNS: dict[str, dict[str, str]] = {
    "person": {
        "person_id": ID,
        "gender_concept_id": ID,
        "year_of_birth": WHOLE,
        "month_of_birth": WHOLE,
        "day_of_birth": WHOLE,
        "birth_datetime": MOMENT,
        "race_concept_id": ID,
        "ethnicity_concept_id": ID,
        "location_id": ID,
        "provider_id": ID,
        "care_site_id": ID,
        "person_source_value": TEXT,
        "gender_source_value": TEXT,
        "gender_source_concept_id": ID,
        "race_source_value": TEXT,
        "race_source_concept_id": ID,
        "ethnicity_source_value": TEXT,
        "ethnicity_source_concept_id": ID,
    },
    "care_site": {
        "care_site_id": ID,
        "care_site_name": TEXT,
        "place_of_service_concept_id": ID,
        "location_id": ID,
        "care_site_source_value": TEXT,
        "place_of_service_source_value": TEXT,
    },
    "condition_occurrence": {
        "condition_occurrence_id": ID,
        "person_id": ID,
        "condition_concept_id": ID,
        "condition_start_date": DAY,
        "condition_start_datetime": MOMENT,
        "condition_end_date": DAY,
        "condition_end_datetime": MOMENT,
        "condition_type_concept_id": ID,
        "condition_status_concept_id": ID,
        "stop_reason": TEXT,
        "provider_id": ID,
        "visit_occurrence_id": ID,
        "visit_detail_id": ID,
        "condition_source_value": TEXT,
        "condition_source_concept_id": ID,
        "condition_status_source_value": TEXT,
    },
    "drug_exposure": {
        "drug_exposure_id": ID,
        "person_id": ID,
        "drug_concept_id": ID,
        "drug_exposure_start_date": DAY,
        "drug_exposure_start_datetime": MOMENT,
        "drug_exposure_end_date": DAY,
        "drug_exposure_end_datetime": MOMENT,
        "verbatim_end_date": DAY,
        "drug_type_concept_id": ID,
        "stop_reason": TEXT,
        "refills": WHOLE,
        "quantity": NUMBER,
        "days_supply": WHOLE,
        "sig": TEXT,
        "route_concept_id": ID,
        "lot_number": TEXT,
        "provider_id": ID,
        "visit_occurrence_id": ID,
        "visit_detail_id": ID,
        "drug_source_value": TEXT,
        "drug_source_concept_id": ID,
        "route_source_value": TEXT,
        "dose_unit_source_value": TEXT,
    },
    "measurement": {
        "measurement_id": ID,
        "person_id": ID,
        "measurement_concept_id": ID,
        "measurement_date": DAY,
        "measurement_datetime": MOMENT,
        "measurement_time": TEXT,
        "measurement_type_concept_id": ID,
        "operator_concept_id": ID,
        "value_as_number": NUMBER,
        "value_as_concept_id": ID,
        "unit_concept_id": ID,
        "range_low": NUMBER,
        "range_high": NUMBER,
        "provider_id": ID,
        "visit_occurrence_id": ID,
        "visit_detail_id": ID,
        "measurement_source_value": TEXT,
        "measurement_source_concept_id": ID,
        "unit_source_value": TEXT,
        "unit_source_concept_id": ID,
        "value_source_value": TEXT,
        "measurement_event_id": ID,
        "meas_event_field_concept_id": ID,
    },
    "observation": {
        "observation_id": ID,
        "person_id": ID,
        "observation_concept_id": ID,
        "observation_date": DAY,
        "observation_datetime": MOMENT,
        "observation_type_concept_id": ID,
        "value_as_number": NUMBER,
        "value_as_string": TEXT,
        "value_as_concept_id": ID,
        "qualifier_concept_id": ID,
        "unit_concept_id": ID,
        "provider_id": ID,
        "visit_occurrence_id": ID,
        "visit_detail_id": ID,
        "observation_source_value": TEXT,
        "observation_source_concept_id": ID,
        "unit_source_value": TEXT,
        "qualifier_source_value": TEXT,
        "value_source_value": TEXT,
        "observation_event_id": ID,
        "obs_event_field_concept_id": ID,
    },
    "death": {
        "person_id": ID,
        "death_date": DAY,
        "death_datetime": MOMENT,
        "death_type_concept_id": ID,
        "cause_concept_id": ID,
        "cause_source_value": TEXT,
        "cause_source_concept_id": ID,
    },
    "concept": {
        "concept_id": ID,
        "concept_name": TEXT,
        "domain_id": TEXT,
        "vocabulary_id": TEXT,
        "concept_class_id": TEXT,
        "standard_concept": TEXT,
        "concept_code": TEXT,
        "valid_start_date": DAY,
        "valid_end_date": DAY,
        "invalid_reason": TEXT,
    },
    "concept_ancestor": {
        "ancestor_concept_id": ID,
        "descendant_concept_id": ID,
        "min_levels_of_separation": WHOLE,
        "max_levels_of_separation": WHOLE,
    },
    "concept_relationship": {
        "concept_id_1": ID,
        "concept_id_2": ID,
        "relationship_id": TEXT,
        "valid_start_date": DAY,
        "valid_end_date": DAY,
        "invalid_reason": TEXT,
    },
}


@functools.cache
def writer() -> duckdb.DuckDBPyConnection:
    """One connection for all files: opening and closing one takes longer than a tiny CDM."""
    return duckdb.connect()


def write_duckdb(cdm: Cdm, path: Path, schema: str = "main") -> None:
    """Write the tables of the CDM, empty ones too, into a schema of a DuckDB file."""
    connection = writer()
    # Under an alias, for a schema may bear the name of the file.
    connection.execute(f"ATTACH '{path}' AS tiny_cdm_file")
    target = f'tiny_cdm_file."{schema}"'
    try:
        # One transaction, for each commit waits for the disk.
        connection.begin()
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {target}")
        for table, rows in cdm.items():
            columns = COLUMNS[table]
            declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            connection.execute(f"CREATE TABLE {target}.{table} ({declared})")
            if rows:
                connection.register("incoming", as_arrow(columns, rows))
                connection.execute(f"INSERT INTO {target}.{table} SELECT * FROM incoming")
                connection.unregister("incoming")
        connection.commit()
    except duckdb.Error:
        connection.rollback()
        raise
    finally:
        connection.execute("DETACH tiny_cdm_file")


def as_arrow(columns: dict[str, str], rows: list[Row]) -> pa.Table:
    return pa.table(
        {
            name: pa.array([row.get(name) for row in rows], ARROW[kind])
            for name, kind in columns.items()
        }
    )


def write_csv_folder(cdm: Cdm, folder: Path, *, upper_case: bool = False) -> None:
    """Write each table as a CSV file, every value as text; None and an empty text look alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in cdm.items():
        header = list(COLUMNS[table])
        name = table.upper() if upper_case else table
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([column.upper() if upper_case else column for column in header])
            writer.writerows([as_text(row.get(column)) for column in header] for row in rows)


def as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else str(value)


def as_read_from_csv(cdm: Cdm) -> Cdm:
    """The CDM that a reader of the CSV folder sees: an empty text is no text."""
    return {
        table: [
            {name: None if value == "" else value for name, value in row.items()} for row in rows
        ]
        for table, rows in cdm.items()
    }
