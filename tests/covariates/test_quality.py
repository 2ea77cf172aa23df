"""What became of the records: counts by verdict and by state, over the scored persons only."""

from omop_scorer.terms import MAPPING_MEASURES
from tests.support.spec import read_cdm, run

# Each record says in its line what it adds to, besides n_records.
PERSON = """
case | gender | year | month | day
ann  | female | 1980 |     6 |  15
ben  | male   | 1980 |     6 |  15
cat  | female | 1980 |     6 |  15
dead | female | 1980 |     6 |  15
"""
DEATH = """
case |       date
dead | 2024-01-01
"""
CRP = """
case | id | concept  |       date | value | unit   | text    | operator
ann  |  1 | crp      | 2024-01-01 |       |        |         |
     |  2 | crp      | 2024-01-02 | nan   | mg/L   |         |
     |  3 | crp      | 2024-01-03 | inf   | mmol/L |         |
     |  4 | crp      | 2024-01-04 | 3     |        |         |
     |  5 | crp      | 2024-01-05 | 999   | mmol/L | mmol/L  |  4171754
     |  6 | crp      | 2024-01-06 | 501   | mg/L   |         |  4172704
     |  7 | crp      | 2024-01-07 | 51    |        | mg/dL   |
     |  8 | crp      | 2024-01-08 | 3     | mg/L   |         |  4171756
     |  9 | crp      | 2024-01-09 | 3     | mg/L   | mg/L    |  4172703
     | 10 | crp      | 2024-01-10 | 3     | mg/dL  |         |  4171755
     | 11 | crp      | 2024-01-11 | 3     | 0      | MG / DL |  4171754
     | 12 | crp      | 2024-01-12 | 3     | mmol/L | mg/L    |  4172704
     | 13 | crp      | 2023-09-02 | 3     | mg/L   |         |
     | 14 | crp      | 2024-03-02 | 3     | mg/L   |         |
     | 15 | 3044417  | 2024-01-15 | 3     | mg/L   |         |
ben  | 16 | 46234770 | 2024-01-16 | 100   | 8736   |         |
     | 17 | bmi      | 2024-01-17 | 22    |        | ''      |  4171756
     | 18 | bmi      | 2024-01-18 | 9     |        |         |
     | 19 | bmi      | 2024-01-19 | 22    | 8554   |         |
     | 20 | weight   | 2024-01-20 | 100   | 8739   |         |
     | 21 | height   | 1998-06-14 | 180   | cm     |         |
     | 22 | height   | 1998-06-15 | 180   | cm     |         |
cat  | 23 | weight   | 2024-01-23 | 60    |        | KG      |
     | 24 | weight   | 2022-03-01 | 60    | kg     |         |
     | 25 | height   | 2024-01-25 | 165   |        |         |
     | 26 | height   | 2024-01-26 | 5     | 9306   |         |
     | 27 | 20000001 | 2024-01-27 | 280   |        |         |
dead | 28 | crp      | 2024-01-01 | 3     | mg/L   |         |
     | 29 | bmi      | 2024-01-01 | 22    |        |         |
"""
NOTES = """
case | id |  concept |       date | value | unit | text
cat  |  1 | 37398482 | 2024-01-01 |     3 |      | mg/L
     |  2 | 20000001 | 2024-01-02 |   280 |    0 | Points
"""
DRUGS = """
case | id | concept        |      start |        end |   route
ann  |  1 | prednisone     | 2024-02-01 |            |
     |  2 | hydrocortisone | 2024-02-02 | 2024-02-04 | 4171047
     |  3 | hydrocortisone | 2024-02-03 |            | 4171047
     |  4 | budesonide     | 2024-02-04 |            | 4290759
     |  5 | budesonide     | 2024-02-05 |            |
     |  6 | budesonide     | 2024-02-06 |            |       0
     |  7 | budesonide     | 2024-01-30 |            |
     |  8 | budesonide     | 2024-03-02 |            |
ben  |  9 | budesonide     | 2024-01-01 | 2024-01-31 |
dead | 10 | prednisone     | 2024-02-01 |            |
"""
DISEASE = """
case | id | concept |       date
ann  |  1 | 4244235 | 2021-01-01
"""
RECORDS = {
    "crp": {
        "n_records": 14,  # 1-12, 16 and the note; not 13 to 15
        "n_rejected_value": 3,  # 1, 2, 3: the value is judged before the unit
        "n_rejected_unit": 2,  # 4, 5: the unit before the limit
        "n_rejected_limit": 2,  # 6, and 7 as 510 mg/L
        "n_converted": 3,  # 10, 11, 16
        "n_censored": 4,  # 8, 10, 11, 12: usable ones with <, >=, <=, >, not with =
        "n_unit_from_text": 3,  # 11, 12 and the note
    },
    "bmi": {
        "n_records": 3,  # 17, 18, 19
        "n_rejected_unit": 1,  # 19
        "n_rejected_limit": 1,  # 18
        "n_censored": 1,  # 17
        "n_unit_missing": 1,  # 17, the one usable
    },
    "body_weight": {"n_records": 2, "n_converted": 1, "n_unit_from_text": 1},  # 20, 23
    "body_height": {
        "n_records": 3,  # 22, 25, 26; 21 is a child's
        "n_rejected_unit": 1,  # 25
        "n_converted": 1,  # 26: 5 ft = 152.4 cm
    },
    "cdai": {"n_records": 2, "n_unit_from_text": 1, "n_unit_missing": 1},  # 27, and the note
    "steroid": {
        "n_oral": 1,  # 1
        "n_injected": 1,  # 2
        "n_injected_one_day": 1,  # 3
        "n_local": 1,  # 4
        "n_unclassified": 3,  # 5, 6, and 9, which reaches 2024-01-31; 7 does not
        "n_unclassified_persons": 2,  # ann, ben
    },
}
PERSONS = {
    "crp": {"n_observed": 3},
    "bmi": {"n_observed": 1, "n_computed": 1, "n_imputed": 1},  # ben, cat, ann
    "cdai": {"n_observed": 1, "n_imputed": 2},
    "age": {"n_observed": 3},
    "male": {"n_observed": 3},
    "steroid": {"n_observed": 1, "n_absent": 2},
    "prior_anti_tnf": {"n_absent": 3},
    "immunomodulator": {"n_absent": 3},
    "ileal": {"n_observed": 1, "n_imputed": 2},
}
COHORT = {
    "crohns_disease": {
        "n_with_ulcerative_colitis": 0,
        "n_excluded_condition": 0,
        "n_records_without_date": 0,
        "n_deaths_without_date": 0,
        "n_long_exposure": 0,
        "n_reversed_exposure": 0,
        "n_negative_supply": 0,
        "n_implausible_start": 0,
        "n_record_after_death": 1,  # drug 10, a month after the death
        "n_death_contradicted": 0,
        "n_death_before_birth": 0,
        "n_deaths_of_two_dates": 0,
    }
}
QUANTITIES = ("crp", "cdai", "bmi", "body_weight", "body_height")
MEASURES = ("n_records", "n_rejected_value", "n_rejected_unit", "n_rejected_limit")
MEASURES += ("n_converted", "n_censored", "n_unit_from_text", "n_unit_missing")
STATES = ("observed", "computed", "absent", "imputed", "left_out")


def test_every_measure_is_counted_and_zeros_are_written(tmp_path):
    cdm = read_cdm(
        person=PERSON,
        death=DEATH,
        measurement=CRP,
        observation=NOTES,
        drug_exposure=DRUGS,
        condition_occurrence=DISEASE,
    )
    # CRP named twice, by the shipped set and by the site: still one record each.
    site = {"covariates": {"cdai": {"concept_ids": [20000001]}, "crp": {"concept_ids": [3020460]}}}
    done = run(tmp_path, cdm, site)
    zeros = {(quantity, measure): 0 for quantity in QUANTITIES for measure in MEASURES}
    zeros |= {(c, f"n_{state}"): 0 for c in PERSONS for state in STATES}
    expected = zeros | {
        (name, measure): n
        for given in (RECORDS, PERSONS, COHORT)
        for name, counts in given.items()
        for measure, n in counts.items()
    }
    found = {
        (name, measure): n
        for name, measure, n in done.rows("SELECT covariate, measure, n FROM covariate_quality")
        if name != "input"
    }
    mapped = {key: found.pop(key) for key in list(found) if key[1] in MAPPING_MEASURES}
    assert found == expected
    assert {("infliximab", "n_records_mapped"), ("crp", "n_persons_mapped")} <= mapped.keys()
    assert set(mapped.values()) == {0}
