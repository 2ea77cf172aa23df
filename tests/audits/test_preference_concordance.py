"""What the models preferred at the index line against what came next; nothing later is read."""

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm, run

# Every case is a woman of 30 on 1 January 2020, the day of her first biologic, and 34 on the as-of
# date, unless it says otherwise. What the models say of her, with BMI and CDAI imputed:
#   nothing recorded                    TNF > (IL = INT)
#   CRP 500 mg/L                        (TNF = IL) > INT
#   on a steroid, CRP imputed           (TNF = IL = INT)
#   BMI 40                              (TNF = IL = INT)
# and of others with nothing recorded: TNF > (IL = INT) at 18; at 39 no preference without ileal
# disease, TNF > (IL = INT) with it; no preference from 49 to 99.
PERSON = """
case                       | gender | year | month | day
aged 17                    |   8532 | 2002 |     1 |   2
aged 18                    |   8532 | 2002 |     1 |   1
aged 99                    |   8532 | 1920 |     1 |   2
aged 100                   |   8532 | 1920 |     1 |   1
aged 49, now 53            |   8532 | 1970 |     6 |   1
sex unknown                |   8551 | 1990 |     1 |   1
no year                    |   8532 |      |       |
ileal before               |   8532 | 1981 |     1 |   1
ileal after                |   8532 | 1981 |     1 |   1
"""
DRUG_EXPOSURE = """
case                         | id | concept     |      start |        end
crp the day after            |  1 | prednisone  | 2020-01-02 | 2020-06-01
steroid on the day           |  2 | prednisone  | 2020-01-01 |
steroid 30 days before       |  3 | prednisone  | 2019-06-01 | 2019-12-02
steroid 31 days before       |  4 | prednisone  | 2019-06-01 | 2019-12-01
next anti-IL-12/23           |  5 | ustekinumab | 2021-01-01 |
ileal after                  |  6 | 42904205    | 2021-01-01 |
aged 18                      |  7 | vedolizumab | 2020-01-01 |
an anti-TNF from outside     |  8 | 19041065    | 2019-01-01 |
"""
MEASUREMENT = """
case                       | id | concept | value |       date | unit
crp on the day             |  1 | crp     |   500 | 2020-01-01 | mg/L
crp the day after          |  2 | crp     |   500 | 2020-01-02 | mg/L
crp 180 days before        |  3 | crp     |   500 | 2019-07-05 | mg/L
crp 181 days before        |  4 | crp     |   500 | 2019-07-04 | mg/L
crp before and after       |  5 | crp     |   500 | 2019-12-01 | mg/L
                           |  6 | crp     |    10 | 2020-02-01 | mg/L
                           |  7 | crp     |    10 | 2024-03-01 | mg/L
crp now                    |  8 | crp     |   500 | 2024-03-01 | mg/L
bmi before                 |  9 | bmi     |    40 | 2019-06-01 | kg/m2
bmi after                  | 10 | bmi     |    40 | 2020-06-01 | kg/m2
"""
CONDITION_OCCURRENCE = """
case         | id | concept |       date
ileal before |  1 |  195585 | 2019-12-31
ileal after  |  2 |  195585 | 2020-01-02
"""
DEATH = """
case                 |       date
dead the day before  | 2019-12-31
dead on the day      | 2020-01-01
dead the day after   | 2020-01-02
"""
TNF, IL, INT = "anti_tnf", "anti_il12_23", "anti_integrin"
BOTH, NONE, NOT_SCORED = "anti_tnf = anti_il12_23", "no_preference", "not_scored"
STOPPED, DIED = "none_stopped", "none_died"
EXPECTED = {
    "nothing recorded": (TNF, STOPPED),
    # Only seen with Crohn's disease years after the first biologic.
    "diagnosed later": (TNF, STOPPED),
    "crp on the day": (BOTH, STOPPED),
    # Nor does the steroid of that day count.
    "crp the day after": (TNF, STOPPED),
    "crp 180 days before": (BOTH, STOPPED),
    "crp 181 days before": (TNF, STOPPED),
    "crp before and after": (BOTH, STOPPED),
    "crp now": (TNF, STOPPED),
    "bmi before": (NONE, STOPPED),
    "bmi after": (TNF, STOPPED),
    "steroid on the day": (NONE, STOPPED),
    "steroid 30 days before": (NONE, STOPPED),
    "steroid 31 days before": (TNF, STOPPED),
    "ileal before": (TNF, STOPPED),
    "ileal after": (NONE, "other_advanced"),
    "next anti-IL-12/23": (TNF, IL),
    # Golimumab is no anti-TNF of the model's history, and not the index line.
    "an anti-TNF from outside": (TNF, STOPPED),
    "aged 17": (NOT_SCORED, STOPPED),
    "aged 18": (TNF, INT),
    "aged 99": (NONE, STOPPED),
    "aged 100": (NOT_SCORED, STOPPED),
    "aged 49, now 53": (NONE, STOPPED),
    "sex unknown": (NOT_SCORED, STOPPED),
    "no year": (NOT_SCORED, STOPPED),
    "dead the day before": (NOT_SCORED, DIED),
    "dead on the day": (NOT_SCORED, DIED),
    "dead the day after": (TNF, DIED),
}


def cdm():
    """Give everybody infliximab on 1 January 2020, and make 30 whose birth is not told."""
    told = {line.partition("|")[0].strip() for line in PERSON.splitlines()}
    born = [f"{case} | 8532 | 1990 | 1 | 1" for case in EXPECTED if case not in told]
    drugs = DRUG_EXPOSURE.strip().splitlines()
    drugs += [f"{case} | {n} | infliximab | 2020-01-01 |" for n, case in enumerate(EXPECTED, 100)]
    found = read_cdm(
        person="\n".join([*PERSON.strip().splitlines(), *born]),
        drug_exposure="\n".join(drugs),
        measurement=MEASUREMENT,
        condition_occurrence=CONDITION_OCCURRENCE,
        death=DEATH,
    )
    late = str(found.persons["diagnosed later"])
    for row in found.tables["condition_occurrence"]:
        if row["person_id"] == late:
            row["condition_start_date"] = "2024-03-01"
    return found


def counted(pairs):
    pairs = list(pairs)
    return {pair: pairs.count(pair) for pair in pairs}


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_preference_concordance(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm())
    assert found.counts("preference_concordance", "all") == counted(EXPECTED.values())
    over_50 = ("aged 99", "aged 100", "aged 49, now 53")
    unknown = ("sex unknown", "no year")
    of_women = found.counts("preference_concordance", "women_50_and_over")
    assert of_women == counted(EXPECTED[case] for case in over_50)
    rest = [pair for case, pair in EXPECTED.items() if case not in (*over_50, *unknown)]
    assert found.counts("preference_concordance", "women_under_50") == counted(rest)
    assert len(found.tables["preference_concordance"]) == 5 * 8 * 7


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_whoever_is_not_indexed_is_not_counted(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm(), {"audit": {"since": "2020-01-02"}})
    assert found.counts("preference_concordance") == {}
    assert found.counts("next_treatment") == {}


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_the_age_of_the_index_finds_the_population(answerer, tmp_path):
    found = answer(answerer, tmp_path, cdm(), {"audit": {"age_at": "index"}})
    over_50 = found.counts("preference_concordance", "women_50_and_over")
    assert over_50 == {(NONE, STOPPED): 1, (NOT_SCORED, STOPPED): 1}


LATER_MEASUREMENT = """
case    | id | concept |       date | value | unit
treated |  1 | bmi     | 2024-01-10 |    22 |
other   |  2 | crp     | 2024-01-10 |   400 | mg/L
third   |  3 | crp     | 2024-01-10 |   400 | mg/L
"""
FIRST_BIOLOGIC = """
case    | id | concept     |      start
treated |  1 | ustekinumab | 2020-01-01
other   |  2 | ustekinumab | 2020-01-01
third   |  3 | infliximab  | 2020-01-01
"""


def test_a_median_of_later_records_stands_in_for_nothing_at_the_index(tmp_path):
    cdm = read_cdm(measurement=LATER_MEASUREMENT, drug_exposure=FIRST_BIOLOGIC)
    found = {}
    for impute in ("calculator", "cohort_median"):
        done = run(tmp_path, cdm, {"impute": impute})
        found[impute] = (
            done.rows("SELECT * EXCLUDE run_id FROM preference_concordance ORDER BY ALL"),
            dict(done.by_case("SELECT person_id, subgroup FROM patient_subgroup"))["treated"],
        )
    # On the as-of date a CRP of 400 stands in for the missing one, and makes another label.
    assert found["calculator"][1] != found["cohort_median"][1]
    assert found["calculator"][0] == found["cohort_median"][0]
