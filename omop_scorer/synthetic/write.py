"""A made-up OMOP CDM with known truth.

The truth is drawn first: who is in the cohort, who is scored, nine covariates with their status,
the history of treatments. Then rows are written that express it, and then dirt that by the rules
of a run must not change it. Nothing here reads the rows back, so a run that recovers the truth
has found it by itself.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from omop_scorer.cdm.ddl import CDM_VERSIONS, table_columns
from omop_scorer.errors import ConfigurationError
from omop_scorer.synthetic.duckdb_file import DuckDBWriter
from omop_scorer.synthetic.events import LEAST_PER_PERSON, MOST_EVENTS, MOST_PER_PERSON, Events
from omop_scorer.synthetic.files import CdmWriter, ParquetWriter, TruthFile, faults_named
from omop_scorer.synthetic.population import COVARIATES, Batch
from omop_scorer.synthetic.rows import Rows
from omop_scorer.synthetic.vocabulary import Vocabulary, World
from omop_scorer.synthetic.warehouse import WarehouseFile, WarehouseFolder, WarehouseWriter

__all__ = ["AS_OF", "CDAI_CONCEPT_IDS", "COVARIATES", "Summary", "write"]

AS_OF = date(2026, 1, 1)

"""The date whose truth is told unless another is asked for."""

CDAI_CONCEPT_IDS = (2000000001, 2000000002)

"""Under what the made-up site records the CDAI, in measurement and in observation."""

_BATCH = 50_000


@dataclass(frozen=True)
class Summary:
    """What was written: where, how many persons, and how many rows in each table."""

    cdm: Path
    truth: Path
    truth_lines: Path
    n_persons: int
    n_cohort: int
    n_scored: int
    n_rows: Mapping[str, int]

    def __str__(self) -> str:
        """Say it in words."""
        return (
            f"{self.cdm}: {self.n_persons:,} persons, {sum(self.n_rows.values()):,} rows; "
            f"{self.n_cohort:,} with Crohn's disease, {self.n_scored:,} of them to be scored\n"
            f"the truth: {self.truth} and {self.truth_lines}"
        )


def write(
    path: Path,
    persons: int,
    seed: int,
    *,
    as_of: date = AS_OF,
    crohns_share: float = 0.3,
    cdm_version: str = "5.4",
    events_per_person: float = 0,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> Summary:
    """Write a made-up CDM and, beside it, the truth that a run as of `as_of` must recover.

    Parameters
    ----------
    path
        A name that ends in `.duckdb` becomes a DuckDB file with the CDM in its schema `cdm`, any
        other name a folder of Parquet files. Beside it, named after it without `.duckdb`:
        `.truth.parquet`, one row per person of the cohort with the outcome ('scored' or the
        attrition's reason) and for each covariate its value, `_status`, `_source_table` and
        `_source_id`, empty for those not scored; and `.truth_lines.parquet`, the treatment lines.
    persons
        How many persons, 1 or more.
    seed
        Which of the many populations; equal seeds give equal tables.
    as_of
        The date whose truth is told, 2000-01-01 or later; some rows are dated after it.
    crohns_share
        Share of the persons that have Crohn's disease by the default cohort definition.
    cdm_version
        '5.3' or '5.4'.
    events_per_person
        Rows of measurement, observation, condition_occurrence, drug_exposure and visit_occurrence
        a person, on average: 0, only what expresses the truth (about 13), or 20 to 2,000. The
        further events change no truth of that date; with them a table with persons is a folder of
        Parquet parts, and where there are several parts a seed draws other persons than without.
    threads
        How many threads draw further events; None: one per core. The rows are the same.
    progress
        Called with the persons done and the persons in all.
    overwrite
        Replace what an earlier call wrote there.

    Raises
    ------
    ConfigurationError
        An argument is not possible, something stands there already, or it cannot be written.
    """
    base = path.with_suffix("") if path.suffix == ".duckdb" else path
    truth = base.with_name(f"{base.name}.truth.parquet")
    lines = base.with_name(f"{base.name}.truth_lines.parquet")
    is_warehouse = LEAST_PER_PERSON <= events_per_person <= MOST_PER_PERSON
    problems = [
        text
        for is_wrong, text in (
            (persons < 1, f"persons is {persons}; it must be 1 or more"),
            (seed < 0, f"seed is {seed}; it must be 0 or more"),
            (not 0 <= crohns_share <= 1, f"crohns_share is {crohns_share}; it must be 0 to 1"),
            (
                events_per_person != 0 and not is_warehouse,
                f"events_per_person is {events_per_person}; it must be 0, or "
                f"{LEAST_PER_PERSON} to {MOST_PER_PERSON}",
            ),
            (
                is_warehouse and persons * events_per_person > MOST_EVENTS,
                f"persons is {persons}; with {events_per_person:g} events each, more rows than a "
                f"CDM has integer ids for ({MOST_EVENTS:,}); ask for fewer of either",
            ),
            (threads is not None and threads < 1, f"threads is {threads}; it must be 1 or more"),
            (as_of < date(2000, 1, 1), f"as_of is {as_of}; it must be 2000-01-01 or later"),
            (
                cdm_version not in CDM_VERSIONS,
                f"cdm_version is {cdm_version!r}; it must be one of {', '.join(CDM_VERSIONS)}",
            ),
            *((p.exists() and not overwrite, f"{p} exists; choose another path or say overwrite")
              for p in (path, truth, lines)),
        )
        if is_wrong
    ]  # fmt: skip
    if overwrite and path.exists() and path.is_dir() != (path.suffix != ".duckdb"):
        problems.append(f"{path} exists and is no made-up CDM; choose another path")
    if problems:
        raise ConfigurationError(*problems)

    columns = table_columns(cdm_version)
    world = World.read()
    n_rows: dict[str, int] = defaultdict(int)
    n_cohort = n_scored = 0
    next_id: dict[str, int] = defaultdict(lambda: 1)
    is_file, size, vocabulary = path.suffix == ".duckdb", _BATCH, world.vocabulary
    writer: CdmWriter
    if is_warehouse:
        events = Events(seed, events_per_person)
        warehouse: WarehouseWriter = (WarehouseFile if is_file else WarehouseFolder)(
            path, columns, events.menus(), threads
        )
        writer, size = warehouse, min(_BATCH, events.persons_at_once)
        vocabulary = Vocabulary(vocabulary.concepts + events.concepts())
    else:
        writer = DuckDBWriter(path, columns) if is_file else ParquetWriter(path, columns)
    with ExitStack() as stack:
        stack.enter_context(faults_named(path))
        stack.enter_context(writer)
        truth_file = stack.enter_context(TruthFile(truth))
        lines_file = stack.enter_context(TruthFile(lines))
        for table, rows in vocabulary.tables(columns, cdm_version, as_of).items():
            n_rows[table] += writer.append(table, rows)
        for number, first in enumerate(range(0, persons, size)):
            person_id = first + 1 + np.arange(min(size, persons - first))
            generator = np.random.default_rng([seed, number])
            batch = Batch(
                world, generator, person_id, Rows(next_id), crohns_share=crohns_share, as_of=as_of
            )
            if is_warehouse:
                warehouse.begin(events.draw(number, batch, next_id))
            flaws = world.population["flaws"]
            for table, rows in batch.rows.tables(columns, batch.g, flaws["exact_duplicate_row"]):
                n_rows[table] += writer.append(table, rows)
            truth_file.append(batch.truth())
            lines_file.append(batch.truth_lines())
            n_cohort += int(batch.has_crohns.sum())
            n_scored += int((batch.has_crohns & (batch.outcome == "scored")).sum())
            if progress:
                progress(min(first + size, persons), persons)
    return Summary(path, truth, lines, persons, n_cohort, n_scored, dict(n_rows))
