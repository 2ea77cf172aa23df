"""Women of 50 and over, drug classes on top, race, and the pyramid, in three nested populations."""

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm

# 8527 White, 8516 Black or African American, 8515 Asian, 8657 American Indian or Alaska Native,
# 8557 Native Hawaiian or Other Pacific Islander, 8522 Other Race. Women unless it says otherwise.
# The models' labels, with nothing else recorded: TNF > (IL = INT) at 25 and 30, no preference at
# 50 and over, and IL > (TNF = INT) at 80 after an anti-TNF.
PERSON = """
case            | gender | year | month | day | race
never treated   |   8532 | 1974 |     3 |   1 | 8527
tomorrow        |   8532 | 1974 |     3 |   2 | 8527
treated         |   8532 | 1944 |     1 |   1 | 8516
as-of date      |   8532 | 1960 |     1 |   1 | 8515
long ago        |   8532 | 1994 |     1 |   1 | 8657
only other      |   8532 | 1999 |     1 |   1 | 8557
man             |   8507 | 1974 |     3 |   1 | 8522
child           |   8507 | 2019 |     3 |   1 |    0
infant          |   8507 | 2019 |     3 |   2 |
no year         |   8532 |      |       |     | 8527
no sex          |      0 | 1950 |     1 |   1 | 44814653
dead            |   8532 | 1938 |     1 |   1 | 8516
old             |   8532 | 1939 |     3 |   1 | 8516
"""
DRUG_EXPOSURE = """
case           | id | concept     |      start
treated        |  1 | infliximab  | 2016-01-01
as-of date     |  2 | vedolizumab | 2024-03-01
long ago       |  3 | ustekinumab | 2015-12-31
               |  4 | vedolizumab | 2016-01-01
only other     |  5 | 42904205    | 2020-01-01
no sex         |  6 | adalimumab  | 2017-01-01
dead           |  7 | adalimumab  | 2017-01-01
child          |  8 | ustekinumab | 2024-03-02
"""
DEATH = """
case |       date
dead | 2020-01-01
"""
CROHNS, EXPOSED, SINCE = "crohns_disease", "biologic_exposed", "first_biologic_since"
#: Persons with the property, and of how many; the scored are 8, 3 and 2.
EXPECTED = {
    CROHNS: {
        # never treated, treated, as-of date, dead, old.
        "women_50_and_over": (5, 13),
        "age_or_sex_unknown": (2, 13),
        # long ago (30) and only other (25); the child and the infant are not scored.
        "anti_tnf_alone_on_top": (2, 8),
        "anti_il12_23_alone_on_top": (1, 8),
        "anti_integrin_alone_on_top": (0, 8),
        "race_white": (3, 13),
        "race_black_or_african_american": (3, 13),
        "race_asian": (1, 13),
        "race_american_indian_or_alaska_native": (1, 13),
        "race_native_hawaiian_or_other_pacific_islander": (1, 13),
        "race_other": (1, 13),
        "race_unknown": (3, 13),
    },
    EXPOSED: {
        "women_50_and_over": (3, 5),
        "age_or_sex_unknown": (1, 5),
        "anti_tnf_alone_on_top": (1, 3),
        "anti_il12_23_alone_on_top": (1, 3),
        "anti_integrin_alone_on_top": (0, 3),
        "race_white": (0, 5),
        "race_black_or_african_american": (2, 5),
        "race_asian": (1, 5),
        "race_american_indian_or_alaska_native": (1, 5),
        "race_native_hawaiian_or_other_pacific_islander": (0, 5),
        "race_other": (0, 5),
        "race_unknown": (1, 5),
    },
    SINCE: {
        "women_50_and_over": (3, 4),
        "age_or_sex_unknown": (1, 4),
        "anti_tnf_alone_on_top": (0, 2),
        "anti_il12_23_alone_on_top": (1, 2),
        "anti_integrin_alone_on_top": (0, 2),
        "race_white": (0, 4),
        "race_black_or_african_american": (2, 4),
        "race_asian": (1, 4),
        "race_american_indian_or_alaska_native": (0, 4),
        "race_native_hawaiian_or_other_pacific_islander": (0, 4),
        "race_other": (0, 4),
        "race_unknown": (1, 4),
    },
}
#: Nobody else, in any population.
PYRAMID = {
    CROHNS: {
        ("50 to 54", "female"): 1,
        ("45 to 49", "female"): 1,
        ("80 to 84", "female"): 1,
        ("60 to 64", "female"): 1,
        ("30 to 34", "female"): 1,
        ("25 to 29", "female"): 1,
        ("50 to 54", "male"): 1,
        ("5 to 9", "male"): 1,
        ("Under 5", "male"): 1,
        ("unknown", "female"): 1,
        ("70 to 74", "unknown"): 1,
        ("85 and over", "female"): 2,
    },
    EXPOSED: {
        ("80 to 84", "female"): 1,
        ("60 to 64", "female"): 1,
        ("30 to 34", "female"): 1,
        ("70 to 74", "unknown"): 1,
        ("85 and over", "female"): 1,
    },
    SINCE: {
        ("80 to 84", "female"): 1,
        ("60 to 64", "female"): 1,
        ("70 to 74", "unknown"): 1,
        ("85 and over", "female"): 1,
    },
}


def cdm():
    return read_cdm(person=PERSON, drug_exposure=DRUG_EXPOSURE, death=DEATH)


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_prevalence(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm())
    rows: dict[str, dict[str, tuple[int, int]]] = {}
    for population, measure, n, n_of, *_ in found.tables["prevalence"]:
        rows.setdefault(population, {})[measure] = (n, n_of)
    assert rows == EXPECTED


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_age_sex_pyramid(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm())
    assert len(found.tables["age_sex_pyramid"]) == 3 * (18 + 1) * 3
    for population, expected in PYRAMID.items():
        assert found.counts("age_sex_pyramid", population) == expected


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_an_impossible_age_is_in_the_nearest_group(answerer, tmp_path):
    # Only a year of birth that is missing makes an age unknown, in every audit alike.
    person = "case | gender | year\nnot born | 8532 | 2025\nyear 0 | 8532 | 0\nfar | 8532 | 9999"
    found = answer(answerer, tmp_path, read_cdm(person=person))
    expected = {("Under 5", "female"): 2, ("85 and over", "female"): 1}
    assert found.counts("age_sex_pyramid", CROHNS) == expected
    assert found.row("prevalence", CROHNS, "women_50_and_over")[:2] == (1, 3)
    assert found.row("prevalence", CROHNS, "age_or_sex_unknown")[:2] == (0, 3)


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_the_age_is_that_of_the_as_of_date_whatever_the_treatments_count(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm(), {"audit": {"age_at": "index"}})
    assert found.row("prevalence", CROHNS, "women_50_and_over")[:2] == (5, 13)
    assert found.counts("age_sex_pyramid", CROHNS) == PYRAMID[CROHNS]


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_since(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm(), {"audit": {"since": "2015-12-31"}})
    assert found.row("prevalence", SINCE, "women_50_and_over")[:2] == (3, 5)
    found = answer(answerer, tmp_path, cdm(), {"audit": {"since": "2016-01-02"}})
    assert found.row("prevalence", SINCE, "women_50_and_over")[:2] == (2, 3)
    # Of the three since then two are scored no more: one of unknown sex, one dead.
    assert found.row("prevalence", SINCE, "anti_integrin_alone_on_top")[:2] == (0, 1)


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_intervals(answerer, tmp_path):
    # Wilson: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), z 1.9599640.
    found = answer(answerer, tmp_path, cdm())
    # 5 of 13: 0.3846154 + 0.1477484 = 0.5323638, 1.9599640 sqrt(0.0182066 + 0.0056826) =
    # 0.3029350, both over 1.2954968.
    share, low, high = found.row("prevalence", CROHNS, "women_50_and_over")[2:]
    assert share == pytest.approx(5 / 13, abs=1e-15)
    assert (low, high) == pytest.approx((0.1770971, 0.6447711), abs=2e-7)
    # None of 8: 0 and z^2 / (8 + z^2).
    share, low, high = found.row("prevalence", CROHNS, "anti_integrin_alone_on_top")[2:]
    assert (share, low, high) == pytest.approx((0, 0, 3.8414588207 / 11.8414588207), abs=1e-9)
    # 1 of 2: a half, 1.9599640 sqrt(0.125 + 0.2400912) over 2.9207294.
    share, low, high = found.row("prevalence", SINCE, "anti_il12_23_alone_on_top")[2:]
    assert (share, low, high) == pytest.approx((0.5, 0.0945312, 0.9054688), abs=2e-7)


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_a_share_of_nobody_is_null(answerer, tmp_path):
    untreated = read_cdm(person="case | gender | year\nchild | 8532 | 2013")
    found = answer(answerer, tmp_path, untreated)
    nobody = (0, 0, None, None, None)
    assert found.row("prevalence", CROHNS, "anti_tnf_alone_on_top") == nobody
    assert found.row("prevalence", EXPOSED, "women_50_and_over") == nobody
    assert found.row("prevalence", SINCE, "race_unknown") == nobody
    assert found.row("prevalence", CROHNS, "women_50_and_over")[:3] == (0, 1, 0.0)
    assert found.counts("age_sex_pyramid") == {(CROHNS, "10 to 14", "female"): 1}
