"""What the models prefer now, by the class in use and by the class last used."""

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm

# TNF > (IL = INT) of women of 30 on imputed values; no preference at 50; IL > (TNF = INT) at 80
# after an anti-TNF; (TNF = IL) > INT at 30 with a CRP of 500.
PERSON = """
case       | gender | year | month | day
fifty      |   8532 | 1974 |     3 |   1
elder      |   8532 | 1944 |     1 |   1
child      |   8532 | 2014 |     1 |   1
no sex     |      0 | 1950 |     1 |   1
plain      |   8532 | 1994 |     3 |   1
stopped    |   8532 | 1994 |     3 |   1
switched   |   8532 | 1994 |     3 |   1
returned   |   8532 | 1994 |     3 |   1
old supply |   8532 | 1994 |     3 |   1
newer drug |   8532 | 1994 |     3 |   1
same day   |   8532 | 1994 |     3 |   1
severe     |   8532 | 1994 |     3 |   1
crp of ten |   8532 | 1994 |     3 |   1
"""
# 2023-09-03 is 180 days before the as-of date.
DRUG_EXPOSURE = """
case       | id | concept     |      start |        end | days
stopped    |  1 | vedolizumab | 2022-01-01 | 2023-09-02 |
switched   |  2 | vedolizumab | 2023-10-01 |            |  200
           |  3 | ustekinumab | 2024-01-15 |            |
returned   |  4 | ustekinumab | 2019-01-01 |            |
           |  5 | vedolizumab | 2021-01-01 |            |
           |  6 | ustekinumab | 2023-09-03 |            |
old supply |  7 | ustekinumab | 2022-01-01 | 2024-06-01 |
           |  8 | vedolizumab | 2023-01-01 |            |
newer drug |  9 | 1361580     | 2024-02-01 |            |
same day   | 10 | vedolizumab | 2024-02-01 |            |
           | 11 | ustekinumab | 2024-02-01 |            |
fifty      | 12 | ustekinumab | 2024-02-01 |            |
elder      | 13 | infliximab  | 2021-05-01 |            |
severe     | 14 | adalimumab  | 2024-03-01 |            |
child      | 15 | adalimumab  | 2024-02-01 |            |
no sex     | 16 | adalimumab  | 2024-02-01 |            |
"""
MEASUREMENT = """
case       | id | concept | value |       date | unit
severe     |  1 | crp     |   500 | 2024-01-01 | mg/L
crp of ten |  2 | crp     |    10 | 2024-01-01 | mg/L
"""
TNF, IL, INT, OTHER, NONE = "anti_tnf", "anti_il12_23", "anti_integrin", "other_advanced", "none"
TNF_ALONE, IL_ALONE = "anti_tnf_alone", "anti_il12_23_alone"
SHARED, EQUAL = "shared_top", "no_preference"
#: Class in use and class last used, by preference group.
EXPECTED = {
    TNF_ALONE: {
        "plain": (NONE, NONE),
        "stopped": (NONE, INT),
        # Two in use: the one whose latest exposure started last.
        "switched": (IL, IL),
        "returned": (IL, IL),
        # One in use comes before one that is not, although it started later.
        "old supply": (IL, IL),
        "newer drug": (OTHER, OTHER),
        # The order of the file, in which vedolizumab comes last.
        "same day": (INT, INT),
        "crp of ten": (NONE, NONE),
    },
    IL_ALONE: {"elder": (NONE, TNF)},
    SHARED: {"severe": (TNF, TNF)},
    EQUAL: {"fifty": (IL, IL)},
}
WOMEN_OF_50 = ("fifty", "elder")


def counts_of(cases):
    """Count cases by every cell but those without persons."""
    found = {}
    for group, members in EXPECTED.items():
        for case, classes in members.items():
            if case not in cases:
                continue
            keys = [("all", "all"), (group, "all")]
            keys += [(group, f"{TNF} = {IL}")] if group == SHARED else []
            for treatment, drug_class in zip(("current", "last"), classes, strict=True):
                for key in keys:
                    cell = (treatment, *key, drug_class)
                    found[cell] = found.get(cell, 0) + 1
    return found


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_current_treatment(answerer, tmp_path):
    cdm = read_cdm(person=PERSON, drug_exposure=DRUG_EXPOSURE, measurement=MEASUREMENT)
    found = answer(answerer, tmp_path, cdm)
    everybody = [case for members in EXPECTED.values() for case in members]
    assert found.counts("current_treatment", "all") == counts_of(everybody)
    assert found.counts("current_treatment", "women_50_and_over") == counts_of(WOMEN_OF_50)
    # A CRP of 10 is not above 10.
    assert found.counts("current_treatment", "active_disease") == counts_of(["severe"])
    rows = found.tables["current_treatment"]
    # Three populations, two treatments, five groups and all of them, three pairs on top.
    assert len(rows) == 3 * 2 * (1 + 5 + 3) * 5
    n_of = {row[:4]: row[6] for row in rows}
    assert n_of["all", "current", "all", "all"] == n_of["all", "last", "all", "all"] == 11
    assert n_of["all", "current", TNF_ALONE, "all"] == 8
    assert n_of["all", "last", SHARED, f"{TNF} = {INT}"] == 0
    # 3 of 8: Wilson's interval with z^2 3.8414588.
    (share,) = (row[7:] for row in rows if row[:5] == ("all", "current", TNF_ALONE, "all", IL))
    assert share == pytest.approx((0.375, 0.1368443, 0.6942576), abs=1e-7)
    (nobody,) = {row[7:] for row in rows if row[:4] == ("all", "last", SHARED, f"{TNF} = {INT}")}
    assert nobody == (None, None, None)
    # Of the nine with one class alone on top, four use no drug and two never did.
    assert found.counts("treated_otherwise", "all") == {
        ("current", "another"): 5,
        ("current", "none"): 4,
        ("last", "another"): 7,
        ("last", "none"): 2,
    }
    assert found.counts("treated_otherwise", "women_50_and_over") == {
        ("current", "none"): 1,
        ("last", "another"): 1,
    }
    assert found.counts("treated_otherwise", "active_disease") == {}
    # Nobody is on the class alone on top; 0 of 9 with Wilson's interval.
    row = found.row("treated_otherwise", "all", "last", "on_top")
    assert row == pytest.approx((0, 9, 0, 0, 0.2991450), abs=1e-7)


# 2023-12-02 is 90 days before the as-of date, and 2023-09-03 180.
ACTIVE = """
case               | id | concept | value |       date | unit
cdai of 150        |  1 | 2000099 |   150 | 2024-02-01 |
cdai decides       |  2 | 2000099 |   149 | 2024-02-01 |
                   |  3 | crp     |   500 | 2024-02-01 | mg/L
crp above ten      |  4 | crp     |  10.5 | 2023-09-03 | mg/L
crp of ten         |  5 | crp     |    10 | 2024-02-01 | mg/L
old cdai           |  6 | 2000099 |   149 | 2023-12-01 |
                   |  7 | crp     |    11 | 2024-02-01 | mg/L
old crp            |  8 | crp     |   500 | 2023-09-02 | mg/L
nothing            |  9 | bmi     |    22 | 2024-02-01 | kg/m2
latest crp         | 10 | crp     |   500 | 2024-01-01 | mg/L
                   | 11 | crp     |     5 | 2024-02-01 | mg/L
"""


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_active_disease_is_what_records_say(answerer, tmp_path):
    cases = [line.split("|")[0].strip() for line in ACTIVE.strip().splitlines()[1:]]
    drug = {"cdai of 150": "ustekinumab", "crp above ten": "vedolizumab", "old cdai": "1361580"}
    exposure = "case | id | concept | start\n" + "\n".join(
        f"{case} | {number} | {drug.get(case, 'natalizumab')} | 2024-02-01"
        for number, case in enumerate(filter(None, cases), start=1)
    )
    cdm = read_cdm(drug_exposure=exposure, measurement=ACTIVE)
    found = answer(answerer, tmp_path, cdm, cdai_concept_ids=(2000099,))
    counts = found.counts("current_treatment", "active_disease", "current", "all", "all")
    assert counts == {IL: 1, INT: 1, OTHER: 1}
