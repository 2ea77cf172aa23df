"""What makes a night one of many: what is kept, what is rehearsed, how it is told to go well."""

import json
import os
import re
import signal
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
import sqlglot

from omop_scorer import data_model
from omop_scorer.results.health import age
from tests.support.command_line import (
    AS_OF,
    Site,
    assert_refused,
    in_files_and_on_a_server,
    log_lines,
    omop_scorer,
    start,
)
from tests.support.server_site import ServerSite

PERSON_TABLES = {
    *("patient_covariate", "counterfactual", "patient_subgroup", "treatment_line", "run_cohort"),
    *("covariate_input", "index_treatment", "patient_attribute"),
}


def run_ids(site: Site, table: str) -> list[int]:
    rows = site.rows(f"SELECT DISTINCT run_id FROM {table} ORDER BY run_id")
    return [run_id for (run_id,) in rows]


def status(site: Site, *arguments: str) -> tuple[int, str, str]:
    options = [f"results.{key}={value}" for key, value in site.results_section().items()]
    sets = [word for option in options for word in ("--set", option)]
    done = start("status", *sets, *arguments).finish()
    return done.returncode, done.stdout, done.stderr


class TestRetention:
    """keep_person_level_runs."""

    def test_the_tables_of_persons_are_known(self) -> None:
        assert set(data_model.person_level_tables()) == PERSON_TABLES

    @in_files_and_on_a_server
    def test_rows_of_persons_are_kept_of_so_many_nights_and_counts_of_all(self, site: Site) -> None:
        for _ in range(3):
            assert site.run(keep_person_level_runs=2).returncode == 0
        nights = run_ids(site, "scoring_run")
        assert len(nights) == 4
        for table in data_model.run_tables():
            kept = nights[-2:] if table in PERSON_TABLES else nights
            assert run_ids(site, table) == kept, table
        n_scored = site.rows("SELECT n_scored FROM latest_run")
        assert site.rows("SELECT COUNT(*) FROM latest_score") == n_scored

    def test_an_old_night_made_up_for_is_kept_until_the_next_run(self, site: Site) -> None:
        (today,) = run_ids(site, "scoring_run")
        assert site.run("--as-of", "2024-01-01", keep_person_level_runs=1).returncode == 0
        old = run_ids(site, "scoring_run")[-1]
        assert run_ids(site, "patient_subgroup") == [today, old]
        assert site.rows("SELECT run_id FROM latest_run") == [(today,)]
        assert site.run("--as-of", "2024-02-01", keep_person_level_runs=1).returncode == 0
        newer = run_ids(site, "scoring_run")[-1]
        assert run_ids(site, "patient_subgroup") == [today, newer]

    def test_a_run_that_fails_removes_nothing(self, site: Site) -> None:
        assert site.run().returncode == 0
        before = run_ids(site, "patient_covariate")
        site.change("DELETE FROM condition_occurrence")
        finished = site.run(keep_person_level_runs=1, cohort={"minimum_persons": 10})
        assert_refused(finished, 12, "the cohort has 0 persons", r"minimum_persons is 10")
        assert run_ids(site, "patient_covariate") == before
        assert len(before) == 2

    def test_what_is_gone_is_said_when_nights_are_compared(self, site: Site) -> None:
        assert site.run(keep_person_level_runs=1).returncode == 0
        said = start("diff", "previous", "latest", "--config", site.run_file()).finish().stdout
        assert "Patients cannot be compared" in said


class TestAsOf:
    """The as-of date, today, and the last day of the CDM."""

    @pytest.mark.parametrize("command", ["run", "check", "dry run"])
    def test_a_date_after_today_is_refused(self, site: Site, command: str) -> None:
        before = site.states()
        tomorrow = f"{date.today() + timedelta(days=1)}"
        words = ["--dry-run"] if command == "dry run" else []
        name = "check" if command == "check" else "run"
        finished = site.run("--as-of", tomorrow, *words, command=name)
        assert finished.returncode == 10
        assert f"as_of_date: {tomorrow} is after today" in finished.stderr + finished.stdout
        assert site.states() == before

    def test_a_date_after_today_may_be_allowed(self, site: Site) -> None:
        finished = site.run("--as-of", "2062-01-01", "--allow-future")
        assert finished.returncode == 0, finished.stderr
        again = site.run()
        assert again.returncode == 0, again.stderr
        assert "readers do not see this run" in " ".join(again.stdout.split())
        code, _, problem = status(site)
        assert code == 17
        assert "not the last completed run" in problem
        reason = ("--reason", "mistyped")
        assert site.run("latest", *reason, command="withdraw").returncode == 0
        assert status(site)[0] == 0

    @in_files_and_on_a_server
    def test_the_last_day_is_the_newest_date_up_to_the_as_of_date(self, site: Site) -> None:
        site.change(
            "UPDATE cdm_source SET cdm_release_date = DATE '2031-01-01'",
            "UPDATE drug_exposure SET drug_exposure_start_date = DATE '2099-12-31' "
            "WHERE drug_exposure_start_date > DATE '2025-03-01'",
            "DELETE FROM measurement WHERE measurement_date > DATE '2025-03-01'",
            "DELETE FROM condition_occurrence WHERE condition_start_date > DATE '2025-03-01'",
            "UPDATE measurement SET measurement_date = DATE '2025-03-02', "
            "measurement_concept_id = 0 WHERE measurement_id = "
            "(SELECT MIN(measurement_id) FROM measurement)",
        )
        finished = site.run()
        assert finished.returncode == 0, finished.stderr
        words = "newest record is 105 days older than the as-of date"
        assert words in " ".join(finished.stdout.split())
        day = date(2025, 3, 2)
        assert site.rows("SELECT cdm_last_date FROM latest_run") == [(day,)]
        assert words in " ".join(site.run(command="check").stdout.split())
        page = site.folder / "report.html"
        assert site.run("-o", page, command="report").returncode == 0
        assert words in page.read_text(encoding="utf-8")
        kept = site.run(cdm={"maximum_age_days": 105})
        assert "newest record" not in kept.stdout
        assert site.run(cdm={"maximum_age_days": None}).returncode == 0
        assert site.rows("SELECT cdm_last_date FROM latest_run") == [(None,)]
        assert site.run(as_of_date="cdm").returncode == 0
        newest = "SELECT as_of_date, cdm_last_date FROM scoring_run ORDER BY run_id DESC LIMIT 1"
        assert site.rows(newest) == [(day, day)]

    def test_a_release_date_counts(self, site: Site) -> None:
        site.change("UPDATE cdm_source SET cdm_release_date = DATE '2025-06-15'")
        assert site.run().returncode == 0
        assert site.rows("SELECT cdm_last_date FROM latest_run") == [(AS_OF,)]

    def test_a_clock_that_went_back_refuses_the_run(self, site: Site) -> None:
        site.write("UPDATE scoring_run SET started_at = started_at + INTERVAL 2 YEAR")
        assert_refused(site.run(), 15, "the clock of this machine", "omop-scorer withdraw")


class TestWithdraw:
    """withdraw, and rows that are lost after a run."""

    @in_files_and_on_a_server
    def test_a_run_is_taken_back_and_shown(self, site: Site) -> None:
        assert site.run().returncode == 0
        earlier, later = run_ids(site, "scoring_run")
        done = site.run("latest", "--reason", "wrong\nconcepts", command="withdraw")
        assert done.returncode == 0, done.stderr
        assert f"Readers see run {earlier}" in done.stdout
        assert site.rows("SELECT run_id FROM latest_run") == [(earlier,)]
        assert f"{later} WITHDRAWN: wrong concepts" in site.run(command="runs").stdout
        refused = site.run(str(later), "--reason", "again", command="withdraw")
        assert_refused(refused, 15, "was withdrawn")
        assert site.run("7", "--reason", "none", command="withdraw").returncode == 10
        assert site.run("latest", "--reason", " ", command="withdraw").returncode == 2
        assert site.run(str(earlier), "--reason", "too", command="withdraw").returncode == 0
        assert site.rows("SELECT run_id FROM latest_run") == []
        asked = site.run("7", "--reason", "none", command="withdraw")
        assert_refused(asked, 10, "no run '7'.*the id of a COMPLETE run: there is none")
        assert_refused(site.run("-o", "x.html", command="report"), 15, "none of 2 run")

    @in_files_and_on_a_server
    @pytest.mark.parametrize("table", ["patient_subgroup", "patient_covariate", "histogram"])
    def test_rows_lost_after_complete_are_said(self, site: Site, table: str) -> None:
        ((n,),) = site.rows(f"SELECT COUNT(*) FROM {table}")
        column = "category" if table == "histogram" else "person_id"
        site.write(
            f"DELETE FROM {table} WHERE {column} = (SELECT MIN({column}) FROM {table})",
        )
        code, _, problem = status(site)
        assert code == 17
        assert f"table {table}: {n:,} rows were written" in problem
        page = site.folder / "report.html"
        assert_refused(site.run("-o", page, command="report"), 15, table, "has changed")
        assert not page.exists()


@pytest.mark.parametrize("site", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("patient_subgroup", "NEW.person_id % 3 = 0"),
        ("histogram", "NEW.n_persons > 1"),
        ("scoring_run_status", "NEW.status = 'COMPLETE'"),
    ],
)
def test_a_trigger_that_keeps_rows_back_fails_the_run(
    site: ServerSite, table: str, condition: str
) -> None:
    seen = site.answer()
    site.write_as_server(
        "CREATE FUNCTION keep_back() RETURNS TRIGGER LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {condition} THEN RETURN NULL; END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER keep_back BEFORE INSERT ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION keep_back()",
    )
    assert_refused(site.run(), 15, table, "trigger")
    assert site.answer() == seen


class TestDryRun:
    """run --dry-run."""

    @in_files_and_on_a_server
    def test_it_shows_explains_and_counts_and_writes_nothing(self, site: Site) -> None:
        before = site.answer(), site.states()
        done = site.run("--dry-run", "--log-format", "json")
        assert done.returncode == 0, done.stderr
        assert (site.answer(), site.states()) == before
        said = done.stdout
        statements = sqlglot.parse(said, read=site.dialect)
        assert sum(tree is not None for tree in statements) > 50
        assert "-- :as_of_date = 2025-06-15" in said
        assert any(word in said for word in ("Seq Scan", "SEQ_SCAN"))
        for table in data_model.run_tables():
            ((n_rows,),) = site.rows(f"SELECT COUNT(*) FROM {table}")
            assert f"\n-- {table}: {n_rows:,}\n" in said, table
        assert "Dry run (nothing written)" in done.stderr
        steps = [line["step"] for line in log_lines(_only_json(done.stderr)) if "step" in line]
        assert "results schema" not in steps
        assert {"score", "write", "publish"} <= set(steps)

    def test_it_needs_no_results(self, site: Site) -> None:
        nowhere = {"url": str(site.folder / "nowhere" / "r.duckdb")}
        assert site.run("--dry-run", results=nowhere).returncode == 0
        assert not (site.folder / "nowhere").exists()

    def test_it_fails_as_a_run_would(self, site: Site) -> None:
        site.change("DROP TABLE measurement")
        finished = site.run("--dry-run")
        assert finished.returncode == 12
        assert "measurement" in finished.stderr


def _only_json(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith("{"))


class TestStatus:
    """The health check."""

    @in_files_and_on_a_server
    def test_a_good_night(self, site: Site) -> None:
        code, said, _ = status(site)
        ((run_id, n_scored),) = site.rows("SELECT run_id, n_scored FROM latest_run")
        assert code == 0
        assert f"last run  {run_id}  COMPLETE" in said
        assert f"results   {run_id}  as of {AS_OF}" in said
        assert re.search(rf"\b{n_scored} of \d+ patients scored", " ".join(said.split()))
        assert "healthy   yes" in said
        code, said, _ = status(site, "--format", "json")
        row = json.loads(said)
        assert (code, row["is_healthy"], row["answer_run_id"]) == (0, True, run_id)
        assert row["is_run_under_way"] is False

    def test_an_answer_too_old(self, site: Site) -> None:
        assert status(site, "--max-age-hours", "inf")[0] == 2
        code, said, problem = status(site, "--max-age-hours", "0")
        assert code == 17
        assert "healthy   no" in said
        assert "no run has been completed for" in problem

    def test_a_failed_night(self, site: Site) -> None:
        site.change("DROP TABLE measurement")
        assert site.run().returncode == 12
        code, said, problem = status(site)
        assert code == 17
        assert "FAILED" in said
        assert "failed: step CDM" in problem
        assert "measurement is missing" in problem

    @in_files_and_on_a_server
    def test_a_killed_night(self, site: Site) -> None:
        run = start("run", "--config", site.run_file(), "--log-format", "json")
        assert run.stderr is not None
        for line in run.stderr:
            if json.loads(line).get("step") == "concept sets":
                os.kill(run.pid, signal.SIGKILL)
                break
        run.finish()
        site.settle()
        code, said, problem = status(site)
        assert code == 17
        assert "RUNNING" in said
        assert "was killed" in problem
        assert "results   " in said

    def test_an_answer_of_nobody(self, site: Site) -> None:
        site.change("DELETE FROM condition_occurrence")
        assert site.run().returncode == 0
        code, _, problem = status(site)
        assert code == 17
        assert "has an empty cohort" in problem

    def test_no_night_yet(self, tmp_path: Path) -> None:
        path = tmp_path / "results.duckdb"
        where = ("--set", f"results.url={path}")
        assert omop_scorer("status", *where).returncode == 11
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE SCHEMA omop_scorer")
        assert omop_scorer("status", *where).returncode == 15


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "0 minutes"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=95), "95 hours"),
        (timedelta(days=4), "4 days"),
    ],
)
def test_spans_are_said_in_words(span: timedelta, words: str) -> None:
    assert age(span) == words
