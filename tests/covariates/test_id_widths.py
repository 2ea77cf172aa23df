"""Ids of any width: a patient is scored with the record of that id, or the loss is counted."""

import pytest

from tests.support.spec import SOURCES, read_cdm, run_from

MEASUREMENT = """
case | id | concept |       date | value | unit
a    |  1 | crp     | 2024-01-10 |     7 | mg/L
"""
DRUG = """
case | id         | concept    |      start
a    | 9000000001 | infliximab | 2020-01-01
"""
INTEGER_IDS = {"measurement.measurement_id": "INTEGER", "observation.observation_id": "INTEGER"}
WIDE = {
    "BIGINT": {},
    "text": dict.fromkeys(("person.person_id", "measurement.person_id"), "VARCHAR"),
    "decimal": {"person.person_id": "DECIMAL(19, 0)", "death.person_id": "DECIMAL(12, 2)"},
    "huge": {"person.person_id": "HUGEINT", "condition_occurrence.person_id": "HUGEINT"},
    "float": {"person.person_id": "DOUBLE"},
}


def large(**tables):
    """Return a CDM whose persons have ids beyond 32 bits."""
    cdm = read_cdm(**tables)
    for rows in cdm.tables.values():
        for row in rows:
            if row.get("person_id"):
                row["person_id"] = str(int(row["person_id"]) + 3_000_000_000)
    cdm.persons.update({case: number + 3_000_000_000 for case, number in cdm.persons.items()})
    return cdm


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("person_id", WIDE)
def test_large_person_ids_beside_small_record_ids(source, tmp_path, person_id):
    cdm = large(measurement=MEASUREMENT, drug_exposure=DRUG)
    types = {**INTEGER_IDS, **WIDE[person_id]}
    done = run_from(source, tmp_path, cdm, types=types)
    assert done.numbers("crp") == {"a": (7.0, 1)}
    assert done.covariate("prior_anti_tnf")["a"][:4] == (
        1.0,
        "observed",
        "drug_exposure",
        9000000001,
    )
    assert done.covariate("age")["a"][:4] == (43.0, "observed", "person", 3_000_001_001)
    assert done.uncastable() == {}


FLOATS = """
case          |         id | concept |       date | value | unit
exact         |   16777215 | crp     | 2024-01-10 |     7 | mg/L
as it is read |   16777220 | crp     | 2024-01-10 |     8 | mg/L
"""


@pytest.mark.parametrize("source", ["duckdb", "postgresql"])
def test_an_id_that_a_float_of_32_bits_cannot_hold(source, tmp_path):
    cdm = read_cdm(measurement=FLOATS)
    done = run_from(source, tmp_path, cdm, types={"measurement.measurement_id": "FLOAT"})
    assert done.covariate("crp")["exact"][3] == 16777215
    assert done.covariate("crp")["as it is read"][3] is None
    assert done.uncastable() == {"measurement.measurement_id": 1}


HUGE = """
case    |                   id | concept |       date | value | unit
largest |  9223372036854775807 | crp     | 2024-01-10 |     7 | mg/L
beyond  |  9223372036854775808 | crp     | 2024-01-10 |     8 | mg/L
"""


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("native", ["HUGEINT", "VARCHAR", "DECIMAL(30, 0)"])
def test_an_id_beyond_64_bits_is_unreadable_and_counted(source, tmp_path, native):
    cdm = read_cdm(measurement=HUGE)
    done = run_from(source, tmp_path, cdm, types={"measurement.measurement_id": native})
    assert done.covariate("crp")["largest"][3] == 9223372036854775807
    assert done.covariate("crp")["beyond"][3] is None
    assert done.uncastable() == {"measurement.measurement_id": 1}
