"""Is a patient like the trials' participants (true, false, not known), and how much is imputed."""

import pytest

from tests.support.spec import read_cdm, run

# 1st to 99th percentiles: age 19 to 69, BMI 15.39 to 41.79, CRP up to 118, CDAI 197 to 456.
# Everybody is 43 and without any record unless a line says otherwise.
PERSON = """
case            | gender | year | month | day
18 with CDAI    | female | 2005 |     3 |   2
19 with CDAI    | female | 2005 |     3 |   1
69 with CDAI    | female | 1954 |     3 |   2
70 with CDAI    | female | 1954 |     3 |   1
18 without CDAI | female | 2005 |     3 |   2
70 without CDAI | female | 1954 |     3 |   1
69 without CDAI | female | 1954 |     3 |   2
"""
MEASUREMENT = """
case               | id | concept  |       date | value | unit
18 with CDAI       |  1 | 20000001 | 2024-02-01 |   300 |
19 with CDAI       |  2 | 20000001 | 2024-02-01 |   300 |
69 with CDAI       |  3 | 20000001 | 2024-02-01 |   300 |
70 with CDAI       |  4 | 20000001 | 2024-02-01 |   300 |
CDAI 196.9         |  5 | 20000001 | 2024-02-01 | 196.9 |
CDAI 197           |  6 | 20000001 | 2024-02-01 |   197 |
CDAI 456           |  7 | 20000001 | 2024-02-01 |   456 |
CDAI 456.1         |  8 | 20000001 | 2024-02-01 | 456.1 |
CDAI too old       |  9 | 20000001 | 2023-12-01 |   300 |
BMI 15.39          | 10 | bmi      | 2024-02-01 | 15.39 |
BMI 15.38          | 11 | bmi      | 2024-02-01 | 15.38 |
BMI 15.38 and CDAI | 12 | bmi      | 2024-02-01 | 15.38 |
                   | 13 | 20000001 | 2024-02-01 |   300 |
BMI 41.79 and CDAI | 14 | bmi      | 2024-02-01 | 41.79 |
                   | 15 | 20000001 | 2024-02-01 |   300 |
BMI 41.8 and CDAI  | 16 | bmi      | 2024-02-01 |  41.8 |
                   | 17 | 20000001 | 2024-02-01 |   300 |
BMI computed, 50   | 18 | weight   | 2024-02-01 |   200 | kg
                   | 19 | height   | 2024-02-01 |   200 | cm
BMI computed, 20   | 20 | weight   | 2024-02-01 |    80 | kg
                   | 21 | height   | 2024-02-01 |   200 | cm
CRP 118 and CDAI   | 22 | crp      | 2024-02-01 |   118 | mg/L
                   | 23 | 20000001 | 2024-02-01 |   300 |
CRP 118.1          | 24 | crp      | 2024-02-01 | 118.1 | mg/L
CRP 0 and CDAI     | 25 | crp      | 2024-02-01 |     0 | mg/L
                   | 26 | 20000001 | 2024-02-01 |   300 |
CRP 11.81 mg/dL    | 27 | crp      | 2024-02-01 | 11.81 | mg/dL
all on record      | 28 | crp      | 2024-02-01 |    20 | mg/L
                   | 29 | bmi      | 2024-02-01 |    22 | kg/m2
                   | 30 | 20000001 | 2024-02-01 |   300 |
"""
CONDITION = """
case          | id | concept |       date
all on record |  1 | 4244235 | 2021-01-01
ileum alone   |  2 | 4244235 | 2021-01-01
nothing       |  3 | crohns  | 2021-01-01
"""
DRUG = """
case          | id | concept    |      start
all on record |  1 | prednisone | 2024-02-01
steroid alone |  2 | prednisone | 2024-02-01
"""
# Within, and how many of CDAI, BMI, CRP and ileal are imputed; an absent yes/no is not imputed.
EXPECTED = {
    "18 with CDAI": (False, 3),
    "19 with CDAI": (True, 3),
    "69 with CDAI": (True, 3),
    "70 with CDAI": (False, 3),
    "18 without CDAI": (False, 4),
    "70 without CDAI": (False, 4),
    "69 without CDAI": (None, 4),
    "CDAI 196.9": (False, 3),
    "CDAI 197": (True, 3),
    "CDAI 456": (True, 3),
    "CDAI 456.1": (False, 3),
    "CDAI too old": (None, 4),
    "BMI 15.39": (None, 3),  # inside, but nobody knows the activity
    "BMI 15.38": (False, 3),
    "BMI 15.38 and CDAI": (False, 2),
    "BMI 41.79 and CDAI": (True, 2),
    "BMI 41.8 and CDAI": (False, 2),
    "BMI computed, 50": (False, 3),  # 200 / 2²; computed counts like observed
    "BMI computed, 20": (None, 3),
    "CRP 118 and CDAI": (True, 2),
    "CRP 118.1": (False, 3),
    "CRP 0 and CDAI": (True, 2),  # no lower limit
    "CRP 11.81 mg/dL": (False, 3),  # 118.1 mg/L
    "all on record": (True, 0),
    "ileum alone": (None, 3),
    "nothing": (None, 4),
    "steroid alone": (None, 4),
}
QUERY = "SELECT person_id, within_trial_range, n_imputed FROM patient_subgroup"
SITE = {"concept_ids": [20000001]}


@pytest.fixture
def cdm():
    return read_cdm(
        person=PERSON, measurement=MEASUREMENT, condition_occurrence=CONDITION, drug_exposure=DRUG
    )


def test_trial_range(tmp_path, cdm):
    done = run(tmp_path, cdm, {"covariates": {"cdai": SITE}})
    assert done.by_case(QUERY) == {case: [answer] for case, answer in EXPECTED.items()}
    assert done.outcome.summary.trial_range == {"within": 8, "outside": 12, "unknown": 7}


def test_what_is_imputed_never_says_outside(tmp_path, cdm):
    imputed = {"crp": {"imputed_value": 400}, "bmi": {"imputed_value": 60}}
    rules = {"covariates": {"cdai": SITE | {"imputed_value": 10}, **imputed}}
    done = run(tmp_path, cdm, rules)
    assert done.by_case(QUERY) == {case: [answer] for case, answer in EXPECTED.items()}


def test_without_a_concept_for_the_cdai_nobody_is_within(tmp_path, cdm):
    found = {c: within for c, [(within, _)] in run(tmp_path, cdm).by_case(QUERY).items()}
    # Outside by age, BMI or CRP is outside still; the rest is not known.
    outside = {c for c, answer in EXPECTED.items() if answer[0] is False and c[:4] != "CDAI"}
    assert found == {case: False if case in outside else None for case in EXPECTED}
