"""The line right after the index line, and what became of those without one."""

from collections import Counter
from datetime import date

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm, run

# 1151789 etanercept, 19041065 golimumab, 42904205 tofacitinib, 2000011 a product of infliximab.
DRUG_EXPOSURE = """
case                            | id | concept      |      start |        end | days
same class on one day           |  1 | infliximab   | 2020-01-01 |            |
                                |  2 | adalimumab   | 2020-01-01 |            |
another class on one day        |  3 | ustekinumab  | 2020-01-01 |            |
                                |  4 | certolizumab | 2020-01-01 |            |
no anti-TNF on one day          |  5 | vedolizumab  | 2020-01-01 |            |
                                |  6 | ustekinumab  | 2020-01-01 |            |
other advanced on one day       |  7 | 42904205     | 2020-01-01 |            |
                                |  8 | infliximab   | 2020-01-01 |            |
three on one day                |  9 | vedolizumab  | 2020-01-01 |            |
                                | 10 | ustekinumab  | 2020-01-01 |            |
                                | 11 | infliximab   | 2020-01-01 |            |
same class later                | 12 | infliximab   | 2020-01-01 |            |
                                | 13 | adalimumab   | 2021-01-01 |            |
                                | 14 | ustekinumab  | 2022-01-01 |            |
the same drug again             | 15 | infliximab   | 2020-01-01 |            |
                                | 16 | 2000011      | 2021-01-01 |            |
other advanced next             | 17 | infliximab   | 2020-01-01 |            |
                                | 18 | 1151789      | 2020-01-02 |            |
                                | 19 | ustekinumab  | 2020-01-03 |            |
other advanced before           | 20 | 42904205     | 2019-01-01 | 2024-03-01 |
                                | 21 | infliximab   | 2020-01-01 |            |
other advanced before and since | 22 | 42904205     | 2015-01-01 |            |
                                | 23 | natalizumab  | 2016-01-01 |            |
                                | 24 | infliximab   | 2017-01-01 |            |
only other advanced             | 25 | 42904205     | 2020-01-01 |            |
                                | 26 | 19041065     | 2021-01-01 |            |
anti-TNF after another class    | 27 | vedolizumab  | 2018-01-01 |            |
                                | 28 | infliximab   | 2019-01-01 |            |
                                | 29 | ustekinumab  | 2020-01-01 |            |
only the first class goes on    | 30 | ustekinumab  | 2018-01-01 | 2024-03-01 |
                                | 31 | infliximab   | 2019-01-01 |            |
on the day of since             | 32 | infliximab   | 2016-01-01 |            |
                                | 33 | vedolizumab  | 2016-01-01 |            |
the day before since            | 34 | infliximab   | 2015-12-31 |            |
                                | 35 | ustekinumab  | 2020-01-01 |            |
anti-TNF alone since            | 36 | vedolizumab  | 2015-12-31 |            |
                                | 37 | infliximab   | 2016-01-01 |            |
                                | 38 | ustekinumab  | 2016-01-02 |            |
next on the as-of date          | 39 | infliximab   | 2020-01-01 |            |
                                | 40 | ustekinumab  | 2024-03-01 |            |
next after the as-of date       | 41 | infliximab   | 2020-01-01 |            |
                                | 42 | ustekinumab  | 2024-03-02 |            |
index after the as-of date      | 43 | infliximab   | 2024-03-02 |            |
never treated                   | 44 | prednisone   | 2020-01-01 |            |
start on the edge               | 50 | infliximab   | 2023-09-03 |            |
start before the edge           | 51 | infliximab   | 2023-09-02 |            |
end on the edge                 | 52 | infliximab   | 2020-01-01 | 2023-09-03 |
end before the edge             | 53 | infliximab   | 2020-01-01 | 2023-09-02 |
supply to the edge              | 54 | infliximab   | 2023-08-05 |            |   30
supply before the edge          | 55 | infliximab   | 2023-08-05 |            |   29
end before supply               | 56 | infliximab   | 2023-08-05 | 2023-08-06 |   30
end before start                | 57 | infliximab   | 2023-09-02 | 2020-01-01 |    0
supply outlasts the calendar    | 58 | infliximab   | 2020-01-01 |            | 2147483647
end after the as-of date        | 59 | infliximab   | 2020-01-01 | 2099-12-31 |
a later exposure                | 60 | infliximab   | 2020-01-01 | 2020-02-01 |
                                | 61 | 2000011      | 2023-12-01 |            |
the first exposure the longest  | 62 | infliximab   | 2020-01-01 | 2024-01-01 |
                                | 63 | infliximab   | 2021-01-01 | 2021-01-02 |
from the as-of date             | 64 | infliximab   | 2024-03-01 |            |
only after the as-of date again | 65 | infliximab   | 2020-01-01 |            |
                                | 66 | infliximab   | 2024-03-02 |            |
dead                            | 70 | infliximab   | 2020-01-01 | 2024-03-01 |
dead on the as-of date          | 71 | infliximab   | 2020-01-01 |            |
dead the day after              | 72 | infliximab   | 2020-01-01 |            |
dead and undated                | 73 | infliximab   | 2020-01-01 | 2024-01-01 |
dead twice                      | 74 | infliximab   | 2020-01-01 |            |
dead before the index           | 75 | infliximab   | 2020-01-01 |            |
dead after the next             | 76 | infliximab   | 2020-01-01 |            |
                                | 77 | vedolizumab  | 2021-01-01 |            |
nobody knows the person         | 80 | infliximab   | 2020-01-01 |            |
                                | 81 | ustekinumab  | 2020-01-02 |            |
"""
DEATH = """
case                   |       date
dead                   | 2022-01-01
dead on the as-of date | 2024-03-01
dead the day after     | 2024-03-02
dead and undated       |
dead twice             | 2024-03-02
dead twice             | 2022-01-01
dead before the index  | 2019-01-01
dead after the next    | 2022-01-01
"""
CONCEPT_ANCESTOR = """
above  |   below
937368 | 2000011
"""
TNF, IL, INT, OTHER = "anti_tnf", "anti_il12_23", "anti_integrin", "other_advanced"
BIOLOGIC, ANTI_TNF, YOUNG = "first_biologic", "first_anti_tnf", "women_under_50"
#: What the models say of a woman of 38 or 39 of whom nothing is recorded; up to 37 they prefer an
#: anti-TNF.
NO_PREFERENCE = "no_preference"
DIED, CONTINUING, STOPPED = "none_died", "none_continuing", "none_stopped"
#: Index class and next class by the first biologic, and by the first anti-TNF where it differs.
EXPECTED = {
    "same class on one day": [(TNF, TNF)],
    "another class on one day": [(TNF, IL)],
    "no anti-TNF on one day": [(IL, INT), None],
    "other advanced on one day": [(TNF, OTHER)],
    "three on one day": [(TNF, IL)],
    "same class later": [(TNF, TNF)],
    "the same drug again": [(TNF, STOPPED)],
    "other advanced next": [(TNF, OTHER)],
    "other advanced before": [(TNF, STOPPED)],
    "other advanced before and since": [(INT, TNF), (TNF, STOPPED)],
    "only other advanced": [None],
    "anti-TNF after another class": [(INT, TNF), (TNF, IL)],
    "only the first class goes on": [(IL, TNF), (TNF, STOPPED)],
    "on the day of since": [(TNF, INT)],
    "the day before since": [None],
    "anti-TNF alone since": [None, (TNF, IL)],
    "next on the as-of date": [(TNF, IL)],
    "next after the as-of date": [(TNF, STOPPED)],
    "index after the as-of date": [None],
    "never treated": [None],
    "start on the edge": [(TNF, CONTINUING)],
    "start before the edge": [(TNF, STOPPED)],
    "end on the edge": [(TNF, CONTINUING)],
    "end before the edge": [(TNF, STOPPED)],
    "supply to the edge": [(TNF, CONTINUING)],
    "supply before the edge": [(TNF, STOPPED)],
    "end before supply": [(TNF, CONTINUING)],
    "end before start": [(TNF, STOPPED)],
    "supply outlasts the calendar": [(TNF, CONTINUING)],
    "end after the as-of date": [(TNF, CONTINUING)],
    "a later exposure": [(TNF, CONTINUING)],
    "the first exposure the longest": [(TNF, CONTINUING)],
    "from the as-of date": [(TNF, CONTINUING)],
    "only after the as-of date again": [(TNF, STOPPED)],
    "dead": [(TNF, DIED)],
    "dead on the as-of date": [(TNF, DIED)],
    "dead the day after": [(TNF, STOPPED)],
    "dead and undated": [(TNF, CONTINUING)],
    "dead twice": [(TNF, DIED)],
    "dead before the index": [(TNF, DIED)],
    "dead after the next": [(TNF, INT)],
    "nobody knows the person": [(TNF, IL)],
}


def cdm():
    found = read_cdm(drug_exposure=DRUG_EXPOSURE, death=DEATH, concept_ancestor=CONCEPT_ANCESTOR)
    stranger = str(found.persons["nobody knows the person"])
    found.tables["person"] = [r for r in found.tables["person"] if r["person_id"] != stranger]
    return found


def expected(rule: int) -> Counter[tuple[str, str]]:
    pairs = [both[min(rule, len(both) - 1)] for both in EXPECTED.values()]
    return Counter(pair for pair in pairs if pair)


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_next_treatment(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm())
    assert EXPECTED.keys() == cdm().persons.keys()
    for number, rule in enumerate(("first_biologic", "first_anti_tnf")):
        counts = found.counts("next_treatment", "all", rule)
        pairs = expected(number)
        assert {key: n for key, n in counts.items() if key[0] != "all"} == pairs
        of_all: Counter[str] = Counter()
        for (_, next_class), n in pairs.items():
            of_all[next_class] += n
        assert {key[1]: n for key, n in counts.items() if key[0] == "all"} == of_all
        # Nobody knows the age and sex of one.
        women = Counter(found.counts("next_treatment", "women_under_50", rule))
        assert Counter(counts) - women == {(TNF, IL): 1, ("all", IL): 1}
    assert found.counts("next_treatment", "men_under_50") == {}


INDEXED = {
    # Index rule, drug, class, day, population, preferred, next drug, class, day and days.
    "three on one day": [
        (
            *(BIOLOGIC, "infliximab", TNF, date(2020, 1, 1), YOUNG, NO_PREFERENCE),
            *("ustekinumab", IL, date(2020, 1, 1), 0),
        ),
        (
            *(ANTI_TNF, "infliximab", TNF, date(2020, 1, 1), YOUNG, NO_PREFERENCE),
            *("ustekinumab", IL, date(2020, 1, 1), 0),
        ),
    ],
    "other advanced next": [
        (
            *(rule, "infliximab", TNF, date(2020, 1, 1), YOUNG, NO_PREFERENCE),
            *("etanercept", OTHER, date(2020, 1, 2), 1),
        )
        for rule in (BIOLOGIC, ANTI_TNF)
    ],
    # The models are asked on each of the two days: at 37, and at 38.
    "anti-TNF after another class": [
        (
            *(BIOLOGIC, "vedolizumab", INT, date(2018, 1, 1), YOUNG, TNF),
            *("infliximab", TNF, date(2019, 1, 1), 365),
        ),
        (
            *(ANTI_TNF, "infliximab", TNF, date(2019, 1, 1), YOUNG, NO_PREFERENCE),
            *("ustekinumab", IL, date(2020, 1, 1), 365),
        ),
    ],
    "anti-TNF alone since": [
        (
            *(ANTI_TNF, "infliximab", TNF, date(2016, 1, 1), YOUNG, TNF),
            *("ustekinumab", IL, date(2016, 1, 2), 1),
        )
    ],
    "dead before the index": [
        (*(rule, "infliximab", TNF, date(2020, 1, 1), YOUNG, "not_scored"), None, DIED, None, None)
        for rule in (BIOLOGIC, ANTI_TNF)
    ],
    "nobody knows the person": [
        (
            *(rule, "infliximab", TNF, date(2020, 1, 1), None, "not_scored"),
            *("ustekinumab", IL, date(2020, 1, 2), 1),
        )
        for rule in (BIOLOGIC, ANTI_TNF)
    ],
    "never treated": [],
    "the day before since": [],
}


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_index_treatment(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm())
    rows = sorted(found.tables["index_treatment"], key=lambda row: row[:2])
    for case, lines in INDEXED.items():
        number = cdm().persons[case]
        of_case = [row[1:] for row in rows if row[0] == number]
        assert of_case == sorted(lines, key=lambda row: row[0]), case


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_every_cell_has_a_row_and_an_empty_one_no_share(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm())
    populations = 5 * 2 * 4
    assert len(found.tables["next_treatment"]) == populations * 7
    assert len(found.tables["next_treatment_time"]) == populations
    key = ("all", "first_anti_tnf", INT)
    nothing = (0, 0, None, None, None)
    assert found.row("next_treatment", *key, IL) == nothing
    assert found.row("next_treatment_time", *key) == (0, None, None, None)
    # Two have an anti-integrin first, and both were given an anti-TNF next.
    n, n_of, share, low, high = found.row("next_treatment", "all", "first_biologic", INT, TNF)
    assert (n, n_of, share) == (2, 2, 1.0)
    # Wilson, z squared 3.8414588: 2 / (2 + 3.8414588).
    assert low == pytest.approx(0.342380227, abs=1e-9)
    assert high == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("answerer", ANSWERERS)
@pytest.mark.parametrize(
    ("settings", "case", "pair"),
    [
        ({"continuing_days": 181}, "start before the edge", (TNF, CONTINUING)),
        ({"continuing_days": 179}, "start on the edge", (TNF, STOPPED)),
        ({"continuing_days": 0}, "end on the edge", (TNF, STOPPED)),
        ({"continuing_days": 0}, "from the as-of date", (TNF, CONTINUING)),
        ({"since": "2015-12-31"}, "the day before since", (TNF, IL)),
        ({"since": "2016-01-02"}, "on the day of since", None),
        ({"since": "2024-03-01"}, "from the as-of date", (TNF, CONTINUING)),
    ],
)
def test_a_setting(settings, case, pair, answerer, tmp_path):
    rows = cdm()
    number = str(rows.persons[case])
    drugs = rows.tables["drug_exposure"]
    rows.tables["drug_exposure"] = [row for row in drugs if row["person_id"] == number]
    found = answer(answerer, tmp_path, rows, {"audit": settings})
    counts = found.counts("next_treatment", "all", "first_biologic")
    assert {key: n for key, n in counts.items() if key[0] != "all"} == ({pair: 1} if pair else {})


def test_the_headline_is_the_share_not_given_an_anti_il12_23_next(tmp_path):
    done = run(tmp_path, cdm())
    rows = done.rows(
        "SELECT index_rule, index_classes, denominator, n_not_anti_il12_23, n_population, share "
        "FROM latest_next_treatment_headline WHERE population = 'all'"
    )
    found = {row[:3]: row[3:] for row in rows}
    assert len(rows) == len(found) == 2 * 2 * 3
    for number, rule in enumerate(("first_biologic", "first_anti_tnf")):
        for index_classes in ("all", "not_anti_il12_23"):
            pairs = [
                (before, after)
                for before, after in expected(number).elements()
                if index_classes == "all" or before != IL
            ]
            # What came next; those without a next treatment, and other advanced ones, left out.
            after_all = [after for _, after in pairs]
            after_next = [after for after in after_all if not after.startswith("none_")]
            of_classes = [after for after in after_next if after != OTHER]
            for denominator, after in (
                ("indexed", after_all),
                ("next_treatment", after_next),
                ("next_of_model_classes", of_classes),
            ):
                n = sum(one != IL for one in after)
                share = pytest.approx(n / len(after), rel=1e-12)
                assert found[rule, index_classes, denominator] == (n, len(after), share)
    # Counted by hand: of the 14 with a next treatment after the first biologic 4 were given an
    # anti-IL-12/23, and 2 others were indexed on it.
    assert found["first_biologic", "all", "next_treatment"][:2] == (10, 14)
    assert found["first_biologic", "not_anti_il12_23", "next_treatment"][:2] == (8, 12)
    empty = done.rows(
        "SELECT DISTINCT n_not_anti_il12_23, n_population, share "
        "FROM latest_next_treatment_headline WHERE population = 'men_under_50'"
    )
    assert empty == [(0, 0, None)]
