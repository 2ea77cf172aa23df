"""Sex: male 1, female 0, as the person's gender concept says; any other is not scored."""

from tests.support.spec import read_cdm, run

PERSON = """
case           |  gender | year | month | day
man            |    8507 | 1980 |     6 |  15
woman          |    8532 | 1980 |     6 |  15
unknown        |    8551 | 1980 |     6 |  15
other          | 2000061 | 1980 |     6 |  15
no concept     |       0 | 1980 |     6 |  15
NULL           |         | 1980 |     6 |  15
below male     |    4077 | 1980 |     6 |  15
race in gender |    8527 | 1980 |     6 |  15
"""
# Exact concepts: what a vocabulary puts below MALE says nothing.
CONCEPT_ANCESTOR = """
above | below
8507  |  8507
8507  |  4077
"""
EXPECTED = {
    "man": (1.0, 8507),
    "woman": (0.0, 8532),
    "unknown": None,
    "other": None,
    "no concept": None,
    "NULL": None,
    "below male": None,
    "race in gender": None,
}


def test_male(tmp_path):
    cdm = read_cdm(person=PERSON, concept_ancestor=CONCEPT_ANCESTOR)
    done = run(tmp_path, cdm)
    assert done.covariate("male") == {
        case: value
        and (value[0], "observed", "person", cdm.persons[case], value[1], None, None, None)
        for case, value in EXPECTED.items()
    }
    assert done.by_case("SELECT person_id, is_male FROM patient_subgroup") == {
        case: [(value[0] == 1,)] if value else [] for case, value in EXPECTED.items()
    }
