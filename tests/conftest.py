"""What every test can ask for: a run on a CDM, and its results as rows."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from omop_scorer.config import run_file as config
from omop_scorer.config.definitions import Definitions, load_definitions
from omop_scorer.journal import Journal, PlainJournal
from tests.support import postgresql

if TYPE_CHECKING:
    from omop_scorer.nightly import run


def pytest_configure(config: pytest.Config) -> None:
    """Start one PostgreSQL server for all processes, before xdist starts them."""
    if getattr(config.option, "numprocesses", None):
        postgresql.start_server()


def pytest_unconfigure() -> None:
    postgresql.stop_servers()


@dataclass
class Outcome:
    """A finished run: its summary, what it said, and a way to its tables."""

    summary: "run.RunSummary"
    journal: Journal
    log: str
    results: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the results file."""
        with duckdb.connect(str(self.results), read_only=True) as connection:
            return connection.execute(query).fetchall()


@cache
def shipped_definitions() -> Definitions:
    """Read the shipped model card, concept sets, units and treatment lines once."""
    return load_definitions(config.load(config.shipped_run_file()))


def definitions_of(settings: config.RunConfig) -> Definitions:
    """Return the definitions of a configuration; the shipped files are read once."""
    shipped = config.RunConfig(engine=settings.engine, cdm=settings.cdm, results=settings.results)
    names = ("model", "concept_sets", "units", "treatment_lines")
    if all(getattr(settings, name) == getattr(shipped, name) for name in names):
        return replace(shipped_definitions(), config=settings)
    return load_definitions(settings)


def outcome_of(document: Mapping[str, Any]) -> Outcome | postgresql.PostgresOutcome:
    """Run the main job as a run file says."""
    # Its imports take a second and a half, which tests of single modules do not need.
    from omop_scorer.nightly import run

    settings = config.RunConfig.model_validate(document)
    stream = io.StringIO()
    journal = PlainJournal(stream)
    summary = run.run_night(definitions_of(settings), journal)
    if settings.results.is_server:
        return postgresql.PostgresOutcome(summary, journal, stream.getvalue(), settings)
    return Outcome(summary, journal, stream.getvalue(), Path(settings.results.url))


def run_on(cdm: Path, results: Path, settings: Mapping[str, Any] | None = None) -> Outcome:
    """Run the main job on a CDM; settings are nested sections of the run file."""
    document = {"cdm": {"url": str(cdm)}, "results": {"url": str(results)}}
    for key, value in (settings or {}).items():
        document[key] = {**document[key], **value} if key in document else value
    outcome = outcome_of(document)
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.fixture
def run_job():
    """Return the function that runs the main job."""
    return run_on
