"""The section on the cleaning: who is left out and why, and what was assumed."""

from collections.abc import Mapping, Sequence

from omop_scorer.report.blocks import Block, Heading, Listing, Section, Step, Steps, Table
from omop_scorer.report.trial_data.names import TrialNames, breakable
from omop_scorer.report.words import sentence
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.attrition_words import Line, changes, reasons
from omop_scorer.trials.load import TrialData


def section(data: TrialData, minimum: int) -> Section:
    """Return the section on the participants of the file.

    Counts by arm are left out if an arm has fewer participants than the minimum.
    """
    counts = data.attrition
    n_out = counts.n_rows - counts.n_included
    lead = (
        f"{counts.n_included:,} of the {counts.n_rows:,} rows of the file are included in the "
        f"models; {n_out:,} are left out."
    )
    arms = _shown_arms(data, minimum)
    blocks: list[Block] = [*_steps(data, arms), _changed(data, arms)]
    if data.warnings:
        blocks += [
            Heading("Warnings"),
            Listing([one_line(each) for each in data.warnings]),
        ]
    return Section("participants", "Participants", lead, blocks)


def _steps(data: TrialData, arms: Mapping[int, str]) -> list[Block]:
    counts = data.attrition
    lines, left = reasons(counts), counts.n_rows
    steps = [Step("", "", f"{left:,} rows of the file", is_end=True)]
    applied = [line for line in lines if line.n]
    for line in applied:
        left -= line.n
        steps.append(Step(line.words, f"{line.n:,}", f"{left:,} left"))
    last = steps.pop() if applied else Step("nobody is left out", "0", "")
    steps.append(Step(last.reason, last.excluded, f"{left:,} included", is_end=True))
    whole = [
        Line("rows of the file", counts.rows.n, counts.rows.by_arm),
        *lines,
        Line("included", counts.included.n, counts.included.by_arm),
    ]
    table = _table(
        "Rows left out, by the first reason and arm", "Rows", whole, arms, is_folded=True
    )
    caption = "A row is left out for the first reason that applies, in the order of the table."
    return [Steps("From rows to participants", caption, steps), table]


def _changed(data: TrialData, arms: Mapping[int, str]) -> Table:
    """Return the values of included participants that are not the file's own."""
    caption = "Values assumed, carried forward or imputed among the included"
    return _table(caption, "Value", changes(data.attrition), arms)


def _table(
    caption: str,
    first: str,
    lines: Sequence[Line],
    arms: Mapping[int, str],
    is_folded: bool = False,
) -> Table:
    """Return counts, in all and by arm."""
    rows = [
        (breakable(sentence(line.words)), f"{line.n:,}", *(f"{line.by_arm[i]:,}" for i in arms))
        for line in lines
    ]
    names = [breakable(name) for name in arms.values()]
    shown = rows or [("None", "0", *["0"] * len(names))]
    return Table(caption, (first, "All", *names), shown, is_folded=is_folded)


def _shown_arms(data: TrialData, minimum: int) -> dict[int, str]:
    """Return the names of the arms with a participant, by their place in the counts."""
    names = TrialNames(data.template, data.template.classes)
    counts = data.attrition
    included = {i: n for i, n in enumerate(counts.included.by_arm) if n}
    if any(n < minimum for n in included.values()):
        return {}
    return {i: names.arm(counts.arms[i]) for i in included}
