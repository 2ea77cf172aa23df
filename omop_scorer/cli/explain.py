"""Command that explains the covariates of one person, on the terminal of the operator."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from omop_scorer.cli.options import (
    AsOfOption,
    ConfigOption,
    PersonIdArgument,
    SetOption,
    read_config,
)

if TYPE_CHECKING:
    from omop_scorer.nightly.explanation import ExplainedCovariate, Explanation

#: Approximate number of steps of `explain`, for the progress bar.
_N_STEPS = 36


def explain(
    person_id: PersonIdArgument,
    covariate: Annotated[
        str | None,
        typer.Argument(metavar="COVARIATE", help="One covariate, for example crp. Default: all."),
    ] = None,
    config: ConfigOption = None,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    allow_redirect: Annotated[
        bool,
        typer.Option(
            "--allow-redirect",
            help="Print even if standard output is not a terminal. The output names a patient's "
            "records: keep it from logs and mails.",
        ),
    ] = False,
) -> None:
    """Show the records behind the covariates of one person.

    Every record that could give a covariate is shown, with the verdict of the rules: chosen,
    outside the window, wrong unit, out of range, older than the chosen, and so on. The records
    come from the CDM; nothing is written. It takes as long as check.
    """
    from omop_scorer.config.definitions import load_definitions  # noqa: PLC0415
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.nightly.explanation import explain as start  # noqa: PLC0415

    if not (sys.stdout.isatty() or allow_redirect):
        raise typer.BadParameter(
            "standard output is not a terminal, and the output would name a patient's records; "
            "run the command on a terminal, or add --allow-redirect"
        )
    definitions = load_definitions(read_config(config, settings, as_of))
    card = definitions.model.card
    chosen = [each for each in card.covariates if covariate in (None, each.name)]
    if not chosen:
        known = ", ".join(each.name for each in card.covariates)
        raise typer.BadParameter(f"COVARIATE: not in the model card; allowed: {known}")
    journal = open_journal("auto", _N_STEPS)
    try:
        explanation = start(definitions, person_id, chosen, journal)
    finally:
        journal.close()
    _print(Console(), person_id, explanation)


def _print(console: Console, person_id: int, explanation: "Explanation") -> None:
    heading = f"Person {person_id} as of {explanation.as_of}: {explanation.cohort}"
    console.print(Text(heading, style="bold"))
    for each in explanation.covariates:
        console.print()
        console.print(_title(each))
        if each.candidates:
            console.print(_records(each))
        else:
            console.print("  no record that could give it")


def _title(covariate: "ExplainedCovariate") -> Text:
    unit = "" if covariate.unit in ("yes/no", "") else f" {covariate.unit}"
    value = "" if covariate.value is None else f"{covariate.value:g}{unit}, "
    status = covariate.status or "not stored, because the person is not scored"
    window = f" (window: {covariate.window})" if covariate.window else ""
    return Text.assemble((covariate.name, "bold"), f": {value}{status.replace('_', ' ')}{window}")


def _records(covariate: "ExplainedCovariate") -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 1))
    for heading in ("date", "record", "concept", "value", "verdict"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "date")
    for each in covariate.candidates:
        table.add_row(
            str(each.day or "-"),
            f"{each.source_table} {'-' if each.source_id is None else each.source_id}",
            "-" if each.concept_id is None else str(each.concept_id),
            Text(each.value or "-"),
            Text(each.verdict, style="bold green" if each.is_chosen else ""),
        )
    return table
