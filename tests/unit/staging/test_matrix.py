"""The matrix: one row per patient, in order, from one row per patient and covariate."""

import duckdb
import pyarrow as pa
import pytest

from omop_scorer.model.load import Model
from omop_scorer.scoring.batch import read_patients
from omop_scorer.staging.matrix import matrix_query
from tests.support import tiny_card

PATIENTS = pa.table({"person_id": [9, 4], "age": [70, 30], "is_male": [True, False]})
#: Person, covariate, value and status, in no order.
COVARIATES = [
    (9, "x1", 6.5, "observed"),
    (4, "x0", None, "left_out"),
    (9, "x0", 0.1, "computed"),
    (4, "male", 0.0, "observed"),
    (9, "flag", 0.0, "absent"),
    (4, "flag", 1.0, "observed"),
    (4, "x1", -3.0, "imputed"),
    (9, "male", 1.0, "observed"),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_card.load(tmp_path_factory.mktemp("tiny"))


def rows_of(covariates: list[tuple[int, str, float | None, str]], model: Model) -> pa.RecordBatch:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA work")
        connection.register("patients", PATIENTS)
        connection.execute("CREATE TABLE work.index_patient AS FROM patients")
        connection.execute(
            "CREATE TABLE work.index_patient_covariate "
            "(person_id BIGINT, covariate VARCHAR, covariate_value DOUBLE, status VARCHAR)"
        )
        connection.executemany(
            "INSERT INTO work.index_patient_covariate VALUES (?, ?, ?, ?)", covariates
        )
        query = matrix_query(model, "index_").sql(dialect="duckdb")
        return pa.RecordBatch.from_pylist(connection.sql(query).to_arrow_table().to_pylist())


def test_one_row_per_patient_in_the_order_of_person_id(tiny: Model) -> None:
    first, second = rows_of(COVARIATES, tiny).to_pylist()
    assert first == {
        **{"person_id": 4, "patient_age": 30, "patient_is_male": False, "n_values": 4},
        **{"x0": None, "x0_status": 5, "x1": -3.0, "x1_status": 4},
        **{"flag": 1.0, "flag_status": 1, "male": 0.0, "male_status": 1},
    }
    assert second == {
        **{"person_id": 9, "patient_age": 70, "patient_is_male": True, "n_values": 4},
        **{"x0": 0.1, "x0_status": 2, "x1": 6.5, "x1_status": 1},
        **{"flag": 0.0, "flag_status": 3, "male": 1.0, "male_status": 1},
    }


def test_two_values_and_no_value_are_seen(tiny: Model) -> None:
    twice = [*COVARIATES[1:], (4, "male", 0.0, "imputed")]
    first, second = rows_of(twice, tiny).to_pylist()
    assert (first["n_values"], second["n_values"]) == (5, 3)
    assert (second["x1"], second["x1_status"]) == (None, None)


def test_the_scores_read_what_the_query_gives(tiny: Model) -> None:
    patients = read_patients(rows_of(COVARIATES, tiny), tiny)
    assert patients.recorded.tolist() == [[False, False, True, True], [True, True, False, True]]
    assert patients.imputed.tolist() == [[False, True, False, False], [False] * 4]
