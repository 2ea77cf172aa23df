"""The program on a CDM that is kept as Delta tables."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.functional.conftest import N_SMALL
from tests.support.command_line import RUN_TABLES, Site, assert_refused, omop_scorer
from tests.support.delta import column, with_features, write_log

#: Tables of the made-up CDM that a run reads, by name.
READ = (
    "care_site",
    *("cdm_source", "concept", "concept_ancestor", "concept_relationship", "condition_occurrence"),
    *("death", "drug_exposure", "measurement", "observation", "person", "vocabulary"),
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, made_up: Callable[..., Path]) -> Path:
    """Return the small CDM as a folder of Delta tables."""
    folder = tmp_path_factory.mktemp("lake")
    with duckdb.connect() as source:
        source.execute(f"ATTACH '{made_up()}' AS given (READ_ONLY)")
        names = source.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        for schema, table in names:
            rows = source.sql(f"FROM given.{schema}.{table}").to_arrow_table()
            write_deltalake(folder / table, rows)
    return folder


@pytest.fixture
def site(tmp_path: Path, lake: Path) -> Site:
    cdm = tmp_path / "cdm"
    shutil.copytree(lake, cdm)
    return Site(tmp_path, cdm, tmp_path / "results.duckdb")


def rows_of(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table that the views of the latest run show."""
    return {
        table: site.rows(
            f"SELECT * EXCLUDE run_id FROM {table} WHERE run_id = (SELECT MAX(run_id) "
            "FROM scoring_run) ORDER BY ALL"
        )
        for table in RUN_TABLES
    }


def snapshots(site: Site) -> list[str]:
    """Return the recorded states of the CDM, first run to last."""
    return [row[0] for row in site.rows("SELECT cdm_snapshot FROM scoring_run ORDER BY run_id")]


def change(site: Site) -> None:
    """Commit a load of the next day: rows deleted, updated, and a table replaced."""
    DeltaTable(site.cdm / "drug_exposure").delete("person_id % 3 = 0")
    measured = DeltaTable(site.cdm / "measurement")
    measured.update(updates={"value_as_number": "value_as_number * 1.5"})
    persons = DeltaTable(site.cdm / "person")
    write_deltalake(persons, persons.to_pyarrow_table().slice(20), mode="overwrite")


def test_the_results_are_those_of_a_file_and_can_be_repeated(
    site: Site, made_up: Callable[..., Path], answered: Path
) -> None:
    checked = site.run(command="check")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    assert f"cohort: {N_SMALL:,} persons" in checked.stdout
    state = "delta: " + ", ".join(f"{name}=0" for name in READ)
    assert f"note    CDM state: {state}" in checked.stdout
    done = site.run()
    assert done.returncode == 0, done.stderr
    assert f"CDM state: {state}" in " ".join(done.stdout.split())
    assert snapshots(site) == [state]
    first = rows_of(site)
    assert first == rows_of(Site(site.folder, made_up(), answered))

    change(site)
    assert site.run().returncode == 0
    assert rows_of(site) != first
    old = dict.fromkeys(("drug_exposure", "measurement", "person"), 0)
    changed = state
    for name in old:
        changed = changed.replace(f"{name}=0", f"{name}=1")
    assert snapshots(site) == [state, changed]
    shown = site.run("previous", "latest", command="diff")
    assert "cdm_snapshot" in shown.stdout

    assert site.run(cdm={"delta_versions": old}).returncode == 0
    assert snapshots(site)[-1] == state
    assert rows_of(site) == first


def test_commits_during_a_run_do_not_change_its_answer(site: Site) -> None:
    running = site.start()
    n_commits = 0
    while running.is_at_work:
        one = DeltaTable(site.cdm / "measurement")
        one.update(updates={"value_as_number": "value_as_number + 1"})
        DeltaTable(site.cdm / "drug_exposure").delete(f"person_id % 97 = {n_commits % 97}")
        n_commits += 1
    assert running.wait() == 0
    assert n_commits > 0
    (state,) = snapshots(site)
    found = rows_of(site)
    words = state.removeprefix("delta: ").split(", ")
    versions = {name: int(version) for name, _, version in (w.partition("=") for w in words)}
    assert site.run(cdm={"delta_versions": versions}).returncode == 0
    assert snapshots(site) == [state, state]
    assert rows_of(site) == found


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_table_that_cannot_be_read_is_refused(site: Site, command: str) -> None:
    shutil.rmtree(site.cdm / "person")
    protocol = with_features("typeWidening")
    write_log(site.cdm / "person", [column("person_id")], protocol=protocol)
    done = site.run(command=command)
    assert done.returncode == 12
    said = done.stderr + done.stdout
    assert "/person: uses the Delta feature TypeWidening" in said
    assert "DROP FEATURE" in said
    assert "Traceback" not in said


def test_load_cdm_refuses_delta(site: Site) -> None:
    url = "postgresql://nobody@localhost:1/nothing"
    done = omop_scorer("load-cdm", site.cdm, "--to", url, "--schema", "cdm")
    assert_refused(done, 12, "a Delta table, which this command does not read")
