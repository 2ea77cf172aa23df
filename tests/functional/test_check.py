"""`check`: what could spoil a night, all at once, the worst first, and nothing written."""

import re

import pytest

from tests.support.command_line import Finished, Site, in_files_and_on_a_server

ORDER = ("error", "warning", "note")


def check(site: Site, *arguments: object, **keys: object) -> Finished:
    """Check a site, and hold what is said to its form."""
    finished = site.run(*arguments, command="check", **keys)
    assert "Traceback" not in finished.stderr + finished.stdout
    assert "unexpected error" not in finished.stderr
    severities = [severity for severity, _ in findings(finished)]
    assert severities == sorted(severities, key=ORDER.index)
    assert ("error" in severities) == bool(finished.returncode)
    return finished


def findings(finished: Finished) -> list[tuple[str, str]]:
    """Return severity and message of each finding; messages go on over several lines."""
    starts = re.split(rf"^({'|'.join(ORDER)})\s+", finished.stdout, flags=re.MULTILINE)
    assert starts[0] == ""
    messages = [" ".join(message.split()) for message in starts[2::2]]
    return list(zip(starts[1::2], messages, strict=True))


def said(finished: Finished, severity: str) -> str:
    return "\n".join(message for found, message in findings(finished) if found == severity)


@in_files_and_on_a_server
def test_a_good_cdm(site: Site) -> None:
    finished = check(site)
    assert finished.returncode == 0, finished.stdout
    notes = said(finished, "note")
    for part in (
        *("files: model card crohns_srs_2025", "results: can be written", "CDM: Synthetic CDM"),
        *("version 5.3", "concepts: ", "cohort: 150 persons as of 2025-06-15", "would be imputed"),
    ):
        assert part in notes, part


def test_the_verdict_is_the_last_line(site: Site) -> None:
    lines = check(site).stdout.splitlines()
    warnings = [line for line in lines if line.startswith("warning")]
    said = re.fullmatch(r"ready: yes, 0 errors, (\d+) warnings?(?:; first: (.*))?", lines[-1])
    assert said
    assert int(said[1]) == len(warnings)
    assert all(re.search(r" \[[^\[\]]+: [^\[\]]+\]$", line) for line in warnings)
    if warnings:
        assert warnings[0].startswith(f"warning {said[2]} [")
    site.change("DROP TABLE measurement", "DROP TABLE death")
    lines = check(site).stdout.splitlines()
    first = lines[0].removeprefix("error   ").partition(" [")[0]
    assert lines[-1] == f"ready: no, 1 error, 1 warning; first: {first}"
    assert "[cdm.tables.measurement: " in lines[0]


def test_a_good_cdm_has_no_warning_for_which_nobody_can_do_anything(site: Site) -> None:
    """The made-up CDM has wrong units, few values at this date, and some that cannot be right."""
    for warning in said(check(site), "warning").splitlines():
        assert re.match(
            r"(bmi|crp): .* rejected for their unit|(crp|cdai): would be"
            r"|\w+: .* records have no number|\w+: .* have it only by exposures"
            r"|body_height: .* in feet may be in feet and inches",
            warning,
        )
    notes = said(check(site, covariates={"cdai": {"concept_ids": []}}), "note")
    assert "cdai: would be imputed for 100.0% of patients; no concept is named for it" in notes


def test_faults_of_the_run_file_have_a_verdict_too(site: Site) -> None:
    finished = check(site, threads="yes", no_such_key=1)
    assert finished.returncode == 10
    assert finished.stdout.splitlines()[-1].startswith("ready: no, 2 errors, 0 warnings; first: ")


def test_overrides_are_named_without_their_values(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMOP_SCORER__THREADS", "1")
    monkeypatch.setenv("OMOP_SCORER__RESULTS__URL", str(site.folder / "other.duckdb"))
    notes = said(check(site, "--set", "minimum_cell_count=7"), "note")
    assert "set by the environment: OMOP_SCORER__RESULTS__URL, OMOP_SCORER__THREADS" in notes
    assert "set by --set: minimum_cell_count" in notes
    assert "other.duckdb" not in notes
    monkeypatch.setenv("OMOP_SCORER__THREADS", "yes")
    assert "OMOP_SCORER__THREADS: threads: found True" in said(check(site), "error")


@in_files_and_on_a_server
def test_nothing_is_written(site: Site) -> None:
    before, files = site.fingerprint(), sorted(site.folder.iterdir())
    assert check(site).returncode == 0
    fresh = site.fresh()
    assert "will be created by the first run" in said(check(fresh), "note")
    (site.folder / "nightly.yaml").unlink()
    assert site.fingerprint() == before
    assert sorted(site.folder.iterdir()) == files
    if site.engine == "postgresql":
        assert [name for name in fresh.fingerprint() if name.startswith(fresh.results)] == []


def test_a_folder_of_files(site: Site, made_up) -> None:
    folder = made_up(suffix="")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert check(Site(site.folder, folder, site.results)).returncode == 0
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_all_problems_at_once_worst_first(site: Site) -> None:
    site.change("DROP TABLE measurement", "DROP TABLE death", "DELETE FROM cdm_source")
    finished = check(
        site,
        covariates={"crp": {"measurement_concept_sets": ["crpp"]}},
        results={"url": str(site.folder / "no" / "results.duckdb")},
        model="crohns_srs_1925",
    )
    errors = said(finished, "error")
    for part in ("crpp", "crohns_srs_1925", "create it first", "table measurement is missing"):
        assert part in errors, part
    assert "table death is missing: no person counts as deceased" in said(finished, "warning")
    assert finished.returncode in (10, 12, 15)


@pytest.mark.parametrize(
    ("keys", "exit_code"),
    [
        ({"model": "crohns_srs_1925"}, 10),
        ({"cdm": {"url": "nowhere.duckdb"}}, 11),
        ({"cdm": {"schema": "nowhere"}}, 12),
        ({"results": {"url": "no/such/folder.duckdb"}}, 15),
    ],
)
def test_the_exit_code_is_that_of_the_problem(site: Site, keys: dict, exit_code: int) -> None:
    assert check(site, **keys).returncode == exit_code


def test_faults_of_the_run_file_are_refused_as_in_a_run(site: Site) -> None:
    finished = site.run(command="check", no_such_key=1)
    assert finished.returncode == 10
    assert "no_such_key" in finished.stdout + finished.stderr


@in_files_and_on_a_server
def test_a_results_schema_of_a_newer_version_is_foreseen(site: Site) -> None:
    site.write("INSERT INTO schema_version VALUES (99, '9.9', '2030-01-01')")
    finished = check(site)
    assert finished.returncode == 15
    assert "newer" in said(finished, "error")


def test_duplicate_persons_are_foreseen(site: Site) -> None:
    site.change("INSERT INTO person SELECT * FROM person ORDER BY person_id LIMIT 3")
    finished = check(site)
    assert finished.returncode == 12
    assert "3 person(s)" in said(finished, "error")


@pytest.mark.parametrize(
    ("change", "severity", "part"),
    [
        ("DELETE FROM cdm_source", "warning", "cdm_source holds 0 different rows"),
        ("SELECT 1", "note", "CDM: Synthetic CDM of omop-scorer, version 5.3"),
        (
            "INSERT INTO cdm_source SELECT * REPLACE ('Another' AS cdm_source_name) "
            "FROM cdm_source",
            "warning",
            "cdm_source holds 2 different rows",
        ),
        ("DROP TABLE cdm_source", "warning", "table cdm_source is missing"),
    ],
    ids=["no row", "one row", "two rows", "no table"],
)
def test_rows_of_cdm_source(site: Site, change: str, severity: str, part: str) -> None:
    site.change(change)
    finished = check(site)
    assert finished.returncode == 0, finished.stdout
    assert part in said(finished, severity)


@in_files_and_on_a_server
def test_concept_ids_that_the_vocabulary_doubts(site: Site) -> None:
    site.change(
        "DELETE FROM concept WHERE concept_id = 937368",
        "UPDATE concept SET standard_concept = NULL WHERE concept_id = 1119119",
        "UPDATE concept SET invalid_reason = 'D', standard_concept = NULL "
        "WHERE concept_id = 912263",
        "UPDATE concept SET domain_id = 'Observation' WHERE concept_id = 3020460",
        "DELETE FROM concept_ancestor WHERE ancestor_concept_id = 201606 "
        "AND descendant_concept_id <> 201606",
    )
    finished = check(site, covariates={"cdai": {"concept_ids": [2000000777]}})
    assert finished.returncode == 0, finished.stdout
    found = said(finished, "warning")
    doubts = dict(re.findall(r"^concepts ([^:]+?)(?:, so [^:]+)?: (.+)", found, re.MULTILINE))
    expected = {
        "not in the vocabulary": ("937368 (", "2000000777 (site_cdai)"),
        "not standard": ("1119119 (",),
        "no longer valid": ("912263 (",),
        "of domain Observation": ("3020460 (crp",),
        "that include descendants but have none": ("201606 (crohns_disease)",),
    }
    for doubt, ids in expected.items():
        listed = " ".join(named for start, named in doubts.items() if start.startswith(doubt))
        assert listed, (doubt, doubts)
        for concept in ids:
            assert concept in listed, (doubt, concept)
    unused = said(finished, "warning").split("concept sets with no records in the CDM", 1)[1]
    assert "site_cdai" in unused


@in_files_and_on_a_server
def test_unit_coverage(site: Site) -> None:
    crp = "measurement_concept_id IN (3020460, 3010156)"
    site.change(
        f"UPDATE measurement SET unit_concept_id = 0, unit_source_value = 'furlongs' WHERE {crp}",
        "UPDATE measurement SET unit_concept_id = 9531, unit_source_value = 'kg/m2' "
        "WHERE measurement_concept_id IN (3038553, 36304833)",
    )
    finished = check(site)
    assert finished.returncode == 0, finished.stdout
    rejected = re.search(
        r"crp: ([\d.]+)% of ([\d,]+) records have an accepted unit; ([\d,]+) are rejected",
        said(finished, "warning"),
    )
    assert rejected
    assert float(rejected[1]) < 50
    assert re.search(r"bmi: 100\.0% of \d+ records have an accepted unit", said(finished, "note"))


@in_files_and_on_a_server
def test_imputed_shares_are_those_of_the_run(site: Site) -> None:
    foreseen = check(site)
    assert site.run().returncode == 0
    ((n_scored,),) = site.rows("SELECT n_scored FROM latest_run")
    imputed = site.rows(
        "SELECT covariate, n FROM latest_covariate_quality WHERE measure = 'n_imputed' AND n > 0"
    )
    assert {covariate for covariate, _ in imputed} == {"bmi", "cdai", "crp", "ileal"}
    for covariate, n in imputed:
        severity = "warning" if n / n_scored >= 0.5 else "note"
        part = f"{covariate}: would be imputed for {n / n_scored:.1%} of patients"
        assert part in said(foreseen, severity)


def test_a_covariate_without_any_record(site: Site) -> None:
    site.change("DELETE FROM measurement", "DELETE FROM observation")
    warnings = said(check(site), "warning")
    for quantity in ("crp", "bmi"):
        assert f"{quantity}: no patient has a record in its window" in warnings
    for covariate in ("crp", "bmi", "cdai"):
        assert f"{covariate}: would be imputed for 100.0% of patients" in warnings


def test_nobody_in_the_cohort(site: Site) -> None:
    finished = check(site, "--as-of", "1990-01-01")
    assert finished.returncode == 0
    assert "cohort: no persons as of 1990-01-01" in said(finished, "warning")


@in_files_and_on_a_server
def test_columns_of_other_types(site: Site) -> None:
    site.change(
        "ALTER TABLE measurement ALTER value_as_number TYPE VARCHAR",
        "UPDATE measurement SET value_as_number = 'haemolysed' WHERE measurement_id % 50 = 0",
        "ALTER TABLE person ALTER person_id TYPE DOUBLE",
        "ALTER TABLE drug_exposure ALTER drug_exposure_start_date TYPE VARCHAR",
    )
    finished = check(site)
    warnings = said(finished, "warning")
    assert re.search(
        r"measurement\.value_as_number: \d+ value\(s\) could not be read as a number", warnings
    )
    assert "person.person_id" not in warnings
    assert "drug_exposure.drug_exposure_start_date" not in warnings


@in_files_and_on_a_server
def test_a_column_of_a_type_that_holds_no_date(site: Site) -> None:
    site.change(
        "ALTER TABLE condition_occurrence DROP COLUMN condition_start_date",
        "ALTER TABLE condition_occurrence ADD COLUMN condition_start_date TIME DEFAULT '10:00:00'",
    )
    finished = check(site)
    everything = said(finished, "error") + said(finished, "warning")
    assert "condition_occurrence.condition_start_date" in everything


@in_files_and_on_a_server
def test_a_missing_vocabulary(site: Site) -> None:
    site.change(
        *(
            f"DROP TABLE {table}"
            for table in ("concept", "concept_ancestor", "concept_relationship", "vocabulary")
        )
    )
    finished = check(site)
    assert finished.returncode == 0, finished.stdout
    warnings = said(finished, "warning")
    assert "table concept is missing" in warnings
    assert "table concept_ancestor is missing: descendants of concepts are not found" in warnings
