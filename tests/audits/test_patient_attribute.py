"""Attributes of the scored patients: race, care site, first record, and the drug in use."""

from datetime import date

import pytest

from tests.support.answers import ANSWERERS, answer
from tests.support.spec import Cdm, read_cdm, run

# The as-of date is 2024-03-01; 180 days before it is 2023-09-03.
PERSON = """
case         | gender | year | race | site
plain        |   8532 | 1980 |      |
two current  |   8532 | 1980 | 8527 |    3
one day late |   8532 | 1980 |    0 |    0
other drug   |   8532 | 1980 | 8522 |    4
two names    |   8532 | 1980 | 8516 |    5
child        |   8532 | 2014 | 8527 |    3
"""
CARE_SITE = """
id | name
 3 | " Day Unit "
 4 | "  "
 5 | Ward
 5 | Clinic
"""
# Of two drugs in use, the one whose latest exposure started last, although it came first.
DRUG_EXPOSURE = """
case         | id | concept     |      start |        end
two current  |  1 | infliximab  | 2020-01-01 | 2020-01-01
             |  2 | vedolizumab | 2023-10-01 | 2023-10-01
             |  3 | infliximab  | 2023-12-01 | 2023-12-01
one day late |  4 | adalimumab  | 2023-09-02 | 2023-09-02
other drug   |  5 | 1361580     | 2023-09-03 | 2023-09-03
two names    |  6 | ustekinumab | 2024-03-02 | 2024-03-02
child        |  7 | adalimumab  | 2024-02-01 | 2024-02-01
"""
CONDITION_OCCURRENCE = """
case        | id | concept |       date
two current |  1 |  crohns | 2019-12-31
other drug  |  2 |  crohns | 2024-03-02
two names   |  3 |  194684 | 2015-01-01
"""
DIAGNOSED = date(2020, 1, 1)
EXPECTED = {
    "plain": ("race_unknown", None, None, DIAGNOSED, None, None, False),
    "two current": (
        *("race_white", 3, "Day Unit", date(2019, 12, 31)),
        *("infliximab", "anti_tnf", True),
    ),
    "one day late": ("race_unknown", None, None, DIAGNOSED, None, None, True),
    "other drug": ("race_other", 4, None, DIAGNOSED, "upadacitinib", "other_advanced", True),
    "two names": (
        *("race_black_or_african_american", 5, "Clinic", DIAGNOSED),
        *(None, None, False),
    ),
}


def made_up() -> Cdm:
    return read_cdm(
        person=PERSON,
        care_site=CARE_SITE,
        drug_exposure=DRUG_EXPOSURE,
        condition_occurrence=CONDITION_OCCURRENCE,
    )


@pytest.mark.parametrize("answerer", ANSWERERS)
def test_attributes(answerer, tmp_path):
    cdm = made_up()
    rows = answer(answerer, tmp_path, cdm).tables["patient_attribute"]
    cases = {number: case for case, number in cdm.persons.items()}
    assert {cases[row[0]]: row[1:] for row in rows} == EXPECTED


def test_a_patient_is_one_wide_row_of_what_the_other_tables_say(tmp_path):
    done = run(tmp_path, made_up())
    names = "race, care_site_id, care_site_name, first_record_date, current_drug, current_class, "
    rows = done.by_case(f"SELECT person_id, {names} is_exposed FROM latest_patient")
    assert rows == {case: [EXPECTED[case]] if case in EXPECTED else [] for case in rows}
    (plain,) = done.by_case(
        "SELECT person_id, as_of_date, age, sex, male, age_status, cdai, cdai_status, steroid, "
        "steroid_status, n_imputed, previous_subgroup, is_changed FROM latest_patient"
    )["plain"]
    assert plain == (
        *(date(2024, 3, 1), 43, "female", 0, "observed", 300, "imputed", 0, "absent", 4),
        *(None, None),
    )


@pytest.mark.parametrize("without", ["care_site", "person.care_site_id"])
def test_a_cdm_without_care_sites_counts_them_as_unknown(without, tmp_path):
    cdm = made_up()
    if without == "care_site":
        del cdm.tables["care_site"]
    else:
        for row in cdm.tables["person"]:
            row.pop("care_site_id", None)
    done = run(tmp_path, cdm)
    n_by_site = done.rows(
        "SELECT stratum_value, n_stratum FROM latest_subgroup_summary "
        "WHERE stratum = 'care_site' GROUP BY ALL ORDER BY ALL"
    )
    found = [("3", 1), ("4", 1), ("5", 1), ("unknown", 2)]
    assert n_by_site == (found if without == "care_site" else [("unknown", 5)])
