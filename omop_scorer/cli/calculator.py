"""Command that writes the calculator: one page for one patient."""

from pathlib import Path
from typing import Annotated

import typer

from omop_scorer.cli.score import DEFAULT_MODEL, ModelOption


def calculator(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="HTML file to write; an HTML page that exists is replaced.",
            show_default=False,
        ),
    ],
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Write a page that scores one patient in a browser.

    The page is one HTML file with the model card inside. It needs no network, and what is entered
    is neither sent nor kept.
    """
    from omop_scorer.model.load import load_model  # noqa: PLC0415
    from omop_scorer.report.html_file import refuse_unfit, write_html  # noqa: PLC0415
    from omop_scorer.web.calculator.page import render  # noqa: PLC0415

    refuse_unfit(output)
    write_html(output, render(load_model(model)))
    typer.echo(output)
