"""Exports: the same rows from every store, as a whole or not at all, onto nothing else."""

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot

from omop_scorer import data_model, sql
from omop_scorer.config.export import Export
from omop_scorer.config.run_file import RunConfig, load
from omop_scorer.export import write_export
from omop_scorer.results.schema import migrate
from omop_scorer.stores import open_results, open_store
from tests.support import spark
from tests.support.command_line import (
    AS_OF,
    Site,
    assert_refused,
    environment,
    in_files_and_on_a_server,
    log_lines,
    omop_scorer,
)
from tests.support.small_disk import fill, small_disk
from tests.support.summarised_result import faults, read
from tests.support.thoroughness import cases

FORMATS = ("duckdb", "parquet", "csv", "summarised_result")
WITH_PERSONS = ("duckdb", "parquet")
VIEWS = [tree.this.name for tree in sql.find("results/views").statements()]
NAMES = [*data_model.data_model(), *VIEWS]
EARLIER = date(2025, 1, 31)

Rows = Counter[tuple[Any, ...]]


def export(site: Site, to: Path, kind: str, *arguments: str, **keys: Any):
    words = ("--to", str(to), "--format", kind, *arguments)
    return site.run(*words, command="export", **keys)


def place(folder: Path, kind: str) -> Path:
    return folder / f"answer.{kind}" if kind in ("duckdb", "summarised_result") else folder / kind


def exported(path: Path) -> dict[str, pa.Table]:
    """Return every table of an export with persons."""
    if path.is_dir():
        return {each.stem: pq.read_table(each) for each in path.glob("*.parquet")}
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return {name: connection.table(name).to_arrow_table() for (name,) in names}


def rows_of(table: pa.Table) -> Rows:
    return Counter(tuple(row.values()) for row in table.to_pylist())


def seen(site: Site, run_id: int, **keys: Any) -> dict[str, Rows]:
    """Return the tables of a run and the views as the store has them."""
    config = load(site.run_file(**keys))
    found = {}
    with open_results(config.connections) as reader:
        for name in NAMES:
            is_view = name in VIEWS
            query = f"SELECT * FROM results.{name}{'' if is_view else f' WHERE run_id = {run_id}'}"
            found[name] = rows_of(reader.read(sqlglot.parse_one(query), {}))
    return found


def latest(site: Site) -> int:
    ((run_id,),) = site.rows("SELECT run_id FROM latest_run")
    return run_id


def differing(tables: dict[str, pa.Table], expected: dict[str, Rows]) -> list[str]:
    assert sorted(tables) == sorted(NAMES)
    return [name for name in NAMES if rows_of(tables[name]) != expected[name]]


# ---- The same rows, whatever the store and the format ----


@in_files_and_on_a_server
def test_every_table_and_view_has_the_rows_of_the_store(site: Site) -> None:
    assert site.run("--as-of", "2025-06-16").returncode == 0
    expected = seen(site, latest(site))
    assert sum(expected["latest_patient_covariate"].values()) > 500
    found = {}
    for kind in WITH_PERSONS:
        to = place(site.folder, kind)
        done = export(site, to, kind)
        assert (done.returncode, done.stdout) == (0, f"{to}\n"), done.stderr
        found[kind] = exported(to)
        assert differing(found[kind], expected) == []
    for name, table in found["duckdb"].items():
        assert table.schema.equals(found["parquet"][name].schema), name
        if name in data_model.data_model():
            assert table.schema.equals(data_model.arrow_schema(name)), name


def test_a_file_says_what_its_tables_and_columns_hold(site: Site) -> None:
    to = place(site.folder, "duckdb")
    assert export(site, to, "duckdb").returncode == 0
    with duckdb.connect(str(to), read_only=True) as connection:
        tables = connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall()
        columns = connection.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    of_run = f"omop-scorer export of one run: {latest(site)}, as of {AS_OF}"
    assert all(comment.endswith(of_run) and comment != of_run for _, comment in tables)
    assert len(tables) == len(NAMES)
    assert [column for column in columns if not column[2]] == []


def test_a_folder_gives_the_rows_of_its_views(site: Site) -> None:
    where = {"results": {"url": f"{site.folder}/kept/"}}
    assert site.run(**where).returncode == 0
    to = place(site.folder, "duckdb")
    assert export(site, to, "duckdb", **where).returncode == 0
    ((run_id,),) = duckdb.connect(str(to), read_only=True).execute(
        "SELECT run_id FROM latest_run"
    ).fetchall()  # fmt: skip
    assert differing(exported(to), seen(site, run_id, **where)) == []


def test_a_catalog_of_spark_gives_the_rows_of_a_file(site: Site) -> None:
    session, schema = spark.session(), "exported_results"
    document = {
        "engine": "spark",
        "cdm": {"url": str(site.folder)},
        "results": {"url": "spark", "schema": schema},
    }
    settings = RunConfig.model_validate(document)
    assert export(site, place(site.folder, "duckdb"), "duckdb").returncode == 0
    expected = exported(place(site.folder, "duckdb"))
    try:
        with closing(open_store(settings.connections)) as store:
            migrate(store)
            for name in data_model.data_model():
                store.append(name, expected[name].to_batches())
        with open_results(settings.connections) as reader:
            to = site.folder / "catalog.duckdb"
            write_export(reader, "latest", Export(to=str(to), format="duckdb"), 5)
    finally:
        session.sql(f"DROP SCHEMA {schema} CASCADE")
    found = exported(to)
    assert differing(found, {name: rows_of(table) for name, table in expected.items()}) == []
    assert all(found[name].schema.equals(table.schema) for name, table in expected.items())


@in_files_and_on_a_server
def test_an_older_run_is_as_it_was_seen_when_it_was_the_latest(site: Site) -> None:
    older = latest(site)
    before = seen(site, older)
    assert site.run("--as-of", EARLIER).returncode == 0  # a backfill: older still
    backfilled = max(site.states())
    assert site.run("--as-of", "2025-06-16").returncode == 0
    to = place(site.folder, "duckdb")
    assert export(site, to, "duckdb", "--run", str(older)).returncode == 0
    trend = {run_id for (run_id, *_) in rows_of(exported(to)["run_trend"])}
    assert trend == {older, backfilled}
    # Only views of several runs know of the backfill.
    assert set(differing(exported(to), before)) <= views_of_several_runs()
    assert export(site, to, "duckdb").returncode == 0
    assert differing(exported(to), seen(site, latest(site))) == []


def views_of_several_runs() -> set[str]:
    """Return the views that read runs, except the latest one, themselves or through others."""
    found: set[str] = set()
    for tree in sql.find("results/views").statements():
        named = {table for _, table in sql.tables_of(tree)} - {tree.this.name}
        if tree.this.name != "latest_run" and named & {"scoring_run", "scoring_run_status", *found}:
            found.add(tree.this.name)
    return found


def test_an_empty_run_has_the_columns_and_types_of_a_full_one(site: Site) -> None:
    full, empty = site.folder / "full.duckdb", site.folder / "empty.duckdb"
    assert export(site, full, "duckdb").returncode == 0
    nobody = {"cohort": {"concept_ids": [4]}, "results": {"url": str(site.folder / "none.duckdb")}}
    assert site.run(**nobody).returncode == 0
    for kind in FORMATS:
        assert export(site, place(site.folder, kind), kind, **nobody).returncode == 0
    assert export(site, empty, "duckdb", **nobody).returncode == 0
    found, expected = exported(empty), exported(full)
    assert {name: table.schema for name, table in found.items()} == {
        name: table.schema for name, table in expected.items()
    }
    assert found["latest_score"].num_rows == found["patient_covariate"].num_rows == 0
    parquet = exported(place(site.folder, "parquet"))
    assert all(parquet[name].schema.equals(table.schema) for name, table in found.items())
    text = place(site.folder, "summarised_result").read_text(encoding="utf-8")
    assert faults(read(text)) == []


def test_protected_formats_are_those_of_the_report(site: Site) -> None:
    figures, csv = site.folder / "figures", site.folder / "csv"
    assert site.run("--csv", figures, command="report").returncode == 0
    assert export(site, csv, "csv").returncode == 0
    texts = [{p.name: p.read_text() for p in folder.iterdir()} for folder in (figures, csv)]
    assert texts[0] == texts[1]
    to = place(site.folder, "summarised_result")
    keys = {"minimum_cell_count": 20}
    assert export(site, to, "summarised_result", **keys).returncode == 0
    rows = read(to.read_text(encoding="utf-8"))
    assert faults(rows) == []
    minima = [row["estimate_value"] for row in rows if row["estimate_name"] == "min_cell_count"]
    assert set(minima) == {"20"}
    persons = {str(person) for (person,) in site.rows("SELECT person_id FROM latest_score")}
    assert not {row["variable_level"] for row in rows} & persons


# ---- What is replaced, and what is refused ----


@pytest.mark.parametrize("kind", FORMATS)
def test_an_earlier_export_is_replaced_and_keeps_its_rights(site: Site, kind: str) -> None:
    to = place(site.folder, kind)
    assert export(site, to, kind).returncode == 0
    files = sorted(to.iterdir()) if to.is_dir() else [to]
    modes = {stat.S_IMODE(each.stat().st_mode) for each in files}
    assert modes == ({0o600} if kind in WITH_PERSONS else {0o644})
    assert (
        stat.S_IMODE(to.stat().st_mode)
        == ({"duckdb": 0o600, "parquet": 0o700, "csv": 0o755, "summarised_result": 0o644}[kind])
    )
    group = 12_345 if os.geteuid() == 0 else os.getegid()
    for each in {to, *files}:
        os.chown(each, -1, group)
        each.chmod(0o750 if each.is_dir() else 0o640)
    if to.is_dir():
        (to / "notes.txt").write_text("mine")
    assert site.run("--as-of", "2025-06-16").returncode == 0
    assert export(site, to, kind).returncode == 0
    kept = [to, *(each for each in files if each.suffix == ".parquet")]
    for each in kept:
        assert each.stat().st_gid == group
        assert stat.S_IMODE(each.stat().st_mode) == (0o750 if each.is_dir() else 0o640)
    if to.is_dir():
        assert (to / "notes.txt").read_text() == "mine"
    if kind in WITH_PERSONS:
        assert [row[0] for row in rows_of(exported(to)["latest_run"])] == [latest(site)]
    assert not list(site.folder.glob(".*"))


def test_nothing_else_is_replaced(site: Site) -> None:
    file, folder = site.folder / "theirs.duckdb", site.folder / "theirs"
    folder.mkdir()
    shutil.copy(site.results, file)
    shutil.copy(site.results, folder / "latest_run.parquet")
    other = site.folder / "other.csv"
    assert export(site, other, "summarised_result").returncode == 0
    other.write_text(other.read_text().replace("omop-scorer,", "IncidencePrevalence,"))
    (site.folder / "text.csv").write_text("a,b\n1,2\n")
    (site.folder / "bytes").write_bytes(b"\0\xff" * 50)
    before = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    for kind, path in (
        *(("duckdb", file), ("duckdb", other), ("duckdb", site.folder / "bytes")),
        *(("summarised_result", path) for path in (other, site.folder / "text.csv", file)),
        *(("summarised_result", site.folder / "bytes"), ("duckdb", folder), ("parquet", folder)),
    ):
        assert_refused(export(site, path, kind), 15, path, "no earlier export", "choose another")
    for kind in ("parquet", "csv"):
        assert_refused(export(site, file, kind), 15, file, "File exists|Not a directory|is a file")
    assert_refused(export(site, site.folder / "no" / "a.duckdb", "duckdb"), 15, "no such folder")
    assert_refused(export(site, Path("/dev/null"), "duckdb"), 15, "no earlier export")
    after = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    after.pop(site.folder / "nightly.yaml")
    before.pop(site.folder / "nightly.yaml")
    assert after == before


def test_what_looks_like_an_export_is_not_replaced(site: Site) -> None:
    file, folder, bound = (site.folder / name for name in ("own.duckdb", "own", "bound.csv"))
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'see omop-scorer export of one run' AS t")
    folder.mkdir()
    (folder / "README.txt").write_text("my notes\n")
    assert export(site, bound, "summarised_result").returncode == 0
    rows = bound.read_text().splitlines()
    bound.write_text("\n".join([*rows, rows[1].replace("1,", "99,", 1)]) + "\n")
    for kind, path in (("duckdb", file), ("csv", folder), ("summarised_result", bound)):
        before = (folder / "README.txt").read_bytes() if path == folder else path.read_bytes()
        assert_refused(export(site, path, kind), 15, path, "no earlier export", "choose another")
        after = (folder / "README.txt").read_bytes() if path == folder else path.read_bytes()
        assert after == before


def test_files_that_were_made_from_an_export_stay(site: Site) -> None:
    to = place(site.folder, "parquet")
    assert export(site, to, "parquet").returncode == 0
    some = pq.read_table(to / "latest_patient.parquet").slice(0, 5)
    pq.write_table(some, to / "my_selection.parquet")
    shutil.copy(to / "latest_patient.parquet", to / "patients_of_2025.parquet")
    assert export(site, to, "parquet").returncode == 0
    assert pq.read_table(to / "my_selection.parquet").equals(some)
    assert (to / "patients_of_2025.parquet").exists()


def test_changes_that_another_program_keeps_beside_a_file_are_not_applied_to_the_next(
    site: Site,
) -> None:
    to = place(site.folder, "duckdb")
    assert export(site, to, "duckdb").returncode == 0
    change = f"import duckdb, os; c = duckdb.connect({str(to)!r}); "
    killed = "c.execute('DELETE FROM latest_patient'); os._exit(0)"
    subprocess.run([sys.executable, "-c", change + killed], check=True)
    changes = to.with_name(f"{to.name}.wal")
    assert changes.exists()
    assert_refused(export(site, to, "duckdb"), 15, to, changes.name, "read-only")
    changes.unlink()
    assert export(site, to, "duckdb").returncode == 0
    assert (
        exported(to)["latest_patient"].num_rows
        == site.rows("SELECT COUNT(*) FROM latest_patient")[0][0]
    )
    beside = site.results.with_name(f"{site.results.name}.wal")
    assert_refused(export(site, beside, "duckdb"), 10, "lies in the results")


def test_an_export_of_another_format_is_not_replaced(site: Site) -> None:
    to = place(site.folder, "duckdb")
    assert export(site, to, "duckdb").returncode == 0
    assert_refused(export(site, to, "summarised_result"), 15, "no earlier export of format")
    link = site.folder / "link.duckdb"
    link.symlink_to("answer.duckdb")
    assert export(site, link, "duckdb").returncode == 0
    assert link.is_symlink()
    assert not to.is_symlink()


def test_never_onto_the_cdm_or_the_results(site: Site) -> None:
    cdm, inside = site.folder / "cdm", site.folder / "kept" / "omop_scorer" / "x"
    cdm.mkdir()
    (site.folder / "link").symlink_to("cdm")
    keys = {"cdm": {"url": str(cdm)}}
    for to in (cdm / "a.duckdb", site.folder / "link" / "a.duckdb"):
        assert_refused(export(site, to, "duckdb", **keys), 10, to, "lies in the CDM", "another")
    assert_refused(export(site, site.folder, "csv", **keys), 10, f"--to: {site.folder} .*holds it")
    assert_refused(export(site, site.results, "duckdb"), 10, "lies in the results")
    assert_refused(export(site, site.folder, "parquet"), 10, "holds them|holds it")
    results = {"results": {"url": f"{site.folder}/kept/"}}
    assert_refused(export(site, inside, "parquet", **results), 10, "lies in the results")
    listed = [{"to": str(cdm / "a"), "format": "parquet"}]
    assert_refused(site.run(export=listed, **keys), 10, "export.to: .*lies in the CDM")
    twice = [{"to": "one", "format": "parquet"}, {"to": "one/two", "format": "csv"}]
    assert_refused(site.run(export=twice), 10, "one/two lies in another export")


def test_runs_without_an_answer_are_refused(site: Site) -> None:
    to = place(site.folder, "duckdb")
    first = latest(site)
    assert_refused(export(site, to, "duckdb", "--run", "7"), 10, "no run '7'", "latest, previous")
    assert site.run(cohort={"minimum_persons": 10_000}).returncode == 12
    failed = max(site.states())
    assert_refused(export(site, to, "duckdb", "--run", str(failed)), 15, "is FAILED")
    assert site.run(keep_person_level_runs=1).returncode == 0
    assert_refused(
        export(site, to, "duckdb", "--run", str(first)), 15, "no rows of persons any more"
    )
    assert export(site, to, "summarised_result", "--run", str(first)).returncode == 0
    last = str(max(site.states()))
    done = site.run(last, "--reason", "a test", command="withdraw")
    assert done.returncode == 0, done.stderr
    refused = export(site, site.folder / "b.duckdb", "duckdb", "--run", last)
    assert_refused(refused, 15, "was withdrawn")
    site.write(f"DELETE FROM patient_subgroup WHERE run_id = {first}")
    site.write("DELETE FROM schema_version WHERE version > 1")
    other = place(site.folder, "parquet")
    assert_refused(export(site, other, "parquet"), 15, "version 1", "the next run migrates it")


def test_wrong_usage(site: Site) -> None:
    path = str(site.run_file())
    for words in (("--to", "a"), ("--format", "csv"), ("--to", "a", "--format", "xlsx")):
        assert omop_scorer("export", "--config", path, *words, cwd=site.folder).returncode == 2
    none = omop_scorer("export", "--config", path, cwd=site.folder)
    assert_refused(none, 10, "names no export")
    long = omop_scorer("export", "--config", path, "--to", "x" * 300, "--format", "csv")
    assert_refused(long, 10, "--to x")
    assert_refused(site.run(export=[{"to": "a", "format": "xlsx"}]), 10, "export", "'duckdb'")
    help_ = omop_scorer("export", "--help").stdout
    assert max(map(len, help_.splitlines())) <= 80


@pytest.mark.parametrize("kind", FORMATS)
def test_a_folder_that_cannot_be_written(site: Site, kind: str) -> None:
    folder = Path("/proc")  # root writes everywhere else
    if os.geteuid():
        folder = site.folder / "locked"
        folder.mkdir(mode=0o555)
    assert_refused(export(site, place(folder, kind), kind), 15, folder, "cannot", "choose another")


# ---- The night ----


def test_a_night_writes_its_exports(site: Site) -> None:
    listed = [{"to": str(place(site.folder, kind)), "format": kind} for kind in FORMATS]
    done = site.run("--log-format", "json", export=listed)
    assert done.returncode == 0, done.stderr
    steps = [line["step"] for line in log_lines(done.stderr) if line["event"] == "step"]
    assert steps[-4:] == [f"export {kind}" for kind in FORMATS]
    for kind in WITH_PERSONS:
        tables = exported(place(site.folder, kind))
        assert [row[0] for row in rows_of(tables["latest_run"])] == [latest(site)]
    assert faults(read(place(site.folder, "summarised_result").read_text())) == []
    assert (place(site.folder, "csv") / "prevalence.csv").exists()
    ((kept,),) = site.rows("SELECT config_json FROM scoring_run ORDER BY run_id DESC LIMIT 1")
    assert '"export"' in kept
    report = site.run("--csv", site.folder / "figures", command="report")
    assert report.returncode == 0
    assert "answer.duckdb" not in (site.folder / "figures" / "run.csv").read_text()
    never = site.folder / "dry.duckdb"
    assert site.run("--dry-run", export=[{"to": str(never), "format": "duckdb"}]).returncode == 0
    assert not never.exists()


def test_a_failed_export_does_not_undo_the_night(site: Site) -> None:
    good, bad = place(site.folder, "duckdb"), site.folder / "notes.txt"
    bad.write_text("mine")
    kinds = {bad: "summarised_result", good: "duckdb"}
    listed = [{"to": str(path), "format": kind} for path, kind in kinds.items()]
    checked = site.run(command="check", export=listed)
    assert checked.returncode == 15
    assert "no earlier export" in checked.stdout
    done = site.run("--no-quiet", export=listed)
    assert done.returncode == 15
    assert "the run is COMPLETE, but its export failed: " in done.stderr
    assert "omop-scorer export" in done.stderr
    assert "subgroup" in done.stdout  # the summary
    assert list(site.states().values()) == ["COMPLETE"] * 2
    assert [row[0] for row in rows_of(exported(good)["latest_run"])] == [latest(site)]
    assert site.run(command="status", export=listed).returncode == 0
    bad.unlink()
    again = site.run(command="export", export=listed)
    assert (again.returncode, again.stdout) == (0, f"{bad}\n{good}\n")


# ---- Readers, kills and full disks ----


def test_a_reader_blocks_no_export_and_keeps_what_it_reads(site: Site) -> None:
    to = place(site.folder, "duckdb")
    assert export(site, to, "duckdb").returncode == 0
    first = latest(site)
    with duckdb.connect(str(to)) as reader:  # not read-only, as R opens it
        assert site.run(export=[{"to": str(to), "format": "duckdb"}]).returncode == 0
        assert reader.execute("SELECT run_id FROM latest_run").fetchall() == [(first,)]
        assert reader.execute("SELECT DISTINCT run_id FROM latest_score").fetchall() == [(first,)]
    assert [row[0] for row in rows_of(exported(to)["latest_run"])] == [latest(site)]


@pytest.mark.parametrize("kind", WITH_PERSONS)
def test_a_kill_leaves_a_whole_export(site: Site, kind: str) -> None:
    to = place(site.folder, kind)
    started = time.monotonic()
    assert export(site, to, kind).returncode == 0
    seconds = time.monotonic() - started
    whole = {name: table.num_rows for name, table in exported(to).items()}
    draw = random.Random(kind)
    n_killed = 0
    for _ in cases(range(4), range(40)):
        words = ("--to", str(to), "--format", kind)
        process = site.start(*words, command="export")
        time.sleep(draw.uniform(0.2, 1) * seconds)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        n_killed += process.finish().returncode != 0
        assert {name: table.num_rows for name, table in exported(to).items()} == whole
    assert n_killed
    for left in site.folder.glob(".*.new"):
        assert stat.S_IMODE(left.stat().st_mode) == 0o700 or kind == "parquet"
        os.utime(left, (0, 0))
    assert export(site, to, kind).returncode == 0
    assert not list(site.folder.glob(".*"))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_full_disk_leaves_the_earlier_export(site: Site, tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 60) as mounted:
        if not mounted:
            pytest.skip("no disk can be mounted here")
        to = place(disk, kind)
        assert export(site, to, kind).returncode == 0
        files = [to] if to.is_file() else sorted(to.iterdir())
        before = {path: path.read_bytes() for path in files}
        fill(disk / "filler", 40_000)
        done = export(site, to, kind)
        assert_refused(done, 15, "(No|no) space", to)
        assert {path: path.read_bytes() for path in files} == before
        assert sorted(path.name for path in disk.iterdir()) == sorted(["filler", to.name])


def test_the_environment_sets_an_export(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    to = place(site.folder, "summarised_result")
    monkeypatch.setenv("OMOP_SCORER__EXPORT", f"[{{to: {to}, format: summarised_result}}]")
    assert "OMOP_SCORER__EXPORT" in environment()
    assert site.run(command="export").returncode == 0
    assert to.exists()
