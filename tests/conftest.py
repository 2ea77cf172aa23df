"""What every test can ask for: a run on a CDM, and its results as rows."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from omop_scorer import config, run
from omop_scorer.journal import Journal, PlainJournal
from omop_scorer.rules import load_rules


@dataclass
class Outcome:
    """A finished run: its summary, what it said, and a way to its tables."""

    summary: run.RunSummary
    journal: Journal
    log: str
    results: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the results file."""
        with duckdb.connect(str(self.results), read_only=True) as connection:
            return connection.execute(query).fetchall()


def run_on(cdm: Path, results: Path, settings: Mapping[str, Any] | None = None) -> Outcome:
    """Run the main job on a CDM; settings are nested sections of the run file."""
    document = {"cdm": {"url": str(cdm)}, "results": {"url": str(results)}}
    for key, value in (settings or {}).items():
        document[key] = {**document[key], **value} if key in document else value
    rules = load_rules(config.RunConfig.model_validate(document))
    stream = io.StringIO()
    journal = PlainJournal(stream)
    summary = run.execute(rules, journal)
    return Outcome(summary, journal, stream.getvalue(), results)


@pytest.fixture
def run_job():
    """Return the function that runs the main job."""
    return run_on
