"""Command that calculates the power of a trial of one drug class against another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console

from omop_scorer.cli.options import ConfigOption, SetOption
from omop_scorer.cli.results import results_config
from omop_scorer.cli.score import DEFAULT_MODEL, ModelOption
from omop_scorer.cli.trials import (
    SEED,
    JsonOption,
    ReportOption,
    SeedOption,
    json_text,
    refuse_no_page,
    say_warning,
)
from omop_scorer.errors import ScoringError
from omop_scorer.terms import Uncertainty
from omop_scorer.texts.characters import one_line

if TYPE_CHECKING:
    from omop_scorer.model.load import Model
    from omop_scorer.trials.population import Criteria, Persons
    from omop_scorer.trials.power import PlannedTrial, Protection, Settings

#: The classes that the paper compares: the first is hoped to be better.
_PAPER_CLASSES = ("anti_il12_23", "anti_tnf")

_DEFAULT_SIZES = (100, 250, 500, 1000, 2000)

_DEFAULT_YOUNGEST = 50


def power(
    population: Annotated[
        Path | None,
        typer.Argument(
            metavar="POPULATION",
            help="CSV file of patients as for score. Without it, the patients of a run.",
        ),
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Results whose scored patients are the population; sets results.url.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        str, typer.Option(metavar="RUN", help="Run of the results: its id, latest or previous.")
    ] = "latest",
    config: ConfigOption = None,
    settings: SetOption = None,
    better: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="KEY",
            help="Drug class that is hoped to be better. Default: anti_il12_23 if the card has it "
            "and anti_tnf.",
            show_default=False,
        ),
    ] = None,
    other: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="KEY",
            help="Drug class of the other arm. Default: anti_tnf.",
            show_default=False,
        ),
    ] = None,
    min_age: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="YEARS",
            help=f"Youngest age, included; 0 = any. Default: {_DEFAULT_YOUNGEST}, or any without "
            "an age.",
            show_default=False,
        ),
    ] = None,
    max_age: Annotated[
        int | None,
        typer.Option(min=0, metavar="YEARS", help="Oldest age, included.", show_default=False),
    ] = None,
    sex: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SEX",
            help="any, female or male; one population each. Default: any and female.",
            show_default=False,
        ),
    ] = None,
    arm_size: Annotated[
        list[int] | None,
        typer.Option(
            min=2,
            max=1_000_000,
            metavar="N",
            help="Patients in each arm; may be repeated. Default: "
            f"{', '.join(map(str, _DEFAULT_SIZES))}.",
            show_default=False,
        ),
    ] = None,
    uncertainty: Annotated[
        Uncertainty, typer.Option(help="Uncertainty of the labels that make the subgroup.")
    ] = "bootstrap",
    yates: Annotated[
        bool, typer.Option("--yates", help="Correct the chi-squared test for continuity.")
    ] = False,
    simulations: Annotated[
        int,
        typer.Option(
            min=100,
            max=10_000_000,
            metavar="N",
            help="Simulated trials, where there is no formula.",
        ),
    ] = 20_000,
    seed: SeedOption = SEED,
    minimum_cell_count: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Refuse a population with fewer patients. Default: none for a CSV file, and "
            "minimum_cell_count of the run file for a run, whose own threshold applies if it is "
            "greater.",
            show_default=False,
        ),
    ] = None,
    json_file: JsonOption = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="CSV file to write.", show_default=False),
    ] = None,
    report: ReportOption = None,
) -> None:
    """Calculate the power of a trial of two drug classes.

    It also gives the number of participants that such a trial needs. Both arms are drawn from a
    population: the patients of a CSV file, or those scored in a run.
    """
    from omop_scorer.cli.power_files import (  # noqa: PLC0415
        power_csv,
        power_document,
        power_page,
    )
    from omop_scorer.cli.power_tables import render_plans  # noqa: PLC0415
    from omop_scorer.model.load import load_model  # noqa: PLC0415
    from omop_scorer.trials.card_files import refuse_places, write_whole  # noqa: PLC0415
    from omop_scorer.trials.power import Settings  # noqa: PLC0415

    written = [each for each in (json_file, csv_file, report) if each is not None]
    card = load_model(model)
    refuse_places(population or card.path, written)
    refuse_no_page(report)
    arms = _arms(card, better, other)
    persons, protection, where, source = _persons(
        population, card, results, run, config, settings, minimum_cell_count
    )
    _warn_of_missing(persons, protection)
    if persons.missing:
        source += f", some of whom have no recorded {', '.join(persons.missing)}"
    criteria = _criteria(persons, min_age, max_age, sex)
    by_key = {each.key: each for each in card.card.classes}
    first, second = (by_key[key].residual_variance for key in arms)
    chosen = Settings(
        sizes=sorted(set(arm_size or _DEFAULT_SIZES)),
        residual_variance=(first, second),
        seed=seed,
        n_simulations=simulations,
        alpha=card.card.alpha,
        is_corrected=yates,
    )
    counted = _counted(criteria, persons, protection, where, is_chosen=bool(sex))
    plans = _plans(persons, counted, arms, card, uncertainty, chosen, protection)
    files = {}
    if json_file is not None:
        document = power_document(plans, persons, card, arms, uncertainty, chosen, protection)
        files[json_file] = json_text(document)
    if csv_file is not None:
        files[csv_file] = power_csv(plans, is_corrected=yates)
    if report is not None:
        files[report] = power_page(plans, counted, persons, card, arms, chosen, protection, source)
    write_whole(files)
    _warn_of_few(plans)
    labels = (by_key[arms[0]].label, by_key[arms[1]].label)
    Console().print(render_plans(plans, card.card, labels, chosen, source))
    for path in files:
        typer.echo(f"written: {path}")


def _warn_of_missing(persons: "Persons", protection: "Protection | None") -> None:
    for name, n in persons.missing.items():
        if protection is None:
            who = f"{n:,} of {len(persons.values):,} patients have no value"
        else:
            who = "some patients have no value"
        say_warning(f"{name}: {who}, so it is imputed, or left out of the models, as in scoring")


def _warn_of_few(plans: "list[PlannedTrial]") -> None:
    from omop_scorer.trials.population import is_few  # noqa: PLC0415

    for each in plans:
        if is_few(each.moments.n):
            say_warning(
                f"{each.name}: only {each.moments.n} patient(s), who are drawn again and again, so "
                "the powers say little about other patients"
            )


def _arms(card: "Model", better: str | None, other: str | None) -> tuple[str, str]:
    """Return the keys of the two classes."""
    keys = [each.key for each in card.card.classes]
    is_papers = set(_PAPER_CLASSES) <= set(keys)
    arms = (
        better or (_PAPER_CLASSES[0] if is_papers else None),
        other or (_PAPER_CLASSES[1] if is_papers else None),
    )
    allowed = ", ".join(keys)
    for option, key in zip(("--class", "--against"), arms, strict=True):
        if key is None:
            raise typer.BadParameter(f"{option}: name a drug class of this model: {allowed}")
        if key not in keys:
            raise typer.BadParameter(
                f"{option}: no drug class {key} in this model; allowed: {allowed}"
            )
    if arms[0] == arms[1]:
        raise typer.BadParameter("--class and --against: name two different drug classes")
    return str(arms[0]), str(arms[1])


def _persons(
    population: Path | None,
    card: "Model",
    results: str | None,
    run: str,
    config: Path | None,
    settings: list[str] | None,
    minimum_cell_count: int | None,
) -> "tuple[Persons, Protection | None, str, str]":
    """Return the persons, the rules for what is shown of them, where they are, and who."""
    if population is None:
        overrides = [*(settings or []), *([] if results is None else [f"results.url={results}"])]
        if config is None and not overrides:
            raise typer.BadParameter("give a CSV file of patients, or --results, --config or --set")
        return _persons_of_run(card, run, config, overrides, minimum_cell_count)
    if results is not None or config is not None or settings or run != "latest":
        raise typer.BadParameter("give a CSV file of patients, or the results of runs, not both")
    from omop_scorer.disclosure.populations import protection_of  # noqa: PLC0415
    from omop_scorer.scoring.csv_file import read_csv  # noqa: PLC0415
    from omop_scorer.trials.population import Persons  # noqa: PLC0415

    values, recorded = read_csv(population, card.card.covariates)
    by_name = dict(zip(card.arrays.covariates, values.T, strict=True))
    male = by_name.get("male")
    is_male = None if male is None else male == 1
    rules = None if minimum_cell_count is None else protection_of("{}", minimum_cell_count)
    source = f"the patients of {one_line(population.name)}"
    n_missing = dict(zip(card.arrays.covariates, (~recorded).sum(axis=0).tolist(), strict=True))
    missing = {name: n for name, n in n_missing.items() if n}
    persons = Persons(values, by_name.get("age"), is_male, missing)
    return persons, rules, str(population), source


def _persons_of_run(
    card: "Model", run: str, config: Path | None, overrides: list[str], minimum: int | None
) -> "tuple[Persons, Protection, str, str]":
    from omop_scorer.disclosure.populations import protection_of  # noqa: PLC0415
    from omop_scorer.results.history import list_runs, run_of  # noqa: PLC0415
    from omop_scorer.results.scored_persons import read_persons  # noqa: PLC0415
    from omop_scorer.stores import open_results  # noqa: PLC0415

    run_file = results_config(config, overrides)
    with open_results(run_file.connections) as reader:
        runs = list_runs(reader)
        found = run_of(runs, run)
        persons = read_persons(reader, found, runs, card.arrays.covariates)
        where = f"{reader.where}: run {found.run_id}"
    if found.model_sha256 != card.sha256:
        typer.echo(
            f"run {found.run_id} was scored with another model card, {found.model_id}; its "
            f"patients are scored again with {card.card.id}",
            err=True,
        )
    threshold = run_file.minimum_cell_count if minimum is None else minimum
    source = f"the patients scored in run {found.run_id}, as of {found.as_of_date}"
    return persons, protection_of(found.config_json, threshold), where, source


def _criteria(
    persons: "Persons", youngest: int | None, oldest: int | None, sexes: list[str] | None
) -> "list[Criteria]":
    from omop_scorer.trials.population import Criteria, Sex  # noqa: PLC0415

    if set(sexes or ()) - set(get_args(Sex)):
        raise typer.BadParameter(f"--sex: allowed: {', '.join(get_args(Sex))}")
    if persons.age is None and (youngest or oldest is not None):
        raise typer.BadParameter("--min-age and --max-age: the model has no covariate age")
    if persons.is_male is None and set(sexes or ()) - {"any"}:
        raise typer.BadParameter("--sex: the model has no covariate male")
    if youngest is None and oldest is None and persons.age is not None:
        youngest = _DEFAULT_YOUNGEST
    if youngest is not None and oldest is not None and youngest > oldest:
        raise typer.BadParameter("--min-age is above --max-age")
    by_default: tuple[Sex, ...] = ("any",) if persons.is_male is None else ("any", "female")
    chosen = [sex for sex in get_args(Sex) if sex in sexes] if sexes else by_default
    return [Criteria(youngest or None, oldest, each) for each in chosen]


def _counted(
    criteria: "list[Criteria]",
    persons: "Persons",
    protection: "Protection | None",
    where: str,
    *,
    is_chosen: bool,
) -> "list[Criteria]":
    """Return the criteria whose populations may be shown.

    Raises
    ------
    ScoringError
        A population is empty or too small, unless it is there by default beside another.
    """
    from omop_scorer.disclosure.populations import may_be_counted  # noqa: PLC0415

    kept, problems = [], []
    for each in criteria:
        if not each.met_by(persons).any():
            problems.append(f"{where}: {each.name}: no patient; choose other ages or another sex")
        elif protection and not may_be_counted(each, persons, protection):
            least = protection.minimum_cell_count
            problems.append(
                f"{where}: {each.name}: fewer than {least} patients are in this population, or "
                "are left out of it, so it is not shown; choose other ages or another sex"
            )
        else:
            kept.append(each)
    if problems and (is_chosen or not kept):
        raise ScoringError(*problems)
    for problem in problems:
        say_warning(problem)
    return kept


def _plans(
    persons: "Persons",
    criteria: "list[Criteria]",
    arms: tuple[str, str],
    card: "Model",
    uncertainty: Uncertainty,
    settings: "Settings",
    protection: "Protection | None",
) -> "list[PlannedTrial]":
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.trials.population import populations  # noqa: PLC0415
    from omop_scorer.trials.power import plan  # noqa: PLC0415

    journal, plans = open_journal("auto", len(criteria)), []
    try:
        for each in populations(persons, criteria, arms, card, uncertainty):
            with journal.step(each.name):
                plans.append(plan(each, settings, protection))
    finally:
        journal.close()
    return plans
