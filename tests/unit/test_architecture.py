"""Imports point one way, and a driver is known only to its engine."""

import ast
from pathlib import Path

import pytest

from omop_scorer import engines

PACKAGE = Path(__file__).parents[2] / "omop_scorer"
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")
)
#: Drivers, and the only engine files that know them.
DRIVERS = {
    "duckdb": "engines/duckdb",
    "psycopg": "engines/postgres",
    "sqlalchemy": "engines/postgres",
    "pyspark": "engines/spark",
    "py4j": "engines/spark",
    "sqlite3": "engines/sqlite",
}
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
    "engines/duckdb_results": {"cli", "run", "check", "results", "history", "kernel"},
    "engines/postgres": {"cli", "run", "check", "results", "cohort", "covariates", "kernel"},
    "engines/postgres_results": {"cli", "run", "check", "results", "history", "kernel"},
    "engines/spark": {"cli", "run", "check", "results", "cohort", "covariates", "kernel"},
    "engines/spark_batches": set(MODULES) - {"engines/base", "errors"},
    "engines/spark_reader": {"cli", "run", "check", "results", "history", "kernel"},
    "engines/duckdb_folder": {"cli", "run", "check", "results", "history", "kernel"},
    "engines/results_folder": set(MODULES) - {"engines/lock_holder", "errors"},
    "urls": set(MODULES),
    "places": set(MODULES) - {"documents", "errors", "urls"},
    "loading": {"cli", "run", "check", "results", "cohort", "covariates", "kernel"},
    "results": {"cli", "run", "check", "cohort", "covariates", "kernel", "audit", "history"},
    "cohort": {"cli", "run", "check", "covariates", "kernel", "audit"},
    "covariates": {"cli", "run", "check", "kernel", "audit"},
    "audit": {"cli", "run", "check", "summary", "history", "config", "engines/duckdb"},
    "scoring": {"cli", "run", "check", "covariates", "audit", "history", "engines/base"},
    "run": {"cli", "check", "summary", "history"},
    "rehearsal": {"cli", "run", "check", "results", "cohort", "covariates", "kernel", "audit"},
    "retries": {"cli", "run", "check", "results", "cohort", "covariates", "engines/base"},
    "check": {"cli", "run"},
    "score": {"cli", "run", "sql", "config", "results", "engines/base", "engines/duckdb"},
    "cli_score": {"cli", "run", "check", "config", "sql", "results", "engines/base"},
    "history_tables": {"cli", "run", "check", "results", "sql", "engines/base"},
}
#: They read results, and nothing else: they work where there is no CDM.
READERS = [
    *("cli_results", "health", "history", "history_tables"),
    *(module for module in MODULES if module.startswith("report/")),
]
#: What makes results, and what reaches a CDM.
MAKERS = {
    *("cli", "run", "check", "cdm", "covariates", "audit", "scoring", "kernel"),
    *("engines/open_engine", "engines/duckdb", "engines/duckdb_source"),
    *("engines/postgres", "engines/postgres_source", "engines/postgres_loader", "loading"),
    *("engines/spark", "engines/spark_source"),
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


@pytest.mark.parametrize("module", READERS)
def test_readers_of_results_know_no_cdm(module: str) -> None:
    assert imported(module) & MAKERS == set()


def test_makers_exist() -> None:
    assert callable(engines.open_engine)
    assert set(MODULES) >= MAKERS - {"engines/open_engine"}
    assert set(MODULES) >= set(ABOVE)
    assert imported("run") & MAKERS >= {"cdm", "engines/open_engine"}


@pytest.mark.parametrize("module", MODULES)
def test_drivers_are_imported_in_engines_only(module: str) -> None:
    drivers = {name.partition("/")[0] for name in imported(module)} & set(DRIVERS)
    assert all(module.startswith(DRIVERS[driver]) for driver in drivers)


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short(module: str) -> None:
    assert len((PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()) <= 400


def test_the_kernel_knows_no_disease_and_no_class() -> None:
    text = (PACKAGE / "kernel.py").read_text(encoding="utf-8").lower()
    for word in ("crohn", "tnf", "integrin", "cdai", "il12"):
        assert word not in text
