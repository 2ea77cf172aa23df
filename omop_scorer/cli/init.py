"""Command that writes the files of a site to start from."""

from pathlib import Path
from typing import Annotated

import typer

from omop_scorer.cli.options import RUN_FILE


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to write into; created if it is missing.")
    ] = Path(),
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files that exist already.", show_default=False),
    ] = False,
) -> None:
    """Write a run file and other files to start from.

    The others are concept sets, units and treatment lines. A run with these files gives the same
    answer as one with the shipped files. Files that exist are never overwritten unless --overwrite
    is given.
    """
    from omop_scorer.config.starting_files import write_starting_files  # noqa: PLC0415

    for path in write_starting_files(folder, RUN_FILE, overwrite=overwrite):
        typer.echo(path)
    here = folder.resolve() == Path().resolve()
    option = "" if here else f" --config {folder / RUN_FILE}"
    typer.echo(
        f"\nNext:\n1. Set cdm.url and results.url in {folder / RUN_FILE}.\n"
        f"2. omop-scorer check{option}\n3. omop-scorer run{option}"
    )
