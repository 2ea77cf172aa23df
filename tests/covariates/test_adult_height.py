"""The 18th birthday from which a height counts, dated like the age when the birthday is unknown."""

import pytest

from tests.support.spec import Record, imputed, read_cdm, run

PERSON = """
case            | gender | year | month | day
15 March known  | female | 1980 |     3 |  15
the day before  | female | 1980 |     3 |  15
month unknown   | female | 1980 |       |  20
before mid-June | female | 1980 |       |  20
day unknown     | female | 1980 |     3 |
end of February | female | 1980 |     3 |
leapling        | female | 1980 |     2 |  29
leapling, early | female | 1980 |     2 |  29
1 January       | female | 1980 |    12 |  31
year before     | female | 1980 |     1 |   1
"""
HEIGHT = """
case            | id | concept |       date | value | unit
15 March known  |  1 | height  | 1998-03-15 |   200 | cm
the day before  |  2 | height  | 1998-03-14 |   200 | cm
month unknown   |  3 | height  | 1998-06-15 |   200 | cm
before mid-June |  4 | height  | 1998-06-14 |   200 | cm
day unknown     |  5 | height  | 1998-03-01 |   200 | cm
end of February |  6 | height  | 1998-02-28 |   200 | cm
leapling        |  7 | height  | 1998-03-01 |   200 | cm
leapling, early |  8 | height  | 1998-02-28 |   200 | cm
1 January       |  9 | height  | 1998-01-01 |   200 | cm
year before     | 10 | height  | 1997-12-31 |   200 | cm
"""
WITH_WEIGHT = "\n".join(
    [HEIGHT.strip()]
    + [
        f"{line.split('|')[0]} | {number} | weight | 2024-01-10 | 80 | kg"
        for number, line in enumerate(HEIGHT.strip().splitlines()[1:], start=101)
    ]
)
NONE = imputed(20.0)


def computed(weight: int) -> Record:
    return Record(20, "measurement", weight, "computed")  # 80 / 2²


BY_DATE = {
    "15 March known": computed(101),
    "the day before": NONE,
    "month unknown": computed(103),  # 15 June, whatever the day says
    "before mid-June": NONE,
    "day unknown": computed(105),  # 1 March
    "end of February": NONE,
    "leapling": computed(107),  # no 29 February in 1998: 18 on 1 March
    "leapling, early": NONE,
    "1 January": NONE,  # born on 31 December: 17
    "year before": NONE,
}
# 1998 - 1980 = 18, whatever month and day; 1997 - 1980 = 17.
BY_YEAR = {case: computed(n) for n, case in enumerate(BY_DATE, start=101)} | {"year before": NONE}


@pytest.mark.parametrize(("rule", "expected"), [("date", BY_DATE), ("year", BY_YEAR)])
def test_adult_height(tmp_path, rule, expected):
    cdm = read_cdm(person=PERSON, measurement=WITH_WEIGHT)
    done = run(tmp_path, cdm, {"cohort": {"age_rule": rule}})
    assert done.covariate("bmi") == cdm.expect(expected)
