"""Made-up warehouses, made once by `synth` and kept: as Parquet, as a DuckDB file, on a server.

As a command it makes one: python -m tests.benchmarks.warehouse PERSONS COHORT EVENTS FOLDER.
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measuring import child, measure

#: What counts as a row of the warehouse; the vocabulary does not.
_CLINICAL = (
    *("person", "observation_period", "visit_occurrence", "condition_occurrence"),
    *("drug_exposure", "measurement", "observation", "death"),
)
_SEED = 1


@dataclass(frozen=True)
class Warehouse:
    """A CDM of so many persons, of whom so many have the disease."""

    persons: int
    cohort: int
    folder: Path
    rows: int

    @property
    def parquet(self) -> Path:
        """The folder of Parquet files."""
        return self.folder / "parquet"

    @property
    def duckdb(self) -> Path:
        """The DuckDB file."""
        return self.folder / "warehouse.duckdb"

    @property
    def schema(self) -> str:
        """What its schema is called on a server."""
        return f"cdm_{self.persons}_{self.cohort}_{self.rows}"


def parquet_files(folder: Path, table: str) -> Path | None:
    """Return the file of a table, or the pattern of its parts where it has several."""
    parts = folder / table
    if parts.is_dir():
        return parts / "*.parquet"
    file = folder / f"{table}.parquet"
    return file if file.exists() else None


def made(persons: int, cohort: int, events: int, cache: Path) -> Warehouse:
    """Return a warehouse, made now if it is not in the cache.

    Parameters
    ----------
    persons, cohort
        How many persons, and how many of them have the disease.
    events
        Clinical rows per person, about; 0: those alone that the scores are about.
    cache
        The folder in which warehouses are kept.
    """
    folder = cache / f"{persons}-{cohort}-{events}"
    facts = folder / "facts.json"
    if not facts.exists():
        print(f"making {persons:,} persons, {cohort:,} of the cohort", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        said = measure(child("warehouse", persons, cohort, events, folder)).said
        facts.write_text(json.dumps(said))
    return Warehouse(persons, cohort, folder, json.loads(facts.read_text())["rows"])


def _make(persons: int, cohort: int, events: int, folder: Path) -> None:
    import duckdb

    from omop_scorer.synthetic import write as synthetic

    options = {"events_per_person": events} if events else {}
    parquet = folder / "parquet"
    summary = synthetic.write(
        parquet, persons, _SEED, crohns_share=cohort / persons, overwrite=True, **options
    )
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("CREATE SCHEMA cdm")
        for table in sorted(summary.n_rows):
            files = parquet_files(parquet, table)
            connection.execute(f"CREATE TABLE cdm.{table} AS FROM READ_PARQUET('{files}')")
        rows = sum(
            connection.execute(f"SELECT COUNT(*) FROM cdm.{table}").fetchall()[0][0]
            for table in _CLINICAL
        )
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    _make(*map(int, sys.argv[1:4]), Path(sys.argv[4]))
