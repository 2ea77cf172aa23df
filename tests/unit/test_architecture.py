"""Imports point one way, and a driver is known only to its engine."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "omop_scorer"
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")
)
DRIVERS = {"duckdb", "psycopg", "pyspark", "sqlite3"}
#: What each module may not know of: the layers above it.
ABOVE = {
    "errors": set(MODULES),
    "resources": set(MODULES),
    "kernel": set(MODULES) - {"errors", "subgroups"},
    "subgroups": set(MODULES) - {"errors"},
    "sql": set(MODULES) - {"errors", "resources"},
    "config": {"cli", "run", "check", "results", "cohort", "covariates", "engines/base", "kernel"},
    "engines/base": {"cli", "run", "check", "results", "cohort", "covariates", "kernel", "config"},
    "engines/duckdb": {"cli", "run", "check", "results", "cohort", "covariates", "kernel"},
    "results": {"cli", "run", "check", "cohort", "covariates", "kernel"},
    "cohort": {"cli", "run", "check", "covariates", "kernel"},
    "covariates": {"cli", "run", "check", "kernel"},
    "run": {"cli", "check", "summary"},
    "check": {"cli", "run"},
    "score": {"cli", "run", "sql", "config", "results", "engines/base", "engines/duckdb"},
}


def imported(module: str) -> set[str]:
    """Names of the modules that a module imports, own ones without the package's name."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("omop_scorer.").replace(".", "/") for name in names}


@pytest.mark.parametrize("module", sorted(ABOVE))
def test_imports_point_one_way(module: str) -> None:
    assert imported(module) & (ABOVE[module] - {"__init__", "engines/__init__"}) == set()


@pytest.mark.parametrize("module", MODULES)
def test_drivers_are_imported_in_engines_only(module: str) -> None:
    drivers = {name.partition("/")[0] for name in imported(module)} & DRIVERS
    assert not drivers or module.startswith("engines/duckdb")


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short(module: str) -> None:
    assert len((PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()) <= 400


def test_the_kernel_knows_no_disease_and_no_class() -> None:
    text = (PACKAGE / "kernel.py").read_text(encoding="utf-8").lower()
    for word in ("crohn", "tnf", "integrin", "cdai", "il12"):
        assert word not in text
