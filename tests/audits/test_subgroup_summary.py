"""The thirteen labels among the scored, divided by what a reader may ask for."""

from collections import Counter

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import read_cdm

# What the models say, with BMI, CRP and CDAI imputed unless recorded: TNF > (IL = INT) of women of
# 30 and 34 and of a man of 43, no preference at 50 and of a man of 60, IL > (TNF = INT) at 80 after
# an anti-TNF, (TNF = IL) > INT at 30 with a CRP of 500.
PERSON = """
case          | gender | year | month | day | race | site
plain         |   8532 | 1994 |     3 |   1 | 8527 |    7
severe        |   8532 | 1994 |     3 |   1 | 8527 |    7
man           |   8507 | 1981 |     1 |   1 | 8516 |    8
fifty         |   8532 | 1974 |     3 |   1 |    0 |    0
elder         |   8532 | 1944 |     1 |   1 | 8522 |    9
complete      |   8532 | 1990 |     1 |   1 |      |
older man     |   8507 | 1964 |     1 |   1 | 8515 |   10
child         |   8532 | 2014 |     1 |   1 | 8515 |   11
no sex        |      0 | 1950 |     1 |   1 | 8515 |    7
"""
# Two care sites share a name, one has no row, one a blank name, and one no scored patient.
CARE_SITE = """
id | name
 7 | Clinic
 8 | " Clinic"
10 | "  "
11 | Children
"""
DRUG_EXPOSURE = """
case     | id | concept     |      start
man      |  1 | ustekinumab | 2015-12-31
         |  2 | vedolizumab | 2019-01-01
fifty    |  3 | 42904205    | 2020-01-01
elder    |  4 | infliximab  | 2021-05-01
complete |  5 | adalimumab  | 2024-03-01
child    |  6 | adalimumab  | 2022-03-01
"""
MEASUREMENT = """
case      | id | concept |  value |       date | unit
severe    |  1 | crp     |    500 | 2024-01-01 | mg/L
complete  |  2 | crp     |     10 | 2024-01-01 | mg/L
          |  3 | bmi     |     20 | 2024-01-01 | kg/m2
          |  4 | 2000099 |    300 | 2024-02-01 |
older man |  5 | crp     |     10 | 2024-01-01 | mg/L
          |  6 | bmi     |     20 | 2024-01-01 | kg/m2
"""
CONDITION_OCCURRENCE = """
case      | id | concept |       date
complete  |  1 |  194684 | 2020-01-01
older man |  2 |  194684 | 2020-01-01
man       |  3 |  crohns | 2016-12-31
severe    |  4 |  crohns | 2024-03-02
"""
TNF, IL, EQUAL, BOTH = (
    "TNF > (IL = INT)",
    "IL > (TNF = INT)",
    "(TNF = IL = INT)",
    "(TNF = IL) > INT",
)
EXPECTED = {
    ("all", "all"): [TNF, BOTH, TNF, EQUAL, IL, TNF, EQUAL],
    ("sex", "female"): [TNF, BOTH, EQUAL, IL, TNF],
    ("sex", "male"): [TNF, EQUAL],
    ("age_group", "30 to 34"): [TNF, BOTH, TNF],
    ("age_group", "40 to 44"): [TNF],
    ("age_group", "50 to 54"): [EQUAL],
    ("age_group", "60 to 64"): [EQUAL],
    ("age_group", "80 to 84"): [IL],
    ("women_50_and_over", "yes"): [EQUAL, IL],
    ("women_50_and_over", "no"): [TNF, BOTH, TNF, TNF, EQUAL],
    ("race", "race_white"): [TNF, BOTH],
    ("race", "race_black_or_african_american"): [TNF],
    ("race", "race_asian"): [EQUAL],
    ("race", "race_other"): [IL],
    ("race", "unknown"): [EQUAL, TNF],
    # The anti-TNF that started on the as-of date is not history.
    ("prior_anti_tnf", "yes"): [IL],
    ("prior_anti_tnf", "no"): [TNF, BOTH, TNF, EQUAL, TNF, EQUAL],
    ("first_biologic_year", "2015"): [TNF],
    ("first_biologic_year", "2021"): [IL],
    ("first_biologic_year", "2024"): [TNF],
    ("first_biologic_year", "none"): [TNF, BOTH, EQUAL, EQUAL],
    # The record of the day after the as-of date is not the first, nor is another condition.
    ("first_record_year", "2016"): [TNF],
    ("first_record_year", "2020"): [TNF, BOTH, EQUAL, IL, TNF, EQUAL],
    ("care_site", "Clinic (7)"): [TNF, BOTH],
    ("care_site", "Clinic (8)"): [TNF],
    ("care_site", "9"): [IL],
    ("care_site", "10"): [EQUAL],
    ("care_site", "unknown"): [EQUAL, TNF],
    ("race_sex_age", "race_white, female, under 50"): [TNF, BOTH],
    ("race_sex_age", "race_black_or_african_american, male, under 50"): [TNF],
    ("race_sex_age", "race_unknown, female, 50 and over"): [EQUAL],
    ("race_sex_age", "race_unknown, female, under 50"): [TNF],
    ("race_sex_age", "race_other, female, 50 and over"): [IL],
    ("race_sex_age", "race_asian, male, 50 and over"): [EQUAL],
    ("imputed", "no"): [TNF],
    # The CDAI alone, of the older man.
    ("imputed", "yes"): [TNF, BOTH, TNF, EQUAL, IL, EQUAL],
    # Beyond the trials' 118 mg/L, and beyond their 69 years; one CDAI is known.
    ("within_trial_range", "no"): [BOTH, IL],
    ("within_trial_range", "yes"): [TNF],
    ("within_trial_range", "unknown"): [TNF, TNF, EQUAL, EQUAL],
    ("preference_group", "anti_tnf_alone"): [TNF, TNF, TNF],
    ("preference_group", "anti_il12_23_alone"): [IL],
    ("preference_group", "shared_top"): [BOTH],
    ("preference_group", "no_preference"): [EQUAL, EQUAL],
    ("ruled_out_class", "none"): [TNF, BOTH, TNF, EQUAL, IL, TNF, EQUAL],
}


def found_by(answerer, folder):
    cdm = read_cdm(
        person=PERSON,
        drug_exposure=DRUG_EXPOSURE,
        measurement=MEASUREMENT,
        condition_occurrence=CONDITION_OCCURRENCE,
        care_site=CARE_SITE,
    )
    return answer(answerer, folder, cdm, cdai_concept_ids=(2000099,))


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_subgroup_summary(answerer, tmp_path):
    counts = found_by(answerer, tmp_path).counts("subgroup_summary")
    found: dict[tuple[str, str], Counter[str]] = {}
    for (stratum, value, label), n in counts.items():
        found.setdefault((stratum, value), Counter())[label] = n
    assert found == {stratum: Counter(labels) for stratum, labels in EXPECTED.items()}


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_every_label_has_a_row_and_every_stratum_sums_to_the_scored(answerer, tmp_path):
    rows = found_by(answerer, tmp_path).tables["subgroup_summary"]
    assert len(rows) == 13 * len(EXPECTED)
    of_stratum: Counter[str] = Counter()
    for stratum, value, _, n, n_stratum, *_ in rows:
        assert n_stratum == len(EXPECTED[stratum, value])
        of_stratum[stratum] += n
    assert set(of_stratum.values()) == {7}
    # Nobody of one: 0, and z^2 / (1 + z^2) with z^2 3.8414588207.
    (nobody,) = (row for row in rows if row[:3] == ("age_group", "40 to 44", EQUAL))
    assert nobody[3:] == pytest.approx((0, 1, 0, 0, 3.8414588207 / 4.8414588207), abs=1e-9)


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_the_groups_of_a_stratum_are_those_of_its_labels(answerer, tmp_path):
    rows = found_by(answerer, tmp_path).tables["preference_summary"]
    groups = {
        TNF: "anti_tnf_alone",
        IL: "anti_il12_23_alone",
        None: "anti_integrin_alone",
        BOTH: "shared_top",
        EQUAL: "no_preference",
    }
    strata = [(key, labels) for key, labels in EXPECTED.items() if key[0] != "preference_group"]
    assert {row[:5] for row in rows} == {
        (*key, group, labels.count(label), len(labels))
        for key, labels in strata
        for label, group in groups.items()
    }
    assert len(rows) == 5 * len(strata)
    # One of two is 0.5, and Wilson's interval 0.5 -+ 0.5 * sqrt(z^2 / (2 + z^2)).
    (half,) = (row for row in rows if row[:3] == ("race", "race_white", "shared_top"))
    assert half[5:] == pytest.approx((0.5, 0.0945312, 0.9054688), abs=1e-7)


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_nobody_scored_is_in_no_stratum(answerer, tmp_path):
    found = answer(answerer, tmp_path, read_cdm(person="case | year\nchild | 2014"))
    assert found.tables["subgroup_summary"] == []
    assert found.tables["preference_summary"] == []
