"""Synthetic OMOP CDM with known correct results ("the truth").

The truth is drawn first: the cohort, who of it is scored, the nine covariates with their status,
and the treatment history. Rows that express it are written next, and then untidy rows that the
rules of a run must ignore. Nothing here reads the rows back, so a run that finds the truth has
computed it from the CDM alone.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from omop_scorer.cdm.ddl import CDM_VERSIONS, table_columns
from omop_scorer.connections.private_files import private_files
from omop_scorer.errors import ConfigurationError
from omop_scorer.synthetic.duckdb_file import DuckDBWriter
from omop_scorer.synthetic.events import LEAST_PER_PERSON, MOST_EVENTS, MOST_PER_PERSON, Events
from omop_scorer.synthetic.files import CdmWriter, ParquetWriter, TruthFile, os_errors_named
from omop_scorer.synthetic.population import COVARIATES, Batch, care_sites
from omop_scorer.synthetic.rows import Rows
from omop_scorer.synthetic.vocabulary import Vocabulary, World
from omop_scorer.synthetic.warehouse import WarehouseFile, WarehouseFolder, WarehouseWriter

__all__ = ["AS_OF", "CDAI_CONCEPT_IDS", "COVARIATES", "Summary", "write"]

AS_OF = date(2026, 1, 1)

"""Default as-of date of the truth."""

CDAI_CONCEPT_IDS = (2000000001, 2000000002)

"""Concepts of the CDAI at the synthetic site, in measurement and in observation."""

_BATCH = 50_000


@dataclass(frozen=True)
class Summary:
    """Paths that were written, and numbers of persons and of rows by table."""

    cdm: Path
    truth: Path
    truth_lines: Path
    n_persons: int
    n_cohort: int
    n_scored: int
    n_rows: Mapping[str, int]

    def __str__(self) -> str:
        """Return the summary as text."""
        return (
            f"{self.cdm}: {self.n_persons:,} persons, {sum(self.n_rows.values()):,} rows; "
            f"{self.n_cohort:,} with Crohn's disease, of whom {self.n_scored:,} can be scored\n"
            f"expected results: {self.truth} and {self.truth_lines}"
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
    """Write a synthetic CDM and, beside it, the truth that a run as of `as_of` must find.

    Parameters
    ----------
    path
        DuckDB file to write if the name ends in `.duckdb`, with the CDM in its schema `cdm`; else
        a folder of Parquet files. Two files beside it have its name without `.duckdb` and these
        endings. `.truth.parquet` has one row per person of the cohort: the outcome ('scored' or
        the reason in attrition), and for each covariate its value, `_status`, `_source_table` and
        `_source_id`, which are empty for persons not scored. `.truth_lines.parquet` has the
        treatment lines.
    persons
        Number of persons, 1 or more.
    seed
        Random seed, 0 or more; the same seed gives the same tables.
    as_of
        As-of date of the truth, 2000-01-01 or later; some rows are dated after it.
    crohns_share
        Share of persons with Crohn's disease by the default cohort definition, 0 to 1.
    cdm_version
        '5.3' or '5.4'.
    events_per_person
        Average number of rows per person in measurement, observation, condition_occurrence,
        drug_exposure and visit_occurrence. 0 writes only the rows of the charts (about 13); 20 to
        2,000 adds further events, which do not change the truth of `as_of`. With further events a
        folder holds each table with persons as a folder of Parquet files, one per batch; with
        several batches a seed draws other persons than without further events.
    threads
        Number of threads that draw further events; None for one per core. It changes no row.
    progress
        Called with the number of persons written and the number of all persons.
    overwrite
        Replace files of an earlier call.

    Raises
    ------
    ConfigurationError
        An argument is not allowed, a file exists already, or a file cannot be written.
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
                f"persons is {persons}; with {events_per_person:g} events per person a table may "
                f"need more than {MOST_EVENTS:,} integer row ids; choose fewer of either",
            ),
            (threads is not None and threads < 1, f"threads is {threads}; it must be 1 or more"),
            (as_of < date(2000, 1, 1), f"as_of is {as_of}; it must be 2000-01-01 or later"),
            (
                cdm_version not in CDM_VERSIONS,
                f"cdm_version is {cdm_version!r}; it must be one of {', '.join(CDM_VERSIONS)}",
            ),
            *((p.exists() and not overwrite, f"{p} exists; choose another path, or overwrite it")
              for p in (path, truth, lines)),
        )
        if is_wrong
    ]  # fmt: skip
    if overwrite and path.exists() and path.is_dir() != (path.suffix != ".duckdb"):
        problems.append(f"{path} exists and is not a synthetic CDM; choose another path")
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
        stack.enter_context(os_errors_named(path))
        stack.enter_context(private_files(path))
        stack.enter_context(writer)
        truth_file = stack.enter_context(TruthFile(truth))
        lines_file = stack.enter_context(TruthFile(lines))
        for table, rows in vocabulary.tables(columns, cdm_version, as_of).items():
            n_rows[table] += writer.append(table, rows)
        sites = care_sites(world.population, columns["care_site"])
        n_rows["care_site"] += writer.append("care_site", sites)
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
