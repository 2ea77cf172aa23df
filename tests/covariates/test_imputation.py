"""What stands in for a value that was not found, as `impute` and the covariates' own values say."""

import pytest

from tests.support.spec import ABSENT, imputed, read_cdm, run

PERSON = """
case    | gender | year | month | day
nothing | female | 1980 |     6 |  15
dead    | female | 1980 |     6 |  15
"""
DEATH = """
case |       date
dead | 2024-01-01
"""
MEASUREMENT = """
case    | id | concept |       date | value | unit
first   |  1 | crp     | 2024-01-10 |     4 | mg/L
        |  2 | bmi     | 2024-01-10 |    30 |
second  |  3 | crp     | 2023-12-10 |    90 | mg/L
        |  4 | crp     | 2024-01-10 |   0.8 | mg/dL
        |  5 | weight  | 2024-01-10 |    80 | kg
        |  6 | height  | 2024-01-10 |   200 | cm
third   |  7 | crp     | 2024-01-10 |    30 | mg/L
        |  8 | crp     | 2024-02-10 |   700 | mg/L
dead    |  9 | crp     | 2024-01-10 |   400 | mg/L
        | 10 | bmi     | 2024-01-10 |    70 |
nothing | 11 | crp     | 2023-01-10 |   400 | mg/L
        | 12 | bmi     | 2020-01-10 |    70 |
"""
CONDITION = """
case   | id | concept |       date
first  |  1 | 4244235 | 2021-01-01
second |  2 | 4244235 | 2021-01-01
third  |  3 | 4177488 | 2021-01-01
dead   |  4 | 4177488 | 2021-01-01
"""
CALCULATOR = {"cdai": 300.0, "bmi": 20.0, "crp": 10.0, "ileal": 0.0}
# Means of the 5,703 persons of the training population, 306.2, 24.07, 19.41 and 0.7414 in short.
TRAINING_MEAN = {"cdai": 306.165044, "bmi": 24.07151, "crp": 19.411078, "ileal": 0.741364}
COHORT_MEDIAN = {
    "cdai": 300.0,  # found for nobody: the calculator's
    "bmi": 25.0,  # between 20 (computed) and 30
    "crp": 8.0,  # of 4, 8 and 30: the values that count, in mg/L, of the scored
    "ileal": 1.0,  # of 1, 1 and 0
}
NO_MEDIAN = [
    "cdai: no patient has a value, so there is no cohort median; "
    "the model card's constant 300 is imputed instead"
]
OWN = {
    "cdai": {"imputed_value": 250},
    "bmi": {"imputed_value": 23.5},
    "crp": {"imputed_value": 0},
    "ileal": {"imputed_value": 1},
}
OWN_VALUES = {"cdai": 250.0, "bmi": 23.5, "crp": 0.0, "ileal": 1.0}
CASES = [
    ({}, CALCULATOR),
    ({"impute": "training_mean"}, TRAINING_MEAN),
    ({"impute": "cohort_median"}, COHORT_MEDIAN),
    ({"covariates": OWN}, OWN_VALUES),
    # A covariate's own value goes first.
    (
        {"impute": "training_mean", "covariates": {"crp": OWN["crp"]}},
        TRAINING_MEAN | {"crp": 0.0},
    ),
]


@pytest.fixture
def cdm():
    return read_cdm(
        person=PERSON, death=DEATH, measurement=MEASUREMENT, condition_occurrence=CONDITION
    )


@pytest.mark.parametrize(("settings", "expected"), CASES)
def test_imputation(tmp_path, cdm, settings, expected):
    done = run(tmp_path, cdm, settings)
    found = {name: done.covariate(name) for name in expected}
    assert {name: answers["nothing"] for name, answers in found.items()} == {
        name: imputed(value) for name, value in expected.items()
    }
    # What was found stays as it is, and an absent exposure is a no, whatever is imputed.
    assert found["crp"]["second"][:2] == (8.0, "observed")
    assert found["bmi"]["second"][:2] == (20.0, "computed")
    assert found["bmi"]["third"] == imputed(expected["bmi"])
    assert found["ileal"]["third"][:2] == (0.0, "observed")
    for name in ("prior_anti_tnf", "steroid", "immunomodulator"):
        assert done.covariate(name)["nothing"] == ABSENT
    # A median of nobody is said aloud.
    said = [w for w in done.outcome.summary.warnings if "median" in w]
    assert said == (NO_MEDIAN if settings.get("impute") == "cohort_median" else [])
    n_imputed = dict(done.by_case("SELECT person_id, n_imputed FROM patient_subgroup"))
    assert n_imputed == {
        "nothing": [(4,)],
        "dead": [],
        "first": [(1,)],  # CDAI
        "second": [(1,)],
        "third": [(2,)],  # CDAI and BMI
    }
