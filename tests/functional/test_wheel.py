"""The wheel carries the SQL files and the configuration, and works without the checkout."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from omop_scorer import sql
from omop_scorer.resources import shipped

ROOT = Path(__file__).parents[2]
SCRIPT = """
from omop_scorer import sql
from omop_scorer.config.run_file import load, shipped_run_file
from omop_scorer.config.definitions import load_definitions
from omop_scorer.resources import shipped
assert "_resources" in str(shipped("sql")), shipped("sql")
definitions = load_definitions(load(shipped_run_file()))
print(len(sql.names()), definitions.model.card.id)
"""
USER = """
import datetime
import pandas as pd
import omop_scorer
from omop_scorer.errors import ScoringError

model: omop_scorer.Model = omop_scorer.load_model("crohns_srs_2025")
patient: omop_scorer.PatientScore = omop_scorer.score_patient(age=55, sex="f", model=model)
frame: pd.DataFrame = omop_scorer.score_frame(pd.DataFrame(), uncertainty="analytic")
done: omop_scorer.RunResult = omop_scorer.run("nightly.yaml", datetime.date(2026, 1, 1), threads=2)
scores: pd.DataFrame = omop_scorer.results(done.results_url).table("latest_score")
code: int = ScoringError.exit_code + omop_scorer.errors.CdmError.exit_code
"""
MISUSE = """
omop_scorer.score_frame(frame, uncertainty="none")
omop_scorer.results(done.results_url).table(1)
omop_scorer.run()
"""


def test_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for folder in ("sql", "configs"):
        for path in shipped(folder).rglob("*"):
            if path.is_file():
                inside = path.relative_to(shipped(folder)).as_posix()
                assert f"omop_scorer/_resources/{folder}/{inside}" in names
    assert {"omop_scorer/py.typed", "omop_scorer/__init__.pyi"} <= names
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(sql.names())), "crohns_srs_2025"]


def test_users_have_types(tmp_path: Path) -> None:
    """Code that uses the package passes `mypy --strict`, and wrong code does not."""
    pytest.importorskip("mypy")
    site = tmp_path / "site" / "omop_scorer"
    shutil.copytree(ROOT / "omop_scorer", site, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "user.py").write_text(USER + MISUSE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "user.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^user\.py:(\d+): error: .*\[(.+)\]$", done.stdout, flags=re.MULTILINE)
    first = len(USER.splitlines()) + 2
    assert found == [
        (str(first), "arg-type"),
        (str(first + 1), "arg-type"),
        (str(first + 2), "call-arg"),
    ], done.stdout + done.stderr
