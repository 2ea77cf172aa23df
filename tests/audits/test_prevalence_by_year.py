"""Women of 50 and over by calendar year, of whom a record or a first biologic is in it."""

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm

PERSON = """
case      | gender | year | month | day
turns 50  |   8532 | 1974 |     6 |   1
december  |   8532 | 1973 |    12 |  31
man       |   8507 | 1950 |     1 |   1
no sex    |      0 | 1950 |     1 |   1
no year   |   8532 |      |       |
"""
# From 2022-06-01; the as-of date is 2024-03-01. Everyone also has a record of 2020.
CONDITION_OCCURRENCE = """
case      | id | concept |       date
turns 50  |  1 | crohns  | 2022-05-31
          |  2 | crohns  | 2022-06-01
          |  3 | crohns  | 2022-12-31
          |  4 | crohns  | 2024-03-01
          |  5 | crohns  | 2024-03-02
december  |  6 | crohns  | 2023-01-01
          |  7 |  194684 | 2024-01-01
man       |  8 | crohns  | 2023-05-05
no sex    |  9 | crohns  | 2023-12-31
no year   | 10 | crohns  | 2024-01-01
"""
DRUG_EXPOSURE = """
case      | id | concept     |      start
turns 50  |  1 | ustekinumab | 2022-05-31
          |  2 | adalimumab  | 2023-01-01
december  |  3 | adalimumab  | 2023-02-02
man       |  4 | 1361580     | 2022-07-01
          |  5 | vedolizumab | 2024-01-01
no year   |  6 | infliximab  | 2022-06-01
"""
RECORD, FIRST = "disease_record", "first_biologic"
#: Women of 50 and over, persons of unknown age or sex, and all.
EXPECTED = {
    # A woman of 48 by two records, which count once.
    (RECORD, 2022): (0, 0, 1),
    # A woman who is 50 in December counts as 50 in January.
    (RECORD, 2023): (1, 1, 3),
    (RECORD, 2024): (1, 1, 2),
    (FIRST, 2022): (0, 1, 1),
    (FIRST, 2023): (1, 0, 1),
    (FIRST, 2024): (0, 0, 1),
}


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_prevalence_by_year(answerer, tmp_path):
    cdm = read_cdm(
        person=PERSON, condition_occurrence=CONDITION_OCCURRENCE, drug_exposure=DRUG_EXPOSURE
    )
    found = answer(answerer, tmp_path, cdm, {"audit": {"since": "2022-06-01"}})
    rows = found.tables["prevalence_by_year"]
    assert {row[:5] for row in rows} == {
        (*key, measure, n, n_population)
        for key, (n_women, n_unknown, n_population) in EXPECTED.items()
        for measure, n in (("women_50_and_over", n_women), ("age_or_sex_unknown", n_unknown))
    }
    assert len(rows) == 12
    (half,) = (row[5:] for row in rows if row[:3] == (RECORD, 2024, "women_50_and_over"))
    assert half == pytest.approx((0.5, 0.0945312, 0.9054688), abs=1e-7)
