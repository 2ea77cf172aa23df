"""Commands that show or convert definitions: render, covariates and import-concept-set."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from omop_scorer import sql
from omop_scorer.cli.options import ConfigOption, SetOption, read_config
from omop_scorer.errors import ConfigurationError


def render(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="SQL file, for example crp. Default: list all files."),
    ] = None,
    dialect: Annotated[
        sql.Dialect,
        typer.Option(
            metavar="DIALECT",
            help="SQL dialect: duckdb or spark; for files of history and results also postgres; "
            f"for files of source one of {', '.join(sql.DIALECTS)}.",
        ),
    ] = "duckdb",
    with_chain: Annotated[
        bool,
        typer.Option(
            "--chain",
            help="Print the files that NAME rests on before it, in order, each under its name.",
        ),
    ] = False,
) -> None:
    """Print the SQL that a run executes."""
    if name is None and with_chain:
        raise typer.BadParameter("--chain needs the NAME of a file")
    if name is None:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for known in sql.names():
            table.add_row(known, sql.find(known).header["Title"])
        Console().print(table)
        return
    file = sql.find(name)
    if dialect not in file.dialects:
        raise typer.BadParameter(
            f"{file.name} is never run in {dialect}; allowed: {', '.join(file.dialects)}",
            param_hint="--dialect",
        )
    for each in sql.chain(name) if with_chain else (file,):
        if with_chain:
            typer.echo(f"-- {each.name}: {each.header['Title']}")
        for statement in each.render(dialect):
            typer.echo(f"{statement};")
        if with_chain and each is not file:
            typer.echo()


def covariates(config: ConfigOption = None, settings: SetOption = None) -> None:
    """List the covariates and the rules in force."""
    from omop_scorer.cli.covariate_table import covariate_rules  # noqa: PLC0415
    from omop_scorer.config.definitions import load_definitions  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("covariate", "unit", "source", "window", "if missing"):
        table.add_column(heading)
    for row in covariate_rules(load_definitions(read_config(config, settings))):
        table.add_row(*map(Text, row))
    Console().print(table)


def import_concept_set(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON file exported from ATLAS or Circe.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="YAML file to write. Default: print the YAML."
        ),
    ] = None,
) -> None:
    """Convert an ATLAS concept set to YAML."""
    from omop_scorer.config.atlas import atlas_to_yaml  # noqa: PLC0415

    text = atlas_to_yaml(file)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{output}: cannot be written: {error.strerror}") from None
