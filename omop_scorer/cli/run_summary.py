"""Summary that a run prints when it ends, for a terminal of 80 columns or a log."""

from itertools import pairwise

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from omop_scorer.journal import Step
from omop_scorer.nightly.run import RunSummary
from omop_scorer.results.answer import other_answer
from omop_scorer.terms import COVARIATE_STATUSES, MAPPING_MEASURES
from omop_scorer.texts.characters import one_line

_N_SLOWEST_STEPS = 5


def render_summary(summary: RunSummary, steps: list[Step], covariates: list[str]) -> Group:
    """Return the attrition, covariate statuses, subgroups, slowest steps and warnings of a run."""
    parts: list[RenderableType] = [
        Text(
            f"{_outcome(summary)}: {summary.n_scored:,} of {summary.n_cohort:,} patients scored\n"
            f"as of {summary.as_of}, {summary.uncertainty} uncertainty"
            + (f"\nCDM state: {one_line(summary.snapshot)}" if summary.snapshot else ""),
            style="bold",
        ),
        _attrition(summary),
    ]
    if summary.n_scored:
        parts += [
            _covariates(summary, covariates),
            _subgroups(summary),
            Text(
                f"Within the range of the trials: {summary.trial_range['within']:,} yes, "
                f"{summary.trial_range['outside']:,} no, {summary.trial_range['unknown']:,} "
                "unknown (disease activity not recorded)"
            ),
        ]
    if (mapped := _mapped(summary)) is not None:
        parts.append(mapped)
    parts.append(_time(steps))
    if summary.answer is not None:
        parts.append(Text(f"warning: {other_answer(summary.answer)}", style="yellow"))
    parts += [Text(f"warning: {warning}", style="yellow") for warning in summary.warnings]
    spaced = parts[:1]
    for previous, part in pairwise(parts):
        is_table_adjacent = isinstance(previous, Table) or isinstance(part, Table)
        spaced += [Text(), part] if is_table_adjacent else [part]
    return Group(*spaced)


def _outcome(summary: RunSummary) -> str:
    if summary.run_id is None:
        return "Dry run (nothing written)"
    return f"Run {summary.run_id} COMPLETE"


def print_summary(
    console: Console, summary: RunSummary, steps: list[Step], covariates: list[str]
) -> None:
    """Print the summary of a run."""
    console.print(render_summary(summary, steps, covariates), soft_wrap=False)


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table


def _attrition(summary: RunSummary) -> Table:
    table = _table("Attrition (persons)", "reason", "excluded", "remaining")
    for step in summary.attrition:
        excluded = "" if step.step == 1 else f"{step.n_excluded:,}"
        table.add_row(step.reason.replace("_", " "), excluded, f"{step.n_persons:,}")
    return table


def _covariates(summary: RunSummary, covariates: list[str]) -> Table:
    counts = {
        status: [summary.quality[name, f"n_{status}"] for name in covariates]
        for status in COVARIATE_STATUSES
    }
    shown = [status for status in COVARIATE_STATUSES if status != "left_out" or any(counts[status])]
    headings = [status.replace("_", " ") for status in shown]
    table = _table("Sources of the covariates (patients)", "covariate", *headings)
    for index, name in enumerate(covariates):
        cells = []
        for status in shown:
            n = counts[status][index]
            is_found = status in ("observed", "computed", "absent")
            share = "" if is_found else f" ({n / summary.n_scored:.0%})"
            cells.append(f"{n:,}{share}" if n else "-")
        table.add_row(name, *cells)
    return table


def _mapped(summary: RunSummary) -> Table | None:
    """Return the concept sets with records by a mapping or by their source concept."""
    records, persons = MAPPING_MEASURES
    table = _table(
        "Records by a mapping or by their source concept", "concept set", "records", "persons"
    )
    for (name, measure), n in sorted(summary.quality.items()):
        if measure == records and n:
            table.add_row(name, f"{n:,}", f"{summary.quality[name, persons]:,}")
    return table if table.row_count else None


def _subgroups(summary: RunSummary) -> Table:
    table = _table("Preference subgroups", "subgroup", "patients", "share")
    for label, n in summary.subgroups.items():
        table.add_row(Text(label), f"{n:,}", f"{n / summary.n_scored:.1%}")
    if summary.n_worst_class_ruled_out:
        n = summary.n_worst_class_ruled_out
        note = "no neighbours differ, but first and last do"
        table.add_row(Text(note, style="italic"), f"{n:,}", f"{n / summary.n_scored:.1%}")
    return table


def _time(steps: list[Step]) -> Table:
    total = sum(step.seconds for step in steps)
    table = _table(f"Time: {total:.1f} s; slowest steps", "step", "rows", "seconds")
    slowest = sorted(steps, key=lambda step: -step.seconds)[:_N_SLOWEST_STEPS]
    for step in (step for step in steps if step in slowest):
        rows = "" if step.rows is None else f"{step.rows:,}"
        table.add_row(step.name, rows, f"{step.seconds:.2f}")
    return table
