"""Hand-worked cases for the brute-force extractor: one trap of the covariate rules each.

The as-of date is 2026-01-01, a Thursday after no leap day: 30 days before it is 2025-12-02, 90 days
2025-10-03, 180 days 2025-07-05 and 730 days 2024-01-02.
"""

import math
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from tests.support.extractor import COVARIATES, Cdm, Row, Settings, extract
from tests.support.thoroughness import examples
from tests.support.tiny_cdm import SITE_CDAI, scenarios

SETTINGS = Settings()
NOTHING = (None,) * 6


def born(
    year: int | None = 1980, month: int | None = 6, day: int | None = 15, **columns: Any
) -> Row:
    row = {"person_id": 1, "gender_concept_id": 8532, "year_of_birth": year}
    return row | {"month_of_birth": month, "day_of_birth": day} | columns


def diagnosis(concept_id: int = 201606, day: str = "2020-01-01", number: int = 1, person: int = 1):
    return {
        "condition_occurrence_id": number,
        "person_id": person,
        "condition_concept_id": concept_id,
        "condition_start_date": date.fromisoformat(day),
    }


def record(number: int, concept_id: int, value: float | None, day: str, **columns: Any) -> Row:
    unit = {3020460: 8751, 3038553: 9531, 3025315: 9529, 3036277: 8582}.get(concept_id)
    row = {"measurement_id": number, "person_id": 1, "measurement_concept_id": concept_id}
    row |= {"measurement_date": date.fromisoformat(day), "value_as_number": value}
    return row | {"unit_concept_id": unit} | columns


def observation(number: int, concept_id: int, value: float | None, day: str, **columns: Any) -> Row:
    row = {"observation_id": number, "person_id": 1, "observation_concept_id": concept_id}
    row |= {"observation_date": date.fromisoformat(day), "value_as_number": value}
    return row | columns


def crp(number: int, value: float | None, day: str = "2025-12-01", **columns: Any) -> Row:
    return record(number, 3020460, value, day, **columns)


def exposure(number: int, concept_id: int, start: str, end: str | None = None, **columns: Any):
    row = {"drug_exposure_id": number, "person_id": 1, "drug_concept_id": concept_id}
    row |= {"drug_exposure_start_date": date.fromisoformat(start), "days_supply": None}
    row |= {"drug_exposure_end_date": date.fromisoformat(end) if end else None}
    return row | columns


def link(ancestor: int, descendant: int) -> Row:
    return {"ancestor_concept_id": ancestor, "descendant_concept_id": descendant}


def has_form(drug: int, form: int, **columns: Any) -> Row:
    row = {"concept_id_1": drug, "concept_id_2": form, "relationship_id": "RxNorm has dose form"}
    return row | {"invalid_reason": None} | columns


def patient(**tables: list[Row]) -> Cdm:
    """A woman born on 15 June 1980 with Crohn's disease since 2020, and what else is given."""
    return {"person": [born()], "condition_occurrence": [diagnosis()]} | tables


def covariate(name: str, cdm: Cdm, rules: Settings = SETTINGS) -> tuple[Any, ...]:
    """Value, status and the first six columns of the evidence of person 1."""
    return whole_covariate(name, cdm, rules)[:8]


def whole_covariate(name: str, cdm: Cdm, rules: Settings = SETTINGS) -> tuple[Any, ...]:
    """Value, status and the ten columns of the evidence of person 1."""
    [row] = [row for row in extract(cdm, rules).patient_covariate if row[:2] == (1, name)]
    return row[2:]


def quality(name: str, cdm: Cdm, rules: Settings = SETTINGS) -> dict[str, int]:
    """The measures of a covariate that are not zero."""
    rows = extract(cdm, rules).covariate_quality
    return {measure[2:]: n for covariate, measure, n in rows if covariate == name and n}


def excluded(cdm: Cdm, rules: Settings = SETTINGS) -> dict[str, int]:
    """The cohort and what each reason takes away from it."""
    [first, *rest] = extract(cdm, rules).attrition
    return {first[1]: first[2]} | {reason: n for _, reason, _, n in rest if n}


def age(birth: Row, as_of: str, rule: str = "date") -> int | None:
    rules = Settings(as_of_date=date.fromisoformat(as_of), age_rule=rule)
    [(_, _, years)] = extract(patient(person=[birth]), rules).cohort
    return years


def test_everybody_gets_one_row_per_covariate_in_the_order_of_the_card():
    rows = extract(patient(), SETTINGS).patient_covariate
    assert {row[10:] for row in rows} == {(None,) * 4}
    assert [row[:10] for row in rows] == [
        (1, "cdai", 300.0, "imputed", *NOTHING),
        (1, "age", 45.0, "observed", "person", 1, None, None, 1980.0, None),
        (1, "bmi", 20.0, "imputed", *NOTHING),
        (1, "crp", 10.0, "imputed", *NOTHING),
        (1, "prior_anti_tnf", 0.0, "absent", *NOTHING),
        (1, "male", 0.0, "observed", "person", 1, 8532, None, None, None),
        (1, "steroid", 0.0, "absent", *NOTHING),
        (1, "immunomodulator", 0.0, "absent", *NOTHING),
        (1, "ileal", 0.0, "imputed", *NOTHING),
    ]


def test_an_empty_cdm_has_an_empty_cohort_and_zero_rows():
    found = extract({}, SETTINGS)
    assert found.rows("attrition") == [
        (1, "crohns_disease", 0, 0),
        (2, "year_of_birth_unknown", 0, 0),
        (3, "sex_unknown", 0, 0),
        (4, "deceased", 0, 0),
        (5, "age_out_of_range", 0, 0),
    ]
    assert found.rows("patient_covariate") == found.rows("treatment_line") == []
    # Eight measures of five quantities, five of nine covariates, six of the steroids; two of the
    # sets: five of conditions, three and eighteen of drugs, six of quantities.
    assert len(found.covariate_quality) == 8 * 5 + 5 * 9 + 6 + 2 * (5 + 3 + 18 + 6)
    assert {n for _, _, n in found.covariate_quality} == {0}


@pytest.mark.parametrize(
    ("conditions", "rules", "n_persons"),
    [
        ([diagnosis(day="2026-01-01")], {}, 1),
        ([diagnosis(day="2026-01-02")], {}, 0),
        ([diagnosis(4246693)], {}, 1),
        # Under a child of the ancestor, but not under the ancestor itself.
        ([diagnosis(4264850)], {}, 0),
        ([diagnosis(81893)], {}, 0),
        ([diagnosis(46269889)], {}, 0),
        ([diagnosis(46269889)], {"extra_cohort_concept_ids": (46269889, 4340812)}, 1),
        ([diagnosis(), diagnosis(number=2)], {"minimum_distinct_days": 2}, 0),
        ([diagnosis(), diagnosis(4246693, "2020-01-02")], {"minimum_distinct_days": 2}, 1),
        ([diagnosis(), diagnosis(81893, number=2)], {}, 1),
        ([diagnosis(), diagnosis(81893, number=2)], {"exclude_ulcerative_colitis": True}, 0),
    ],
)
def test_cohort(conditions: list[Row], rules: dict[str, Any], n_persons: int):
    links = [link(201606, 4246693), link(4246693, 4264850)]
    cdm = patient(condition_occurrence=conditions, concept_ancestor=links)
    assert excluded(cdm, Settings(**rules)) == {"crohns_disease": n_persons}


def test_persons_with_ulcerative_colitis_too_are_counted_whether_excluded_or_not():
    cdm = patient(condition_occurrence=[diagnosis(), diagnosis(75580, number=2)])
    assert extract(cdm, SETTINGS).n_also_ulcerative_colitis == 1
    rules = Settings(exclude_ulcerative_colitis=True)
    assert extract(cdm, rules).n_also_ulcerative_colitis == 1


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ([], "year_of_birth_unknown"),
        ([born(None)], "year_of_birth_unknown"),
        ([born(gender_concept_id=8551)], "sex_unknown"),
        ([born(gender_concept_id=0)], "sex_unknown"),
        ([born(gender_concept_id=None)], "sex_unknown"),
        ([born(2008, 1, 2)], "age_out_of_range"),
        ([born(2008, 1, 1)], None),
        ([born(1926, 1, 2)], None),
        ([born(1926, 1, 1)], "age_out_of_range"),
        # The first reason counts.
        ([born(None, gender_concept_id=0)], "year_of_birth_unknown"),
        ([born(2020, gender_concept_id=0)], "sex_unknown"),
    ],
)
def test_attrition(person: list[Row], reason: str | None):
    expected = {"crohns_disease": 1} | ({reason: 1} if reason else {})
    assert excluded(patient(person=person)) == expected


@pytest.mark.parametrize(
    ("death_dates", "n_deceased"),
    [
        (["2026-01-01"], 1),
        (["2026-01-02"], 0),
        ([None], 0),
        (["2026-01-02", "2025-12-31"], 1),
    ],
)
def test_deceased(death_dates: list[str | None], n_deceased: int):
    days = [date.fromisoformat(day) if day else None for day in death_dates]
    cdm = patient(death=[{"person_id": 1, "death_date": day} for day in days])
    assert extract(cdm, SETTINGS).attrition[3] == (4, "deceased", 1 - n_deceased, n_deceased)


@pytest.mark.parametrize(
    ("birth", "as_of", "years"),
    [
        (born(1980, 6, 15), "2026-06-14", 45),
        (born(1980, 6, 15), "2026-06-15", 46),
        # An unknown month is 15 June, whatever the day says; an unknown day alone is the 1st.
        (born(1980, None, 1), "2026-06-14", 45),
        (born(1980, 13, 30), "2026-06-15", 46),
        (born(1980, 0, None), "2026-06-14", 45),
        (born(1980, 7, None), "2026-06-30", 45),
        (born(1980, 7, 32), "2026-07-01", 46),
        (born(1980, 7, 0), "2026-07-01", 46),
        (born(1980, 2, 29), "2026-02-28", 45),
        (born(1980, 2, 29), "2026-03-01", 46),
        (born(1980, 2, 28), "2024-02-29", 44),
    ],
)
def test_age(birth: Row, as_of: str, years: int):
    assert age(birth, as_of) == years
    assert age(birth, as_of, "year") == int(as_of[:4]) - 1980


@pytest.mark.parametrize(
    ("name", "rows", "value", "winner"),
    [
        ("window's first day", [crp(1, 7, "2025-07-05")], 7, 1),
        ("the day before", [crp(1, 7, "2025-07-04")], None, None),
        ("as-of date", [crp(1, 7, "2026-01-01")], 7, 1),
        ("the day after", [crp(1, 7, "2026-01-02")], None, None),
        ("latest date", [crp(1, 7, "2025-12-02"), crp(2, 8)], 7, 1),
        (
            "latest time of one day",
            [crp(1, 7, measurement_datetime=datetime(2025, 12, 1, 8)), crp(2, 8)],
            *(7, 1),
        ),
        (
            "no time is the start of the day",
            [crp(1, 7, measurement_datetime=datetime(2025, 12, 1)), crp(2, 8)],
            *(8, 2),
        ),
        ("latest id of one day", [crp(2, 8), crp(1, 7)], 8, 2),
        ("NULL falls back", [crp(1, 7), crp(2, None, "2025-12-02")], 7, 1),
        ("NaN falls back", [crp(1, 7), crp(2, math.nan, "2025-12-02")], 7, 1),
        ("infinity falls back", [crp(1, 7), crp(2, math.inf, "2025-12-02")], 7, 1),
        ("overflow falls back", [crp(1, 7), crp(2, 1e308, "2025-12-02")], 7, 1),
        ("lower limit", [crp(1, 0)], 0, 1),
        ("upper limit", [crp(1, 500)], 500, 1),
        ("above it", [crp(1, 500.001)], None, None),
        ("below it", [crp(1, -0.001)], None, None),
        (
            "another concept",
            [record(1, 3035320, 7, "2025-12-01", unit_concept_id=8751)],
            None,
            None,
        ),
        ("another person", [crp(1, 7, person_id=2)], None, None),
    ],
)
def test_the_latest_usable_crp(name: str, rows: list[Row], value: float | None, winner: int | None):
    found = covariate("crp", patient(measurement=rows))
    if value is None:
        assert found == (10.0, "imputed", *NOTHING)
    else:
        assert found[:2] == (value, "observed")
        assert found[3] == winner


@pytest.mark.parametrize(
    ("concept", "text", "value"),
    [
        (8840, None, 20.0),
        (8840, "mg/L", 20.0),
        (8842, None, 0.002),
        (8736, None, 2 * 0.10499790004199916),
        (8753, "mg/L", 2.0),
        (8753, "mmol/L", None),
        (0, "MG/DL", 20.0),
        (None, " mg\t/ \u00a0dL\n", 20.0),
        (None, "milligrams per liter", 2.0),
        (None, "\u00b5g/ml", 2.0),
        (None, "\u039cG/ML", 2.0),
        (9529, "kg", None),
        (0, None, None),
        (None, "", None),
    ],
)
def test_crp_unit(concept: int | None, text: str | None, value: float | None):
    row = crp(1, 2.0, unit_concept_id=concept, unit_source_value=text)
    found = covariate("crp", patient(measurement=[row]))
    if value is None:
        assert found == (10.0, "imputed", *NOTHING)
        assert quality("crp", patient(measurement=[row]))["rejected_unit"] == 1
    else:
        evidence = ("measurement", 1, 3020460, date(2025, 12, 1), 2.0, text)
        assert found == (value, "observed", *evidence)


@pytest.mark.parametrize(
    ("concept", "text", "operator", "evidence"),
    [
        (8840, None, None, (8840, "concept", 10.0, False)),
        (8840, "mg/L", 4171756, (8840, "concept", 10.0, True)),  # <
        (8753, "mg/L", 4172703, (8753, "text", 1.0, False)),  # =
        (None, "mg/dL", 4171755, (None, "text", 10.0, True)),  # >=
    ],
)
def test_the_unit_of_a_crp(
    concept: int | None, text: str | None, operator: int | None, evidence: tuple[Any, ...]
):
    row = crp(1, 0.36, unit_concept_id=concept, unit_source_value=text)
    row["operator_concept_id"] = operator
    value, _, *_, found_text, unit, source, factor, censored = whole_covariate(
        "crp", patient(measurement=[row])
    )
    assert (unit, source, factor, censored) == evidence
    assert (value, found_text) == (0.36 * factor, text)


@pytest.mark.parametrize(
    ("concept", "text", "measure"),
    [
        (9531, None, None),
        (None, None, "unit_missing"),
        (0, "", "unit_missing"),
        (0, " \t\n\u00a0", "unit_missing"),
        (0, "kg / M\u00b2", "unit_from_text"),
        (8554, "kg/m2", "unit_from_text"),
        (8554, None, "rejected_unit"),
        (0, "%", "rejected_unit"),
    ],
)
def test_bmi_accepts_a_missing_unit_but_not_a_wrong_one(
    concept: int | None, text: str | None, measure: str | None
):
    row = record(1, 3038553, 22.5, "2024-01-02", unit_concept_id=concept, unit_source_value=text)
    counted = {"records": 1} | ({measure: 1} if measure else {})
    accepted = measure != "rejected_unit"
    counted["observed" if accepted else "imputed"] = 1
    assert quality("bmi", patient(measurement=[row])) == counted


def test_each_candidate_of_a_quantity_is_counted_once_with_its_first_fault():
    rows = [
        crp(1, None, unit_concept_id=8554),
        crp(2, 1e9, unit_concept_id=8554),
        crp(3, 1e9),
        crp(4, 2.0, unit_concept_id=8840, operator_concept_id=4171756),
        crp(5, 2.0, unit_concept_id=0, unit_source_value="mg/l", operator_concept_id=4171755),
        crp(6, 2.0, operator_concept_id=4172703),
        crp(7, 900.0, operator_concept_id=4172704),
        crp(8, 2.0, "2020-01-01"),
    ]
    assert quality("crp", patient(measurement=rows)) == {
        "records": 7,
        "rejected_value": 1,
        "rejected_unit": 1,
        "rejected_limit": 2,
        "converted": 1,
        "censored": 2,
        "unit_from_text": 1,
        "observed": 1,
    }
    unscored = patient(measurement=rows, person=[born(gender_concept_id=0)])
    assert quality("crp", unscored) == {}


def test_crp_comes_from_the_observation_table_under_the_concepts_named_for_it():
    rows = [
        observation(5, 37398482, 4.0, "2025-12-01", unit_source_value="mg/L"),
        observation(6, 3020460, 5.0, "2025-12-02", unit_source_value="mg/L"),
    ]
    wrong_table = record(7, 37398482, 6.0, "2025-12-03", unit_concept_id=8751)
    found = covariate("crp", patient(observation=rows, measurement=[wrong_table]))
    evidence = ("observation", 5, 37398482, date(2025, 12, 1), 4.0, "mg/L")
    assert found == (4.0, "observed", *evidence)


@pytest.mark.parametrize(
    ("measured_id", "observed_id", "table"),
    [(5, 5, "measurement"), (6, 5, "measurement"), (5, 6, "observation")],
)
def test_a_tie_between_the_tables(measured_id: int, observed_id: int, table: str):
    rows = patient(
        measurement=[crp(measured_id, 4.0)],
        observation=[observation(observed_id, 37398420, 5.0, "2025-12-01", unit_concept_id=8751)],
    )
    assert covariate("crp", rows)[2] == table


def test_cdai_is_what_the_site_names():
    rows = {
        "measurement": [record(1, SITE_CDAI, 220.0, "2025-10-03")],
        "observation": [observation(2, SITE_CDAI, 240.0, "2025-10-02")],
    }
    assert covariate("cdai", patient(**rows)) == (300.0, "imputed", *NOTHING)
    rules = Settings(cdai_concept_ids=(SITE_CDAI,))
    evidence = ("measurement", 1, SITE_CDAI, date(2025, 10, 3), 220.0, None)
    assert covariate("cdai", patient(**rows), rules) == (220.0, "observed", *evidence)
    assert quality("cdai", patient(**rows), rules) == {
        **{"records": 1, "unit_missing": 1, "observed": 1}
    }


WEIGHT = record(1, 3025315, 81.0, "2024-01-02")
HEIGHT = record(2, 3036277, 180.0, "1998-06-15")


def test_a_bmi_is_computed_from_weight_and_adult_height():
    # 81 / 1.8^2 = 25; the height was taken on the 18th birthday.
    evidence = ("measurement", 1, 3025315, date(2024, 1, 2), 81.0, None)
    found = covariate("bmi", patient(measurement=[WEIGHT, HEIGHT]))
    assert found == (pytest.approx(25.0, rel=1e-12), "computed", *evidence)


def test_a_computed_bmi_has_the_records_of_both():
    height = record(2, 3036277, 71.0, "2000-01-01", unit_concept_id=9330, unit_source_value="in")
    weight = WEIGHT | {"operator_concept_id": 4172704}  # >
    cdm = patient(measurement=[weight, height, record(3, 3025315, 60.0, "2023-01-01")])
    row = whole_covariate("bmi", cdm)
    assert row[1:] == (
        *("computed", "measurement", 1, 3025315, date(2024, 1, 2), 81.0, None),
        *(9529, "concept", None, True),
    )
    assert extract(cdm, SETTINGS).rows("covariate_input") == [
        (
            *(1, "body_height", "bmi", 71.0 * 2.54, "measurement", 2, 3036277, date(2000, 1, 1)),
            *(71.0, "in", 9330, "concept", 2.54, False),
        ),
        (
            *(1, "body_weight", "bmi", 81.0, "measurement", 1, 3025315, date(2024, 1, 2)),
            *(81.0, None, 9529, "concept", 1.0, True),
        ),
    ]
    assert row[0] == 81.0 / (71.0 * 2.54 / 100) ** 2
    recorded = patient(measurement=[weight, height, record(4, 3038553, 22.0, "2024-06-01")])
    assert extract(recorded, SETTINGS).covariate_input == []


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("no weight", [HEIGHT]),
        ("no height", [WEIGHT]),
        ("weight too old", [record(1, 3025315, 81.0, "2024-01-01"), HEIGHT]),
        ("height at 17", [WEIGHT, record(2, 3036277, 180.0, "1998-06-14")]),
        ("height above 230 cm", [WEIGHT, record(2, 3036277, 230.1, "2000-01-01")]),
        ("weight without unit", [WEIGHT | {"unit_concept_id": None}, HEIGHT]),
        # 350 / 1.2^2 = 243: out of limits, and no other pair is tried.
        (
            "computed out of limits",
            [
                *(WEIGHT, HEIGHT, record(3, 3025315, 350.0, "2025-01-01")),
                record(4, 3036277, 120.0, "2025-01-01"),
            ],
        ),
    ],
)
def test_no_bmi_can_be_computed(name: str, rows: list[Row]):
    assert covariate("bmi", patient(measurement=rows)) == (20.0, "imputed", *NOTHING)


def test_a_recorded_bmi_comes_before_a_later_weight_and_an_unusable_one_does_not():
    rows = [WEIGHT | {"measurement_date": date(2025, 6, 1)}, HEIGHT]
    recorded = record(3, 3038553, 22.0, "2024-06-01")
    assert covariate("bmi", patient(measurement=[*rows, recorded]))[:2] == (22.0, "observed")
    too_high = record(3, 3038553, 81.0, "2025-06-01")
    assert covariate("bmi", patient(measurement=[*rows, too_high]))[1] == "computed"


def test_pounds_and_inches():
    # 220.46226218487757 lb = 100 kg, 78.74015748031496 in = 200 cm: 25 kg/m2.
    rows = [
        record(1, 3025315, 220.46226218487757, "2025-01-01", unit_concept_id=8739),
        record(
            *(2, 3036277, 78.74015748031496, "2025-01-01"),
            **{"unit_concept_id": 0, "unit_source_value": "Inches"},
        ),
    ]
    assert covariate("bmi", patient(measurement=rows))[0] == pytest.approx(25.0, rel=1e-12)
    assert quality("body_height", patient(measurement=rows)) == {
        **{"records": 1, "converted": 1, "unit_from_text": 1}
    }


@pytest.mark.parametrize(
    ("name", "concept_id", "start", "winner"),
    [
        ("the day before", 937368, "2025-12-31", 7),
        ("on the index date", 937368, "2026-01-01", None),
        ("decades before", 36857573, "1999-01-01", 7),
        ("a product", 1972450, "2020-01-01", 7),
        ("golimumab is no drug of the set", 19041065, "2020-01-01", None),
        ("ustekinumab", 40161532, "2020-01-01", None),
    ],
)
def test_prior_anti_tnf(name: str, concept_id: int, start: str, winner: int | None):
    cdm = patient(
        drug_exposure=[exposure(7, concept_id, start)], concept_ancestor=[link(937368, 1972450)]
    )
    found = covariate("prior_anti_tnf", cdm)
    if winner is None:
        assert found == (0.0, "absent", *NOTHING)
    else:
        day = date.fromisoformat(start)
        assert found == (1.0, "observed", "drug_exposure", 7, concept_id, day, None, None)


def test_the_evidence_of_a_yes_is_the_latest_row_by_date_then_id():
    rows = [
        exposure(9, 937368, "2020-01-01"),
        exposure(4, 937368, "2021-01-01"),
        exposure(3, 1119119, "2021-01-01"),
    ]
    assert covariate("prior_anti_tnf", patient(drug_exposure=rows))[3] == 4


@pytest.mark.parametrize(
    ("row", "counts"),
    [
        (exposure(1, 19014878, "2025-10-03"), True),
        (exposure(1, 19014878, "2025-10-02"), False),
        (exposure(1, 19014878, "2025-01-01", "2025-10-03"), True),
        (exposure(1, 19014878, "2025-01-01", "2025-10-02"), False),
        # From 4 September, 30 days reach 3 October.
        (exposure(1, 19014878, "2025-09-04", days_supply=30), True),
        (exposure(1, 19014878, "2025-09-04", days_supply=29), False),
        (exposure(1, 19014878, "2025-09-04", "2025-09-05", days_supply=30), True),
        (exposure(1, 19014878, "2025-09-04", "2025-10-03", days_supply=2), True),
        (exposure(1, 19014878, "2025-10-03", "2025-01-01", days_supply=-300), True),
        (exposure(1, 19014878, "2025-10-02", "2025-10-01", days_supply=0), False),
        (exposure(1, 19014878, "1990-01-01", days_supply=2**31 - 1), True),
        (exposure(1, 19014878, "2026-01-01", "2026-02-01"), True),
        (exposure(1, 19014878, "2026-01-02", "2026-02-01"), False),
        # By injection too, where a steroid of one day would not count.
        (exposure(1, 1305058, "2025-12-31", "2025-12-31", route_concept_id=4142048), True),
    ],
)
def test_immunomodulator(row: Row, counts: bool):
    assert covariate("immunomodulator", patient(drug_exposure=[row]))[0] == float(counts)


PREDNISONE, BUDESONIDE, PRODUCT = 1551099, 939259, 2_100_000_000
ORAL, INJECTION, ENEMA, OTHER_FORM = 19082573, 46234469, 19082627, 1
ORAL_ROUTE, VEIN, RECTAL = 4132161, 4171047, 4290759


@pytest.mark.parametrize(
    ("parents", "forms", "route", "state"),
    [
        ((PREDNISONE,), [], None, "oral"),
        ((PREDNISONE,), [], 0, "oral"),
        ((PREDNISONE,), [], 999, "oral"),
        ((PREDNISONE,), [], VEIN, "injected_one_day"),
        ((PREDNISONE,), [], RECTAL, "local"),
        ((BUDESONIDE,), [], None, "unclassified"),
        ((BUDESONIDE,), [], 0, "unclassified"),
        ((BUDESONIDE,), [], 999, "unclassified"),
        ((BUDESONIDE,), [], ORAL_ROUTE, "oral"),
        ((BUDESONIDE, PREDNISONE), [], None, "oral"),
        ((BUDESONIDE,), [has_form(PRODUCT, ORAL)], RECTAL, "oral"),
        ((PREDNISONE,), [has_form(PRODUCT, ENEMA)], ORAL_ROUTE, "local"),
        ((PREDNISONE,), [has_form(PRODUCT, OTHER_FORM)], ORAL_ROUTE, "unclassified"),
        ((PREDNISONE,), [has_form(PRODUCT, INJECTION)], None, "injected_one_day"),
        ((BUDESONIDE,), [has_form(PRODUCT, ENEMA), has_form(PRODUCT, ORAL)], None, "oral"),
        (
            (BUDESONIDE,),
            [has_form(PRODUCT, ENEMA), has_form(PRODUCT, INJECTION)],
            *(None, "injected_one_day"),
        ),
        ((BUDESONIDE,), [has_form(PRODUCT, OTHER_FORM), has_form(PRODUCT, ENEMA)], None, "local"),
        # Not a dose form of this product: an invalid row, the row the other way, another relation.
        ((BUDESONIDE,), [has_form(PRODUCT, ORAL, invalid_reason="D")], RECTAL, "local"),
        ((BUDESONIDE,), [has_form(ORAL, PRODUCT)], RECTAL, "local"),
        ((BUDESONIDE,), [has_form(PRODUCT, ORAL, relationship_id="Maps to")], RECTAL, "local"),
        # Betamethasone and triamcinolone are not on the list.
        ((920458, 903963), [has_form(PRODUCT, ORAL)], ORAL_ROUTE, None),
    ],
)
def test_how_a_steroid_is_taken(
    parents: tuple[int, ...], forms: list[Row], route: int | None, state: str | None
):
    cdm = patient(
        drug_exposure=[exposure(1, PRODUCT, "2025-12-02", route_concept_id=route)],
        concept_ancestor=[link(parent, PRODUCT) for parent in parents],
        concept_relationship=forms,
    )
    yes = state == "oral"
    counted = {"observed" if yes else "absent": 1} | ({state: 1} if state else {})
    if state == "unclassified":
        counted["unclassified_persons"] = 1
    assert quality("steroid", cdm) == counted


@pytest.mark.parametrize(
    ("start", "end", "supply", "measures"),
    [
        ("2025-12-02", "2025-12-02", 1, {"injected_one_day", "absent"}),
        ("2025-12-02", "2025-12-03", None, {"injected", "observed"}),
        ("2025-12-02", "2025-12-02", 2, {"injected", "observed"}),
        ("2025-12-02", "2025-11-30", -2, {"injected_one_day", "absent"}),
        ("2025-12-01", "2025-12-01", 2, {"injected", "observed"}),
        ("2025-12-01", "2025-12-01", 1, {"absent"}),
        ("2026-01-01", "2026-01-02", None, {"injected", "observed"}),
        ("2026-01-02", "2026-01-09", None, {"absent"}),
    ],
)
def test_an_injected_steroid(start: str, end: str, supply: int | None, measures: set[str]):
    row = exposure(1, PREDNISONE, start, end, days_supply=supply, route_concept_id=VEIN)
    assert set(quality("steroid", patient(drug_exposure=[row]))) == measures


def test_unclassified_steroids_are_counted_by_record_and_by_person():
    rows = [exposure(n, BUDESONIDE, "2025-12-20") for n in (1, 2)]
    counted = quality("steroid", patient(drug_exposure=rows))
    assert counted == {"unclassified": 2, "unclassified_persons": 1, "absent": 1}


@pytest.mark.parametrize(
    ("conditions", "value", "status", "winner"),
    [
        ([diagnosis()], 0.0, "imputed", None),
        ([diagnosis(), diagnosis(195585, "1999-01-01", 2)], 1.0, "observed", 2),
        ([diagnosis(), diagnosis(195585, "2026-01-02", 2)], 0.0, "imputed", None),
        ([diagnosis(), diagnosis(194684, number=2)], 0.0, "observed", 2),
        # Ever ileal wins over a later colon.
        ([diagnosis(4244235, number=1), diagnosis(194684, "2025-01-01", 2)], 1.0, "observed", 1),
        ([diagnosis(194684, number=4), diagnosis(4177488, number=3)], 0.0, "observed", 4),
        # The jejunum, and an unlisted concept under the small intestine.
        ([diagnosis(), diagnosis(4239382, number=2)], 0.0, "imputed", None),
        ([diagnosis(), diagnosis(99, number=2)], 0.0, "imputed", None),
    ],
)
def test_ileal(conditions: list[Row], value: float, status: str, winner: int | None):
    links = [link(201606, c) for c in (4244235, 194684, 4177488)]
    links += [link(195585, 99), link(201606, 99)]
    cdm = patient(condition_occurrence=conditions, concept_ancestor=links)
    found = covariate("ileal", cdm)
    assert found[:2] == (value, status)
    assert found[3] == winner


def test_treatment_lines():
    rows = [
        exposure(1, 45774639, "2021-01-01"),
        exposure(2, 36857573, "2021-01-01"),
        exposure(3, 912263, "2021-06-01"),
        exposure(4, 1119119, "2021-01-01"),
        exposure(5, 42904205, "2021-01-01"),
        exposure(6, 1151789, "2021-01-01"),
        exposure(7, 40161532, "2019-01-01"),
        exposure(8, 40161532, "2018-01-01"),
        exposure(9, 735843, "2026-01-01"),
        exposure(10, 937368, "2026-01-02"),
    ]
    # The lines are the cohort's: nobody is left out for an unknown sex.
    cdm = patient(drug_exposure=rows, person=[born(gender_concept_id=0)])
    day = date(2021, 1, 1)
    assert extract(cdm, SETTINGS).rows("treatment_line") == [
        (1, 1, "ustekinumab", "anti_il12_23", date(2018, 1, 1), *once(date(2019, 1, 1))),
        (1, 2, "adalimumab", "anti_tnf", day, *once(day)),
        (1, 3, "certolizumab pegol", "anti_tnf", day, *once(date(2021, 6, 1))),
        (1, 4, "vedolizumab", "anti_integrin", day, *once(day)),
        (1, 5, "etanercept", "other_advanced", day, *once(day)),
        (1, 6, "tofacitinib", "other_advanced", day, *once(day)),
        (1, 7, "natalizumab", "anti_integrin", date(2026, 1, 1), *once(date(2026, 1, 1), True)),
    ]


def once(day: date, is_current: bool = False) -> tuple[date, date, bool]:
    """A latest exposure of one day."""
    return (day, day, is_current)


@given(scenarios(max_persons=8))
@settings(max_examples=examples(25), deadline=None, derandomize=True, database=None)
def test_what_holds_for_every_cdm(scenario: tuple[Settings, Cdm]):
    rules, cdm = scenario
    found = extract(cdm, rules)
    steps = [n_persons for _, _, n_persons, _ in found.attrition]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == len(found.scored)
    assert [row[:2] for row in found.patient_covariate] == [
        (person_id, covariate) for person_id in found.scored for covariate in COVARIATES
    ]
    assert all(math.isfinite(row[2]) for row in found.patient_covariate)
    assert all(
        (row[3] in ("observed", "computed")) == bool(row[4]) for row in found.patient_covariate
    )
    # The order of rows in a table says nothing.
    backwards = {table: rows[::-1] for table, rows in cdm.items()}
    for table in (
        "cohort",
        "attrition",
        "patient_covariate",
        "covariate_input",
        "treatment_line",
        "covariate_quality",
    ):
        assert extract(backwards, rules).rows(table) == found.rows(table)
