"""Command that loads a CDM into PostgreSQL, to try the program with a server."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from omop_scorer.texts.characters import one_line


def load_cdm(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="Folder of CSV or Parquet files, or a DuckDB file."),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="URL", help="Database to load into: postgresql://user@host/database."
        ),
    ],
    schema: Annotated[
        str, typer.Option(metavar="NAME", help="Schema to load into; it must not hold a CDM yet.")
    ] = "cdm",
    cdm_version: Annotated[
        Literal["5.3", "5.4"], typer.Option(help="CDM version that defines the columns.")
    ] = "5.4",
    null_text: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Text that means missing in CSV files; may be repeated."),
    ] = None,
) -> None:
    """Load a CDM into PostgreSQL.

    The tables get the types, keys and indexes of the OHDSI DDL; a column with larger numbers than
    INTEGER holds becomes BIGINT. Either the whole CDM is loaded or
    nothing. Give the password in PGPASSWORD or a pgpass file: a list of processes would show a
    password in the URL.
    """
    from omop_scorer.config.run_file import to_server  # noqa: PLC0415
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
        note = "" if table.has_key else "; no primary key, because some ids are duplicated"
        if table.wide:
            note += f"; BIGINT, because a value needs it: {', '.join(table.wide)}"
        typer.echo(f"{schema}.{table.table}: {table.n_rows:,} rows{note}")
    if done.left_out:
        listed = one_line(", ".join(done.left_out))
        typer.echo(f"columns not loaded, which CDM {cdm_version} lacks: {listed}")
