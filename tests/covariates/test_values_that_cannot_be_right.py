"""Values that cannot be right: counted, said where they decide, and never changed in silence."""

from datetime import date

from tests.support.spec import ABSENT, imputed, read_cdm, run

DRUGS = """
case       | id | concept      |      start |        end | days
taken back |  1 | infliximab   | 2022-01-01 | 2022-01-01 |  -28
given      |  2 | adalimumab   | 2022-01-01 | 2022-01-28 |   28
           |  3 | adalimumab   | 2022-01-01 | 2021-12-31 |  -28
for years  |  4 | azathioprine | 2020-01-01 |            | 3000
a leap day |  5 | azathioprine | 2022-12-01 | 2023-12-01 |
one more   |  6 | azathioprine | 2022-12-01 | 2023-12-02 |
no supply  |  7 | infliximab   | 2022-01-01 |            |    0
"""
LONG = "immunomodulator: {} only because of exposures longer than 366 days"
BACK = "prior_anti_tnf: {} only by exposures with a negative supply"
ONE_OF_SIX = "1 patient(s) (16.7%) have it"


def counts(done) -> dict[str, int]:
    query = "SELECT measure, n FROM covariate_quality WHERE covariate = 'crohns_disease' AND n > 0"
    return dict(done.rows(query))


def said(done, *words: str) -> list[str]:
    return [w for w in done.outcome.summary.warnings if any(word in w for word in words)]


def test_exposures(tmp_path):
    done = run(tmp_path, read_cdm(drug_exposure=DRUGS))
    assert counts(done) == {
        "n_long_exposure": 2,  # 4, and 6 with 367 days; 5 has 366
        "n_reversed_exposure": 1,  # 3
        "n_negative_supply": 2,  # 1 and 3
    }
    prior = done.covariate("prior_anti_tnf")
    assert {case for case, answer in prior.items() if answer[0]} == {
        *("taken back", "given", "no supply"),
    }
    lines = done.by_case("SELECT person_id, start_date FROM treatment_line")
    assert lines["taken back"] == lines["no supply"] == [(date(2022, 1, 1),)]
    # 2 December 2023 is 90 days before the as-of date; with 366 days, 6 ends a day earlier.
    current = done.covariate("immunomodulator")
    assert {case for case, answer in current.items() if answer[0]} == {"for years", "one more"}
    long, back = said(done, "366 days", "negative supply")
    assert long.startswith(LONG.format("2 patient(s) (33.3%) have it"))
    assert back == BACK.format(ONE_OF_SIX)


def test_a_site_caps_long_exposures(tmp_path):
    settings = {"covariates": {"immunomodulator": {"maximum_days": 367}}}
    done = run(tmp_path, read_cdm(drug_exposure=DRUGS), settings)
    current = done.covariate("immunomodulator")
    assert current["for years"] == ABSENT
    assert current["one more"][3] == 6
    (long,) = said(done, "366 days")
    assert long.startswith(LONG.format(ONE_OF_SIX))
    assert counts(done)["n_long_exposure"] == 2


HEIGHTS = """
case         | id | concept |       date | value | unit | text | written
feet inches  |  1 | height  | 2020-01-01 |  5.11 | 9306 |      |
five ten     |  2 | height  | 2020-01-01 |   5.1 | 0    | ft   |
five five    |  3 | height  | 2020-01-01 |  5.05 | 9307 |      |
the text     |  4 | height  | 2020-01-01 |   5.5 | 9306 |      | "5'6\\""
with words   |  5 | height  | 2020-01-01 |   5.5 | 9306 |      | 5 ft 6 in
with a dash  |  6 | height  | 2020-01-01 |  6    | 9306 |      | 5-11
half a foot  |  7 | height  | 2020-01-01 |   5.5 | 9306 |      | 5.5 ft.
two digits   |  8 | height  | 2020-01-01 |  5.75 | 9306 |      |
three digits |  9 | height  | 2020-01-01 | 5.083 | 9306 |      |
whole feet   | 10 | height  | 2020-01-01 |     6 | 9306 |      |
metres       | 11 | height  | 2020-01-01 |     2 | 9546 |      |
older in cm  | 12 | height  | 2019-01-01 |   180 | cm   |      |
             | 13 | height  | 2020-01-01 |  5.11 | 9306 |      |
no number    | 14 | height  | 2020-01-01 |       | 9306 |      | 5-8
"""


def test_heights_that_may_be_feet_and_inches(tmp_path):
    cdm = read_cdm(measurement=HEIGHTS)
    weights = [
        {"measurement_id": f"9{p}", "person_id": str(p), "measurement_concept_id": "3025315"}
        | {"measurement_date": "2024-01-10", "value_as_number": "70", "unit_concept_id": "9529"}
        for p in cdm.persons.values()
    ]
    cdm.tables["measurement"] += weights
    done = run(tmp_path, cdm)
    bmi = done.covariate("bmi")
    assert {case for case, answer in bmi.items() if answer == imputed(20.0)} == {
        *("feet inches", "five ten", "five five", "the text", "with words", "with a dash"),
        "no number",
    }
    assert bmi["half a foot"][0] == 24.908222452  # 167.64 cm
    assert bmi["older in cm"][0] == 21.604938272
    measures = "('n_rejected_unit', 'n_rejected_unit:feet_and_inches')"
    query = f"SELECT n FROM covariate_quality WHERE measure IN {measures} AND n > 0"
    assert done.rows(query) == [(7,), (7,)]
    assert said(done, "feet and inches")[0].startswith("body_height: 7 record(s) in feet")


CRP = """
case    | id | concept |       date | value | unit | written
below   |  1 | crp     | 2024-01-10 |       |      | <0.3
word    |  2 | crp     | 2024-01-10 |       | mg/L | Neg
nothing |  3 | crp     | 2024-01-10 |       |      | ' '
older   |  4 | crp     | 2024-01-10 |     7 | mg/L |
        |  5 | crp     | 2024-01-11 |   nan | mg/L |
"""


def test_records_without_a_number_are_said(tmp_path):
    done = run(tmp_path, read_cdm(measurement=CRP))
    assert done.numbers("crp") == {"below": None, "word": None, "nothing": None, "older": (7.0, 4)}
    assert said(done, "no number") == [
        "crp: 4 of 5 records have no number (2 have a text in value_source_value); "
        "3 patient(s) (75.0%) have no usable value because of it"
    ]


DEATH = """
case        |       date
in time     | 2023-01-01
sixty days  | 2023-11-11
sixty-one   | 2023-11-10
two dates   | 2015-06-01
            | 2025-03-01
unborn      | 1900-01-01
"""
AFTER = """
case        | id | concept |       date | value | unit
in time     |  1 | crp     | 2022-12-31 |     7 | mg/L
            |  2 | crp     | 2024-03-02 |     7 | mg/L
sixty days  |  3 | crp     | 2024-01-10 |     7 | mg/L
sixty-one   |  4 | crp     | 2024-01-10 |     7 | mg/L
alive       |  5 | crp     | 2024-01-10 |     7 | mg/L
"""


def test_deaths(tmp_path):
    done = run(tmp_path, read_cdm(measurement=AFTER, death=DEATH))
    assert done.numbers("crp") == dict.fromkeys(done.cdm.persons) | {"alive": (7.0, 5)}
    assert counts(done) == {
        "n_record_after_death": 4,  # 3, 4, and the diagnosis of 2020 of the last two
        "n_death_contradicted": 3,
        "n_death_before_birth": 1,
        "n_deaths_of_two_dates": 1,
    }
    assert said(done, "their death", "their birth", "dates of death") == [
        "1 person(s) of the cohort have several dates of death; the earliest counts",
        "3 person(s) of the cohort (50.0%) have records more than 60 days after their death; they "
        "count as deceased and are not scored",
        "1 person(s) of the cohort (16.7%) have a death dated before their birth; they count as "
        "deceased and are not scored",
    ]
