"""Commands and exit codes: parse, call, print."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from omop_scorer import __version__, sql
from omop_scorer.cli_load import load_cdm
from omop_scorer.cli_results import diff, report, runs, status, write_report
from omop_scorer.cli_score import score, with_yes_no_words
from omop_scorer.config import RunConfig, load, shipped_run_file
from omop_scorer.errors import ConfigurationError, OmopScorerError

app = typer.Typer(
    name="omop-scorer",
    help="Score the Crohn's disease patients of an OMOP CDM with published models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


LogFormat = Literal["auto", "text", "json"]
Dialect = Literal["duckdb", "postgres", "spark"]

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The run file.", show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a key of the run file, as in results.schema=scores."),
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Read no record after this date."),
]
LogOption = Annotated[
    LogFormat, typer.Option("--log-format", help="A bar on a terminal, or lines of text or JSON.")
]


def _config(path: Path, overrides: list[str] | None, as_of: datetime | None) -> RunConfig:
    settings = list(overrides or [])
    if as_of is not None:
        settings.append(f"as_of_date={as_of:%Y-%m-%d}")
    return load(path, settings)


@contextmanager
def _errors_as_lines(log_format: LogFormat) -> Iterator[None]:
    """Say errors in the log's own format, for a scheduler that reads JSON."""
    from omop_scorer.journal import open_journal  # noqa: PLC0415

    try:
        yield
    except OmopScorerError as error:
        if log_format != "json":
            raise
        journal = open_journal(log_format, 0)
        for problem in error.problems:
            journal.say("error", problem)
        raise typer.Exit(error.exit_code) from None


@app.command()
def run(
    config: ConfigOption,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    log_format: LogOption = "auto",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Do everything but write: print each query, its plan and its count of rows.",
        ),
    ] = False,
) -> None:
    """Score every patient of the CDM; publish the answer."""
    with _errors_as_lines(log_format):
        _run(_config(config, settings, as_of), log_format, dry_run=dry_run)


def _run(config: RunConfig, log_format: LogFormat, *, dry_run: bool = False) -> None:
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.rules import load_rules  # noqa: PLC0415
    from omop_scorer.run import execute, n_steps, rehearse  # noqa: PLC0415
    from omop_scorer.summary import print_summary  # noqa: PLC0415

    rules = load_rules(config)
    journal = open_journal(log_format, n_steps(rules))
    try:
        summary = rehearse(rules, journal, typer.echo) if dry_run else execute(rules, journal)
    finally:
        journal.close()
    names = [covariate.name for covariate in rules.model.card.covariates]
    print_summary(Console(stderr=dry_run), summary, journal.steps, names)


@app.command()
def check(
    config: ConfigOption,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    log_format: LogOption = "auto",
) -> None:
    """Find what could spoil a night, and all at once."""
    from omop_scorer.check import check as look  # noqa: PLC0415
    from omop_scorer.journal import open_journal  # noqa: PLC0415

    with _errors_as_lines(log_format):
        journal = open_journal(log_format, 30)
        try:
            report = look(_config(config, settings, as_of), journal)
        finally:
            journal.close()
    console = Console()
    colours = {"error": "bold red", "warning": "yellow", "note": "green"}
    for finding in report.worst_first():
        console.print(
            Text(f"{finding.severity:<8}", style=colours[finding.severity]) + Text(finding.message),
            soft_wrap=not console.is_terminal,
        )
    if report.exit_code:
        raise typer.Exit(report.exit_code)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demonstration is kept.")] = Path("demo"),
    persons: Annotated[int, typer.Option(min=1, help="Persons in the made-up CDM.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the made-up CDM.")] = 1,
    log_format: LogOption = "auto",
) -> None:
    """Make up a CDM and run the main job on it."""
    from omop_scorer import synthetic  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be made: {error.strerror}") from None
    cdm, results = folder / "cdm.duckdb", folder / "results.duckdb"
    synthetic.write(cdm, persons, seed, overwrite=True)
    config = load(
        shipped_run_file(),
        [
            f"cdm.url={cdm}",
            f"results.url={results}",
            f"as_of_date={synthetic.AS_OF}",
            f"covariates.cdai.concept_ids={list(synthetic.CDAI_CONCEPT_IDS)}",
        ],
    )
    _run(config, log_format)
    (page,) = write_report(config, "latest", folder / "report.html")
    Console().print(
        f"\nThe CDM is {cdm}, the answer {results}, the report {page}: open it in a browser.\n"
        "Look at the answer, for example, with:\n"
        f"  duckdb {results} 'FROM omop_scorer.latest_score LIMIT 5'",
        highlight=False,
        soft_wrap=True,
    )


app.command()(report)
app.command()(runs)
app.command()(diff)
app.command()(status)
app.command()(score)
app.command("load-cdm")(load_cdm)


@app.command()
def render(
    name: Annotated[
        str | None, typer.Argument(help="A SQL file, for example crp; none: list them.")
    ] = None,
    dialect: Annotated[Dialect, typer.Option(help="The dialect to print.")] = "duckdb",
) -> None:
    """Print the SQL that would run."""
    if name is None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for known in sql.names():
            table.add_row(known, sql.find(known).header["Title"])
        Console().print(table)
        return
    for statement in sql.find(name).render(dialect):
        typer.echo(f"{statement};")


@app.command()
def covariates(config: ConfigOption, settings: SetOption = None) -> None:
    """List the covariates and their rules."""
    from omop_scorer.rules import covariate_rules, load_rules  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("covariate", "unit", "looked for in", "window", "if none"):
        table.add_column(heading)
    for row in covariate_rules(load_rules(_config(config, settings, None))):
        table.add_row(*map(Text, row))
    Console().print(table)


@app.command()
def synth(
    out: Annotated[Path, typer.Option(help="A .duckdb file, or a folder for Parquet files.")],
    persons: Annotated[int, typer.Option(min=1, help="Persons in the CDM.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Same seed, same CDM.")] = 1,
    crohns_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of persons with Crohn's disease.")
    ] = 0.3,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The night of the truth."),
    ] = None,
    events_per_person: Annotated[
        float,
        typer.Option(help="0: what the truth needs, about 13; 20 to 2000: a warehouse."),
    ] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads; the rows are the same.", show_default="all cores")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace what is there.")] = False,
) -> None:
    """Make up a CDM, the truth beside it."""
    from omop_scorer import synthetic  # noqa: PLC0415

    night: date = synthetic.AS_OF if as_of is None else as_of.date()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("persons", total=persons)
        summary = synthetic.write(
            out,
            persons,
            seed,
            as_of=night,
            crohns_share=crohns_share,
            events_per_person=events_per_person,
            threads=threads,
            overwrite=overwrite,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    typer.echo(str(summary))


@app.command("import-concept-set")
def import_concept_set(
    file: Annotated[Path, typer.Argument(help="JSON exported from ATLAS, or Circe.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The YAML to write; none: print it.")
    ] = None,
) -> None:
    """Turn an ATLAS concept set into YAML."""
    from omop_scorer.concepts import atlas_to_yaml  # noqa: PLC0415

    text = atlas_to_yaml(file)
    if output is None:
        typer.echo(text)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{output}: cannot be written: {error.strerror}") from None


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


_signals: list[int] = []
"""What asked this process to stop. A driver amid a query may make any error of it."""


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    _signals.append(number)
    sys.exit(128 + number)


def main() -> None:
    """Run a command; a failure prints what, where and what to do next, and no stack trace."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    code = _guarded(lambda: app(with_yes_no_words(sys.argv[1:])))
    sys.exit(128 + _signals[0] if code and _signals else code)


def _guarded(command: Callable[..., Any]) -> int:
    try:
        command()
    except OmopScorerError as error:
        for problem in error.problems:
            Console(stderr=True).print(
                Text("error: ", style="bold red") + Text(problem), soft_wrap=True
            )
        return error.exit_code
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except Exception as error:
        if _signals:
            return 1
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        file = Path(trace.tb_frame.f_code.co_filename).name if trace else "unknown"
        line = trace.tb_lineno if trace else 0
        # The text of an unforeseen error may quote a patient's value, so it is not printed.
        typer.echo(
            f"error: unforeseen {type(error).__name__} at {file}:{line}; please report it so",
            err=True,
        )
        return 1
    return 0
