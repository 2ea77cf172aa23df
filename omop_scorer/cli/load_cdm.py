"""The command that loads a CDM into a PostgreSQL database, so that anyone can try it there."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from omop_scorer.config.run_file import to_server


def load_cdm(
    source: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A folder of CSV or Parquet files, or a file of synth."),
    ],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="postgresql://user@host/database")],
    schema: Annotated[str, typer.Option(help="A schema that holds no CDM yet.")] = "cdm",
    cdm_version: Annotated[Literal["5.3", "5.4"], typer.Option(help="Whose columns.")] = "5.4",
    null_text: Annotated[
        list[str] | None, typer.Option(help="A text of CSV files that means missing.")
    ] = None,
) -> None:
    """Load a CDM into PostgreSQL.

    It gets the types, keys and indexes of OHDSI; all of it is loaded or nothing. The password
    comes from PGPASSWORD or pgpass, so that no list of processes shows it.
    """
    from omop_scorer.loading.load import load_cdm as start  # noqa: PLC0415

    config = to_server("--to", to, ["", *(null_text or [])])
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("loading", total=None)
        done = start(
            source,
            config,
            schema,
            cdm_version,
            lambda table: progress.update(task, description=table),
        )
    for table in done.tables.values():
        note = "" if table.has_key else "; ids stand there twice, so it has no primary key"
        typer.echo(f"{schema}.{table.table}: {table.n_rows:,} rows{note}")
    if done.left_out:
        typer.echo(f"columns that CDM {cdm_version} does not have: {', '.join(done.left_out)}")
