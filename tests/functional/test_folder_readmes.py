"""The READMEs of the folders: complete, fresh, and right wherever that can be tried."""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import typer
import yaml

from omop_scorer import data_model, terms
from omop_scorer.cli.main import app
from omop_scorer.config.concept_sets import load_concept_sets
from omop_scorer.config.run_file import load
from omop_scorer.model.card import ClassFit, Covariate, DrugClass, ModelCard
from tests.documentation import configs_folder, parts, run_file

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/README.md"))
KEYS = sorted(run_file.schemas())
TABLES = sorted(data_model.data_model())
MEASURES = (
    *terms.MEASUREMENT_MEASURES,
    *terms.STATUS_MEASURES,
    *terms.STEROID_MEASURES,
    *terms.COHORT_MEASURES,
    *terms.MAPPING_MEASURES,
)


def readme(folder: str) -> str:
    return (ROOT / folder / "README.md").read_text(encoding="utf-8")


def written_by_hand(folder: str) -> str:
    generated = r"<!-- generated: .*?<!-- end -->"
    return re.sub(generated, "", readme(folder), flags=re.DOTALL)


def blocks(folder: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme(folder), flags=re.DOTALL)


def own_blocks(language: str) -> list[str]:
    """Return the blocks on reading the results, without those on exports, which have a test."""
    of_exports = section("sql", "Into R, pandas, Superset and Power BI")
    return [each for each in blocks("sql", language) if each not in of_exports]


def section(folder: str, heading: str) -> str:
    """What stands under a heading, down to the next one of its level or above."""
    marks = re.search(rf"^(#+) {re.escape(heading)}$", readme(folder), flags=re.MULTILINE)
    assert marks, heading
    rest = readme(folder)[marks.end() :]
    return re.split(rf"^#{{1,{len(marks[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_generated_parts_are_fresh() -> None:
    assert list(parts.stale()) == [], "write them again with: make docs"


def test_every_generated_part_stands_in_one_readme() -> None:
    named = [name for path in parts.READMES for name in parts.names_in(path.read_text("utf-8"))]
    assert sorted(named) == sorted(parts.PARTS)


def test_a_stale_part_is_written_again() -> None:
    before, after = "text\n\n<!-- generated: units -->\n", "<!-- end -->\n\nmore text\n"
    written = parts.rewritten(f"{before}\n| old |\n\n{after}")
    assert written == f"{before}\n{parts.PARTS['units']()}\n\n{after}"
    assert parts.rewritten(written) == written


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_key_of_the_run_file_has_a_meaning(key: run_file.KeyPath) -> None:
    names = run_file.quantities()
    alike = [("covariates", name, key[-1]) for name in names] if key[1:2] in zip(names) else [key]
    if not any(run_file.keys()[each].meaning for each in alike):
        by_hand = written_by_hand("configs")
        assert f"`{'.'.join(key)}`" in by_hand or f"`{key[-1]}`" in by_hand


def test_keys_of_the_run_file_and_of_its_models_are_the_same() -> None:
    with_value = {path for path, key in run_file.keys().items() if key.value}
    assert with_value == set(KEYS)


def test_keys_are_described_as_their_models_check_them() -> None:
    kinds = {key[-1]: run_file.allowed(schema) for key, schema in run_file.schemas().items()}
    assert kinds["engine"] == "`duckdb`, `postgresql`, `spark`"
    assert kinds["retries"] == "whole number (0 to 20)"
    assert kinds["threads"] == "whole number (1 to 1,024) or `null`"
    assert kinds["age_maximum"] == "whole number (0 to 150)"
    assert kinds["concept_ids"] == "list of whole numbers"
    assert kinds["tables"] == "a text or `null` for each name"
    assert kinds["since"] == "date"


@pytest.mark.parametrize("example", blocks("configs", "yaml"))
def test_examples_of_files_are_valid(example: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(example, encoding="utf-8")
    if isinstance(yaml.safe_load(example).get("concept_sets"), dict):
        assert load_concept_sets(tmp_path)
    else:
        assert load(path)


@pytest.mark.parametrize("name", [rule[0] for rule in configs_folder.covariate_rules_in_force()])
def test_every_covariate_is_explained(name: str) -> None:
    assert f"`{name}`" in section("configs", "The covariates in full")


def test_the_covariates_stand_there_with_window_and_default() -> None:
    listed = section("configs", "The covariates in full")
    for name, unit, _, window, if_none in configs_folder.covariate_rules_in_force():
        (row,) = re.findall(rf"^\| `{name}` \| {unit} \|.*$", listed, flags=re.MULTILINE)
        assert row.endswith(f"| {window} | {if_none} |")


def test_every_key_of_a_model_card_stands_there() -> None:
    listed = section("configs", "Model cards")
    for name in (*ModelCard.model_fields, *DrugClass.model_fields, *ClassFit.model_fields):
        assert f"`{name}`" in listed, name
    assert {"column", "coding"} <= Covariate.model_fields.keys()


@pytest.mark.parametrize("table", TABLES)
def test_every_results_table_has_a_description_and_its_columns(table: str) -> None:
    under = section("sql", table)
    assert re.match(r"\n+One row (per|for) ", under)
    for column in data_model.data_model()[table]:
        assert f"| `{column.column_name}` | {column.data_type} |" in under


def test_the_results_tables_are_specified() -> None:
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
        "sums_over",
        "part_of",
        "protect_last",
        "description",
    ]
    assert all(row["description"] for row in rows)


@pytest.mark.parametrize("measure", MEASURES)
def test_every_count_is_explained(measure: str) -> None:
    assert f"`{measure}`" in section("sql", "Counts in covariate_quality")


@pytest.mark.parametrize("query", own_blocks("sql"))
def test_the_questions_for_the_results_have_an_answer(
    answered: Path, made_up: Callable[[], Path], query: str
) -> None:
    with duckdb.connect(str(answered), read_only=True) as connection:
        connection.execute(f"ATTACH '{made_up()}' AS site (READ_ONLY)")
        assert connection.execute(query).fetchall()


def test_there_are_twelve_questions() -> None:
    questions = section("sql", "Twelve questions for the results")
    assert [int(n) for n in re.findall(r"^-- (\d+)\.", questions, re.MULTILINE)] == [*range(1, 13)]


def test_question_7_counts_the_preferred_classes(answered: Path) -> None:
    (query,) = (each for each in own_blocks("sql") if each.startswith("-- 7."))
    expected: dict[str, tuple[int, int]] = {}
    with duckdb.connect(str(answered), read_only=True) as connection:
        for preferred, given, n_persons in connection.execute(
            "SELECT preferred, next_class, n_persons "
            "FROM omop_scorer.latest_preference_concordance WHERE population = 'all'"
        ).fetchall():
            classes = preferred.split(" = ")
            if classes[0].startswith("anti_") and given.startswith("anti_"):
                n_preferred, n_all = expected.get(preferred, (0, 0))
                n_preferred += n_persons if given in classes else 0
                expected[preferred] = (n_preferred, n_all + n_persons)
        found = {row[0]: row[1:] for row in connection.execute(query).fetchall()}
    assert found == {key: counts for key, counts in expected.items() if counts[1]}
    assert any(0 < n_preferred < n_all for n_preferred, n_all in found.values())


def test_the_results_are_read_as_shown(answered: Path, tmp_path: Path) -> None:
    shutil.copy(answered, tmp_path / "results.duckdb")
    (script,) = own_blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "(TNF = IL = INT)" in done.stdout


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_link_leads_somewhere(folder: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", readme(folder)):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = ROOT / folder / file if file else ROOT / folder / "README.md"
        assert path.exists(), target
        if anchor:
            text = path.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
            assert anchor in map(slug, headings), target


@pytest.mark.parametrize("folder", FOLDERS)
def test_make_targets_exist(folder: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make (\w+)", readme(folder), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.mark.parametrize("folder", FOLDERS)
def test_commands_have_the_options_that_are_shown(folder: str) -> None:
    program = typer.main.get_command(app)
    shown = "\n".join(re.findall(r"```\w*\n(.*?)```", readme(folder), flags=re.DOTALL))
    for line in re.findall(r"^omop-scorer .*$", shown, flags=re.MULTILINE):
        _, name, *words = shlex.split(line, comments=True)
        command = program.commands[name]
        if commands := getattr(command, "commands", None):
            command = commands[words.pop(0)]
        if hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known, line
