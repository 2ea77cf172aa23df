"""Treatment lines: per person of the cohort and drug the first exposure, in the order of dates."""

from tests.support.spec import read_cdm, run

# 19041065 golimumab, 1151789 etanercept, 35891916 filgotinib, 1593700 guselkumab, 37499437
# ozanimod, 1511348 risankizumab, 45892883 secukinumab, 35200139 tildrakizumab, 42904205
# tofacitinib, 1361580 upadacitinib; etrasimod and mirikizumab are found by name.
DRUG_EXPOSURE = """
case                   | id | concept      |      start |        end
first of each drug     |  1 | infliximab   | 2020-03-01 |
                       |  2 | infliximab   | 2019-03-01 | 2023-01-01
                       |  3 | ustekinumab  | 2021-01-01 |
                       |  4 | infliximab   | 2022-01-01 |
                       |  5 | vedolizumab  | 2018-01-01 |
the six on one day     |  6 | vedolizumab  | 2020-01-01 |
                       |  7 | natalizumab  | 2020-01-01 |
                       |  8 | ustekinumab  | 2020-01-01 |
                       |  9 | certolizumab | 2020-01-01 |
                       | 10 | infliximab   | 2020-01-01 |
                       | 11 | adalimumab   | 2020-01-01 |
others on one day      | 12 | 1361580      | 2020-01-01 |
                       | 13 | 42904205     | 2020-01-01 |
                       | 14 | 35200139     | 2020-01-01 |
                       | 15 | 45892883     | 2020-01-01 |
                       | 16 | 1511348      | 2020-01-01 |
                       | 17 | 37499437     | 2020-01-01 |
                       | 18 | 2000052      | 2020-01-01 |
                       | 19 | 1593700      | 2020-01-01 |
                       | 20 | 19041065     | 2020-01-01 |
                       | 21 | 35891916     | 2020-01-01 |
                       | 22 | 2000051      | 2020-01-01 |
                       | 23 | 1151789      | 2020-01-01 |
                       | 24 | vedolizumab  | 2020-01-01 |
other before biologic  | 25 | 42904205     | 2019-12-31 |
                       | 26 | adalimumab   | 2020-01-01 |
on the as-of date      | 27 | adalimumab   | 2024-03-01 |
the day after          | 28 | adalimumab   | 2024-03-02 |
biosimilar and product | 29 | 2000011      | 2020-01-01 |
                       | 30 | infliximab   | 2021-01-01 |
certolizumab's twin    | 31 | 36857573     | 2020-01-01 |
                       | 32 | certolizumab | 2021-01-01 |
product of other       | 33 | 2000053      | 2020-01-01 |
none of them           | 34 | prednisone   | 2020-01-01 |
                       | 35 | azathioprine | 2020-01-01 |
                       | 36 | 0            | 2020-01-01 |
not standard           | 41 | 2000054      | 2020-01-01 |
no start               | 37 | adalimumab   |            |
dead                   | 38 | adalimumab   | 2020-01-01 |
sex unknown            | 39 | infliximab   | 2020-01-01 |
not in the cohort      | 40 | infliximab   | 2020-01-01 |
"""
PERSON = """
case        | gender | year
sex unknown |   8551 | 1980
"""
DEATH = """
case |       date
dead | 2022-01-01
"""
CONCEPT_ANCESTOR = """
above    |   below
937368   | 2000011
42904205 | 2000053
"""
CONCEPT = """
id      | name        | vocabulary | class      | standard | code
2000051 | Etrasimod   | RxNorm     | Ingredient | S        |    1
2000052 | mirikizumab | RxNorm     | Ingredient | S        |    2
2000054 | mirikizumab | RxNorm     | Ingredient |          |    3
"""
OTHER = "other_advanced"
EXPECTED = {
    "first of each drug": [
        ("2018-01-01", "vedolizumab", "anti_integrin"),
        ("2019-03-01", "infliximab", "anti_tnf"),
        ("2021-01-01", "ustekinumab", "anti_il12_23"),
    ],
    "the six on one day": [  # in the order of the model's list
        ("2020-01-01", "adalimumab", "anti_tnf"),
        ("2020-01-01", "infliximab", "anti_tnf"),
        ("2020-01-01", "certolizumab pegol", "anti_tnf"),
        ("2020-01-01", "ustekinumab", "anti_il12_23"),
        ("2020-01-01", "natalizumab", "anti_integrin"),
        ("2020-01-01", "vedolizumab", "anti_integrin"),
    ],
    "others on one day": [("2020-01-01", "vedolizumab", "anti_integrin")]  # one of the six first
    + [
        ("2020-01-01", drug, OTHER)  # by name
        for drug in (
            "etanercept",
            "etrasimod",
            "filgotinib",
            "golimumab",
            "guselkumab",
            "mirikizumab",
            "ozanimod",
            "risankizumab",
            "secukinumab",
            "tildrakizumab",
            "tofacitinib",
            "upadacitinib",
        )
    ],
    "other before biologic": [
        ("2019-12-31", "tofacitinib", OTHER),
        ("2020-01-01", "adalimumab", "anti_tnf"),
    ],
    "on the as-of date": [("2024-03-01", "adalimumab", "anti_tnf")],
    "the day after": [],
    "biosimilar and product": [("2020-01-01", "infliximab", "anti_tnf")],
    "certolizumab's twin": [("2020-01-01", "certolizumab pegol", "anti_tnf")],
    "product of other": [("2020-01-01", "tofacitinib", OTHER)],
    "none of them": [],
    "not standard": [],  # of the name, but not the ingredient that records are mapped to
    "no start": [],
    "dead": [("2020-01-01", "adalimumab", "anti_tnf")],  # not scored, but of the cohort
    "sex unknown": [("2020-01-01", "infliximab", "anti_tnf")],
    "not in the cohort": [],
}


def test_treatment_line(tmp_path):
    cdm = read_cdm(
        drug_exposure=DRUG_EXPOSURE,
        person=PERSON,
        death=DEATH,
        concept_ancestor=CONCEPT_ANCESTOR,
        concept=CONCEPT,
    )
    stranger = str(cdm.persons["not in the cohort"])
    disease = cdm.tables["condition_occurrence"]
    cdm.tables["condition_occurrence"] = [r for r in disease if r["person_id"] != stranger]
    done = run(tmp_path, cdm)
    query = (
        "SELECT person_id, line_number, CAST(start_date AS VARCHAR), drug, drug_class "
        "FROM treatment_line ORDER BY person_id, line_number"
    )
    assert done.by_case(query) == {
        case: [(number, *line) for number, line in enumerate(lines, start=1)]
        for case, lines in EXPECTED.items()
    }


# 2023-09-03 is 180 days before the as-of date, 2024-03-01.
LATEST = """
case                     | id | concept    |      start |        end |       days
in use by its end        |  1 | adalimumab | 2022-01-01 | 2023-09-03 |
a day too early          |  2 | adalimumab | 2022-01-01 | 2023-09-02 |
in use by its supply     |  3 | adalimumab | 2023-06-01 |            |         95
a day of supply short    |  4 | adalimumab | 2023-06-01 |            |         94
the later of the two     |  5 | adalimumab | 2023-06-01 | 2023-12-31 |         94
ends later               |  6 | adalimumab | 2023-01-01 | 2025-01-01 |
supply beyond years      |  7 | adalimumab | 2023-01-01 |            | 2147483647
end before the start     |  8 | adalimumab | 2023-12-01 | 2023-01-01 |         -5
no supply                |  9 | adalimumab | 2020-05-05 |            |          0
the longest is not last  | 10 | adalimumab | 2020-01-01 | 2023-12-31 |
                         | 11 | adalimumab | 2023-06-01 |            |
on the as-of date        | 12 | adalimumab | 2024-03-01 | 2024-05-01 |
the day after            | 13 | adalimumab | 2021-01-01 |            |
                         | 14 | adalimumab | 2024-03-02 |            |
another drug             | 15 | adalimumab | 2021-01-01 |            |
                         | 16 | infliximab | 2024-02-01 |            |
"""
#: Latest start, last day covered, and whether the drug is in use.
EXPECTED_LATEST = {
    "in use by its end": [("2022-01-01", "2023-09-03", True)],
    "a day too early": [("2022-01-01", "2023-09-02", False)],
    "in use by its supply": [("2023-06-01", "2023-09-03", True)],
    "a day of supply short": [("2023-06-01", "2023-09-02", False)],
    "the later of the two": [("2023-06-01", "2023-12-31", True)],
    "ends later": [("2023-01-01", "2024-03-01", True)],
    "supply beyond years": [("2023-01-01", "2024-03-01", True)],
    "end before the start": [("2023-12-01", "2023-12-01", True)],
    "no supply": [("2020-05-05", "2020-05-05", False)],
    "the longest is not last": [("2023-06-01", "2023-12-31", True)],
    "on the as-of date": [("2024-03-01", "2024-03-01", True)],
    "the day after": [("2021-01-01", "2021-01-01", False)],
    "another drug": [("2021-01-01", "2021-01-01", False), ("2024-02-01", "2024-02-01", True)],
}


def test_the_latest_exposure_of_each_line(tmp_path):
    done = run(tmp_path, read_cdm(drug_exposure=LATEST))
    query = (
        "SELECT person_id, CAST(last_start_date AS VARCHAR), CAST(last_exposure_date AS VARCHAR), "
        "is_current FROM treatment_line ORDER BY person_id, line_number"
    )
    assert done.by_case(query) == EXPECTED_LATEST
