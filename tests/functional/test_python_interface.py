"""Runs and results from Python: the answers of the commands, from every store, and the README."""

import logging
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import omop_scorer
from omop_scorer.data_model import data_model
from omop_scorer.errors import CdmError, ConfigurationError, LockHeldError, ResultsError
from tests.support import postgresql, spark
from tests.support.command_line import AS_OF, RUN_TABLES, Site, problems
from tests.support.command_line import omop_scorer as command

ROOT = Path(__file__).parents[2]
#: Columns that differ between two runs with one answer.
OF_THE_RUN = (
    *("run_id", "first_run_id", "started_at", "completed_at", "recorded_at", "applied_at"),
    *("config_json", "config_sha256", "engine", "message"),
)
TYPES = {
    **{"bigint": "Int64", "integer": "Int32", "double": "float64", "varchar": "string"},
    **{"boolean": "boolean", "date": "datetime64[ms]", "timestamp": "datetime64[us]"},
}


def answer_of(tables: omop_scorer.ResultsTables) -> dict[str, pd.DataFrame]:
    """Return every table and view without what differs between runs, in an order of its own."""
    answer = {}
    for name in tables.names():
        frame = tables.table(name)
        frame = frame.drop(columns=[*OF_THE_RUN], errors="ignore")
        answer[name] = frame.sort_values([*frame.columns], ignore_index=True)
    return answer


def assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame, check_exact=True, obj=name)


@pytest.fixture(scope="module")
def expected(answered: Path) -> dict[str, pd.DataFrame]:
    """Return the answer of the command, in a DuckDB file."""
    return answer_of(omop_scorer.results(answered))


def test_a_run_is_that_of_the_command_and_says_nothing(
    site: Site, answered: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = Site(site.folder, site.cdm, site.folder / "python.duckdb")
    handlers = list(logging.getLogger().handlers)
    done = omop_scorer.run(other.run_file(as_of_date="2020-01-01"), as_of=AS_OF)
    assert (capfd.readouterr(), logging.getLogger().handlers) == (("", ""), handlers)
    ((run_id, n_cohort, n_scored),) = other.rows(
        "SELECT run_id, n_cohort, n_scored FROM latest_run"
    )
    assert (done.run_id, done.n_cohort, done.n_scored) == (run_id, n_cohort, n_scored)
    assert (done.as_of, done.results_schema) == (AS_OF, "omop_scorer")
    assert done.results_url == str(other.results)
    assert any(warning.startswith("cdai: ") for warning in done.warnings)
    one = Site(site.folder, site.cdm, answered)
    ((by_command,),) = one.rows("SELECT run_id FROM latest_run")
    ours, theirs = other.tables(run_id), one.tables(by_command)
    assert [name for name in RUN_TABLES if not ours[name].equals(theirs[name])] == []
    with pytest.raises(AttributeError):
        done.run_id = 1


def test_a_run_writes_its_exports_and_says_when_one_failed(site: Site) -> None:
    place = site.folder / "exports" / "scores.duckdb"
    run_file = site.run_file(export=[{"to": str(place), "format": "duckdb"}])
    with pytest.raises(ResultsError, match="the run is COMPLETE, but its export failed"):
        omop_scorer.run(run_file)
    place.parent.mkdir()
    done = omop_scorer.run(run_file)
    with duckdb.connect(str(place), read_only=True) as connection:
        assert connection.execute("SELECT run_id FROM latest_run").fetchone() == (done.run_id,)
    assert site.rows("SELECT COUNT(*) FROM scoring_run_status WHERE status = 'COMPLETE'") == [(3,)]


def test_a_date_may_be_text_and_an_older_answer_is_said(site: Site) -> None:
    done = omop_scorer.run(str(site.run_file()), "2025-01-31", cohort__age_minimum=30)
    assert done.as_of == date(2025, 1, 31)
    ((shown,),) = site.rows("SELECT run_id FROM latest_run")
    assert shown != done.run_id
    assert done.warnings[0].startswith(
        f"readers do not see this run: the latest_ views show run {shown}"
    )
    scores = omop_scorer.results(done.results_url).table("PATIENT_SUBGROUP")
    assert scores[scores["run_id"] == done.run_id]["age"].min() >= 30


def test_a_failure_is_the_error_of_the_command(site: Site) -> None:
    path = site.run_file(cohort={"minimum_persons": 10_000})
    with pytest.raises(CdmError) as caught:
        omop_scorer.run(path)
    assert list(caught.value.problems) == problems(site.run(cohort={"minimum_persons": 10_000}))
    assert sorted(site.states().values()) == ["COMPLETE", "FAILED", "FAILED"]
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read"):
        omop_scorer.run(site.folder / "none.yaml")


def test_tables_have_the_rows_and_types_of_the_specification(answered: Path) -> None:
    tables = omop_scorer.results(answered)
    assert {*data_model(), "latest_run", "latest_score"} <= set(tables.names())
    for name, columns in data_model().items():
        frame = tables.table(name)
        assert frame.dtypes.astype(str).to_dict() == {
            each.column_name: TYPES[each.data_type] for each in columns
        }, name
        with duckdb.connect(str(answered), read_only=True) as connection:
            rows = connection.execute(f"FROM omop_scorer.{name}").fetchall()
        found = [tuple(map(plain, row)) for row in frame.itertuples(index=False, name=None)]
        assert sorted(found, key=repr) == sorted((tuple(map(plain, row)) for row in rows), key=repr)


def plain(value: object) -> object:
    """Return a value of DuckDB or of pandas, without the difference between their dates."""
    if pd.isna(value):
        return None
    return pd.Timestamp(value) if isinstance(value, date) else value


def test_unknown_names_are_refused_with_the_list(answered: Path) -> None:
    tables = omop_scorer.results(answered)
    for name in ("latest_scores", "score; DROP TABLE x", "main.latest_score", "", "\x1b[1m"):
        with pytest.raises(ResultsError, match=r"no table or view .*; allowed: age_sex_pyramid, "):
            tables.table(name)
    with pytest.raises(ResultsError, match=r"no results.schema 'scores' in it; schemas: 'omop_s"):
        omop_scorer.results(answered, schema="scores").names()


def test_reading_leaves_the_file_free_for_a_run(site: Site) -> None:
    before = site.fingerprint()
    tables = omop_scorer.results(site.results)
    tables.table("latest_score")
    assert site.fingerprint() == before
    with duckdb.connect(str(site.results)) as connection:
        connection.execute("CREATE TABLE omop_scorer.of_the_site AS SELECT 7 AS n")
    assert tables.table("of_the_site")["n"].tolist() == [7]


def test_results_in_a_folder(site: Site, expected: dict[str, pd.DataFrame]) -> None:
    done = omop_scorer.run(site.run_file(), results__url=f"{site.folder / 'parquet'}/")
    assert_same(answer_of(omop_scorer.results(done.results_url)), expected)


def test_results_in_postgresql(site: Site, expected: dict[str, pd.DataFrame]) -> None:
    url, schema = postgresql.database(), postgresql.new_schema("of_python")
    done = omop_scorer.run(site.run_file(), results={"url": url, "schema": schema})
    assert_same(answer_of(omop_scorer.results(done.results_url, schema=schema)), expected)


def test_results_in_a_catalog_of_spark(site: Site, expected: dict[str, pd.DataFrame]) -> None:
    spark.session()
    place = {"url": "spark", "schema": "of_python"}
    done = omop_scorer.run(site.run_file(), results=place)
    tables = omop_scorer.results(done.results_url, schema=done.results_schema)
    names = ("attrition", "patient_covariate", "scoring_run", "latest_score", "run_trend")
    for name in names:
        frame = tables.table(name).drop(columns=[*OF_THE_RUN], errors="ignore")
        frame = frame.sort_values([*frame.columns], ignore_index=True)
        pd.testing.assert_frame_equal(frame, expected[name], check_exact=True, obj=name)
    with pytest.raises(ResultsError, match="no table or view 'nothing'; allowed: "):
        tables.table("nothing")


def test_the_readme_runs_and_prints_what_it_shows(made_up, tmp_path: Path) -> None:
    text = (ROOT / "omop_scorer" / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## From Python\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)```", section, flags=re.DOTALL)
    assert [language for language, _ in blocks].count("python") == 4
    shutil.copy(made_up(), tmp_path / "cdm.duckdb")
    run_file = "cdm: {url: cdm.duckdb}\nresults: {url: results.duckdb}\n"
    (tmp_path / "nightly.yaml").write_text(run_file, encoding="utf-8")
    printed = ""
    for language, block in blocks:
        if language == "text":
            assert block in printed
            continue
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        printed = done.stdout


def test_an_export_is_read_or_called_an_export(site: Site) -> None:
    site.run_file()
    for form, place in (("duckdb", "answer.duckdb"), ("parquet", "answer")):
        done = command("export", "--format", form, "--to", site.folder / place, cwd=site.folder)
        assert done.returncode == 0, done.stderr
    scores = omop_scorer.results(site.results).table("latest_score")
    exported = omop_scorer.results(site.folder / "answer.duckdb").table("latest_score")
    keys = ["person_id"]
    pd.testing.assert_frame_equal(
        exported.sort_values(keys, ignore_index=True), scores.sort_values(keys, ignore_index=True)
    )
    with pytest.raises(ResultsError, match="is an export of omop-scorer; read it with DuckDB or"):
        omop_scorer.results(site.folder / "answer").table("latest_score")


def test_a_file_that_a_run_writes_is_refused(site: Site) -> None:
    code = f"import duckdb, sys; c = duckdb.connect({str(site.results)!r}); print(1, flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()
        with pytest.raises(LockHeldError, match="has the file open for writing"):
            omop_scorer.results(site.results).table("latest_score")
    finally:
        holder.communicate()
