"""The run, from a CDM to published answers, as a user starts it."""

import csv
import hashlib
import json
import re
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlglot

from omop_scorer import __version__, data_model
from omop_scorer.cdm.tables import TABLES
from omop_scorer.config import run_file as config
from omop_scorer.engines import open_engine
from omop_scorer.resources import shipped
from omop_scorer.synthetic import write as synthetic
from tests.support import truth_check
from tests.support.command_line import AS_OF, RUN_TABLES, Site, in_files_and_on_a_server

PERSONS = 6000
EARLIER = date(2024, 2, 29)
#: What servers call the types of the specification.
TYPES = {
    "double precision": "double",
    "character varying": "varchar",
    "text": "varchar",
    "timestamp without time zone": "timestamp",
}
SPECIFICATION = shipped("sql") / "results" / "results_data_model.csv"


@pytest.fixture(scope="module")
def big_site(tmp_path_factory: pytest.TempPathFactory, made_up) -> Site:
    """A large cohort, answered once."""
    folder = tmp_path_factory.mktemp("big")
    site = Site(folder, made_up(PERSONS), folder / "results.duckdb")
    before = sha256(site.cdm)
    finished = site.run()
    assert finished.returncode == 0, finished.stderr
    assert sha256(site.cdm) == before
    assert [path.name for path in site.cdm.parent.glob("cdm.duckdb*")] == ["cdm.duckdb"]
    return site


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def latest(site: Site) -> int:
    ((run_id,),) = site.rows("SELECT run_id FROM latest_run")
    return run_id


def differences(site: Site, truth: Path) -> list[str]:
    found = {name: table.to_pandas() for name, table in site.tables(latest(site)).items()}
    return truth_check.compare(truth, {name: pd.DataFrame(rows) for name, rows in found.items()})


def truth_of(cdm: Path) -> Path:
    return cdm.with_name("cdm.truth.parquet")


def test_the_truth_is_recovered_from_a_file(big_site: Site) -> None:
    assert differences(big_site, truth_of(big_site.cdm)) == []


@pytest.mark.parametrize(("as_of", "suffix"), [(EARLIER, ""), (AS_OF, "")])
def test_the_truth_is_recovered(tmp_path: Path, made_up, as_of: date, suffix: str) -> None:
    site = Site(tmp_path, made_up(PERSONS, as_of, suffix), tmp_path / "results.duckdb")
    finished = site.run("--as-of", as_of, as_of_date=None)
    assert finished.returncode == 0, finished.stderr
    assert differences(site, truth_of(site.cdm)) == []


@pytest.mark.parametrize("name", ["cdm", "cdm.duckdb"])
def test_the_truth_is_recovered_among_many_other_events(tmp_path: Path, name: str) -> None:
    cdm = tmp_path / name
    synthetic.write(cdm, 800, 5, as_of=AS_OF, crohns_share=0.5, events_per_person=80)
    site = Site(tmp_path, cdm, tmp_path / "results.duckdb")
    finished = site.run()
    assert finished.returncode == 0, finished.stderr
    assert differences(site, truth_of(cdm)) == []


@pytest.mark.parametrize(("own", "most"), [(None, 2 * 10**9), ("3GB", 3 * 10**9)])
def test_memory_is_bounded_unless_the_run_file_says_more(big_site: Site, own, most) -> None:
    document = {"cdm": {"url": str(big_site.cdm)}, "results": {"url": str(big_site.results)}}
    settings = config.RunConfig.model_validate({**document, "memory_limit": own})
    engine = open_engine(settings.connections)
    asked = "SELECT PARSE_FORMATTED_BYTES(CURRENT_SETTING('memory_limit')) AS n"
    try:
        ((n,),) = engine.fetch(sqlglot.parse_one(asked, read="duckdb"), {})
    finally:
        engine.close()
    assert 0.9 * most < int(str(n)) <= most


@pytest.mark.parametrize(("batch_size", "threads"), [(1000, 2), (10**6, 1)])
def test_batch_size_and_threads_change_nothing(
    big_site: Site, tmp_path: Path, batch_size: int, threads: int
) -> None:
    other = Site(tmp_path, big_site.cdm, tmp_path / "results.duckdb")
    finished = other.run(batch_size=batch_size, threads=threads)
    assert finished.returncode == 0, finished.stderr
    expected, found = big_site.tables(latest(big_site)), other.tables(latest(other))
    assert [name for name in RUN_TABLES if not found[name].equals(expected[name])] == []
    assert expected["patient_subgroup"].num_rows > 5000


def test_batches_that_are_not_full_change_nothing(tmp_path: Path, made_up, answered: Path) -> None:
    one = Site(tmp_path, made_up(), answered)
    other = Site(tmp_path, made_up(), tmp_path / "results.duckdb")
    finished = other.run(batch_size=7, threads=1)
    assert finished.returncode == 0, finished.stderr
    expected, found = one.tables(latest(one)), other.tables(latest(other))
    assert [name for name in RUN_TABLES if not found[name].equals(expected[name])] == []
    assert expected["patient_subgroup"].num_rows > 14


def test_a_folder_and_a_file_give_the_same_rows(tmp_path: Path, made_up, answered: Path) -> None:
    site = Site(tmp_path, made_up(suffix=""), tmp_path / "results.duckdb")
    assert site.run().returncode == 0
    of_file = Site(tmp_path, made_up(), answered)
    expected, found = of_file.tables(latest(of_file)), site.tables(latest(site))
    assert [name for name in RUN_TABLES if not found[name].equals(expected[name])] == []


@in_files_and_on_a_server
def test_the_same_night_again_gives_the_same_rows_under_a_new_run_id(site: Site) -> None:
    first = latest(site)
    assert site.run().returncode == 0
    second = latest(site)
    assert second > first
    assert site.states() == {first: "COMPLETE", second: "COMPLETE"}
    expected, found = site.tables(first), site.tables(second)
    assert all(found[name].equals(expected[name]) for name in RUN_TABLES)


@in_files_and_on_a_server
def test_a_backfill_of_an_older_night_is_not_todays_answer(site: Site) -> None:
    seen, today = site.answer(), latest(site)
    assert site.run("--as-of", EARLIER).returncode == 0
    assert site.answer() == seen
    ((backfilled,),) = site.rows(f"SELECT run_id FROM scoring_run WHERE as_of_date = '{EARLIER}'")
    assert backfilled > today
    assert site.tables(backfilled)["patient_subgroup"].num_rows > 0
    assert site.run("--as-of", "2025-06-16").returncode == 0
    assert latest(site) > backfilled
    assert site.rows("SELECT DISTINCT run_id FROM latest_score") == [(latest(site),)]


@in_files_and_on_a_server
def test_an_empty_cohort_ends_complete_with_a_warning_and_zero_rows(site: Site) -> None:
    finished = site.run("--set", "cohort.concept_ids=[4310024]")
    assert finished.returncode == 0, finished.stderr
    assert "warning: the cohort is empty" in finished.stdout
    ((run_id, n_cohort, n_scored, message),) = site.rows(
        "SELECT run_id, n_cohort, n_scored, message FROM latest_run"
    )
    assert (n_cohort, n_scored) == (0, 0)
    assert "the cohort is empty" in message
    tables = site.tables(run_id)
    for name in data_model.person_level_tables():
        assert tables[name].num_rows == 0, name
    assert tables["attrition"].to_pandas()[["n_persons", "n_excluded"]].to_numpy().sum() == 0
    assert site.rows("FROM latest_score") == []


@in_files_and_on_a_server
def test_an_empty_cdm_is_an_empty_cohort(site: Site) -> None:
    site.change(*(f"DELETE FROM {table.name}" for table in TABLES))
    finished = site.run()
    assert finished.returncode == 0, finished.stderr
    assert site.rows("SELECT n_cohort, n_scored FROM latest_run") == [(0, 0)]


def test_scored_and_left_out_make_the_cohort(big_site: Site) -> None:
    steps = big_site.rows(
        "SELECT step, reason, n_persons, n_excluded FROM latest_attrition ORDER BY step"
    )
    assert [reason for _, reason, *_ in steps] == [
        "crohns_disease",
        *truth_check.REASONS,
    ]
    assert [step for step, *_ in steps] == [1, 2, 3, 4, 5]
    n_cohort = steps[0][2]
    assert (n_cohort, steps[0][3]) == (PERSONS, 0)
    n_left = n_cohort
    for _, _, n_persons, n_excluded in steps:
        n_left -= n_excluded
        assert n_persons == n_left
    assert all(n_excluded > 0 for *_, n_excluded in steps[1:])
    assert big_site.rows("SELECT n_cohort, n_scored FROM latest_run") == [(n_cohort, n_left)]
    for table, per_person in (("score", 1), ("patient_covariate", 9), ("counterfactual", 3)):
        counted = f"SELECT COUNT(*), COUNT(DISTINCT person_id) FROM latest_{table}"
        assert big_site.rows(counted) == [(n_left * per_person, n_left)], table


@in_files_and_on_a_server
def test_a_run_says_where_its_answer_comes_from(site: Site) -> None:
    assert site.run("--set", "uncertainty=analytic").returncode == 0
    names = [
        *("run_id", "as_of_date", "tool_version", "engine", "model_id", "model_sha256"),
        *("config_sha256", "concept_sets_sha256", "uncertainty", "cdm_source_name"),
        *("cdm_version", "cdm_release_date", "vocabulary_version", "config_json"),
        "cdm_snapshot",
    ]
    second, first = (
        dict(zip(names, row, strict=True))
        for row in site.rows(f"SELECT {', '.join(names)} FROM scoring_run ORDER BY run_id DESC")
    )
    assert second["as_of_date"] == AS_OF
    assert (second["engine"], second["tool_version"]) == ("duckdb", __version__)
    assert (first["uncertainty"], second["uncertainty"]) == ("bootstrap", "analytic")
    for name in ("model_sha256", "config_sha256", "concept_sets_sha256"):
        assert re.fullmatch("[0-9a-f]{64}", second[name]), name
    card = shipped("configs") / "models" / f"{second['model_id']}.yaml"
    assert card.is_file()
    assert first["model_sha256"] == second["model_sha256"]
    assert first["concept_sets_sha256"] == second["concept_sets_sha256"]
    assert first["config_sha256"] != second["config_sha256"]
    document = json.loads(second["config_json"])
    assert document["uncertainty"] == "analytic"
    assert document["covariates"]["crp"]["lookback_days"] == 180
    hashed = hashlib.sha256(second["config_json"].encode()).hexdigest()
    assert second["config_sha256"] == hashed
    (source,) = site.cdm_rows(
        "SELECT cdm_source_name, cdm_version, cdm_release_date, vocabulary_version FROM cdm_source"
    )
    assert source == tuple(second[name] for name in names[-6:-2])
    # A file is read in place, as it is.
    in_words = {"duckdb": None, "postgresql": "postgresql: one snapshot"}
    assert second["cdm_snapshot"] == in_words[site.engine]
    ((run_id, started_at),) = site.rows(
        "SELECT run_id, started_at FROM scoring_run ORDER BY run_id DESC LIMIT 1"
    )
    assert run_id == int(f"{started_at:%Y%m%d%H%M%S}{started_at.microsecond // 10_000:02d}")
    assert run_id < 2**53
    statuses = site.rows(
        f"SELECT status FROM scoring_run_status WHERE run_id = {run_id} ORDER BY recorded_at"
    )
    assert statuses == [("RUNNING",), ("COMPLETE",)]


def test_the_hash_of_the_concept_sets_follows_their_members(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    shutil.copytree(shipped("configs") / "concept_sets", folder)
    assert site.run(concept_sets=str(folder)).returncode == 0
    measurements = folder / "measurements.yaml"
    text = measurements.read_text(encoding="utf-8")
    measurements.write_text(text.replace("3038553", "3038554"), encoding="utf-8")
    assert site.run(concept_sets=str(folder)).returncode == 0
    shipped_sets, copied, changed = site.rows(
        "SELECT concept_sets_sha256 FROM scoring_run ORDER BY run_id"
    )
    assert shipped_sets == copied != changed


@in_files_and_on_a_server
def test_the_tables_are_those_of_the_specification(site: Site) -> None:
    with SPECIFICATION.open(encoding="utf-8", newline="") as file:
        specified = [
            (
                row["table_name"],
                row["column_name"],
                row["data_type"],
                row["is_required"] == "No",
            )
            for row in csv.DictReader(file)
        ]
    columns = site.rows(
        "SELECT table_name, column_name, LOWER(data_type), is_nullable = 'YES' "
        f"FROM information_schema.columns WHERE table_schema = '{site.results_schema}' "
        "AND table_name IN (SELECT table_name FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE') ORDER BY table_name, ordinal_position"
    )
    found = [(table, name, TYPES.get(kind, kind), free) for table, name, kind, free in columns]
    bookkeeping = [row for row in found if row[0] == "schema_version"]
    assert [row for row in found if row not in bookkeeping] == sorted(
        specified, key=lambda row: row[0]
    )
    assert [name for _, name, *_ in bookkeeping] == ["version", "tool_version", "applied_at"]


def test_the_primary_keys_of_the_specification_hold(big_site: Site) -> None:
    keys: dict[str, list[str]] = {}
    with SPECIFICATION.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["primary_key"] == "Yes":
                keys.setdefault(row["table_name"], []).append(row["column_name"])
    for table, columns in keys.items():
        listed = ", ".join(columns)
        query = f"SELECT {listed} FROM {table} GROUP BY {listed} HAVING COUNT(*) > 1"
        assert big_site.rows(query) == [], table


def test_views_are_readable_under_another_name_of_the_file(site: Site, tmp_path: Path) -> None:
    seen = site.answer()
    moved = Site(tmp_path, site.cdm, tmp_path / "answers of 2025.db")
    site.results.rename(moved.results)
    assert moved.answer() == seen
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{moved.results}' AS anything (READ_ONLY)")
        views = connection.execute(
            "SELECT view_name FROM duckdb_views() "
            "WHERE database_name = 'anything' AND NOT internal ORDER BY view_name"
        ).fetchall()
        assert len(views) >= 7
        for (view,) in views:
            query = f"SELECT COUNT(*) FROM anything.omop_scorer.{view}"
            # There is no run before the only one.
            is_empty = "previous" in view or "change" in view
            assert (connection.execute(query).fetchone() == (0,)) is is_empty, view


@in_files_and_on_a_server
def test_results_of_two_schemas_live_in_one_file(site: Site) -> None:
    seen = site.answer()
    assert site.run("--set", "results.schema=Other Schema").returncode == 0
    assert site.answer() == seen
    ((n,),) = site.rows('SELECT COUNT(*) FROM "Other Schema".latest_score')
    assert n == seen["score"][0][0]


HOSTILE = (
    'O\'Brien "x"; DROP TABLE person; -- %s %(x)s $1 {} :as_of_date',
    "\\N",
    "\\.",
    "tab\tline\nreturn\rback\\slash, comma; é 漢字 😀 \u202e \ufeff",
    "",
    " NULL ",
)


def any_text(column: str) -> str:
    """Return the SQL that gives rows one hostile text or another, by a number of theirs."""
    cases = " ".join(f"WHEN {i} THEN {quoted(text)}" for i, text in enumerate(HOSTILE))
    return f"CASE {column} % {len(HOSTILE)} {cases} END"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@in_files_and_on_a_server
@pytest.mark.parametrize("pair", [HOSTILE[:2], HOSTILE[2:4], HOSTILE[4:]], ids=range(3))
def test_text_of_the_site_stays_what_it_is(site: Site, pair: tuple[str, str]) -> None:
    name, version = map(quoted, pair)
    measurement, drug = any_text("measurement_id"), any_text("drug_exposure_id")
    condition, concept = any_text("condition_occurrence_id"), any_text("concept_id")
    site.change(
        f"UPDATE cdm_source SET cdm_source_name = {name}, vocabulary_version = {version}",
        f"UPDATE measurement SET unit_source_value = {measurement}, unit_concept_id = NULL, "
        f"value_source_value = {measurement}, measurement_source_value = NULL",
        f"UPDATE drug_exposure SET route_source_value = {drug}, drug_source_value = NULL",
        f"UPDATE condition_occurrence SET condition_source_value = {condition}",
        "UPDATE person SET person_source_value = NULL, gender_source_value = NULL",
        f"UPDATE concept SET concept_name = {concept}, concept_code = {concept}",
    )
    finished = site.run()
    assert finished.returncode == 0, finished.stderr
    found = site.rows("SELECT cdm_source_name, vocabulary_version, n_cohort FROM latest_run")
    assert found == [(pair[0] or None, pair[1] or None, 150)]
    assert site.run("--format", "json", command="runs").returncode == 0
    assert site.run(command="check").returncode == 0
