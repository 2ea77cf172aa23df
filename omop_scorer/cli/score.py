"""The command that scores one patient, or a CSV of patients, without a database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from omop_scorer.terms import Uncertainty

DEFAULT_MODEL = "crohns_srs_2025"

_YES_NO_OPTIONS = ("--prior-anti-tnf", "--steroid", "--immunomodulator", "--ileal")


def score(
    input_file: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="A CSV of patients; none: one patient, by options."),
    ] = None,
    output_file: Annotated[
        Path | None, typer.Argument(metavar="OUTPUT", help="The CSV to write.")
    ] = None,
    given_input: Annotated[Path | None, typer.Option("--input", "-i", help="As INPUT.")] = None,
    given_output: Annotated[Path | None, typer.Option("--output", "-o", help="As OUTPUT.")] = None,
    age: Annotated[str | None, typer.Option(help="Completed years.")] = None,
    sex: Annotated[str | None, typer.Option(help="male or female.")] = None,
    bmi: Annotated[str | None, typer.Option(help="Body mass index, kg/m2.")] = None,
    crp: Annotated[str | None, typer.Option(help="C-reactive protein, mg/L.")] = None,
    cdai: Annotated[str | None, typer.Option(help="Crohn's disease activity, points.")] = None,
    prior_anti_tnf: Annotated[
        bool | None, typer.Option(help="Ever treated with an anti-TNF.", show_default=False)
    ] = None,
    steroid: Annotated[
        bool | None, typer.Option(help="On a systemic corticosteroid.", show_default=False)
    ] = None,
    immunomodulator: Annotated[
        bool | None, typer.Option(help="On an immunomodulator.", show_default=False)
    ] = None,
    ileal: Annotated[
        bool | None, typer.Option(help="Ileal involvement.", show_default=False)
    ] = None,
    uncertainty: Annotated[
        Uncertainty, typer.Option(help="The paper's subgroups, or the web calculator's.")
    ] = "bootstrap",
    exclude_class: Annotated[
        list[str] | None, typer.Option(help="A class that cannot be had, by its key; repeatable.")
    ] = None,
    model: Annotated[str, typer.Option(help="A shipped model card, or a path.")] = DEFAULT_MODEL,
) -> None:
    """Score one patient, or a CSV of patients."""
    from omop_scorer.cli.patient import render_patient  # noqa: PLC0415
    from omop_scorer.model.load import load_model  # noqa: PLC0415
    from omop_scorer.scoring.csv_file import score_csv  # noqa: PLC0415
    from omop_scorer.scoring.patient import score_patient  # noqa: PLC0415

    card = load_model(model)
    excluded = frozenset(exclude_class or ())
    keys = [drug_class.key for drug_class in card.card.classes]
    if unknown := sorted(excluded - set(keys)):
        raise typer.BadParameter(f"{', '.join(unknown)}; classes of the model: {', '.join(keys)}")
    answers = {
        "age": age,
        "sex": sex,
        "bmi": bmi,
        "crp": crp,
        "cdai": cdai,
        "prior_anti_tnf": prior_anti_tnf,
        "steroid": steroid,
        "immunomodulator": immunomodulator,
        "ileal": ileal,
    }
    patient = {name: answer for name, answer in answers.items() if answer is not None}
    source, target = input_file or given_input, output_file or given_output
    if source is None and target is None:
        if not patient:
            raise typer.BadParameter("give a CSV, or one patient by --age, --sex and the others")
        scored = score_patient(patient, card, uncertainty, excluded)
        render_patient(scored, card, Console())
    elif source is None or target is None or patient:
        raise typer.BadParameter("a CSV needs an input and an output, and no patient's options")
    else:
        n_scored = score_csv(source, target, card, uncertainty, excluded)
        typer.echo(f"{n_scored:,} patients scored to {target}")


def with_yes_no_words(arguments: Sequence[str]) -> list[str]:
    """Let `--steroid yes` and `--steroid=no` stand for `--steroid` and `--no-steroid`."""
    words = {"yes": "", "true": "", "1": "", "no": "no-", "false": "no-", "0": "no-"}
    out: list[str] = []
    for argument in arguments:
        option, has_value, value = argument.partition("=")
        if has_value and option in _YES_NO_OPTIONS and value.lower() in words:
            out.append(f"--{words[value.lower()]}{option[2:]}")
        elif out and out[-1] in _YES_NO_OPTIONS and argument.lower() in words:
            out[-1] = f"--{words[argument.lower()]}{out[-1][2:]}"
        else:
            out.append(argument)
    return out
