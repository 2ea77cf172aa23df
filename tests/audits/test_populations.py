"""Who belongs to the five populations of the treatment audits, and at which age."""

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm

# Every case starts infliximab on 1 January 2020, and the as-of date is 1 March 2024.
PERSON = """
case                     | gender | year | month | day
woman of 50 today        |   8532 | 1974 |     3 |   1
woman of 50 tomorrow     |   8532 | 1974 |     3 |   2
woman of 50 by the year  |   8532 | 1974 |    12 |  31
woman of 49 by the year  |   8532 | 1975 |     1 |   1
woman of 50 at index     |   8532 | 1970 |     1 |   1
woman of 49 at index     |   8532 | 1970 |     1 |   2
man of 50 today          |   8507 | 1974 |     3 |   1
man of 50 tomorrow       |   8507 | 1974 |     3 |   2
man of 50 at index       |   8507 | 1970 |     1 |   1
child                    |   8507 | 2014 |     1 |   1
born after the index     |   8532 | 2021 |     1 |   1
over 99                  |   8532 | 1920 |     1 |   1
sex unknown              |   8551 | 1950 |     1 |   1
no sex                   |        | 1950 |     1 |   1
no year                  |   8532 |      |     1 |   1
no month                 |   8532 | 1974 |       |   1
"""
WOMAN, GIRL, MAN, BOY = ("women_50_and_over", "women_under_50", "men_50_and_over", "men_under_50")
#: By age on the as-of date, by age on the index treatment's date.
EXPECTED = {
    "woman of 50 today": (WOMAN, GIRL),
    "woman of 50 tomorrow": (GIRL, GIRL),
    "woman of 50 by the year": (GIRL, GIRL),
    "woman of 49 by the year": (GIRL, GIRL),
    "woman of 50 at index": (WOMAN, WOMAN),
    "woman of 49 at index": (WOMAN, GIRL),
    "man of 50 today": (MAN, BOY),
    "man of 50 tomorrow": (BOY, BOY),
    "man of 50 at index": (MAN, MAN),
    "child": (BOY, BOY),
    "born after the index": (GIRL, GIRL),
    "over 99": (WOMAN, WOMAN),
    "sex unknown": (None, None),
    "no sex": (None, None),
    "no year": (None, None),
    "no month": (GIRL, GIRL),
}
# By the year alone: who turns 50 in 2024 is 50, and in 2020 only the two born in 1970 and the old.
BY_YEAR = {
    "woman of 50 tomorrow": WOMAN,
    "woman of 50 by the year": WOMAN,
    "man of 50 tomorrow": MAN,
    "no month": WOMAN,
}
BY_YEAR_AT_INDEX = {"woman of 49 at index": WOMAN}


def infliximab() -> str:
    header = "case | id | concept | start"
    return "\n".join(
        (header, *(f"{case} | {n} | infliximab | 2020-01-01" for n, case in enumerate(EXPECTED, 1)))
    )


@pytest.mark.parametrize("answerer", ANSWERERS)
@pytest.mark.parametrize("table", ["next_treatment", "preference_concordance"])
@pytest.mark.parametrize("age_at", ["as_of", "index"])
@pytest.mark.parametrize("age_rule", ["date", "year"])
def test_populations(age_rule, age_at, table, answerer, tmp_path):
    expected = {case: pair[age_at == "index"] for case, pair in EXPECTED.items()}
    if age_rule == "year":
        expected |= BY_YEAR if age_at == "as_of" else BY_YEAR_AT_INDEX
    cdm = read_cdm(person=PERSON, drug_exposure=infliximab())
    settings = {"audit": {"age_at": age_at}, "cohort": {"age_rule": age_rule}}
    found = answer(answerer, tmp_path, cdm, settings)
    key = ("first_biologic", "anti_tnf") if table == "next_treatment" else ()
    for population in (WOMAN, GIRL, MAN, BOY):
        n = sum(one == population for one in expected.values())
        assert sum(found.counts(table, population, *key).values()) == n, population
    assert sum(found.counts(table, "all", *key).values()) == len(EXPECTED)
