"""What the README says can be done, can be done."""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from omop_scorer import config, covariates, errors, results, sql

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = Path(sys.executable).with_name("omop-scorer")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command, comments=True)
    return subprocess.run(
        [str(PROGRAM), *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_tutorial_runs_as_written(tmp_path: Path) -> None:
    shutil.copy(config.shipped_run_file(), tmp_path)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    ours = [command for command in commands if command.startswith("omop-scorer")]
    assert len(ours) >= 4
    for command in ours:
        done = run(command, tmp_path)
        assert done.returncode == 0, (command, done.stderr)
    script = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "TNF > (IL = INT)" in done.stdout


@pytest.mark.parametrize("query", blocks("sql"))
def test_the_questions_for_the_results_have_an_answer(answered: Path, query: str) -> None:
    with duckdb.connect(str(answered), read_only=True) as connection:
        assert connection.execute(query).fetchall()


def test_there_are_ten_questions() -> None:
    numbers = [int(re.match(r"-- (\d+)\.", query)[1]) for query in blocks("sql")]
    assert numbers == [*range(1, 11)]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in script
    assert "make check" in script


def test_every_command_stands_in_the_readme() -> None:
    help_text = run("omop-scorer --help", ROOT).stdout
    commands = re.findall(r"^  ([a-z][a-z-]+)  ", help_text.partition("Commands:")[2], re.MULTILINE)
    assert len(commands) >= 8
    for command in commands:
        assert f"| `omop-scorer {command}` |" in README
        assert "Usage" in run(f"omop-scorer {command} --help", ROOT).stdout


@pytest.mark.parametrize("table", sorted(results.data_model()))
def test_every_results_table_stands_in_the_readme(table: str) -> None:
    assert f"`{table}`" in README


def test_every_count_stands_in_the_readme() -> None:
    for measure in covariates.MEASUREMENT_MEASURES:
        assert f"`{measure}`" in README


def test_every_file_named_exists() -> None:
    for target in re.findall(r"\]\(([^)#][^)]*)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_sql_folder_is_specified() -> None:
    path = ROOT / "sql" / "results" / "results_data_model.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "table_name",
        "column_name",
        "data_type",
        "is_required",
        "primary_key",
        "min_cell_count",
        "description",
    ]
    assert all(row["description"] for row in rows)
    assert sql.names()


@pytest.mark.parametrize(
    ("language", "name"),
    [("ini", "omop-scorer.timer"), ("ini", "omop-scorer.service"), ("yaml", "kubernetes.yaml")],
)
def test_units_and_manifests_stand_in_the_readme_as_they_are(language: str, name: str) -> None:
    assert (ROOT / "docker" / name).read_text(encoding="utf-8") in blocks(language)


def test_every_exit_code_stands_in_the_readme() -> None:
    codes = {each.exit_code for each in errors.OmopScorerError.__subclasses__()}
    assert {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)} >= codes
