"""The section on cross-validated subgroups, one for each way to fold."""

from collections.abc import Iterable, Sequence
from statistics import median

from omop_scorer.report.blocks import Block, Cell, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts.estimates import Repetitions, strips
from omop_scorer.report.trial_data.names import TrialNames, breakable
from omop_scorer.report.trial_data.subgroups import CONCORDANCE_CAUTION, agreement_table
from omop_scorer.report.words import NOBODY, sentence
from omop_scorer.terms import UNCERTAINTIES, Uncertainty
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.cross_validation import Way
from omop_scorer.trials.fold_figures import FoldCounts
from omop_scorer.trials.validation import Validation

_MEANING: dict[Way, str] = {
    "all_patients": (
        "As the paper’s text says: placebo and class models are fitted without each fold, so "
        "nobody’s own outcome has a part in the label."
    ),
    "placebo_once": (
        "As the paper’s code does: the placebo model is fitted once, on all placebo participants, "
        "and only participants on a drug are held out."
    ),
}

_TITLES: dict[Way, str] = {
    "all_patients": "Subgroups, every model without the fold (all_patients)",
    "placebo_once": "Subgroups, one placebo model (placebo_once)",
}


def section(found: Validation, way: Way, names: TrialNames) -> Section:
    """Return the section on one way of cross-validation."""
    folds = {how: found.folds_of(way, how) for how in UNCERTAINTIES}
    blocks: list[Block] = []
    failed = [each for each in folds[UNCERTAINTIES[0]] if each.failure is not None]
    for each in failed:
        text = f"Fold {each.fold} failed and is in no figure: {one_line(str(each.failure))}"
        blocks.append(Prose(text, "warning"))
    blocks += [Heading("A class alone in the first place"), *_first(folds, names)]
    if found.women is not None:
        blocks += [Heading("Women of 50 and over among them"), *_women(folds, names)]
    blocks += [Heading("Each fold"), *(_table(folds[how], how, names) for how in UNCERTAINTIES)]
    agreements = {how: found.against_full_data(way, how) for how in UNCERTAINTIES}
    blocks += [
        Heading("Held out against models that saw everybody"),
        agreement_table(agreements, "seen", "held out", "Labels of the same participants"),
        Prose(CONCORDANCE_CAUTION, "note"),
    ]
    return Section(way.replace("_", "-"), _TITLES[way], _MEANING[way], blocks)


def first_shares(folds: Iterable[FoldCounts], key: str) -> list[float]:
    """Return, for each fold, the share of the held-out with a class alone in the first place."""
    return [
        each.best_alone[key] / each.n_held_out
        for each in folds
        if each.best_alone is not None and each.n_held_out
    ]


def women_shares(folds: Iterable[FoldCounts], key: str) -> list[float]:
    """Return the share of women of 50 and over among them, for each fold with any of them."""
    return [
        each.women_best_alone[key] / each.best_alone[key]
        for each in folds
        if each.women_best_alone is not None and each.best_alone and each.best_alone[key]
    ]


def _first(folds: dict[Uncertainty, list[FoldCounts]], names: TrialNames) -> list[Block]:
    rows = {
        (key, how): first_shares(folds[how], key) for key in names.classes for how in UNCERTAINTIES
    }
    return _strip(
        rows,
        names,
        "Share of the held-out with a class alone in the first place",
        "One dot a fold; the stroke is the median over the folds. The spread is between folds that "
        "share most of their participants: it is not a confidence interval.",
    )


def _women(folds: dict[Uncertainty, list[FoldCounts]], names: TrialNames) -> list[Block]:
    rows = {
        (key, how): women_shares(folds[how], key) for key in names.classes for how in UNCERTAINTIES
    }
    return _strip(
        rows,
        names,
        "Share of women of 50 and over among those with the class alone first",
        "One dot for each fold in which somebody has the class alone first, often a few "
        "participants; age 50 is included. It is not the share of women of 50 and over for whom "
        "the class is first.",
    )


def _strip(
    rows: dict[tuple[str, Uncertainty], list[float]], names: TrialNames, title: str, caption: str
) -> list[Block]:
    if not any(rows.values()):
        return [Prose(f"{title}: nobody in any fold.", "note")]
    drawn = [
        Repetitions(f"{names.classes[key]}, {how}", shares, _middle(shares))
        for (key, how), shares in rows.items()
    ]
    told = "; ".join(f"{each.label} {_range(each.shares)}" for each in drawn)
    table = Table(
        f"{title}: over the folds",
        ("Class, uncertainty", "Folds", "Median", "Lowest", "Highest"),
        [(breakable(each.label), *_figures(each.shares)) for each in drawn],
    )
    picture = strips(drawn, colours=[names.colour(key) for key, _ in rows])
    alt = f"{title}, median and range over the folds: {told}."
    return [Image(picture, alt, title, caption, table)]


def _middle(shares: Sequence[float]) -> str:
    return f"{median(shares):.1%}" if shares else "nobody"


def _range(shares: Sequence[float]) -> str:
    if not shares:
        return "nobody"
    return f"{median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})"


def _figures(shares: Sequence[float]) -> tuple[str, ...]:
    if not shares:
        return ("0", NOBODY, NOBODY, NOBODY)
    return (str(len(shares)), *(f"{each(shares):.1%}" for each in (median, min, max)))


def _table(folds: Sequence[FoldCounts], how: Uncertainty, names: TrialNames) -> Table:
    has_women = any(each.n_women_50_and_over is not None for each in folds)
    first = [f"{label} first" for label in names.classes.values()]
    columns = ["Fold", "Held out", *first]
    rows: list[list[str | Cell]] = []
    for each in folds:
        cells: list[str | Cell] = [
            str(each.fold),
            Cell(f"{each.n_held_out:,}", _of_women(each.n_women_50_and_over)),
        ]
        for key in names.classes:
            n, women = (
                None if counts is None else counts[key]
                for counts in (each.best_alone, each.women_best_alone)
            )
            cells.append(Cell(NOBODY if n is None else f"{n:,}", _of_women(women)))
        rows.append(cells)
    caption = f"{sentence(how)}: participants by fold"
    if has_women:
        caption += "; below, women of 50 and over among them"
    return Table(caption, [breakable(each) for each in columns], rows)


def _of_women(n: int | None) -> str:
    return "" if n is None else f"women {n:,}"
