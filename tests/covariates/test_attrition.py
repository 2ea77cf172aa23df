"""Who of the cohort is not scored, and for which reason, each counted on what was left."""

from tests.support.spec import read_cdm, run

PERSON = """
case                    | gender | year | month | day
scored                  | female | 1980 |     6 |  15
scored man              | male   | 1980 |     6 |  15
year unknown            | female |      |     6 |  15
year and sex unknown    | 8551   |      |     6 |  15
year unknown, dead      | female |      |       |
sex 8551                | 8551   | 1980 |     6 |  15
sex 0                   | 0      | 1980 |     6 |  15
sex NULL                |        | 1980 |     6 |  15
sex unknown, dead       | 0      | 1980 |     6 |  15
sex unknown, child      | 0      | 2020 |     6 |  15
died on the as-of date  | female | 1980 |     6 |  15
died the day before     | female | 1980 |     6 |  15
dies the day after      | female | 1980 |     6 |  15
died, date unknown      | female | 1980 |     6 |  15
two deaths, one to come | female | 1980 |     6 |  15
two deaths to come      | female | 1980 |     6 |  15
dead child              | female | 2020 |     6 |  15
17 until tomorrow       | female | 2006 |     3 |   2
18 today                | female | 2006 |     3 |   1
99 until tomorrow       | female | 1924 |     3 |   2
100 today               | female | 1924 |     3 |   1
no disease, dead        | female | 1980 |     6 |  15
"""
DEATH = """
case                    |       date
year unknown, dead      | 2021-01-01
sex unknown, dead       | 2021-01-01
died on the as-of date  | 2024-03-01
died the day before     | 2024-02-29
dies the day after      | 2024-03-02
died, date unknown      |
two deaths, one to come | 2024-03-02
                        | 2024-02-01
two deaths to come      | 2024-03-02
                        | 2024-03-03
dead child              | 2021-01-01
no disease, dead        | 2021-01-01
"""
CONDITION = "\n".join(
    ["case | id | concept | date"]
    + [
        f"{case} | {number} | crohns | 2020-01-01"
        for number, case in enumerate(
            [line.split("|")[0] for line in PERSON.strip().splitlines()[1:-1]] + ["no person row"],
            start=1,
        )
    ]
)
SCORED = {
    "scored",
    "scored man",
    "dies the day after",
    "died, date unknown",
    "two deaths to come",
    "18 today",
    "99 until tomorrow",
}
ATTRITION = [
    (1, "crohns_disease", 22, 0),  # 21 of the 22 persons, and one without a person row
    (2, "year_of_birth_unknown", 18, 4),  # the three, and the one without a person row
    (3, "sex_unknown", 13, 5),  # 8551, 0, NULL, and two with a later reason besides
    (4, "deceased", 9, 4),  # as-of date, day before, one of two, child
    (5, "age_out_of_range", 7, 2),  # 17 and 100
]


def test_attrition(tmp_path):
    cdm = read_cdm(diagnosed=False, condition_occurrence=CONDITION, person=PERSON, death=DEATH)
    without = cdm.persons["no person row"]
    cdm.tables["person"] = [p for p in cdm.tables["person"] if p["person_id"] != str(without)]
    done = run(tmp_path, cdm)
    query = "SELECT step, reason, n_persons, n_excluded FROM attrition ORDER BY step"
    assert done.rows(query) == ATTRITION
    for covariate in ("age", "male", "crp", "steroid", "ileal"):
        found = done.covariate(covariate)
        assert {case for case, answer in found.items() if answer} == SCORED, covariate
    for table in ("patient_subgroup", "counterfactual"):
        rows = done.by_case(f"SELECT person_id, run_id FROM {table}")
        assert {case for case, found in rows.items() if found} == SCORED, table
    status = done.rows(
        "SELECT n_cohort, n_scored FROM scoring_run_status WHERE status = 'COMPLETE'"
    )
    assert status == [(22, 7)]
