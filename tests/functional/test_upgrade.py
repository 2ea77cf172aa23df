"""Results of an earlier release are migrated in place and stay what readers see."""

import re
from contextlib import closing
from datetime import date, datetime

import pytest

from omop_scorer import sql
from omop_scorer.config.run_file import RunConfig
from omop_scorer.results import schema as results_schema
from omop_scorer.stores import open_store
from tests.functional.test_descriptions import assert_described
from tests.support.command_line import Site, in_files_and_on_a_server

OLD_RUN, OLD_NIGHT, PERSON = 2025070100000000, date(2025, 7, 1), 77
ROWS = {
    "schema_version": [(1, "0.1.0", datetime(2025, 7, 1))],
    "scoring_run": [
        (
            *(OLD_RUN, OLD_NIGHT, datetime(2025, 7, 1), "0.1.0", "duckdb", "crohns_srs_2025"),
            *("a" * 64, "b" * 64, "c" * 64, "bootstrap", "CDM", "5.4", date(2025, 6, 30)),
            *("v5", "{}"),
        )
    ],
    "scoring_run_status": [
        (OLD_RUN, "RUNNING", datetime(2025, 7, 1), None, None, None),
        (OLD_RUN, "COMPLETE", datetime(2025, 7, 1, 0, 1), 40, 1, None),
    ],
    "attrition": [(OLD_RUN, 1, "crohns_disease", 40, 0), (OLD_RUN, 2, "deceased", 1, 39)],
    "patient_covariate": [
        (
            *(OLD_RUN, PERSON, "crp", 4.0, "observed", "measurement", 5, 3020460),
            *(date(2025, 6, 1), 4.0, "mg/L"),
        )
    ],
    "counterfactual": [
        (OLD_RUN, PERSON, key, 30.0 - i, 5.0, 70.0, 0.3, i + 1)
        for i, key in enumerate(("anti_tnf", "anti_il12_23", "anti_integrin"))
    ],
    "patient_subgroup": [
        (
            *(OLD_RUN, PERSON, "(TNF = IL = INT)", "anti_tnf", "anti_il12_23", "anti_integrin"),
            *(0.5, 0.6, 0.3, False, 40.0, 45, True, 0, True),
        )
    ],
}

#: How many columns later versions added to a table.
ADDED = {"scoring_run": 2, "scoring_run_status": 1, "patient_subgroup": 3, "patient_covariate": 4}

VIEWS = (
    *("latest_run", "latest_attrition", "latest_patient_covariate", "latest_counterfactual"),
    *("latest_treatment_line", "latest_concept_set_member", "latest_covariate_quality"),
    "latest_score",
)


@pytest.fixture
def old(site: Site) -> Site:
    """A site whose results were made by the first version of the schema."""
    old = site.fresh()
    old.make_results_schema()
    for name in ("results/migrations/0001_tables", "results/views"):
        statements = sql.find(name).render("duckdb", {"results": (None, old.results_schema)})
        old.write(*(first_version(each) for each in statements if is_of_first_version(each)))
    old.write(
        "CREATE TABLE schema_version (version INTEGER NOT NULL, "
        "tool_version VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    for table, rows in ROWS.items():
        for row in rows:
            old.write(f"INSERT INTO {table} VALUES ({', '.join(map(literal, row))})")
    return old


def is_of_first_version(statement: str) -> bool:
    """Tell whether a statement makes a table, or one of the views there were in the beginning."""
    view = re.match(r"CREATE OR REPLACE VIEW \S+\.(\w+)", statement)
    return view is None or view[1] in VIEWS


def first_version(statement: str) -> str:
    """Return a statement without the columns that a later version added to a view."""
    later = (
        r"r\.(cdm_snapshot|cdm_last_date)|s\.(preference_group|ruled_out_class|subgroup_analytic)"
    )
    return re.sub(rf",\s*({later})", "", statement)


def literal(value: object) -> str:
    """Return a value as SQL has it."""
    if value is None or isinstance(value, bool | int | float):
        return "NULL" if value is None else str(value)
    return f"'{value}'"


@in_files_and_on_a_server
def test_a_run_migrates_the_schema_and_keeps_what_was_there(old: Site) -> None:
    seen = old.rows("FROM latest_score")
    assert len(seen) == 1
    finished = old.run("--as-of", "2025-06-15")
    assert finished.returncode == 0, finished.stderr
    versions = old.rows("SELECT version FROM schema_version ORDER BY version")
    assert versions == [(n,) for n in range(1, len(results_schema.migrations()) + 1)]
    # The night of the old run is the later one, so it is still the answer.
    assert old.rows("SELECT run_id, as_of_date, n_scored FROM latest_run") == [
        (OLD_RUN, OLD_NIGHT, 1)
    ]
    assert old.rows("SELECT person_id, subgroup, anti_tnf_effect FROM latest_score") == [
        (PERSON, "(TNF = IL = INT)", 30.0)
    ]
    assert old.rows("FROM latest_score") == [(*row, None, None, None) for row in seen]
    for table, rows in ROWS.items():
        if table != "schema_version":
            added = (None,) * ADDED.get(table, 0)
            found = old.rows(f"FROM {table} WHERE run_id = {OLD_RUN}")
            assert found == [(*row, *added) for row in rows]
    assert old.rows("FROM latest_prevalence") == []
    wide = old.rows("SELECT person_id, crp, anti_tnf_effect, race, is_exposed FROM latest_patient")
    assert wide == [(PERSON, 4.0, 30.0, None, None)]
    assert old.rows("FROM subgroup_change") == []
    assert_described(old)
    assert old.rows("FROM cohort") == []


@pytest.mark.parametrize("version", range(1, len(results_schema.migrations())))
def test_every_older_version_is_migrated_and_keeps_its_rows(site: Site, version: int) -> None:
    older = site.fresh()
    older.make_results_schema()
    where = {"results": (None, older.results_schema)}
    for name in results_schema.migrations()[:version]:
        older.write(*sql.find(name).render("duckdb", where))
    older.write(
        "CREATE TABLE schema_version (version INTEGER NOT NULL, "
        "tool_version VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)",
        *(
            f"INSERT INTO schema_version VALUES ({n}, '0', '2025-07-01')"
            for n in range(1, version + 1)
        ),
    )
    kept = {table: rows for table, rows in ROWS.items() if table != "schema_version"}
    for table, rows in kept.items():
        n_columns = len(older.rows(f"DESCRIBE {table}"))
        for row in rows:
            padded = (*row, *(None,) * (n_columns - len(row)))
            older.write(f"INSERT INTO {table} VALUES ({', '.join(map(literal, padded))})")
    config = {"cdm": {"url": "none"}, "results": {"url": str(older.results)}}
    with closing(open_store(RunConfig.model_validate(config).connections)) as store:
        results_schema.migrate(store)
    for table, rows in kept.items():
        added = (None,) * ADDED.get(table, 0)
        assert older.rows(f"FROM {table}") == [(*row, *added) for row in rows]
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE schema_name = 'omop_scorer' ORDER BY ALL"
    )
    assert older.rows(columns) == site.rows(columns)
    assert_described(older)
    assert older.rows("SELECT person_id, subgroup FROM latest_score") == [
        (PERSON, "(TNF = IL = INT)")
    ]
    for table in ("index_treatment", "covariate_input", "patient_attribute"):
        assert older.rows(f"FROM latest_{table}") == []


def test_runs_of_an_earlier_release_are_listed_before_the_migration(old: Site) -> None:
    listed = old.run(command="runs")
    assert listed.returncode == 0, listed.stderr
    assert str(OLD_RUN) in listed.stdout


@in_files_and_on_a_server
def test_a_report_of_a_run_without_audits_says_what_it_lacks(old: Site) -> None:
    assert old.run("--as-of", "2025-06-15").returncode == 0
    target = old.folder / "report.html"
    done = old.run("-o", target, command="report")
    assert done.returncode == 0, done.stderr
    assert str(OLD_RUN) in target.read_text(encoding="utf-8")
