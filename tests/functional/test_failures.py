"""Whatever goes wrong: the exit code, what is said, and yesterday's answer still in view."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from omop_scorer.resources import shipped
from tests.support.command_line import Site, assert_refused, in_files_and_on_a_server, omop_scorer

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _yesterdays_answer_stays(site: Site) -> Iterator[None]:
    """After each test of this module the views show what they showed before it."""
    original = site.results
    seen, runs = site.answer(), site.runs_with_rows()
    yield
    site.results = original
    assert site.answer() == seen
    assert site.runs_with_rows() == runs
    assert set(site.states().values()) <= {"COMPLETE", "FAILED"}


@pytest.fixture
def hold() -> Iterator[Callable[[Path], int]]:
    """Return a function that has another process hold a DuckDB file open for writing."""
    held: list[subprocess.Popen[str]] = []

    def hold_open(path: Path) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        held.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process.pid

    yield hold_open
    for process in held:
        process.communicate()


def csv_folder(site: Site) -> Path:
    """Export the CDM of a site as CSV files."""
    folder = site.folder / "csv"
    folder.mkdir()
    with duckdb.connect(str(site.cdm), read_only=True) as connection:
        connection.execute("USE cdm.cdm")
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        for (table,) in tables:
            connection.execute(f"COPY {table} TO '{folder}/{table}.csv' (HEADER)")
    return folder


class TestConfiguration:
    """Exit code 10, before any database is touched."""

    @pytest.fixture(autouse=True)
    def _no_database_is_touched(self, site: Site) -> Iterator[None]:
        before = site.results.stat().st_mtime_ns, site.results.read_bytes()
        yield
        assert (site.results.stat().st_mtime_ns, site.results.read_bytes()) == before

    def test_malformed_yaml(self, site: Site) -> None:
        path = site.run_file()
        path.write_text(path.read_text(encoding="utf-8") + "cohort: [201606\n", encoding="utf-8")
        assert_refused(omop_scorer("run", "-c", path), 10, path, r"line \d+", "not valid YAML")
        checked = omop_scorer("check", "-c", path)
        assert checked.returncode == 10
        assert re.search(rf"{path}: line \d+: not valid YAML", checked.stdout)

    def test_a_run_file_that_is_not_there(self, site: Site) -> None:
        path = site.folder / "nowhere.yaml"
        assert_refused(omop_scorer("run", "--config", path), 10, path, "No such file")

    def test_every_unknown_key_at_once(self, site: Site) -> None:
        finished = site.run(
            as_off_date="2025-01-01", covariates={"crp": {"look_back": 3}}, cohort={"ids": [1]}
        )
        keys = ("as_off_date", r"covariates\.crp\.look_back", r"cohort\.ids")
        allowed = ("as_of_date", "lookback_days", "concept_ids")
        for key, one_allowed in zip(keys, allowed, strict=True):
            assert_refused(finished, 10, rf"nightly\.yaml: {key}: no such key.*{one_allowed}")

    def test_windows_and_limits_that_contradict_themselves_at_once(self, site: Site) -> None:
        finished = site.run(
            covariates={
                "crp": {"minimum": 500, "maximum": 0},
                "bmi": {"lookback_days": -1},
                "cdai": {"imputed_value": 900},
            },
            cohort={"age_minimum": 60, "age_maximum": 50},
        )
        assert_refused(
            finished,
            10,
            r"covariates\.crp: minimum is above maximum",
            r"covariates\.bmi\.lookback_days: found -1",
            r"covariates\.cdai: imputed_value lies outside",
            r"cohort: age_minimum is above age_maximum",
        )

    def test_a_model_card_with_an_asymmetric_covariance(self, site: Site) -> None:
        text = (shipped("configs") / "models" / "crohns_srs_2025.yaml").read_text(encoding="utf-8")
        off_diagonal = text.index(",", text.index("covariance:\n")) + len(", -")
        card = site.folder / "card.yaml"
        card.write_text(text[:off_diagonal] + "9" + text[off_diagonal:], encoding="utf-8")
        finished = site.run(model=str(card))
        assert_refused(finished, 10, card, "covariance", "symmetric")
        scored = omop_scorer("score", "--model", card, "--age", 50, "--sex", "male")
        assert_refused(scored, 10, card, "covariance", "symmetric")

    def test_a_model_card_that_is_not_there(self, site: Site) -> None:
        assert_refused(site.run(model="crohns_srs_1925"), 10, "crohns_srs_1925", "crohns_srs_2025")

    def test_an_unknown_concept_set(self, site: Site) -> None:
        finished = site.run(
            covariates={"crp": {"measurement_concept_sets": ["crpp"]}},
            cohort={"exclude_concept_sets": ["colitis"]},
        )
        assert_refused(
            finished,
            10,
            r"covariates\.crp\.measurement_concept_sets: no concept set 'crpp'; known: .*crp",
            r"cohort\.exclude_concept_sets: no concept set 'colitis'; known: .*ulcerative_colitis",
        )

    def test_results_that_are_the_cdm(self, site: Site) -> None:
        assert_refused(site.run(results={"url": str(site.cdm)}), 10, r"results\.url is the CDM")

    @pytest.mark.parametrize("kind", ["symbolic link", "hard link", "another spelling"])
    def test_results_that_are_the_cdm_by_another_name(self, site: Site, kind: str) -> None:
        other = site.folder / "other.duckdb"
        if kind == "symbolic link":
            other.symlink_to(site.cdm)
        elif kind == "hard link":
            other.hardlink_to(site.cdm)
        else:
            other = site.folder / ".." / site.folder.name / site.cdm.name
        before = site.cdm.read_bytes()
        finished = site.run(results={"url": str(other)})
        assert site.cdm.read_bytes() == before
        assert_refused(finished, 10, r"results\.url is the CDM")

    def test_results_that_would_be_lost(self, site: Site) -> None:
        """DuckDB's name for a database in memory is no place for an answer."""
        assert_refused(site.run(results={"url": ":memory:"}), 10, r"results\.url")

    def test_a_memory_limit_that_is_no_size(self, site: Site) -> None:
        assert_refused(site.run(memory_limit="lots"), 10, "memory_limit")


class TestConnection:
    """Exit code 11."""

    def test_a_cdm_that_is_not_there(self, site: Site) -> None:
        url = site.folder / "nowhere.duckdb"
        finished = site.run(cdm={"url": str(url)})
        assert_refused(finished, 11, r"cdm\.url", url, "no such file or folder")

    def test_a_vocabulary_that_is_not_there(self, site: Site) -> None:
        url = site.folder / "nowhere.duckdb"
        finished = site.run(cdm={"vocabulary_url": str(url)})
        assert_refused(finished, 11, r"cdm\.vocabulary_url", url, "no such file or folder")

    def test_a_cdm_that_another_process_writes(self, site: Site, hold) -> None:
        holder = hold(site.cdm)
        parts = (r"cdm\.url", site.cdm, "open for writing", f"process {holder}", "start again")
        assert_refused(site.run(), 11, *parts)

    def test_a_cdm_that_is_no_duckdb_file(self, site: Site) -> None:
        url = site.folder / "notes.duckdb"
        url.write_text("these are notes\n" * 1000, encoding="utf-8")
        finished = site.run(cdm={"url": str(url)})
        assert_refused(finished, 11, r"cdm\.url", url, "not a valid DuckDB")

    def test_a_damaged_cdm_is_not_taken_for_one_in_use(self, site: Site) -> None:
        damage(site.cdm, 4096, 12288)
        finished = site.run()
        assert_refused(finished, 11, r"cdm\.url", site.cdm)
        assert "another program" not in finished.stderr

    def test_too_little_memory_is_not_taken_for_a_file_in_use(self, site: Site) -> None:
        finished = site.run(memory_limit="1KB")
        assert finished.returncode in (10, 11, 13)
        assert "another program" not in finished.stderr
        assert_refused(finished, finished.returncode, "(?i)memory")


def damage(path: Path, first: int, last: int) -> None:
    """Overwrite bytes of a file."""
    content = bytearray(path.read_bytes())
    content[first:last] = b"\xa5" * (last - first)
    path.write_bytes(bytes(content))


class TestCdm:
    """Exit code 12, and 13 for what only the queries find."""

    @in_files_and_on_a_server
    def test_all_missing_tables_and_columns_at_once(self, site: Site) -> None:
        site.change(
            "DROP TABLE measurement",
            "ALTER TABLE drug_exposure DROP COLUMN drug_exposure_start_date",
            "ALTER TABLE person DROP COLUMN year_of_birth",
        )
        assert_refused(
            site.run(),
            12,
            "table measurement is missing",
            r"column drug_exposure\.drug_exposure_start_date is missing",
            r"column person\.year_of_birth is missing",
        )

    def test_a_missing_table_is_said_with_where_it_was_looked_for(self, site: Site) -> None:
        site.change("DROP TABLE measurement")
        assert_refused(site.run(), 12, "measurement is missing", site.cdm)

    @in_files_and_on_a_server
    def test_a_table_under_a_name_that_is_not_there(self, site: Site) -> None:
        finished = site.run(cdm={"tables": {"person": "v_person"}})
        assert_refused(finished, 12, "person", "v_person")
        assert "measurement is missing" not in finished.stderr

    @in_files_and_on_a_server
    def test_a_schema_that_is_not_there(self, site: Site) -> None:
        finished = site.run(cdm={"schema": "omop"})
        is_file = site.engine == "duckdb"
        assert_refused(finished, 12, r"cdm\.url", site.cdm if is_file else "", "schema 'omop'")
        known = "cdm" if is_file else f"(.+, )?{site.cdm}(, .+)?$"
        assert_refused(finished, 12, f"(?m)schemas: {known}")

    @in_files_and_on_a_server
    def test_duplicate_person_rows(self, site: Site) -> None:
        site.change("INSERT INTO person SELECT * FROM person ORDER BY person_id LIMIT 3")
        assert_refused(site.run(), 12, r"person: 3 person\(s\)", "more than one row")

    def test_an_empty_folder(self, site: Site) -> None:
        folder = site.folder / "empty"
        folder.mkdir()
        finished = site.run(cdm={"url": str(folder)})
        assert_refused(finished, 12, "table person is missing", "table measurement is missing")

    @pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe garbage" * 500, b"<html>404</html>"])
    def test_a_csv_file_that_is_none(self, site: Site, content: bytes) -> None:
        folder = csv_folder(site)
        (folder / "measurement.csv").write_bytes(content)
        assert_refused(site.run(cdm={"url": str(folder)}), 12, "measurement")

    @pytest.mark.parametrize("row", ["1,2,3", "1" + ",9" * 40, '1,"2'])
    def test_a_csv_file_with_a_bad_row_is_said_by_file_and_line(self, site: Site, row: str) -> None:
        folder = csv_folder(site)
        file = folder / "measurement.csv"
        lines = file.read_text(encoding="utf-8").splitlines()
        lines.insert(200, row)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        finished = site.run(cdm={"url": str(folder)})
        assert "is missing" not in finished.stderr
        assert_refused(finished, 12, r"measurement\.csv", r"line 201\b")

    def test_a_bad_row_far_down_a_csv_file_is_said_by_file_and_line(self, site: Site) -> None:
        folder = csv_folder(site)
        file = folder / "measurement.csv"
        header, *lines = file.read_text(encoding="utf-8").splitlines()
        many = (lines * (60_000 // len(lines) + 1))[:60_000]
        file.write_text("\n".join([header, *many, "1,2,3", lines[0], ""]), encoding="utf-8")
        finished = site.run(cdm={"url": str(folder)})
        assert_refused(finished, 12, r"measurement\.csv", r"line 60002\b")

    def test_a_hash_at_the_start_of_rows_hides_none_of_them(self, site: Site) -> None:
        """A CSV reader that takes them for comments would lose rows without a word."""
        folder = csv_folder(site)
        file = folder / "measurement.csv"
        header, *lines = file.read_text(encoding="utf-8").splitlines()
        lines = [f"#{line}" if i % 9 == 0 else line for i, line in enumerate(lines)]
        file.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        other = Site(site.folder, folder, site.folder / "other.duckdb")
        assert other.run().returncode == 0
        uncastable = other.rows(
            "SELECT n FROM latest_covariate_quality "
            "WHERE measure = 'n_uncastable:measurement.measurement_id'"
        )
        assert uncastable == [(len(lines[::9]),)]

    @pytest.mark.parametrize("n_bytes", [0, 4000])
    def test_a_parquet_file_that_is_none(self, site: Site, made_up, n_bytes: int) -> None:
        folder = site.folder / "parquet"
        shutil.copytree(made_up(suffix=""), folder)
        file = folder / "measurement.parquet"
        file.write_bytes(file.read_bytes()[:n_bytes])
        finished = site.run(cdm={"url": str(folder)})
        assert_refused(finished, 12, r"cdm\.url", folder, r"measurement\.parquet")

    def test_a_parquet_file_with_damaged_pages(self, site: Site, made_up) -> None:
        folder = site.folder / "parquet"
        shutil.copytree(made_up(suffix=""), folder)
        damage(folder / "measurement.parquet", 200, 4000)
        finished = site.run(cdm={"url": str(folder)})
        assert finished.returncode in (12, 13), finished.stderr
        assert_refused(finished, finished.returncode, "measurement")

    @in_files_and_on_a_server
    def test_a_view_of_the_site_that_fails(self, site: Site) -> None:
        site.change(
            "ALTER TABLE measurement RENAME TO raw",
            "ALTER TABLE raw DROP COLUMN value_as_number",
            "CREATE VIEW measurement AS SELECT *, "
            "CAST(COALESCE(unit_source_value, 'x') AS DOUBLE) AS value_as_number FROM raw",
        )
        assert_refused(site.run(), 13, "measurement")
        ((message,),) = site.rows("SELECT message FROM scoring_run_status WHERE status = 'FAILED'")
        assert "step " in message

    @in_files_and_on_a_server
    def test_impossible_numbers_of_one_person_do_not_stop_a_night(self, site: Site) -> None:
        """One record of nonsense is a patient's problem, not the warehouse's."""
        site.change(
            "UPDATE person SET year_of_birth = -2147483648 WHERE person_id = 1",
            "UPDATE person SET year_of_birth = 2147483647 WHERE person_id = 2",
            "UPDATE drug_exposure SET days_supply = 2147483647 WHERE person_id = 3",
            "UPDATE drug_exposure SET days_supply = -2147483648 WHERE person_id = 4",
            "UPDATE measurement SET measurement_date = 'infinity' WHERE person_id = 5",
            "UPDATE drug_exposure SET drug_exposure_end_date = 'infinity' WHERE person_id = 6",
            "UPDATE drug_exposure SET drug_exposure_start_date = '-infinity' WHERE person_id = 7",
        )
        other, page = site.fresh(), site.folder / "report.html"
        finished = other.run()
        assert finished.returncode == 0, finished.stderr
        scored = other.rows("SELECT person_id FROM latest_score WHERE person_id IN (1, 2)")
        assert scored == []
        assert other.run().returncode == 0
        for command, arguments in (("diff", ("previous", "latest")), ("report", ("-o", page))):
            finished = other.run(*arguments, command=command)
            assert finished.returncode == 0, finished.stderr


class TestResults:
    """Exit codes 15 and 16."""

    def test_a_read_only_file(self, site: Site) -> None:
        site.results.chmod(0o444)
        finished = site.run()
        site.results.chmod(0o644)
        assert_refused(finished, 15, r"results\.url", site.results, "read-only")

    def test_a_folder_that_is_not_there(self, site: Site) -> None:
        url = site.folder / "nowhere" / "results.duckdb"
        finished = site.run(results={"url": str(url)})
        assert_refused(finished, 15, r"results\.url", url, "does not exist; create it first")
        assert not url.parent.exists()

    @pytest.mark.parametrize("content", [b"", b"these are notes\n" * 1000])
    def test_a_file_that_is_no_duckdb_file(self, site: Site, content: bytes) -> None:
        url = site.folder / "notes.duckdb"
        url.write_bytes(content)
        finished = site.run(results={"url": str(url)})
        assert_refused(finished, 15, r"results\.url", url, "not a valid DuckDB")
        assert url.read_bytes() == content

    def test_a_folder_in_place_of_a_file(self, site: Site) -> None:
        url = site.folder / "folder.duckdb"
        url.mkdir()
        finished = site.run(results={"url": str(url)})
        assert_refused(finished, 15, r"results\.url", url, "directory")

    def test_a_damaged_file_is_not_taken_for_one_in_use(self, site: Site) -> None:
        url = site.folder / "damaged.duckdb"
        shutil.copy(site.results, url)
        damage(url, 4096, 12288)
        finished = site.run(results={"url": str(url)})
        assert_refused(finished, 15, r"results\.url", url)

    @in_files_and_on_a_server
    def test_a_schema_of_a_newer_version(self, site: Site) -> None:
        site.write("INSERT INTO schema_version VALUES (99, '9.9', '2030-01-01')")
        before = site.fingerprint()
        assert_refused(site.run(), 15, "version 99", "newer release", "install")
        assert site.fingerprint() == before

    @in_files_and_on_a_server
    def test_tables_of_somebody_else(self, site: Site) -> None:
        foreign = site.fresh()
        foreign.make_results_schema()
        foreign.write("CREATE TABLE attrition (a INTEGER)")
        before = foreign.fingerprint()
        assert_refused(foreign.run(), 15, "attrition")
        assert foreign.rows(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = '{foreign.results_schema}'"
        ) == [("attrition",)]
        if site.engine == "postgresql":
            assert foreign.fingerprint() == before

    def test_a_file_that_another_process_holds(self, site: Site, hold) -> None:
        holder = hold(site.results)
        parts = (r"results\.url", site.results, "another run", f"process {holder}", "start again")
        assert_refused(site.run(), 16, *parts)

    def test_a_file_that_a_reader_holds_says_so(self, site: Site) -> None:
        """A reader who forgot to close keeps the night from writing; the code is the lock's."""
        with duckdb.connect(str(site.results), read_only=True):
            assert_refused(site.run(), 16, site.results, f"process {os.getpid()}")


@in_files_and_on_a_server
def test_a_failed_run_leaves_its_cause_and_nothing_else(site: Site) -> None:
    site.change("DROP TABLE measurement")
    assert site.run().returncode == 12
    rows = site.rows(
        "SELECT status, n_cohort, n_scored, message FROM scoring_run_status "
        "WHERE status <> 'COMPLETE' AND run_id = (SELECT MAX(run_id) FROM scoring_run) "
        "ORDER BY recorded_at"
    )
    assert [row[0] for row in rows] == ["RUNNING", "FAILED"]
    assert rows[1][1:3] == (None, None)
    assert "measurement" in rows[1][3]
