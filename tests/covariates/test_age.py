"""Age in completed years, and who is 18 to 99."""

import pytest

from tests.support.spec import AS_OF, read_cdm, run

# The as-of date is 2024-03-01, so the year difference holds from 1 March back, and one less after.
LEAP_YEAR = """
case               | year | month | day
birthday yesterday | 1984 |     2 |  29
birthday today     | 1984 |     3 |   1
birthday tomorrow  | 1984 |     3 |   2
new year's day     | 1984 |     1 |   1
new year's eve     | 1984 |    12 |  31
31 February        | 1984 |     2 |  31
17 until tomorrow  | 2006 |     3 |   2
18 today           | 2006 |     3 |   1
18 on 29 February  | 2006 |     2 |  29
99 until tomorrow  | 1924 |     3 |   2
100 today          | 1924 |     3 |   1
unborn             | 2030 |     3 |   1
day unknown        | 1984 |     3 |
day 0              | 1984 |     3 |   0
day 32             | 1984 |     3 |  32
month unknown      | 1984 |       |
17, day 1 alone    | 2006 |       |   1
month 0            | 1984 |     0 |   1
month 13           | 1984 |    13 |   1
year unknown       |      |     3 |   1
"""
ON_1_MARCH = {
    "birthday yesterday": (40, 1984),
    "birthday today": (40, 1984),
    "birthday tomorrow": (39, 1984),  # 3/1 comes before 3/2: 40 - 1
    "new year's day": (40, 1984),
    "new year's eve": (39, 1984),
    "31 February": (40, 1984),  # no real date, but (2, 31) comes before (3, 1)
    "17 until tomorrow": None,
    "18 today": (18, 2006),
    "18 on 29 February": (18, 2006),
    "99 until tomorrow": (99, 1924),  # 100 - 1
    "100 today": None,
    "unborn": None,  # -6
    "day unknown": (40, 1984),  # 1 March
    "day 0": (40, 1984),  # no day: 1 March
    "day 32": (40, 1984),
    "month unknown": (39, 1984),  # 15 June is to come
    "17, day 1 alone": None,  # 15 June: still 17, whatever the day says
    "month 0": (39, 1984),  # no month: 15 June
    "month 13": (39, 1984),
    "year unknown": None,
}

BORN_IN_JUNE = """
case                  | year | month | day
month and day unknown | 1984 |       |
month unknown, day 20 | 1984 |       |  20
16 June               | 1984 |     6 |  16
day of June unknown   | 1984 |     6 |
"""
ON_15_JUNE = {
    "month and day unknown": (40, 1984),  # 15 June, today
    "month unknown, day 20": (40, 1984),  # 15 June, not the 20th
    "16 June": (39, 1984),
    "day of June unknown": (40, 1984),  # 1 June
}
ON_14_JUNE = {
    "month and day unknown": (39, 1984),  # tomorrow
    "month unknown, day 20": (39, 1984),
    "16 June": (39, 1984),
    "day of June unknown": (40, 1984),  # 1 June
}

LEAP_DAY = """
case        | year | month | day
29 February | 2004 |     2 |  29
28 February | 2004 |     2 |  28
older       | 1984 |     2 |  29
"""
ON_28_FEBRUARY = {"29 February": None, "28 February": (18, 2004), "older": (37, 1984)}
ON_1_MARCH_2022 = {"29 February": (18, 2004), "28 February": (18, 2004), "older": (38, 1984)}

BY_YEAR = {
    "birthday yesterday": (40, 1984),  # 2024 - 1984, whatever month and day
    "birthday today": (40, 1984),
    "birthday tomorrow": (40, 1984),
    "new year's day": (40, 1984),
    "new year's eve": (40, 1984),
    "31 February": (40, 1984),
    "17 until tomorrow": (18, 2006),
    "18 today": (18, 2006),
    "18 on 29 February": (18, 2006),
    "99 until tomorrow": None,  # 100
    "100 today": None,
    "unborn": None,
    "day unknown": (40, 1984),
    "day 0": (40, 1984),
    "day 32": (40, 1984),
    "month unknown": (40, 1984),
    "17, day 1 alone": (18, 2006),
    "month 0": (40, 1984),
    "month 13": (40, 1984),
    "year unknown": None,
}


@pytest.mark.parametrize(
    ("persons", "as_of", "rule", "expected"),
    [
        (LEAP_YEAR, AS_OF, "date", ON_1_MARCH),
        (LEAP_YEAR, AS_OF, "year", BY_YEAR),
        (BORN_IN_JUNE, "2024-06-15", "date", ON_15_JUNE),
        (BORN_IN_JUNE, "2024-06-14", "date", ON_14_JUNE),
        (LEAP_DAY, "2022-02-28", "date", ON_28_FEBRUARY),
        (LEAP_DAY, "2022-03-01", "date", ON_1_MARCH_2022),
    ],
)
def test_age(tmp_path, persons, as_of, rule, expected):
    cdm = read_cdm(person=with_sex(persons))
    done = run(tmp_path, cdm, {"as_of_date": as_of, "cohort": {"age_rule": rule}})
    assert done.covariate("age") == {
        case: value
        and (value[0], "observed", "person", cdm.persons[case], None, None, value[1], None)
        for case, value in expected.items()
    }
    # The age shown beside the score is the same one.
    assert done.by_case("SELECT person_id, age FROM patient_subgroup") == {
        case: [(value[0],)] if value else [] for case, value in expected.items()
    }


def test_age_limits_are_configuration(tmp_path):
    cdm = read_cdm(person=with_sex(LEAP_YEAR))
    limits = {"age_minimum": 39, "age_maximum": 39}
    found = run(tmp_path, cdm, {"cohort": limits}).covariate("age")
    assert {case for case, answer in found.items() if answer} == {
        case for case, value in ON_1_MARCH.items() if value and value[0] == 39
    }


def with_sex(persons: str) -> str:
    header, *lines = persons.strip().splitlines()
    return "\n".join([f"{header} | gender", *(f"{line} | female" for line in lines)])
