"""A CDM made to the University of California's three age-sex tables gives them back.

Source: Rudrapatna et al., npj Digital Medicine 2025;8:327: patients with Crohn's disease, those of
them ever given one of the six biologics, and those first given one in 2016 or later. The database
was queried on 5 April 2023, and an age is 2023 minus the year of birth.
"""

from datetime import date

import duckdb
import pyarrow as pa
import pytest

from tests.conftest import run_on
from tests.support.write_cdm import COLUMNS

MIDDLE_AGES = (2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57, 62, 67, 72, 77, 82, 90)
AGE_GROUPS = (
    *("Under 5", "5 to 9", "10 to 14", "15 to 19", "20 to 24", "25 to 29", "30 to 34", "35 to 39"),
    *("40 to 44", "45 to 49", "50 to 54", "55 to 59", "60 to 64", "65 to 69", "70 to 74"),
    *("75 to 79", "80 to 84", "85 and over"),
)
PYRAMIDS = {
    "crohns_disease": {
        "female": (
            *(7, 42, 112, 296, 568, 940, 1231, 1299, 1156),
            *(918, 961, 850, 945, 799, 736, 620, 350, 386),
        ),
        "male": (
            *(5, 44, 170, 347, 684, 944, 1219, 1112, 1045),
            *(847, 816, 735, 791, 717, 658, 552, 332, 293),
        ),
    },
    "biologic_exposed": {
        "female": (
            *(1, 14, 54, 159, 315, 507, 641, 616, 514),
            *(363, 383, 319, 331, 252, 231, 170, 86, 47),
        ),
        "male": (
            *(1, 14, 85, 197, 391, 558, 679, 553, 505),
            *(403, 363, 283, 263, 261, 212, 148, 67, 43),
        ),
    },
    "first_biologic_since": {
        "female": (
            *(1, 14, 54, 152, 272, 365, 457, 397, 296),
            *(198, 227, 201, 213, 163, 161, 110, 48, 27),
        ),
        "male": (
            *(1, 14, 84, 189, 334, 407, 456, 355, 319),
            *(235, 216, 191, 176, 168, 131, 106, 44, 28),
        ),
    },
}
#: Women of 50 and over, of how many persons; the paper prints the first, 5647 or 24%.
EXPECTED = {
    "crohns_disease": (5647, 23527),
    "biologic_exposed": (1819, 10029),
    "first_biologic_since": (1150, 6810),
}
CROHNS, INFLIXIMAB, GENDER = 201606, 937368, {"female": 8532, "male": 8507}
BEFORE_2016, SINCE_2016 = date(2015, 12, 31), date(2016, 1, 1)


def write_california(path) -> None:
    births: list[tuple[int, int]] = []
    starts: list[tuple[int, date]] = []
    for sex, concept in GENDER.items():
        groups = zip(*(table[sex] for table in PYRAMIDS.values()), MIDDLE_AGES, strict=True)
        for n, n_exposed, n_since, age in groups:
            first = len(births) + 1
            births += [(concept, 2023 - age)] * n
            # Nobody is given it before the year after birth.
            since = max(SINCE_2016, date(2023 - age + 1, 1, 1))
            starts += [(first + i, since) for i in range(n_since)]
            starts += [(first + i, BEFORE_2016) for i in range(n_since, n_exposed)]
    ids = list(range(1, len(births) + 1))
    sexes, years = zip(*births, strict=True)
    treated, days = zip(*starts, strict=True)
    exposures = list(range(1, len(treated) + 1))
    filled = {
        "person": {"person_id": ids, "gender_concept_id": sexes, "year_of_birth": years},
        "condition_occurrence": {
            "condition_occurrence_id": ids,
            "person_id": ids,
            "condition_concept_id": [CROHNS] * len(ids),
            "condition_start_date": [date(2012, 1, 1)] * len(ids),
        },
        "drug_exposure": {
            "drug_exposure_id": exposures,
            "person_id": treated,
            "drug_concept_id": [INFLIXIMAB] * len(treated),
            "drug_exposure_start_date": days,
        },
    }
    with duckdb.connect(str(path)) as connection:
        for table, columns in COLUMNS.items():
            declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            connection.execute(f"CREATE TABLE {table} ({declared})")
            if table in filled:
                connection.register("given", pa.table(filled[table]))
                connection.execute(f"INSERT INTO {table} BY NAME FROM given")


@pytest.fixture(scope="module")
def california(tmp_path_factory):
    folder = tmp_path_factory.mktemp("california")
    write_california(folder / "cdm.duckdb")
    settings = {"as_of_date": date(2023, 4, 5), "cohort": {"age_rule": "year"}}
    return run_on(folder / "cdm.duckdb", folder / "results.duckdb", settings)


def test_women_of_50_and_over(california):
    rows = california.rows(
        "SELECT population, n_persons, n_population, share, ci_low, ci_high "
        "FROM omop_scorer.latest_prevalence WHERE measure = 'women_50_and_over'"
    )
    assert {row[0]: row[1:3] for row in rows} == EXPECTED
    (of_all,) = (row[3:] for row in rows if row[0] == "crohns_disease")
    assert of_all == pytest.approx((0.2400221, 0.2346074, 0.2455217), abs=2e-7)


@pytest.mark.parametrize("population", PYRAMIDS)
def test_the_pyramid(population, california):
    rows = california.rows(
        "SELECT sex, age_group, n_persons FROM omop_scorer.latest_age_sex_pyramid "
        f"WHERE population = '{population}'"
    )
    found = {(sex, group): n for sex, group, n in rows}
    for sex, counts in PYRAMIDS[population].items():
        assert tuple(found.pop((sex, group)) for group in AGE_GROUPS) == counts
    # Nobody's age or sex is unknown.
    assert set(found.values()) == {0}
    assert len(found) == len(AGE_GROUPS) + 3


def test_the_next_treatment_is_that_of_the_6810_since_2016(california):
    rows = california.rows(
        "SELECT population, next_class, n_persons FROM omop_scorer.latest_next_treatment "
        "WHERE index_rule = 'first_biologic' AND index_class = 'all' AND n_persons > 0"
    )
    # One drug each, and none within the last 180 days of an as-of date in April 2023.
    men = {"men_50_and_over": 1060, "men_under_50": 2394}
    women = {"women_50_and_over": 1150, "women_under_50": 2206}
    expected = {"all": 6810} | men | women
    assert {row[0]: row[1:] for row in rows} == {
        population: ("none_stopped", n) for population, n in expected.items()
    }
