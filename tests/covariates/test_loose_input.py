"""Loosely typed input: what can be read safely counts, what cannot is missing and counted."""

import pytest

from tests.support.spec import PULLED, SOURCES, imputed, read_cdm, run_from

NUMBERS = """
case           | id | concept |       date | value    | unit
plain          |  1 | crp     | 2024-01-10 | 7        | mg/L
decimal        |  2 | crp     | 2024-01-10 | 7.25     | mg/L
point first    |  3 | crp     | 2024-01-10 | .5       | mg/L
point last     |  4 | crp     | 2024-01-10 | 7.       | mg/L
signed         |  5 | crp     | 2024-01-10 | +7       | mg/L
power of ten   |  6 | crp     | 2024-01-10 | 1.5e1    | mg/L
blanks around  |  7 | crp     | 2024-01-10 | '  7 '   | mg/L
leading zeros  |  8 | crp     | 2024-01-10 | 007.50   | mg/L
empty          |  9 | crp     | 2024-01-10 | ''       | mg/L
NULL           | 10 | crp     | 2024-01-10 |          | mg/L
comma          | 11 | crp     | 2024-01-10 | 7,5      | mg/L
censored       | 12 | crp     | 2024-01-10 | <5       | mg/L
with its unit  | 13 | crp     | 2024-01-10 | 7 mg/L   | mg/L
word           | 14 | crp     | 2024-01-10 | positive | mg/L
range          | 15 | crp     | 2024-01-10 | 3-5      | mg/L
NaN            | 16 | crp     | 2024-01-10 | NaN      | mg/L
infinity       | 17 | crp     | 2024-01-10 | Infinity | mg/L
hexadecimal    | 18 | crp     | 2024-01-10 | 0x10     | mg/L
underscore     | 19 | crp     | 2024-01-10 | 1_0      | mg/L
true           | 20 | crp     | 2024-01-10 | true     | mg/L
older good one | 21 | crp     | 2024-01-10 | 7        | mg/L
               | 22 | crp     | 2024-02-10 | <5       | mg/L
"""
READ_NUMBERS = {
    "plain": (7.0, 1),
    "decimal": (7.25, 2),
    "point first": (0.5, 3),
    "point last": (7.0, 4),
    "signed": (7.0, 5),
    "power of ten": (15.0, 6),
    "blanks around": (7.0, 7),
    "leading zeros": (7.5, 8),
    "older good one": (7.0, 21),
}


@pytest.mark.parametrize("source", SOURCES)
def test_numbers_as_text(source, tmp_path):
    cdm = read_cdm(measurement=NUMBERS)
    done = run_from(source, tmp_path, cdm, types={"measurement.value_as_number": "VARCHAR"})
    assert done.numbers("crp") == dict.fromkeys(cdm.persons) | READ_NUMBERS
    # Comma to true are ten, and the <5 before last; empty and NULL are no values to be lost.
    assert done.uncastable() == {"measurement.value_as_number": 11}
    (warning,) = (w for w in done.outcome.summary.warnings if "could not be read" in w)
    assert warning == (
        "measurement.value_as_number: 11 value(s) could not be read as a number "
        "and count as missing"
    )


IDS = """
case          |  id | concept              |       date | value | unit
plain         |   1 | 3020460              | 2024-01-10 |     7 | 8751
with a point  | 2.0 | 3020460.0            | 2024-01-10 |     7 | 8751.00
blanks around |   3 | ' 3020460 '          | 2024-01-10 |     7 | '8751 '
leading zero  |   4 | 03020460             | 2024-01-10 |     7 | 8751
half an id    |   5 | 3020460.5            | 2024-01-10 |     7 | 8751
half a unit   |   6 | 3020460              | 2024-01-10 |     7 | 8751.5
power of ten  |   7 | 3020460e0            | 2024-01-10 |     7 | 8751
a name        |   8 | 3020460              | 2024-01-10 |     7 | mg
empty unit    |   9 | 3020460              | 2024-01-10 |     7 | ''
too long      |  10 | 99999999999999999999 | 2024-01-10 |     7 | 8751
"""


@pytest.mark.parametrize("source", SOURCES)
def test_ids_as_text(source, tmp_path):
    cdm = read_cdm(measurement=IDS)
    done = run_from(source, tmp_path, cdm, types={"BIGINT": "VARCHAR"})
    read = {"plain": (7.0, 1), "with a point": (7.0, 2), "blanks around": (7.0, 3)}
    assert done.numbers("crp") == dict.fromkeys(cdm.persons) | read | {"leading zero": (7.0, 4)}
    # Half an id, power of ten and too long; half a unit and a name.
    assert done.uncastable() == {
        "measurement.measurement_concept_id": 3,
        "measurement.unit_concept_id": 2,
    }


HALVES = """
case           | id | concept   |       date | value |   unit
whole          |  1 | 3020460   | 2024-01-10 |     7 |   8751
half a concept |  2 | 3020460.5 | 2024-01-10 |     7 |   8751
half a unit    |  3 | 3020460   | 2024-01-10 |     7 | 8751.5
no number      |  4 | nan       | 2024-01-10 |     7 |   8751
no unit        |  5 | 3020460   | 2024-01-10 |     7 |
too great      |  6 | 3020460   | 2024-01-10 |     7 |  1e300
"""


@pytest.mark.parametrize("source", SOURCES)
def test_ids_as_doubles(source, tmp_path):
    cdm = read_cdm(measurement=HALVES)
    done = run_from(source, tmp_path, cdm, types={"BIGINT": "DOUBLE"})
    assert done.numbers("crp") == dict.fromkeys(cdm.persons) | {"whole": (7.0, 1)}
    # A pull asks for the concepts by number, so it gets none of the records with half a concept.
    in_place = {} if source in PULLED else {"measurement.measurement_concept_id": 2}
    assert done.uncastable() == {**in_place, "measurement.unit_concept_id": 2}


@pytest.mark.parametrize("source", SOURCES)
def test_exact_decimals_meet_the_limits(source, tmp_path):
    records = """
    case  | id | concept |       date |    value | unit
    at it |  1 | crp     | 2024-01-10 | 500.0000 | mg/L
    over  |  2 | crp     | 2024-01-10 | 500.0001 | mg/L
    mg/dL |  3 | crp     | 2024-01-10 |   0.3000 | mg/dL
    """
    types = {"measurement.value_as_number": "DECIMAL(10, 4)"}
    done = run_from(source, tmp_path, read_cdm(measurement=records), types=types)
    assert done.numbers("crp") == {"at it": (500.0, 1), "over": None, "mg/dL": (0.3, 3)}
    assert done.covariate("crp")["mg/dL"][0] == 3.0
    assert done.uncastable() == {}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("null_text", "n_lost"), [([""], 2), (["", "NULL", "n/a"], 0)])
def test_texts_that_mean_missing(source, tmp_path, null_text, n_lost):
    records = """
    case      | id | concept |       date | value | unit | text
    NULL      |  1 | crp     | 2024-01-10 | NULL  | mg/L |
    n/a       |  2 | bmi     | 2024-01-10 | n/a   |      |
    unit NULL |  3 | bmi     | 2024-01-10 | 22    | 0    | NULL
    """
    types = {"measurement.value_as_number": "VARCHAR"}
    settings = {"cdm": {"null_text": null_text}}
    done = run_from(source, tmp_path, read_cdm(measurement=records), settings, types=types)
    assert done.covariate("crp")["NULL"] == imputed(10.0)
    # A unit that is missing is accepted for BMI; one called NULL is not.
    assert (done.numbers("bmi")["unit NULL"] is None) == bool(n_lost)
    assert done.uncastable() == ({"measurement.value_as_number": n_lost} if n_lost else {})
