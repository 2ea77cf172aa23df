"""Who has Crohn's disease: the concept or a descendant up to the as-of date, and refinements."""

import pytest

from omop_scorer.errors import CdmError
from tests.support.spec import read_cdm, run

# 195585 and 2000041 are descendants, 2000043 is an ancestor, 46269889 a complication beside it,
# 81893 ulcerative colitis and 2000042 below that.
CONDITION = """
case                  | id |  concept |       date
the concept itself    |  1 |   201606 | 2020-01-01
on the as-of date     |  2 |   201606 | 2024-03-01
the day after         |  3 |   201606 | 2024-03-02
no date               |  4 |   201606 |
child                 |  5 |   195585 | 2020-01-01
grandchild            |  6 |  2000041 | 2020-01-01
parent                |  7 |  2000043 | 2020-01-01
complication          |  8 | 46269889 | 2020-01-01
perianal              |  9 |  4340812 | 2020-01-01
another disease       | 10 |    81893 | 2020-01-01
no concept            | 11 |        0 | 2020-01-01
concept NULL          | 12 |          | 2020-01-01
two days              | 13 |   201606 | 2020-01-01
                      | 14 |   195585 | 2020-01-02
one day twice         | 15 |   201606 | 2020-01-01
                      | 16 |   195585 | 2020-01-01
second day to come    | 17 |   201606 | 2020-01-01
                      | 18 |   201606 | 2024-03-02
second day of another | 19 |   201606 | 2020-01-01
                      | 20 |    81893 | 2020-01-02
colitis too           | 21 |   201606 | 2020-01-01
                      | 22 |  2000042 | 2019-01-01
colitis on the as-of  | 23 |   201606 | 2020-01-01
                      | 24 |    81893 | 2024-03-01
colitis to come       | 25 |   201606 | 2020-01-01
                      | 26 |    81893 | 2024-03-02
colitis, not scored   | 27 |   201606 | 2020-01-01
                      | 28 |    81893 | 2020-01-01
"""
DEATH = """
case                |       date
colitis, not scored | 2021-01-01
"""
CONCEPT_ANCESTOR = """
above   |   below
2000043 |  201606
201606  |  195585
201606  | 2000041
195585  | 2000041
81893   | 2000042
"""
ALL = {
    "the concept itself",  # no row to itself in concept_ancestor
    "on the as-of date",
    "child",
    "grandchild",
    "two days",
    "one day twice",
    "second day to come",
    "second day of another",
    "colitis too",
    "colitis on the as-of",
    "colitis to come",
    "colitis, not scored",
}
# Not the one to come.
WITH_COLITIS = {
    "second day of another",
    "colitis too",
    "colitis on the as-of",
    "colitis, not scored",
}
RULES = [
    ({}, ALL),
    ({"extra_concept_ids": [46269889, 4340812]}, ALL | {"complication", "perianal"}),
    ({"concept_ids": [195585]}, {"child", "grandchild", "two days", "one day twice"}),
    ({"minimum_distinct_days": 2}, {"two days"}),
    ({"exclude_concept_sets": ["ulcerative_colitis"]}, ALL - WITH_COLITIS),
]


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_cohort(tmp_path, rule, expected):
    cdm = read_cdm(
        diagnosed=False,
        condition_occurrence=CONDITION,
        death=DEATH,
        concept_ancestor=CONCEPT_ANCESTOR,
    )
    done = run(tmp_path, cdm, {"cohort": rule})
    scored = {case for case, answer in done.covariate("age").items() if answer}
    assert scored == expected - {"colitis, not scored"}
    first = done.rows("SELECT step, n_persons, n_excluded FROM attrition ORDER BY step")[0]
    assert first == (1, len(expected), 0)
    # Who has colitis too is counted whether excluded or not, scored or not.
    query = "SELECT measure, n FROM covariate_quality WHERE covariate = 'crohns_disease'"
    counts = dict(done.rows(query))
    is_excluded = "exclude_concept_sets" in rule
    assert counts["n_excluded_condition"] == (len(WITH_COLITIS) if is_excluded else 0)
    if expected == ALL or is_excluded:
        assert counts["n_with_ulcerative_colitis"] == len(WITH_COLITIS)


def test_nobody_is_in_the_cohort_of_an_empty_cdm(tmp_path):
    done = run(tmp_path, read_cdm())
    assert done.rows("SELECT step, n_persons, n_excluded FROM attrition ORDER BY step") == [
        (step, 0, 0) for step in range(1, 6)
    ]
    assert done.rows("SELECT COUNT(*) FROM patient_covariate") == [(0,)]


def test_a_person_twice_is_refused_in_the_cohort_alone(tmp_path):
    persons = """
    case  | gender | year
    twice | female | 1980
          | male   | 1980
    once  | female | 1980
    """
    disease = """
    case | id | concept |       date
    once |  1 | crohns  | 2020-01-01
    """
    cdm = read_cdm(diagnosed=False, person=persons, condition_occurrence=disease)
    done = run(tmp_path, cdm)
    assert {case for case, answer in done.covariate("age").items() if answer} == {"once"}
    with pytest.raises(CdmError, match=r"^person: 1 person\(s\) of the cohort have more than one"):
        run(tmp_path, read_cdm(person=persons, condition_occurrence=disease))
