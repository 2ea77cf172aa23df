"""A load that exchanges files of the CDM during a run: the run fails and names the file."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.command_line import Finished, Site, log_lines, start


def export(cdm: Path, folder: Path, kind: str) -> Path:
    """Write the tables of a CDM as files."""
    folder.mkdir()
    with duckdb.connect(str(cdm), read_only=True) as connection:
        connection.execute("USE cdm.cdm")
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            connection.execute(f"COPY {table} TO '{folder}/{table}.{kind}' (FORMAT {kind})")
    return folder


def in_parts(folder: Path) -> Path:
    """Make the measurements of a folder a table of two parts, below a link."""
    parts = folder / "measurement" / "year=2025"
    parts.mkdir(parents=True)
    whole = folder / "measurement.parquet"
    with duckdb.connect() as connection:
        for n in (0, 1):
            rows = f"FROM '{whole}' WHERE measurement_id % 2 = {n}"
            connection.execute(f"COPY ({rows}) TO '{parts}/part-{n}.parquet' (FORMAT parquet)")
    whole.unlink()
    link = folder.parent / "current"
    link.symlink_to(folder.name)
    return link


def run_changed_after(site: Site, step: str, change: Callable[[], None], **keys: Any) -> Finished:
    """Change files while a run waits after a step."""
    run = start("run", "--config", site.run_file(**keys), "--log-format", "json")
    for line in run.stderr:
        if log_lines(line)[0].get("step") == step:
            os.kill(run.pid, signal.SIGSTOP)
            change()
            os.kill(run.pid, signal.SIGCONT)
            break
    else:
        pytest.fail(f"the run never logged the step {step}")
    return run.finish()


@pytest.fixture
def places(tmp_path: Path, made_up: Any) -> dict[str, Path]:
    """Return the small CDM in each form, all below one folder."""
    cdm = tmp_path / "cdm.duckdb"
    shutil.copy(made_up(), cdm)
    return {
        "duckdb": cdm,
        "csv": export(cdm, tmp_path / "as_csv", "csv"),
        "parquet": in_parts(export(cdm, tmp_path / "release_1", "parquet")),
    }


@pytest.fixture
def night(tmp_path: Path, answered: Path) -> Iterator[Site]:
    """Return a site with yesterday's answer, which must still be in view at the end."""
    results = tmp_path / "results.duckdb"
    shutil.copy(answered, results)
    site = Site(tmp_path, tmp_path / "cdm.duckdb", results)
    seen = site.answer()
    yield site
    assert site.answer() == seen
    assert sorted(site.states().values()) == ["COMPLETE", "FAILED"]


PART = "current/measurement/year=2025/part-0.parquet"


def rewritten(place: Path) -> None:
    part = place / "measurement" / "year=2025" / "part-0.parquet"
    rows = f"FROM '{part}' LIMIT 3"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({rows}) TO '{part}.new' (FORMAT parquet)")
    Path(f"{part}.new").replace(part)


def linked_elsewhere(place: Path) -> None:
    shutil.copytree(place.resolve(), place.parent / "release_2")
    place.unlink()
    place.symlink_to("release_2")


def without_a_part(place: Path) -> None:
    (place / "measurement" / "year=2025" / "part-0.parquet").unlink()


def with_another_part(place: Path) -> None:
    parts = place / "measurement" / "year=2025"
    shutil.copy(parts / "part-0.parquet", parts / "part-2.parquet")


def with_another_line(place: Path) -> None:
    with (place / "death.csv").open("a", encoding="utf-8") as file:
        file.write("\n")


def touched(place: Path) -> None:
    os.utime(place)


@pytest.mark.parametrize(
    ("place", "step", "change", "file", "happened"),
    [
        ("parquet", "CDM", rewritten, PART, "was changed"),
        ("parquet", "cohort", without_a_part, PART, "was removed"),
        ("parquet", "score", linked_elsewhere, "current/", "was replaced"),
        ("parquet", "quality", with_another_part, PART.replace("-0", "-2"), "appeared"),
        ("csv", "score", with_another_line, "as_csv/death.csv", "was changed"),
        ("duckdb", "score", touched, "cdm.duckdb", "was changed"),
    ],
)
def test_a_change_fails_the_run(
    night: Site,
    places: dict[str, Path],
    place: str,
    step: str,
    change: Callable[[Path], None],
    file: str,
    happened: str,
) -> None:
    at = places[place]
    finished = run_changed_after(night, step, lambda: change(at), cdm={"url": str(at)})
    assert finished.returncode == 12, finished.stderr
    assert file in finished.stderr
    assert f" {happened} during the run" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_change_of_the_vocabulary_fails_the_run(night: Site, places: dict[str, Path]) -> None:
    concept = places["csv"] / "concept.csv"
    keys = {"url": str(places["duckdb"]), "vocabulary_url": str(places["csv"])}
    finished = run_changed_after(night, "score", lambda: os.utime(concept), cdm=keys)
    assert finished.returncode == 12, finished.stderr
    assert "cdm.vocabulary_url " in finished.stderr
    assert "concept.csv was changed during the run" in finished.stderr


def test_a_log_beside_the_parts_may_change(tmp_path: Path, places: dict[str, Path]) -> None:
    site = Site(tmp_path, places["parquet"], tmp_path / "fresh.duckdb")

    def log() -> None:
        (site.cdm / "measurement" / "_SUCCESS").touch()
        (site.cdm / "note.parquet").touch()

    assert run_changed_after(site, "CDM", log).returncode == 0
