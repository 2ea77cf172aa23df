"""Records by a mapping, and by their source concept: which count, where, and what is counted."""

import pytest

from tests.support.spec import ABSENT, PULLED, Record, imputed, read_cdm, run, run_from


def yes(exposure: int) -> Record:
    return Record(1, "drug_exposure", exposure)


# 2000011 is an infliximab of today. The others are old concepts; (S) is standard, (D) not valid.
CONCEPT = """
id      | name             | standard | invalid
937368  | infliximab       | S        |
2000011 | infliximab       | S        |
2000021 | replaced         |          | D
2000022 | not standard     |          |
2000023 | first of a chain |          | U
2000024 | its second       |          | D
2000025 | of a circle      |          | D
2000026 | of a circle      |          | D
2000027 | valid, standard  | 'S '     | ' '
2000028 | standard, not valid | S     | D
2000029 | invalid mapping  |          | D
2000030 | other relation   |          | D
2000031 | the other way    |          | D
2000032 | maps elsewhere   |          | D
2000033 | endless circle   |          | D
2000036 | classification   | C        |
2000037 | two ends         |          |
"""
CONCEPT_RELATIONSHIP = """
one     | relationship        | two     | invalid
937368  | Maps to             | 937368  |
2000021 | Concept replaced by | 2000011 |
2000022 | Maps to             | 2000011 | ''
2000023 | Concept replaced by | 2000024 |
2000024 | Maps to             | 2000011 | ' '
2000025 | Concept replaced by | 2000026 |
2000026 | Concept replaced by | 2000025 |
2000026 | Maps to             | 937368  |
2000027 | Maps to             | 937368  |
2000028 | Maps to             | 937368  |
2000029 | Maps to             | 937368  | D
2000030 | Mapped from         | 937368  |
937368  | Maps to             | 2000031 |
2000032 | Maps to             | 1119    |
2000033 | Maps to             | 2000033 |
2000035 | Maps to             | 937368  |
2000036 | Maps to             | 937368  |
2000037 | Maps to             | 1119    |
2000037 | Maps to             | 937368  |
0       | Maps to             | 937368  |
"""
CONCEPT_ANCESTOR = """
above   |   below
937368  | 2000011
"""
DRUG_EXPOSURE = """
case                         | id | concept | source  |      start
a member                     |  1 | 2000011 |         | 2023-01-01
replaced                     |  2 | 2000021 |         | 2023-01-01
not standard                 |  3 | 2000022 |         | 2023-01-01
first of a chain             |  4 | 2000023 |         | 2023-01-01
of a circle                  |  5 | 2000025 |         | 2023-01-01
valid and standard           |  6 | 2000027 |         | 2023-01-01
standard, but not valid      |  7 | 2000028 |         | 2023-01-01
invalid mapping              |  8 | 2000029 |         | 2023-01-01
another relation             |  9 | 2000030 |         | 2023-01-01
the other way                | 10 | 2000031 |         | 2023-01-01
maps elsewhere               | 11 | 2000032 |         | 2023-01-01
endless circle               | 12 | 2000033 |         | 2023-01-01
not in the vocabulary        | 13 | 2000035 |         | 2023-01-01
classification               | 14 | 2000036 |         | 2023-01-01
one of two ends              | 15 | 2000037 |         | 2023-01-01
source is a member           | 16 | 0       | 2000011 | 2023-01-01
source is the ingredient     | 17 |         | 937368  | 2023-01-01
source is mapped             | 18 | 0       | 2000023 | 2023-01-01
source valid and standard    | 19 | 0       | 2000027 | 2023-01-01
source is 0                  | 20 | 0       | 0       | 2023-01-01
source is missing            | 21 |         |         | 2023-01-01
source of a known concept    | 22 | 1503297 | 2000011 | 2023-01-01
mapped, on the index date    | 23 | 2000021 |         | 2024-03-01
source, after the index date | 24 | 0       | 2000021 | 2024-03-02
mapped, without a date       | 25 | 2000021 |         |
the later one counts         | 26 | 2000011 |         | 2022-01-01
                             | 27 | 2000021 |         | 2023-01-01
"""
CDM = {
    "concept": CONCEPT,
    "concept_relationship": CONCEPT_RELATIONSHIP,
    "concept_ancestor": CONCEPT_ANCESTOR,
    "drug_exposure": DRUG_EXPOSURE,
}
COUNTING = {
    **{"replaced": 2, "not standard": 3, "first of a chain": 4, "of a circle": 5},
    **{"standard, but not valid": 7, "not in the vocabulary": 13, "classification": 14},
    **{"one of two ends": 15, "source is a member": 16, "source is the ingredient": 17},
    **{"source is mapped": 18, "the later one counts": 27},
}
#: Counted, but not before the index date.
TODAY = ("mapped, on the index date",)


@pytest.mark.parametrize("mapping", ["follow", "exact"])
def test_drugs(tmp_path, mapping):
    cdm = read_cdm(**CDM)
    done = run(tmp_path, cdm, {"concept_mapping": mapping})
    expected = dict.fromkeys(cdm.persons, ABSENT) | {"a member": yes(1)}
    if mapping == "follow":
        expected |= {case: yes(exposure) for case, exposure in COUNTING.items()}
    else:
        expected |= {"the later one counts": yes(26)}
    assert done.covariate("prior_anti_tnf") == cdm.expect(expected)
    lines = done.by_case("SELECT person_id, drug FROM treatment_line")
    found = {case for case, rows in lines.items() if rows == [("infliximab",)]}
    followed = {*COUNTING, *TODAY} if mapping == "follow" else {"the later one counts"}
    assert found == {"a member", *followed}
    counted = dict(
        done.rows("SELECT measure, n FROM covariate_quality WHERE covariate = 'infliximab'")
    )
    assert counted == dict.fromkeys(("n_records_mapped", "n_persons_mapped"), len(COUNTING) + 1)
    warned = "biologic_anti_tnf (13 records of 13 persons)" in done.outcome.log
    assert warned == (mapping == "exact")


@pytest.mark.parametrize("source", PULLED)
def test_drugs_of_a_database(tmp_path, source):
    cdm = read_cdm(**CDM)
    done = run_from(source, tmp_path, cdm)
    expected = dict.fromkeys(cdm.persons, ABSENT) | {"a member": yes(1)}
    expected |= {case: yes(exposure) for case, exposure in COUNTING.items()}
    assert done.covariate("prior_anti_tnf") == cdm.expect(expected)


CONDITIONS = """
case                 | id | concept | source  |       date
a member             |  1 | 201606  |         | 2020-01-01
mapped               |  2 | 2000041 |         | 2020-01-01
by source            |  3 | 0       | 2000041 | 2020-01-01
source is a member   |  4 |         | 201606  | 2020-01-01
another concept      |  5 | 201826  | 201606  | 2020-01-01
mapped, too late     |  6 | 2000041 |         | 2024-03-02
mapped ileum         |  7 | 2000042 |         | 2021-01-01
                     |  8 | 201606  |         | 2020-01-01
ileum by source      |  9 | 0       | 2000042 | 2021-01-01
                     | 10 | 201606  |         | 2020-01-01
colitis by source    | 11 | 0       | 2000043 | 2021-01-01
                     | 12 | 201606  |         | 2020-01-01
"""
CONDITION_MAPPINGS = """
one     | relationship | two
2000041 | Maps to      | 201606
2000042 | Maps to      | 4244235
2000043 | Maps to      | 81893
"""


@pytest.mark.parametrize("source", ["duckdb", *PULLED])
@pytest.mark.parametrize("mapping", ["follow", "exact"])
def test_cohort_and_location(tmp_path, source, mapping):
    cdm = read_cdm(
        diagnosed=False,
        condition_occurrence=CONDITIONS,
        concept_relationship=CONDITION_MAPPINGS,
    )
    settings = {
        "concept_mapping": mapping,
        "cohort": {"exclude_concept_sets": ["ulcerative_colitis"]},
    }
    done = run_from(source, tmp_path, cdm, settings)
    unknown = imputed(0.0)
    follows = mapping == "follow"
    expected = {
        "a member": unknown,
        "mapped": unknown if follows else None,
        "by source": unknown if follows else None,
        "source is a member": unknown if follows else None,
        "another concept": None,
        "mapped, too late": None,
        "mapped ileum": Record(1, "condition_occurrence", 7) if follows else unknown,
        "ileum by source": Record(1, "condition_occurrence", 9) if follows else unknown,
        "colitis by source": None if follows else unknown,
    }
    assert done.covariate("ileal") == cdm.expect(expected)
    counted = done.rows(
        "SELECT covariate, measure, n FROM covariate_quality "
        "WHERE n > 0 AND measure LIKE '%_mapped' ORDER BY ALL"
    )
    # Of the disease itself, everybody's; of the others those of the cohort, which excludes colitis.
    colitis = [] if follows else [("ulcerative_colitis", "n_persons_mapped", 1)]
    colitis += [] if follows else [("ulcerative_colitis", "n_records_mapped", 1)]
    assert counted == [
        ("cd_ileal_definite", "n_persons_mapped", 2),
        ("cd_ileal_definite", "n_records_mapped", 2),
        ("crohns_disease", "n_persons_mapped", 3),
        ("crohns_disease", "n_records_mapped", 3),
        *colitis,
    ]


MEASUREMENT = """
case            | id | concept | source  |       date | value | unit
a member        |  1 | crp     |         | 2024-02-01 |     7 | mg/L
mapped          |  2 | 2000051 |         | 2024-02-01 |     7 | mg/L
by source       |  3 | 0       | 2000051 | 2024-02-01 |     7 | mg/L
source a member |  4 |         | crp     | 2024-02-01 |     7 | mg/L
excluded        |  5 | 3035320 |         | 2024-02-01 |     7 | mg/L
"""
# The set of CRP excludes 3035320, whatever it is mapped to.
MEASUREMENT_MAPPINGS = """
one     | relationship        | two
2000051 | Concept replaced by | crp
3035320 | Maps to             | crp
"""


@pytest.mark.parametrize("source", ["duckdb", *PULLED])
def test_measurements_without_a_standard_concept_are_only_counted(tmp_path, source):
    mappings = MEASUREMENT_MAPPINGS.replace("crp", "3020460")
    cdm = read_cdm(measurement=MEASUREMENT, concept_relationship=mappings)
    done = run_from(source, tmp_path, cdm)
    expected = dict.fromkeys(cdm.persons, imputed(10.0))
    expected |= {"a member": Record(7, "measurement", 1), "mapped": Record(7, "measurement", 2)}
    assert done.covariate("crp") == cdm.expect(expected)
    counted = dict(
        done.rows(
            "SELECT measure, n FROM covariate_quality "
            "WHERE covariate = 'crp' AND measure LIKE '%_mapped'"
        )
    )
    assert counted == {"n_records_mapped": 3, "n_persons_mapped": 3}
    assert "concept set: crp (2 records); they do not count" in done.outcome.log


STEROIDS = """
case                   | id | concept | source  |      start |        end
oral by its target     |  1 | 2000061 |         | 2024-02-20 | 2024-03-20
by source, oral target |  2 | 0       | 2000061 | 2024-02-20 | 2024-03-20
enema by its own form  |  3 | 2000062 |         | 2024-02-20 | 2024-03-20
always systemic        |  4 | 2000063 |         | 2024-02-20 | 2024-03-20
by form, no form       |  5 | 2000064 |         | 2024-02-20 | 2024-03-20
"""
STEROID_RELATIONS = """
one     | relationship         | two
2000061 | Maps to              | 2000071
2000062 | Maps to              | 2000071
2000063 | Maps to              | 1551099
2000064 | Maps to              | 939259
2000071 | RxNorm has dose form | 19082573
2000062 | RxNorm has dose form | 19082627
"""


@pytest.mark.parametrize("source", ["duckdb", *PULLED])
def test_a_mapped_corticosteroid_has_the_dose_forms_of_its_target(tmp_path, source):
    cdm = read_cdm(
        drug_exposure=STEROIDS,
        concept_relationship=STEROID_RELATIONS,
        concept_ancestor="above | below\n939259 | 2000071",
    )
    done = run_from(source, tmp_path, cdm)
    expected = {
        "oral by its target": yes(1),
        "by source, oral target": yes(2),
        "enema by its own form": ABSENT,
        "always systemic": yes(4),
        "by form, no form": ABSENT,
    }
    assert done.covariate("steroid") == cdm.expect(expected)
