"""The wheel carries the SQL files and the configuration, and works without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

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
