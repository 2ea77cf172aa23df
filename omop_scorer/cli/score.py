"""Command that scores one patient, or a CSV file of patients, without a database."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from omop_scorer.cli.streams import lost_output
from omop_scorer.errors import ScoringError
from omop_scorer.terms import Uncertainty

if TYPE_CHECKING:
    from omop_scorer.scoring.csv_file import Counts

DEFAULT_MODEL = "crohns_srs_2025"

ModelOption = Annotated[
    str, typer.Option(metavar="CARD", help="Name of a shipped model card, or path of a card.")
]

_YES_NO_OPTIONS = ("--prior-anti-tnf", "--steroid", "--immunomodulator", "--ileal")


def score(
    input_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="INPUT",
            help="CSV file of patients. Without it, give the values of one patient as options.",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUTPUT",
            help="File to write; one that exists is replaced. Without it, the scores are printed.",
        ),
    ] = None,
    given_input: Annotated[
        Path | None, typer.Option("--input", "-i", metavar="FILE", help="Same as INPUT.")
    ] = None,
    given_output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Same as OUTPUT.")
    ] = None,
    age: Annotated[
        str | None, typer.Option(metavar="YEARS", help="Age in completed years.")
    ] = None,
    sex: Annotated[str | None, typer.Option(metavar="SEX", help="male or female.")] = None,
    bmi: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Body mass index, kg/m2.")
    ] = None,
    crp: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="C-reactive protein, mg/L.")
    ] = None,
    cdai: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Crohn's Disease Activity Index, points.")
    ] = None,
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
        Uncertainty,
        typer.Option(
            help="bootstrap: subgroups of the paper; analytic: those of the web calculator."
        ),
    ] = "bootstrap",
    exclude_class: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Drug class to exclude, by key; may be repeated."),
    ] = None,
    output_format: Annotated[
        Literal["table", "csv", "json"] | None,
        typer.Option(
            "--format",
            help="table, of one patient only; csv; json. Default: csv for a file, else table.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse a file with values out of range; else their rows are marked."
        ),
    ] = False,
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Score one patient, or a CSV file of patients.

    The options of one patient are the covariates of the shipped model. A patient of a model with
    other covariates, such as one of another disease, is scored from a CSV file.
    """
    from omop_scorer.cli.patient import render_patient  # noqa: PLC0415
    from omop_scorer.model.load import load_model  # noqa: PLC0415
    from omop_scorer.scoring.csv_file import patient_row, score_csv  # noqa: PLC0415
    from omop_scorer.scoring.patient import score_patient  # noqa: PLC0415

    card = load_model(model)
    excluded = frozenset(exclude_class or ())
    keys = [drug_class.key for drug_class in card.card.classes]
    if unknown := sorted(excluded - set(keys)):
        raise typer.BadParameter(
            f"--exclude-class: no drug class {', '.join(unknown)} in this model; "
            f"allowed: {', '.join(keys)}"
        )
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
            raise typer.BadParameter("give a CSV file, or one patient with --age, --sex and so on")
        columns = [covariate.csv_column for covariate in card.card.covariates]
        if others := [column for column in columns if column not in answers]:
            raise typer.BadParameter(
                f"this model has covariates without an option: {', '.join(others)}; give a CSV "
                f"file with the columns {', '.join(columns)} as INPUT"
            )
        if output_format is None or output_format == "table":
            scored = score_patient(patient, card, uncertainty, excluded)
            render_patient(scored, card, Console())
        else:
            typer.echo(patient_row(patient, card, uncertainty, excluded, output_format), nl=False)
    elif source is None or patient or output_format == "table":
        raise typer.BadParameter(
            "a CSV file needs INPUT, no option of one patient, and --format csv or json"
        )
    else:
        counts = score_csv(
            *(source, target or sys.stdout, card, uncertainty, excluded),
            form=output_format or "csv",
            strict=strict,
        )
        if target is None and (cause := lost_output()):
            raise ScoringError(f"standard output: part of the scores is lost ({cause})")
        _say(counts, target)


def _say(counts: "Counts", target: Path | None) -> None:
    """Print the numbers of patients; on standard error where the scores are printed."""
    to = f" to {target}" if target else ""
    typer.echo(f"{counts.n_scored:,} patients scored{to}", err=target is None)
    if counts.n_out_of_range:
        typer.echo(
            f"not scored, with a value out of range: {counts.n_out_of_range:,} (the column "
            "out_of_range says which)",
            err=target is None,
        )


def with_yes_no_words(arguments: Sequence[str]) -> list[str]:
    """Replace `--steroid yes` by `--steroid`, and `--steroid=no` by `--no-steroid`."""
    words = {"yes": "", "true": "", "1": "", "no": "no-", "false": "no-", "0": "no-"}
    replaced: list[str] = []
    for argument in arguments:
        option, has_value, value = argument.partition("=")
        if has_value and option in _YES_NO_OPTIONS and value.lower() in words:
            replaced.append(f"--{words[value.lower()]}{option[2:]}")
        elif replaced and replaced[-1] in _YES_NO_OPTIONS and argument.lower() in words:
            replaced[-1] = f"--{words[argument.lower()]}{replaced[-1][2:]}"
        else:
            replaced.append(argument)
    return replaced
