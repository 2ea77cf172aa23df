"""Rules of the layout that import-linter cannot express; its contracts stand in pyproject.toml."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "omop_scorer"
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
#: Modules that stand beside the folders: what every floor may use.
GROUND = {"data_model", "documents", "errors", "journal", "resources", "sql", "terms"}
#: Scientific packages that the arithmetic may use. pydantic describes the model card.
MODEL_PACKAGES = {"numpy", "scipy", "pydantic"}
#: Modules that a command which only reads results may load, besides the ground floor.
READERS = ("omop_scorer.results.history", "omop_scorer.results.health", "omop_scorer.cli.results")


def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imports_of(module: str, *, is_top_level_only: bool = False) -> set[str]:
    """Return the names that a module imports; of our own modules, the module itself."""
    tree = tree_of(module)
    names = set()
    for node in tree.body if is_top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in FILES else node.module)
    return names


def test_few_modules_stand_at_the_root() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert found == GROUND


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module: imports_of(module) & FILES.keys() - {module} for module in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", FILES)
def test_modules_are_short(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("module", FILES)
def test_names_of_modules_say_what_they_hold(module: str) -> None:
    vague = {"utils", "util", "helpers", "common", "manager", "handler", "misc"}
    assert not vague & set(module.split("."))


@pytest.mark.parametrize("module", FILES)
def test_private_names_stay_in_their_module(module: str) -> None:
    found = [
        alias.name
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("omop_scorer")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert found == []


@pytest.mark.parametrize("module", [name for name in FILES if ".model" in name])
def test_the_model_uses_arithmetic_packages_only(module: str) -> None:
    packages = {name.partition(".")[0] for name in imports_of(module)} - {"omop_scorer"}
    foreign = {name for name in packages if not _is_standard(name)}
    assert foreign <= MODEL_PACKAGES


def _is_standard(name: str) -> bool:
    import sys

    return name in sys.stdlib_module_names


@pytest.mark.parametrize("name", ["kernel", "arrays", "p_values", "subgroups", "reduced"])
def test_the_arithmetic_knows_no_disease_and_no_class(name: str) -> None:
    text = FILES[f"omop_scorer.model.{name}"].read_text(encoding="utf-8").lower()
    for word in ("crohn", "tnf", "integrin", "cdai", "il12"):
        assert word not in text


def test_opening_an_engine_loads_no_other_engine() -> None:
    names = imports_of("omop_scorer.engines", is_top_level_only=True)
    assert not {name for name in names if name.count(".") > 2}


@pytest.mark.parametrize("module", READERS)
def test_readers_of_results_know_no_cdm(module: str) -> None:
    makers = ("staging", "nightly", "scoring", "loading", "cdm", "engines.duckdb", "engines.spark")
    found = {
        name
        for name in imports_of(module)
        if name.startswith(tuple(f"omop_scorer.{m}" for m in makers))
    }
    assert found == set()
