"""Files that the program writes: any DuckDB since 1.0 can read them, and only this user may."""

import os
import stat
from pathlib import Path

import duckdb
import pytest

from omop_scorer.model.load import load_model
from omop_scorer.scoring.csv_file import score_csv
from omop_scorer.synthetic import write as synthetic
from tests.conftest import run_on

#: Number in the header of a file whose format is that of DuckDB 1.0.
_FORMAT = 64
_PATIENTS = """\
age,sex,bmi,crp,cdai,prior_anti_tnf,steroid,immunomodulator,ileal
55,female,27,22,310,no,yes,no,yes
"""


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def format_of(file: Path) -> int:
    header = file.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    return int.from_bytes(header[12:], "little")


def readable_by_others(folder: Path) -> list[str]:
    """Return the files that other users may read, unless they may not enter the folder above."""
    found = [path for path in folder.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return sorted(path.name for path in found)


@pytest.mark.parametrize(("cdm", "results"), [("cdm.duckdb", "r.duckdb"), ("cdm", "results/")])
def test_new_files_are_private_and_old_ones_keep_their_mode(tmp_path, cdm, results):
    synthetic.write(tmp_path / cdm, 60, 7)
    run_on(tmp_path / cdm, f"{tmp_path}/{results}", {"as_of_date": synthetic.AS_OF})
    assert readable_by_others(tmp_path) == []
    if results == "r.duckdb":
        file = tmp_path / results
        assert [format_of(tmp_path / cdm), format_of(file)] == [_FORMAT, _FORMAT]
        file.chmod(0o640)
        run_on(tmp_path / cdm, file, {"as_of_date": synthetic.AS_OF})
        assert readable_by_others(tmp_path) == ["r.duckdb"]
        assert format_of(file) == _FORMAT


def test_a_results_file_of_a_newer_format_keeps_it(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "cdm.duckdb", 60, 7)
    file = tmp_path / "r.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS r (STORAGE_VERSION 'latest')")
        connection.execute("CREATE SCHEMA r.other")
    newer = format_of(file)
    run_on(tmp_path / "cdm.duckdb", file, {"as_of_date": synthetic.AS_OF})
    assert format_of(file) == newer > _FORMAT


def test_scores_are_private(tmp_path: Path) -> None:
    source, target = tmp_path / "patients.csv", tmp_path / "scores.csv"
    source.write_text(_PATIENTS, encoding="utf-8")
    score_csv(source, target, load_model("crohns_srs_2025"))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    target.chmod(0o640)
    score_csv(source, target, load_model("crohns_srs_2025"))
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
