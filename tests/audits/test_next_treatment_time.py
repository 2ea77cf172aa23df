"""Days from the index line to the next: quartiles linear between the two neighbours."""

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm

DRUG_EXPOSURE = """
case              | id | concept     |      start
ten days          |  1 | infliximab  | 2020-01-01
                  |  2 | ustekinumab | 2020-01-11
twenty days       |  3 | infliximab  | 2020-01-01
                  |  4 | vedolizumab | 2020-01-21
                  |  5 | ustekinumab | 2020-02-01
forty days        |  6 | adalimumab  | 2020-01-01
                  |  7 | 42904205    | 2020-02-10
a leap year       |  8 | adalimumab  | 2020-01-01
                  |  9 | infliximab  | 2021-01-01
the same day      | 10 | ustekinumab | 2020-01-01
                  | 11 | vedolizumab | 2020-01-01
a hundred days    | 12 | ustekinumab | 2020-01-01
                  | 13 | infliximab  | 2020-04-10
                  | 14 | vedolizumab | 2020-04-11
none              | 15 | infliximab  | 2020-01-01
"""
EXPECTED = {
    # 0, 10, 20, 40, 100, 366: places 1.25, 2.5 and 3.75.
    ("first_biologic", "all"): (6, 12.5, 30.0, 85.0),
    # 10, 20, 40, 366: places 0.75, 1.5 and 2.25.
    ("first_biologic", "anti_tnf"): (4, 17.5, 30.0, 121.5),
    # 0, 100: places 0.25, 0.5 and 0.75.
    ("first_biologic", "anti_il12_23"): (2, 25.0, 50.0, 75.0),
    ("first_biologic", "anti_integrin"): (0, None, None, None),
    # 1, 10, 20, 40, 366.
    ("first_anti_tnf", "all"): (5, 10.0, 20.0, 40.0),
    ("first_anti_tnf", "anti_tnf"): (5, 10.0, 20.0, 40.0),
    ("first_anti_tnf", "anti_il12_23"): (0, None, None, None),
    ("first_anti_tnf", "anti_integrin"): (0, None, None, None),
}


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_next_treatment_time(answerer, tmp_path):
    found = answer(answerer, tmp_path, read_cdm(drug_exposure=DRUG_EXPOSURE))
    rows = {row[1:3]: row[3:] for row in found.tables["next_treatment_time"] if row[0] == "all"}
    assert rows == EXPECTED


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_one_person_alone_is_every_quartile(answerer, tmp_path):
    exposure = "\n".join(DRUG_EXPOSURE.strip().splitlines()[:3])
    found = answer(answerer, tmp_path, read_cdm(drug_exposure=exposure))
    key = ("women_under_50", "first_anti_tnf", "anti_tnf")
    assert found.row("next_treatment_time", *key) == (1, 10.0, 10.0, 10.0)
