"""Days that stand for "long ago" and "never": one answer whatever wrote them, and counted."""

from datetime import date

import pytest

from tests.support.spec import read_cdm, run_from

DRUGS = """
case         | id | concept    |         start |        end
year 1       |  1 | infliximab |    0001-01-01 |
1753         |  2 | infliximab |    1753-01-01 |
before birth |  3 | infliximab |    1980-06-14 |
birthday     |  4 | infliximab |    1980-06-15 |
long ago     |  5 | infliximab |     -infinity |
before year  |  6 | infliximab | 0044-03-15 BC |
year 12345   |  7 | infliximab |   12345-01-01 |
never        |  8 | infliximab |      infinity |
no day       |  9 | infliximab |               |
pills        | 10 | prednisone | 0044-03-15 BC | 2024-02-20
             | 11 | prednisone |    2024-02-01 |   infinity
index day    | 12 | infliximab |    2024-03-01 |
"""
ILEUM = """
case       | id | concept |      date
long ago   |  1 | 4244235 | -infinity
never      |  2 | 4244235 |  infinity
no day     |  3 | 4244235 |
year 12345 |  4 | 4244235 | 2020-01-01
"""
DEATH = """
case     |       date
1753     | 9999-12-31
birthday |  -infinity
year 1   |   infinity
"""
RELEASE = """
name | version | released
site | 5.4     | infinity
"""
STARTS = {
    "year 1": date(1, 1, 1),
    "1753": date(1753, 1, 1),
    "before birth": date(1980, 6, 14),
    "long ago": date(1, 1, 1),
    "before year": date(1, 1, 1),
}
COUNTED = {
    "n_implausible_start": 6,  # the five, and pills 10
    "n_long_exposure": 2,  # pills 10 and 11
    "n_death_before_birth": 1,  # birthday
    "n_death_contradicted": 1,  # birthday: its diagnosis of 2020, and drug 4
    "n_record_after_death": 2,
    "n_records_without_date:drug_exposure": 1,
}
LAYOUTS = {
    "duckdb": ("duckdb", {}),
    "texts": ("duckdb", {"types": {"DATE": "VARCHAR"}}),
    "csv": ("duckdb", {"files": "csv"}),
    "parquet": ("duckdb", {"files": "parquet"}),
    "moments": ("duckdb", {"types": {"DATE": "TIMESTAMP"}}),
    "sqlite": ("sqlite", {}),
    "postgresql": ("postgresql", {}),
    "moments of postgresql": ("postgresql", {"types": {"DATE": "TIMESTAMP"}}),
    "texts of postgresql": ("postgresql", {"types": {"DATE": "VARCHAR"}}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_days_outside_the_calendar(tmp_path, layout):
    source, kept = LAYOUTS[layout]
    drugs = DRUGS
    if source == "duckdb" and layout != "texts":
        drugs = drugs.replace("0044-03-15 BC", "0044-03-15 (BC)")
    cdm = read_cdm(drug_exposure=drugs, condition_occurrence=ILEUM, death=DEATH, cdm_source=RELEASE)
    done = run_from(source, tmp_path, cdm, **kept)
    lines = done.by_case("SELECT person_id, start_date FROM treatment_line")
    assert {case: start for case, found in lines.items() for (start,) in found} == {
        **STARTS,
        "birthday": date(1980, 6, 15),
        "index day": date(2024, 3, 1),
    }
    prior = {case: answer for case, answer in done.covariate("prior_anti_tnf").items() if answer}
    assert {case: answer[5] for case, answer in prior.items() if answer[0]} == STARTS
    assert {case for case, answer in prior.items() if answer[1] == "absent"} == {
        *("year 12345", "never", "no day", "pills", "index day"),
    }
    assert done.covariate("steroid")["pills"][3] == 11
    ileal = {case: answer for case, answer in done.covariate("ileal").items() if answer}
    assert {case: answer[5] for case, answer in ileal.items() if answer[0]} == {
        "long ago": date(1, 1, 1),
        "year 12345": date(2020, 1, 1),
    }
    counted = done.rows(
        "SELECT measure, n FROM covariate_quality WHERE covariate = 'crohns_disease'"
    )
    assert {measure: n for measure, n in counted if n} == COUNTED
    assert done.rows("SELECT cdm_release_date FROM scoring_run") == [(None,)]
    assert done.uncastable() == {}
