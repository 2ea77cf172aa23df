"""The program as its users have it: a process of its own, a run file, files on a disk."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Self

import duckdb
import pyarrow as pa
import pytest
import yaml

from tests.support.forked import Forked

PROGRAM = Path(sys.executable).with_name("omop-scorer")
AS_OF = date(2025, 6, 15)
#: Under what a made-up site records the CDAI.
CDAI = {"cdai": {"concept_ids": [2000000001, 2000000002]}}
RUN_TABLES = (
    *("attrition", "patient_covariate", "counterfactual", "patient_subgroup"),
    *("covariate_input", "index_treatment"),
    *("treatment_line", "concept_set_member", "covariate_quality"),
    *("prevalence", "age_sex_pyramid", "subgroup_summary", "next_treatment"),
    *("next_treatment_time", "preference_concordance", "uncertainty_comparison", "label_check"),
    *("imputation_sensitivity", "covariate_summary", "histogram"),
    *("preference_summary", "preference_profile", "current_treatment", "prevalence_by_year"),
    "treated_otherwise",
    *("run_cohort_definition", "run_cohort"),
)
#: Runs a test that asks for `site` on each engine.
in_files_and_on_a_server = pytest.mark.parametrize("site", ["duckdb", "postgresql"], indirect=True)
Finished = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    """Return the environment without what would widen or colour the output."""
    return {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "FORCE_COLOR"}}


def omop_scorer(*arguments: object, cwd: Path | None = None) -> Finished:
    """Run a command to its end, in a folder if one is given; nothing is read from a terminal."""
    return start(*arguments, cwd=cwd).finish()


def start(*arguments: object, cwd: Path | None = None) -> Forked:
    """Start a command whose standard error is read while it works."""
    return Forked([*map(str, arguments)], environment(), cwd)


def problems(finished: Finished) -> list[str]:
    """Return the messages of the errors on standard error."""
    lines = finished.stderr.splitlines()
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def assert_refused(finished: Finished, exit_code: int, *parts: object) -> None:
    """Hold a refusal to its exit code and to messages that a person can act on.

    Every part must stand in some message; parts are what is wrong, where, and what to do.
    """
    said = "\n".join(problems(finished))
    assert finished.returncode == exit_code, finished.stderr
    assert "Traceback" not in finished.stderr + finished.stdout
    assert "unexpected error" not in finished.stderr
    assert not finished.stdout.strip()
    for part in parts:
        assert re.search(str(part), said), f"{part!r} is not said in:\n{said}"


@dataclass
class Site:
    """A run file with a CDM and results, in a folder of its own."""

    engine: ClassVar[str] = "duckdb"
    folder: Path
    cdm: Path
    results: Path
    keys: Mapping[str, Any] = field(default_factory=dict)
    dialect: ClassVar[str] = "duckdb"

    def results_section(self) -> dict[str, str]:
        """Return where the results are, as a section of the run file."""
        return {"url": str(self.results)}

    def run_file(self, **keys: Any) -> Path:
        """Write the run file; keys are top-level sections, merged over those of the site."""
        document = self.places() | {"as_of_date": AS_OF, "covariates": CDAI}
        for given in (self.keys, keys):
            for key, value in given.items():
                is_section = isinstance(value, dict) and isinstance(document.get(key), dict)
                document[key] = {**document[key], **value} if is_section else value
        path = self.folder / "nightly.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    @property
    def results_schema(self) -> str:
        """Name the schema of the results."""
        return "omop_scorer"

    def places(self) -> dict[str, Any]:
        """Return the sections of the run file that the engine needs."""
        return {
            "cdm": {"url": str(self.cdm)},
            "results": {"url": str(self.results), "lock_timeout_seconds": 1},
            "threads": 2,
        }

    def fresh(self) -> Self:
        """Return the same site before its first run."""
        return replace(self, results=self.folder / "fresh.duckdb")

    def settle(self) -> None:
        """Wait until nothing is left of a process that has been killed."""

    def run(self, *arguments: object, command: str = "run", **keys: Any) -> Finished:
        """Run a command with this site's run file."""
        return self.start(*arguments, command=command, **keys).finish()

    def start(self, *arguments: object, command: str = "run", **keys: Any) -> Forked:
        """Start a command with this site's run file."""
        return start(command, "--config", self.run_file(**keys), *arguments)

    def change(self, *statements: str) -> None:
        """Change the CDM, which must be this site's own; tables are named without a schema."""
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{self.cdm}' AS site")
            connection.execute("USE site.cdm")
            for statement in statements:
                connection.execute(statement)

    def cdm_rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the CDM; tables are named without a schema."""
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{self.cdm}' AS site (READ_ONLY)")
            connection.execute("USE site.cdm")
            return connection.execute(query).fetchall()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the results, as a reader gets them."""
        with duckdb.connect(str(self.results), read_only=True) as connection:
            connection.execute("USE omop_scorer")
            return connection.execute(query).fetchall()

    def answer(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what readers see: the rows of the views, by table."""
        names = {"patient_subgroup": "score", "run_cohort": "cohort"}
        names["run_cohort_definition"] = "cohort_definition"
        views = [names.get(table, table) for table in RUN_TABLES]
        with duckdb.connect(str(self.results), read_only=True) as connection:
            connection.execute("USE omop_scorer")
            seen = {
                view: connection.execute(
                    f"SELECT COUNT(*), BIT_XOR(HASH(t)) FROM {prefixed(view)} AS t"
                ).fetchall()
                for view in views
            }
            seen["run"] = connection.execute("FROM latest_run").fetchall()
        return seen

    def fingerprint(self) -> dict[str, object]:
        """Return what changes when anything is written to the CDM or to the results."""
        files = (self.cdm, self.results)
        return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()}

    def make_results_schema(self) -> None:
        """Make the schema of the results, empty."""
        with duckdb.connect(str(self.results)) as connection:
            connection.execute("CREATE SCHEMA omop_scorer")

    def write(self, *statements: str) -> None:
        """Change the results, as somebody else's hand would."""
        with duckdb.connect(str(self.results)) as connection:
            connection.execute("USE omop_scorer")
            for statement in statements:
                connection.execute(statement)

    def tables(self, run_id: int) -> dict[str, pa.Table]:
        """Return every table of a run, in an order of its own, without the run's id."""
        with duckdb.connect(str(self.results), read_only=True) as connection:
            return {
                table: connection.sql(
                    f"SELECT * EXCLUDE (run_id) FROM omop_scorer.{table} "
                    f"WHERE run_id = {run_id} ORDER BY ALL"
                ).to_arrow_table()
                for table in RUN_TABLES
            }

    def states(self) -> dict[int, str]:
        """Return the latest status of each run."""
        rows = self.rows(
            "SELECT run_id, ARG_MAX(status, (recorded_at, status <> 'RUNNING')) "
            "FROM scoring_run_status GROUP BY run_id"
        )
        return dict(rows)

    def runs_with_rows(self) -> set[int]:
        """Return the runs of which any table of a run holds a row."""
        union = " UNION ".join(f"SELECT run_id FROM {table}" for table in RUN_TABLES)
        return {run_id for (run_id,) in self.rows(union)}


def assert_whole(site: Site, yesterday: dict, dead: set[int]) -> set[int]:
    """Hold the views to one whole answer, and return the runs that are not COMPLETE."""
    seen, states = site.answer(), site.states()
    ((run_id,),) = site.rows("SELECT run_id FROM latest_run")
    assert states[run_id] == "COMPLETE"
    assert all(seen[view][0][0] == yesterday[view][0][0] for view in yesterday if view != "run")
    if run_id == yesterday["run"][0][0]:
        assert seen == yesterday
    complete = {run for run, state in states.items() if state == "COMPLETE"}
    assert site.runs_with_rows() == complete
    assert all(states[run] == "FAILED" for run in dead)
    return set(states) - complete


def prefixed(view: str) -> str:
    """Return the name of a view; those in OHDSI's layout bear OHDSI's names."""
    return view if view.startswith("cohort") else f"latest_{view}"


def log_lines(text: str) -> list[dict[str, Any]]:
    """Read a JSON log; every line must be one object."""
    return [json.loads(line) for line in text.splitlines()]
