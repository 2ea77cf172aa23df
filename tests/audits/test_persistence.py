"""Days on the index drug, what ends them, and how long a person is followed."""

import math
import random
from datetime import date, timedelta

import pytest

from omop_scorer.scoring.survival import Estimate
from omop_scorer.staging.persistence import difference_within_classes
from tests.support.answers import A_RUN, ANSWERERS, answer
from tests.support.spec import read_cdm

# 42904205 tofacitinib. The data end on 2024-03-01, so an end is known up to 2023-09-02, which is
# day 244 of 2023 and day 1340 from 2020-01-01.
DRUG_EXPOSURE = """
case                            | id | concept     |      start |        end | days
one infusion                    |  1 | infliximab  | 2020-01-01 |            |
a supply                        |  2 | infliximab  | 2020-01-01 |            |   45
an end                          |  3 | infliximab  | 2020-01-01 | 2020-03-01 |
end before the start            |  4 | infliximab  | 2020-01-01 | 2019-01-01 |    0
gap on the edge                 |  5 | infliximab  | 2020-01-01 |            |
                                |  6 | infliximab  | 2020-06-29 |            |
gap too long                    |  7 | infliximab  | 2020-01-01 |            |
                                |  8 | infliximab  | 2020-06-30 |            |
gap after the longest           |  9 | infliximab  | 2020-01-01 | 2020-05-30 |
                                | 10 | infliximab  | 2020-02-01 |            |
                                | 11 | infliximab  | 2020-11-26 |            |
again after a gap               | 12 | infliximab  | 2020-01-01 |            |
                                | 13 | infliximab  | 2020-04-10 |            |
                                | 14 | infliximab  | 2021-02-04 | 2021-12-31 |
two on one day                  | 15 | infliximab  | 2020-01-01 |            |   50
                                | 16 | infliximab  | 2020-01-01 |            |
another class                   | 17 | infliximab  | 2020-01-01 | 2021-01-01 |
                                | 18 | ustekinumab | 2020-03-11 |            |
another class on the same day   | 19 | infliximab  | 2020-01-01 | 2020-12-31 |
                                | 20 | ustekinumab | 2020-01-01 |            |
another class after the end     | 21 | infliximab  | 2020-01-01 | 2020-01-20 |
                                | 22 | ustekinumab | 2020-02-20 |            |
another class on the last day   | 23 | infliximab  | 2020-01-01 | 2020-03-31 |
                                | 24 | vedolizumab | 2020-03-31 |            |
another drug of the class       | 25 | infliximab  | 2020-01-01 | 2020-12-31 |
                                | 26 | adalimumab  | 2020-02-01 |            |
                                | 27 | ustekinumab | 2021-06-01 |            |
other advanced                  | 28 | infliximab  | 2020-01-01 | 2020-12-31 |
                                | 29 | 42904205    | 2020-04-30 |            |
other advanced before           | 30 | 42904205    | 2019-01-01 | 2020-12-31 |
                                | 31 | infliximab  | 2020-01-01 | 2020-05-10 |
                                | 32 | 42904205    | 2020-02-01 |            |
more than two years             | 33 | infliximab  | 2020-01-01 | 2022-06-01 |
still on it                     | 34 | infliximab  | 2023-01-01 | 2024-03-01 |
into the last gap               | 35 | infliximab  | 2023-01-01 | 2023-09-03 |
up to the last gap              | 36 | infliximab  | 2023-01-01 | 2023-09-02 |
too recent                      | 37 | infliximab  | 2023-09-03 |            |
just old enough                 | 38 | infliximab  | 2023-09-02 |            |
another class in the last gap   | 39 | infliximab  | 2023-01-01 | 2024-03-01 |
                                | 40 | vedolizumab | 2023-10-01 |            |
dead on the drug                | 41 | infliximab  | 2020-01-01 | 2021-12-31 |
dead on the day of the end      | 42 | infliximab  | 2020-01-01 | 2020-12-31 |
dead long after                 | 43 | infliximab  | 2020-01-01 | 2020-03-31 |
records after death             | 44 | infliximab  | 2020-01-01 | 2020-01-21 |
                                | 45 | infliximab  | 2020-11-01 | 2020-12-01 |
dead before the index           | 46 | infliximab  | 2020-01-01 | 2020-12-31 |
dead after the as-of date       | 47 | infliximab  | 2023-01-01 | 2024-03-01 |
supply outlasts the calendar    | 48 | infliximab  | 2020-01-01 |            | 2147483647
end after the as-of date        | 49 | infliximab  | 2023-01-01 | 2099-12-31 |
anti-TNF after another class    | 50 | vedolizumab | 2020-01-01 | 2020-02-10 |
                                | 51 | infliximab  | 2020-03-01 | 2020-05-30 |
before since                    | 52 | infliximab  | 2015-12-31 |            |
the last day                    | 53 | prednisone  | 2024-03-01 |            |
after the as-of date            | 54 | prednisone  | 2024-03-02 |            |
"""
DEATH = """
case                       |       date
dead on the drug           | 2020-12-31
dead on the day of the end | 2020-12-31
dead long after            | 2022-01-01
records after death        | 2020-10-17
dead before the index      | 2019-06-01
dead after the as-of date  | 2024-03-02
"""
#: Days, and whether they are known to have ended, by the first biologic.
EXPECTED = {
    "one infusion": (0, True),
    "a supply": (44, True),
    "an end": (60, True),
    "end before the start": (0, True),
    "gap on the edge": (180, True),
    "gap too long": (0, True),
    "gap after the longest": (330, True),
    "again after a gap": (100, True),
    "two on one day": (49, True),
    "another class": (70, True),
    "another class on the same day": (0, True),
    "another class after the end": (19, True),
    "another class on the last day": (90, True),
    "another drug of the class": (365, True),
    "other advanced": (120, True),
    "other advanced before": (130, True),
    "more than two years": (882, True),
    "still on it": (244, False),
    "into the last gap": (244, False),
    "up to the last gap": (244, True),
    "just old enough": (0, True),
    "another class in the last gap": (244, False),
    # Day 365, of which the last 181 are left out.
    "dead on the drug": (184, False),
    "dead on the day of the end": (184, False),
    "dead long after": (90, True),
    "records after death": (20, True),
    "dead after the as-of date": (244, False),
    "supply outlasts the calendar": (1340, False),
    "end after the as-of date": (244, False),
    "anti-TNF after another class": (40, True),
}
CURVE = ("all", "first_biologic", "all", "all")


def curve(found, *key):
    """At risk and stopped by days."""
    rows = [row for row in found.tables["persistence"] if row[:4] == key]
    return {row[4]: row[5:7] for row in rows}


def counted(times):
    return {
        day: (sum(days >= day for days, _ in times), sum(s and days < day for days, s in times))
        for day in range(0, 721, 30)
    }


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_days_on_the_index_drug(answerer, tmp_path):
    found = answer(answerer, tmp_path, read_cdm(drug_exposure=DRUG_EXPOSURE, death=DEATH))
    times = list(EXPECTED.values())
    assert curve(found, *CURVE) == counted(times)
    anti_integrin = curve(found, "all", "first_biologic", "anti_integrin", "all")
    assert anti_integrin == counted([(40, True)])
    others = [each for case, each in EXPECTED.items() if not case.startswith("anti-TNF")]
    assert curve(found, "all", "first_biologic", "anti_tnf", "all") == counted(others)
    # By the first anti-TNF, that person is on infliximab from 2020-03-01 for 90 days.
    assert curve(found, "all", "first_anti_tnf", "all", "all") == counted([*others, (90, True)])
    assert curve(found, "women_under_50", *CURVE[1:]) == counted(times)
    # Sums over preferences: nobody is left out, and nobody counted twice.
    n_persons = {row[:4]: row[4] for row in found.tables["persistence_mean"]}
    parts = ("preferred", "others_preferred", "no_preference", "not_scored")
    for given in ("all", "anti_tnf", "anti_integrin"):
        key = ("all", "first_biologic", given)
        assert n_persons[*key, "all"] == sum(n_persons[*key, part] for part in parts)


@pytest.mark.parametrize("answerer", ANSWERERS)
@pytest.mark.parametrize(
    ("settings", "case", "expected"),
    [
        ({"gap_days": 181}, "gap too long", (181, True)),
        ({"gap_days": 0}, "still on it", (425, False)),
        ({"gap_days": 179}, "too recent", (0, True)),
        ({"exposure_days": 2}, "gap too long", (182, True)),
        ({"since": "2020-01-02"}, "an end", None),
    ],
)
def test_a_setting(settings, case, expected, answerer, tmp_path):
    rows = read_cdm(drug_exposure=DRUG_EXPOSURE)
    numbers = {str(rows.persons[each]) for each in (case, "the last day")}
    drugs = rows.tables["drug_exposure"]
    rows.tables["drug_exposure"] = [row for row in drugs if row["person_id"] in numbers]
    found = answer(answerer, tmp_path, rows, {"audit": settings})
    assert curve(found, *CURVE) == counted([] if expected is None else [expected])
    assert found.row("persistence_mean", *CURVE)[1:4] == (None, None, None)


@pytest.mark.parametrize("answerer", ANSWERERS)
@pytest.mark.parametrize("n_persons", [20, 19])
def test_the_mean_of_twenty_who_stopped(n_persons, answerer, tmp_path):
    # Ten leave on day 10, the others on day 30. The area after day 10 is 20 / 2, so Greenwood's sum
    # is 10^2 * 10 / (20 * 10), and its correction for 20 stops is 20 / 19.
    lines = ["case | id | concept | start | end", "last | 99 | prednisone | 2024-03-01 |"]
    for i in range(n_persons):
        end = "2020-01-11" if i < 10 else "2020-01-31"
        lines.append(f"{i} | {i} | infliximab | 2020-01-01 | {end}")
    found = answer(answerer, tmp_path, read_cdm(drug_exposure="\n".join(lines)))
    mean = found.row("persistence_mean", *CURVE)[1:4]
    if n_persons < 20:
        assert mean == (None, None, None)
    else:
        distance = 1.959963984540054 * math.sqrt(5 * 20 / 19)
        assert mean == pytest.approx((20, 20 - distance, 20 + distance))


def test_a_difference_of_classes_is_none_of_preferences():
    # Anti-TNF is always preferred and kept longer, so both groups differ, and no class has both.
    key = ("all", "first_biologic")
    means = {
        (*key, "all", "preferred"): Estimate(400, 10),
        (*key, "all", "others_preferred"): Estimate(300, 10),
        (*key, "anti_tnf", "preferred"): Estimate(400, 10),
        (*key, "anti_tnf", "others_preferred"): Estimate(math.nan, math.nan),
        (*key, "anti_integrin", "preferred"): Estimate(math.nan, math.nan),
        (*key, "anti_integrin", "others_preferred"): Estimate(300, 10),
    }
    whole = (*key, "all", "preferred")
    assert math.isnan(difference_within_classes(whole, means).days)
    # Variances of 100 + 800 and 200 + 25: the weights are 1 to 4.
    means[*key, "anti_tnf", "others_preferred"] = Estimate(390, 800**0.5)
    means[*key, "anti_integrin", "preferred"] = Estimate(320, 5)
    means[*key, "anti_integrin", "others_preferred"] = Estimate(300, 200**0.5)
    found = difference_within_classes(whole, means)
    assert (found.days, found.standard_error) == pytest.approx((18, 180**0.5))
    of_one = difference_within_classes((*key, "anti_tnf", "preferred"), means)
    assert (of_one.days, of_one.standard_error) == pytest.approx((10, 30))


@pytest.mark.parametrize("answerer", ANSWERERS)
@pytest.mark.parametrize(("newest", "is_stopped"), [("2023-12-15", False), ("2023-12-16", True)])
def test_the_data_end_with_the_newest_exposure_of_anybody(newest, is_stopped, answerer, tmp_path):
    # 181 days before 2023-12-16 is 2023-06-18, day 168 of 2023. A newer measurement and the end of
    # an exposure do not say that drugs are still loaded.
    exposures = f"""
    case   | id | concept    |      start |        end
    on it  |  1 | infliximab | 2023-01-01 | 2023-06-18
    newest |  2 | prednisone | {newest} | 2024-02-01
    """
    measurements = """
    case   | id | concept |       date | value | unit
    newest |  1 | crp     | 2024-02-28 |     7 | mg/L
    """
    cdm = read_cdm(drug_exposure=exposures, measurement=measurements)
    found = answer(answerer, tmp_path, cdm)
    assert curve(found, *CURVE) == counted([(168, True) if is_stopped else (167, False)])


def test_a_planted_class_that_is_kept_twice_as_long_is_found(tmp_path):
    # One exposure each, started over five years: who started late is followed for a short time, and
    # whoever is on the drug in the last gap is not known to have stopped.
    lot, lines = random.Random(1), ["case | id | concept | start | end"]
    for i in range(1000):
        drug, mean = (("infliximab", 250), ("vedolizumab", 500))[i % 2]
        start = date(2019, 3, 1) + timedelta(days=lot.randrange(1826))
        end = start + timedelta(days=int(lot.expovariate(1 / mean)))
        lines.append(f"{i} | {i} | {drug} | {start} | {end}")
    found = answer(A_RUN, tmp_path, read_cdm(drug_exposure="\n".join(lines)))
    ends = {}
    for drug_class, mean in (("anti_tnf", 250), ("anti_integrin", 500)):
        row = found.row("persistence_mean", "all", "first_biologic", drug_class, "all")
        ends[drug_class] = row[2:4]
        assert row[2] < sum(math.exp(-day / mean) for day in range(1, 721)) < row[3]
        inside = [
            low <= math.exp(-day / mean) <= high
            for *key, day, _, _, _, low, high in found.tables["persistence"]
            if key == ["all", "first_biologic", drug_class, "all"] and low is not None
        ]
        assert sum(inside) >= 0.8 * len(inside) > 10
    assert ends["anti_tnf"][1] < ends["anti_integrin"][0]
