"""Rules of the layout that import-linter cannot express; its contracts stand in pyproject.toml."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "omop_scorer"
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
#: Modules that stand beside the folders: what Python code calls, and what every floor may use.
AT_THE_ROOT = {
    "interface",
    "data_model",
    "documents",
    "errors",
    "journal",
    "resources",
    "sql",
    "terms",
    "yaml_loader",
}
#: Scientific packages that the arithmetic may use. pydantic describes the model card.
MODEL_PACKAGES = {"numpy", "scipy", "pydantic"}
#: Modules that a command which only reads results may load, besides the ground floor.
READERS = ("omop_scorer.results.history", "omop_scorer.results.health", "omop_scorer.cli.results")


@cache
def statements_of(module: str) -> tuple[tuple[ast.Import | ast.ImportFrom, bool], ...]:
    """Return the import statements of a module, each with True if it is not nested."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    kinds = (ast.Import, ast.ImportFrom)
    return tuple((node, node in tree.body) for node in ast.walk(tree) if isinstance(node, kinds))


def imports_of(module: str, *, is_top_level_only: bool = False) -> set[str]:
    """Return the names that a module imports; of our own modules, the module itself."""
    names = set()
    for node, is_top_level in statements_of(module):
        if is_top_level_only and not is_top_level:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in FILES else node.module)
    return names


def test_few_modules_stand_at_the_root() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert found == AT_THE_ROOT


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module: imports_of(module) & FILES.keys() - {module} for module in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_modules_are_short() -> None:
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: n for module, n in lines.items() if n > 400} == {}


def test_names_of_modules_say_what_they_hold() -> None:
    vague = {"utils", "util", "helpers", "common", "manager", "handler", "misc"}
    assert [module for module in FILES if vague & set(module.split("."))] == []


def test_private_names_stay_in_their_module() -> None:
    found = [
        f"{module}: {alias.name}"
        for module in FILES
        for node, _ in statements_of(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("omop_scorer")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert found == []


def test_the_model_uses_arithmetic_packages_only() -> None:
    allowed = MODEL_PACKAGES | sys.stdlib_module_names | {"omop_scorer"}
    foreign = {
        module: {name.partition(".")[0] for name in imports_of(module)} - allowed
        for module in FILES
        if ".model" in module
    }
    assert {module: packages for module, packages in foreign.items() if packages} == {}


def test_the_arithmetic_knows_no_disease_and_no_class() -> None:
    texts = {
        name: FILES[f"omop_scorer.model.{name}"].read_text(encoding="utf-8").lower()
        for name in ("kernel", "arrays", "p_values", "subgroups", "reduced")
    }
    words = ("crohn", "tnf", "integrin", "cdai", "il12")
    assert [(name, word) for name, text in texts.items() for word in words if word in text] == []


def test_opening_an_engine_loads_no_other_engine() -> None:
    names = imports_of("omop_scorer.engines", is_top_level_only=True)
    assert not {name for name in names if name.count(".") > 2}


def test_readers_of_results_know_no_cdm() -> None:
    makers = ("staging", "nightly", "scoring", "loading", "cdm", "engines.duckdb", "engines.spark")
    found = [
        (module, name)
        for module in READERS
        for name in imports_of(module)
        if name.startswith(tuple(f"omop_scorer.{maker}" for maker in makers))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("omop_scorer.cli.main", {"numpy", "pyarrow", "duckdb"}),
        ("omop_scorer.nightly.run", {"scipy.stats", "pandas", "statsmodels", "matplotlib"}),
    ],
)
def test_a_command_loads_no_heavy_package_that_it_does_not_use(
    module: str, heavy: set[str]
) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert heavy & set(loaded.stdout.split()) == set()
