"""Command that writes the answer of a run for other programs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from omop_scorer.cli.options import ConfigOption, find_run_file, in_utf_8
from omop_scorer.cli.results import RunOption, SetOption
from omop_scorer.errors import ConfigurationError

if TYPE_CHECKING:
    from omop_scorer.config.export import Export
    from omop_scorer.config.run_file import RunConfig


def export(
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            callback=in_utf_8,
            help="File (duckdb, summarised_result) or folder (parquet, csv). An earlier export "
            "there is replaced as a whole, and nothing else.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Literal["duckdb", "parquet", "csv", "summarised_result"] | None,
        typer.Option(
            "--format",
            help="duckdb, parquet: every table and view, with persons. csv: the figures of the "
            "report. summarised_result: shares for omopgenerics (R).",
            show_default=False,
        ),
    ] = None,
    run: RunOption = "latest",
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Write the results of a run for other programs.

    These are R, pandas, BI tools and the programs of a study network. The formats duckdb and
    parquet hold persons: they stay in the warehouse, and only you can read them. In the other two,
    small counts are suppressed as in a report. Without --to and --format, the exports of the run
    file are written.
    """
    if (to is None) != (form is None):
        raise typer.BadParameter("give --to and --format, or neither")
    from omop_scorer.export import write_export  # noqa: PLC0415
    from omop_scorer.stores import open_results  # noqa: PLC0415

    read = _read_config(config, settings or [])
    exports = read.export if to is None or form is None else [_given(read, to, form)]
    if not exports:
        raise ConfigurationError(
            "the run file names no export; give --to PATH and --format, or set the key export"
        )
    with open_results(read.connections) as reader:
        for each in exports:
            typer.echo(write_export(reader, run, each, read.minimum_cell_count))


def _read_config(path: Path | None, settings: list[str]) -> "RunConfig":
    """Read the run file; settings of the CDM that are not valid here are ignored."""
    from omop_scorer.config.run_file import load, load_for_readers  # noqa: PLC0415

    found = find_run_file(path)
    try:
        return load(found, settings, os.environ)
    except ConfigurationError:
        return load_for_readers(found, settings, os.environ)


def _given(config: "RunConfig", to: Path, form: str) -> "Export":
    from pydantic import ValidationError  # noqa: PLC0415

    from omop_scorer.config.export import Export, refuse_misplaced  # noqa: PLC0415

    try:
        given = Export.model_validate({"to": str(to), "format": form})
        refuse_misplaced([given], config.cdm.paths, config.results.path(config.engine))
    except ValidationError as error:
        raise ConfigurationError(f"--to {to}: {error.errors()[0]['msg']}") from None
    except ValueError as error:
        raise ConfigurationError(str(error).replace("export.to", "--to", 1)) from None
    return given
