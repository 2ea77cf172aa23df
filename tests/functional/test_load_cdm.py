"""CSV and Parquet files in PostgreSQL: what a run reads is loaded, the rest is named."""

from pathlib import Path

import duckdb
import pytest

from omop_scorer.config.run_file import to_server
from omop_scorer.errors import CdmError
from omop_scorer.loading.load import Loading, load_cdm
from omop_scorer.synthetic import write as synthetic
from tests.support import postgresql

PERSON = "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id"
CONCEPT = (
    "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\t"
    "concept_code\tvalid_start_date\tvalid_end_date\tinvalid_reason"
)
DRUG = (
    "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,drug_exposure_end_date,"
    "drug_type_concept_id,drug_source_value"
)


def load(folder: Path, *null_text: str) -> tuple[str, Loading]:
    schema = postgresql.new_schema("loaded")
    settings = to_server("--to", postgresql.database(), ["", *null_text])
    return schema, load_cdm(folder, settings, schema, "5.3")


def rows(query: str) -> list:
    return postgresql.session().execute(query).fetchall()


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text + "\n", encoding="utf-8")
    return folder


def test_a_cdm_as_csv_is_loaded_like_its_twin_in_parquet(tmp_path: Path) -> None:
    twin, folder = tmp_path / "twin", tmp_path / "csv"
    synthetic.write(twin, 60, 7, cdm_version="5.3")
    folder.mkdir()
    with duckdb.connect() as connection:
        for file in twin.glob("*.parquet"):
            target = f"'{folder / file.stem}.csv' (FORMAT csv)"
            connection.execute(f"COPY (FROM read_parquet('{file}')) TO {target}")
    (left, loaded), (right, _) = load(folder), load(twin)
    assert not any(table.wide for table in loaded.tables.values())
    for table in loaded.tables:
        both = [f"SELECT * FROM {schema}.{table}" for schema in (left, right)]
        assert (
            rows(f"({both[0]} EXCEPT ALL {both[1]}) UNION ALL ({both[1]} EXCEPT ALL {both[0]})")
            == []
        )


def test_texts_of_athena_and_empty_texts(tmp_path: Path) -> None:
    concepts = [
        CONCEPT,
        '1\t1/2" needle\tDevice\tX\tY\tS\t\t19700101\t20991231\t',
        '2\t"edoxaban\tDrug\tX\tY\t\tNULL\t1970-01-01\t20991231\t',
    ]
    drugs = [DRUG, '1,1,1,2024-01-01,2024-01-02,0,""', "2,1,1,2024-01-01,2024-01-02 10:00,0,"]
    folder = write(
        tmp_path / "cdm",
        person=f"{PERSON}\n1,8532,1980.0,0, 0 ",
        CONCEPT="\n".join(concepts),
        drug_exposure="\n".join(drugs),
    )
    schema, _ = load(folder)
    query = f"SELECT concept_name, standard_concept, concept_code FROM {schema}.concept ORDER BY 1"
    assert rows(query) == [('"edoxaban', None, "NULL"), ('1/2" needle', "S", "")]
    query = f"SELECT drug_source_value, drug_exposure_end_date::text FROM {schema}.drug_exposure"
    assert rows(f"{query} ORDER BY drug_exposure_id") == [("", "2024-01-02"), (None, "2024-01-02")]
    schema, _ = load(folder, "NULL")
    assert rows(f"SELECT concept_code FROM {schema}.concept") == [("",), ("",)]


@pytest.mark.parametrize("large", ["2147483648", "-2147483649", "9223372036854775807"])
@pytest.mark.parametrize("files", ["csv", "parquet"])
def test_ids_that_need_64_bits(tmp_path: Path, large: str, files: str) -> None:
    folder = write(
        tmp_path / "cdm",
        person=f"{PERSON}\n{large},8532,1980,0,0",
        drug_exposure=f"{DRUG}\n2147483647,{large},1,2024-01-01,2024-01-02,0,x",
    )
    if files == "parquet":
        with duckdb.connect() as connection:
            for file in list(folder.iterdir()):
                query = f"FROM read_csv('{file}', types = {{'person_id': 'BIGINT'}})"
                connection.execute(f"COPY ({query}) TO '{file.with_suffix('.parquet')}'")
                file.unlink()
    schema, loaded = load(folder)
    assert loaded.tables["person"].wide == ("person_id",)
    assert loaded.tables["drug_exposure"].wide == ("person_id",)
    query = f"SELECT pg_typeof(person_id)::text, person_id FROM {schema}.drug_exposure"
    assert rows(query) == [("bigint", int(large))]
    query = f"SELECT pg_typeof(drug_exposure_id)::text FROM {schema}.drug_exposure"
    assert rows(query) == [("integer",)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x1,8532,1980,0,0", "column person_id: the value cannot be read as INTEGER"),
        (",8532,1980,0,0", "column person_id: the value is missing"),
        ("1,8532,1980.5,0,0", "column year_of_birth: the value cannot be read as INTEGER"),
        ("99999999999999999999,8532,1980,0,0", "column person_id: the number is too large"),
    ],
)
def test_what_cannot_be_loaded_is_named(tmp_path: Path, line: str, said: str) -> None:
    folder = write(tmp_path / "cdm", person=f"{PERSON}\n7,8532,1980,0,0\n{line}")
    with pytest.raises(CdmError) as caught:
        load(folder)
    message = str(caught.value)
    assert f"the CDM {folder}/person.csv: line 3, {said}" in message
    assert "x1" not in message
