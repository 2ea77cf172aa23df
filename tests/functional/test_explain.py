"""`explain`: every record that could give a covariate of one person, and who may see it."""

import re
import shutil
from pathlib import Path

import pytest

from tests.support.command_line import AS_OF, Finished, Site, in_files_and_on_a_server, omop_scorer

#: A person of the cohort, and the CRP records that a test gives to that person.
RECORDS = (
    # id, concept, date, number, unit, verdict
    (900001, 3020460, "2025-06-16", "4", "mg/L", "outside the window: after the as-of date"),
    (900002, 3020460, "2025-06-14", "NULL", "mg/L", "no number"),
    (900003, 3020460, "2025-06-13", "5", "furlong", "wrong unit"),
    (900004, 3020460, "2025-06-12", "9999", "mg/L", "out of range"),
    (900005, 3020460, "2025-06-11", "0.71", "mg/dL", "chosen"),
    (900006, 3020460, "2025-06-10", "8", "mg/L", "older than the chosen"),
    (900007, 3020460, "2024-12-16", "9", "mg/L", "outside the window: 181 days before"),
)
#: One of the records says that the value is less than its number.
BOUND, LESS_THAN = 900006, 4171756


def person_with_records(site: Site) -> int:
    """Give a scored person these measurements and no others; return the person's id."""
    assert site.run().returncode == 0
    ((person_id,),) = site.rows("SELECT MIN(person_id) FROM latest_patient_covariate")
    site.change(
        f"DELETE FROM measurement WHERE person_id = {person_id}",
        *(
            "INSERT INTO measurement (measurement_id, person_id, measurement_concept_id, "
            "measurement_date, value_as_number, unit_source_value, measurement_type_concept_id, "
            "operator_concept_id) "
            f"VALUES ({i}, {person_id}, {concept}, '{day}', {number}, '{unit}', 0, "
            f"{LESS_THAN if i == BOUND else 'NULL'})"
            for i, concept, day, number, unit, _ in RECORDS
        ),
    )
    return int(person_id)


def explain(site: Site, *arguments: object) -> Finished:
    return site.run(*arguments, command="explain")


def rows_of(finished: Finished) -> dict[int, str]:
    """Return the line of each record by its id."""
    found = re.findall(r"^(\S+ +measurement (\d+) .*\S) *$", finished.stdout, re.MULTILINE)
    return {int(i): " ".join(line.split()) for line, i in found}


@in_files_and_on_a_server
def test_each_record_has_its_verdict(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    person_id = person_with_records(site)
    monkeypatch.setattr("tests.support.command_line.environment", wide)
    finished = explain(site, person_id, "crp", "--allow-redirect")
    assert finished.returncode == 0, finished.stderr
    assert f"Person {person_id} as of {AS_OF}: scored" in finished.stdout
    assert re.search(
        r"^crp: 7\.1 mg/L, observed \(window: 180 days\)", finished.stdout, re.MULTILINE
    )
    rows = rows_of(finished)
    for i, concept, day, _, _, verdict in RECORDS:
        assert rows[i].startswith(f"{day} measurement {i} {concept} "), rows[i]
        assert rows[i].endswith(verdict), rows[i]
    assert "0.71 mg/dL = 7.1 mg/L chosen" in rows[900005]
    assert "8 mg/L, a bound older" in rows[BOUND]
    # The log has counts only.
    assert str(person_id) not in re.sub(r"[\d,.]+ (rows|s)\b", "", finished.stderr)
    for i, *_ in RECORDS:
        assert str(i) not in finished.stderr


def wide() -> dict[str, str]:
    """Return the environment of a wide terminal, so that every record has one line."""
    import os

    return {**os.environ, "COLUMNS": "200"}


def test_the_values_are_those_of_a_run(site: Site) -> None:
    assert site.run().returncode == 0
    stored = site.rows(
        "SELECT person_id, covariate, covariate_value, status FROM latest_patient_covariate "
        "WHERE person_id IN (SELECT MAX(person_id) FROM latest_patient_covariate)"
    )
    said = explain(site, stored[0][0], "--allow-redirect").stdout
    for _, covariate, value, status in stored:
        assert re.search(rf"^{covariate}: {value:g}\b.*, {status}", said, re.MULTILINE), covariate


def test_a_person_who_is_not_scored_is_told_why(site: Site) -> None:
    assert site.run().returncode == 0
    nobody = explain(site, 2**31 - 1, "--allow-redirect")
    assert nobody.returncode == 0
    assert "the CDM has no such person" in nobody.stdout
    site.change(
        "INSERT INTO person (person_id, gender_concept_id, year_of_birth, race_concept_id, "
        f"ethnicity_concept_id) VALUES ({2**31 - 1}, 8507, 1970, 0, 0)"
    )
    outside = explain(site, 2**31 - 1, "--allow-redirect")
    assert "not in the cohort: too few records of" in " ".join(outside.stdout.split())
    ((person_id,),) = site.rows("SELECT MIN(person_id) FROM latest_patient_covariate")
    site.change(
        f"DELETE FROM death WHERE person_id = {person_id}",
        "INSERT INTO death (person_id, death_date, death_type_concept_id) "
        f"VALUES ({person_id}, '2025-01-01', 0)",
    )
    said = explain(site, person_id, "crp", "--allow-redirect").stdout
    assert f"Person {person_id} as of {AS_OF}: not scored: deceased" in said
    assert "crp: not stored, because the person is not scored" in said


def test_it_writes_to_a_terminal_only(site: Site) -> None:
    before = site.fingerprint()
    finished = explain(site, 1)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert site.fingerprint() == before
    assert "--allow-redirect" in finished.stderr


def test_an_unknown_covariate_is_refused(site: Site) -> None:
    finished = explain(site, 1, "crpp", "--allow-redirect")
    assert finished.returncode == 2
    assert "allowed: cdai, age, bmi, crp" in finished.stderr


def test_init_writes_files_that_run(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "my site"
    written = omop_scorer("init", folder)
    assert written.returncode == 0, written.stderr
    assert f"omop-scorer check --config {folder / 'nightly.yaml'}" in written.stdout
    shutil.copy(site.cdm, folder / "cdm.duckdb")
    for command in ("check", "run"):
        for where in (folder, tmp_path):  # with the run file of the folder, and by name
            named = () if where == folder else ("--config", folder / "nightly.yaml")
            done = omop_scorer(command, *named, "--as-of", AS_OF, cwd=where)
            assert done.returncode == 0, done.stderr
            assert ("run file: ./nightly.yaml" in done.stderr) == (where == folder)
    again = omop_scorer("init", folder)
    assert again.returncode == 10
    assert "exists already" in again.stderr


def test_the_window_of_a_location(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record in the window is not outside it too, and one of another concept is not listed."""
    assert site.run().returncode == 0
    ((person_id,),) = site.rows("SELECT MIN(person_id) FROM latest_patient_covariate")
    days = {1: "2025-06-16", 2: "2025-06-14", 3: "2020-01-01", 4: "1900-01-01", 5: "2025-06-01"}
    days[6] = ""  # no date
    concepts = dict.fromkeys(days, 4244235) | {5: 4299294}  # 5: of another place
    site.change(
        "ALTER TABLE condition_occurrence ALTER condition_start_date DROP NOT NULL",
        f"DELETE FROM condition_occurrence WHERE person_id = {person_id}",
        *(
            "INSERT INTO condition_occurrence (condition_occurrence_id, person_id, "
            "condition_concept_id, condition_start_date, condition_type_concept_id) "
            f"VALUES ({900000 + i}, {person_id}, {concepts[i]}, NULLIF('{day}', '')::DATE, 0)"
            for i, day in days.items()
        ),
    )
    monkeypatch.setattr("tests.support.command_line.environment", wide)
    after, chosen = "outside the window: after the as-of date", "chosen"
    for days_back, window, third, fourth in (
        ("null", "ever", "older than the chosen", "older than the chosen"),
        ("3650", "3,650 days", "older than the chosen", "outside the window: 45,821 days before"),
    ):
        setting = f"covariates.ileal.lookback_days={days_back}"
        said = explain(site, person_id, "ileal", "--allow-redirect", "--set", setting).stdout
        assert f"ileal: 1, observed (window: {window})" in said
        lines = re.findall(r"condition_occurrence (\d+) +\d+ +ileal +(.*\S)", said)
        assert lines == [
            ("900001", after),
            ("900002", chosen),
            ("900003", third),
            ("900004", fourth),
            ("900006", "no date"),
        ]
    said = explain(
        site, person_id, "crp", "--allow-redirect", "--set", "covariates.crp.lookback_days=0"
    ).stdout
    assert "(window: 0 days)" in said
