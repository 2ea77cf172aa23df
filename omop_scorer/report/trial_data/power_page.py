"""The page of `omop-scorer trials power`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omop_scorer.model.card import ModelCard
from omop_scorer.report.blocks import Block, Cell, Image, Listing, Prose, Section, Table
from omop_scorer.report.charts.canvas import ACCENT
from omop_scorer.report.charts.curves import Curve, curves
from omop_scorer.report.frame import Card, Page, render_page
from omop_scorer.report.trial_data.names import TrialNames, breakable, first_screen, footer
from omop_scorer.report.words import HIDDEN, decimal, plain, sentence
from omop_scorer.trials.exact_power import binary_power
from omop_scorer.trials.population import FEW, is_few
from omop_scorer.trials.power import POWERS, ArmSizes, PlannedTrial, Settings
from omop_scorer.trials.power_figures import SUBGROUP_CAUTION
from omop_scorer.trials.simulated_power import Simulated

#: Largest arm for which the exact curve is drawn, and its number of points.
_LARGEST, _N_POINTS = 20_000, 40

_PREDICTED, _COUNTS = "#d55e00", "#009e73"


@dataclass(frozen=True)
class PowerPage:
    """Planned trials, and what a page says of them."""

    plans: Sequence[PlannedTrial]
    hidden: Sequence[str]
    """Names of populations that are too small to be shown."""
    card: ModelCard
    arms: tuple[str, str]
    settings: Settings
    minimum: int
    """The smallest number of patients of a group that is shown."""
    source: str
    """Whose patients the population is."""


def render_power(page: PowerPage) -> str:
    """Return planned trials as a page."""
    names = TrialNames(page.card, page.card.classes)
    better, other = (names.classes[key] for key in page.arms)
    headline = first_screen(
        "Power of a planned trial",
        f"{better} against {other}",
        f"Two arms of equal size, drawn from {page.source}. Model: {page.card.id}, whose "
        "effects are taken as true: their errors are in no power. "
        "Three definitions of power, because the paper’s text and its code differ; only the first "
        "is the power of a trial that counts responders.",
        _cards(page),
        names,
    )
    sections = [_section(plan, page, (better, other)) for plan in page.plans]
    sections.append(_definitions(page, better, other))
    settings = f"Seed {page.settings.seed}, {page.settings.n_simulations:,} simulated trials."
    lines = footer(1, settings)
    lines.append(f"Groups of fewer than {page.minimum} patients are not shown.")
    return render_page(Page(f"Power: {better} against {other}", headline, sections, lines))


def _cards(page: PowerPage) -> list[Card]:
    cards = []
    for plan in page.plans[:2]:
        needed = _shown(plan.needed[POWERS[0]])
        detail = f"patients an arm for a power of {POWERS[0]:.0%}, binary outcome"
        rest = [(f"power {POWERS[1]:.0%}", _shown(plan.needed[POWERS[1]]))]
        cards.append(Card(f"Needed: {_title(plan)}", needed, detail, rest))
    return cards


def _title(plan: PlannedTrial) -> str:
    return plain(plan.name)


def _section(plan: PlannedTrial, page: PowerPage, labels: tuple[str, str]) -> Section:
    first, second = plan.moments.mean_probability
    lead = (
        f"{plan.moments.n:,} patients, whose mean probability of response is {first:.1%} with "
        f"{labels[0]} and {second:.1%} with {labels[1]}."
    )
    blocks: list[Block] = [_image(plan, page.settings), _sizes(plan, page)]
    if is_few(plan.moments.n):
        text = f"Fewer than {FEW} patients, who are drawn again and again: the powers say little"
        blocks.append(Prose(f"{text} about other patients.", "warning"))
    if plan.n_subgroup:
        text = (
            f"The subgroup: patients for whom {labels[0]} alone is ranked first. {SUBGROUP_CAUTION}"
        )
        if is_few(plan.n_subgroup):
            text += f" A subgroup of fewer than {FEW} patients says little about others."
        blocks.append(Prose(text, "warning"))
    key = plan.name.replace("_", "-")
    return Section(key, sentence(_title(plan)), lead, blocks)


def exact_curve(plan: PlannedTrial, settings: Settings) -> list[tuple[float, float]]:
    """Return patients an arm and the exact power of a trial of responders."""
    needed = [n for n in plan.needed.values() if n is not None and n <= _LARGEST]
    low, high = min(settings.sizes), max([*settings.sizes, *needed])
    numbers = np.unique(np.geomspace(low, high, _N_POINTS).round().astype(int)).tolist()
    return [
        (
            n,
            binary_power(
                n,
                *plan.moments.mean_probability,
                settings.alpha,
                is_corrected=settings.is_corrected,
            ),
        )
        for n in numbers
    ]


def _counted(plan: PlannedTrial, settings: Settings) -> list[float]:
    return [
        each.binary_outcome_corrected if settings.is_corrected else each.binary_outcome
        for each in plan.at_size
    ]


def _image(plan: PlannedTrial, settings: Settings) -> Image:
    predicted = [(each.n, each.simulated.predicted_probability.power) for each in plan.at_size]
    counts = [(each.n, each.simulated.expected_counts.power) for each in plan.at_size]
    lines = [
        Curve("binary outcome (headline, exact)", exact_curve(plan, settings), ACCENT),
        Curve("predicted probability (the paper’s code)", predicted, _PREDICTED, "s", False),
        Curve("expected counts (the paper’s text)", counts, _COUNTS, "^", False),
    ]
    needed = [
        (float(n), f"{power:.0%}")
        for power, n in plan.needed.items()
        if n is not None and n <= _LARGEST
    ]
    counted = _counted(plan, settings)
    told = "; ".join(
        f"{each.n:,} patients: binary outcome {own:.1%}, predicted probability "
        f"{each.simulated.predicted_probability.power:.1%}, expected counts "
        f"{each.simulated.expected_counts.power:.1%}"
        for each, own in zip(plan.at_size, counted, strict=True)
    )
    caption = (
        "Only the line is the power of a trial that counts responders. The squares compare "
        "predicted probabilities, without the noise of outcomes, and the triangles take sums of "
        "probabilities for counts: neither is the power of such a trial."
    )
    if needed:
        caption += (
            " Dotted rules: patients an arm that the trial of responders needs for "
            + " and ".join(f"{name} power ({n:,.0f})" for n, name in needed)
            + "."
        )
    return Image(
        curves(lines, "patients an arm", needed),
        f"Power by patients an arm. {told}. Needed for {POWERS[0]:.0%}: "
        f"{_shown(plan.needed[POWERS[0]])}, for {POWERS[1]:.0%}: {_shown(plan.needed[POWERS[1]])}.",
        f"Power by three definitions: {_title(plan)}",
        caption,
        _powers(plan, counted),
    )


def _powers(plan: PlannedTrial, counted: Sequence[float]) -> Table:
    rows: list[list[str | Cell]] = []
    for each, own in zip(plan.at_size, counted, strict=True):
        rows.append(
            [
                f"{each.n:,}",
                f"{own:.1%}",
                HIDDEN if each.subgroup is None else f"{each.subgroup:.1%}",
                f"{each.continuous_outcome:.1%}",
                _simulated(each.simulated.predicted_probability),
                _simulated(each.simulated.expected_counts),
            ]
        )
    columns = (
        *("Patients an arm", "Binary outcome", "Subgroup alone", "Continuous outcome"),
        *("Predicted probability", "Expected counts"),
    )
    return Table("Power (± one Monte Carlo error where simulated)", columns, rows)


def _simulated(each: Simulated) -> Cell:
    return Cell(f"{each.power:.1%}", f"± {100 * each.monte_carlo_error:.1f}")


def _sizes(plan: PlannedTrial, page: PowerPage) -> Table:
    rows = [("Trial of responders (binary outcome)", f"{plan.moments.n:,}", *_of(plan.needed))]
    if plan.n_subgroup:
        n = f"{plan.n_subgroup:,}"
        rows.append(("Subgroup alone as eligibility rule", n, *_of(plan.needed_in_subgroup)))
    else:
        n = HIDDEN if plan.n_subgroup is None else "0"
        rows.append(("Subgroup alone as eligibility rule", n, *["–"] * len(POWERS)))
    outcome = page.card.outcome
    spread = " and ".join(decimal(each, 1) for each in plan.outcome_sd)
    title = f"Continuous outcome ({outcome.title}; sd {spread} {outcome.unit})"
    continuous = plan.needed_with_continuous_outcome
    rows.append((breakable(title), f"{plan.moments.n:,}", *_of(continuous)))
    columns = ("Design", "Patients in the population", *(f"Needed for {p:.0%}" for p in POWERS))
    return Table("Patients an arm that each design needs", columns, rows)


def _of(sizes: ArmSizes) -> list[str]:
    return [_shown(sizes[power]) for power in POWERS]


def _shown(n: int | None) -> str:
    return "never" if n is None else f"{n:,}"


def _definitions(page: PowerPage, better: str, other: str) -> Section:
    card, settings = page.card, page.settings
    corrected = " with Yates’ correction" if settings.is_corrected else ""
    items = [
        f"Binary outcome, the headline: each patient responds ({card.response_threshold:g} "
        f"{card.outcome.unit} or more) or not, and {better} is better than {other} by the "
        f"chi-squared test{corrected}, alpha {settings.alpha:g}. Exact, no simulation.",
        "Predicted probability, the paper’s code: a t-test of the predicted probabilities. The "
        "noise of outcomes is missing, so it is not the power of a trial that counts responders.",
        "Expected counts, the paper’s text: sums of probabilities taken as counts, by the "
        "chi-squared test. It is no power of any trial either.",
        "Continuous outcome: the means are compared. The variance is that of the residual and of "
        "the expected outcome in the population, in one trial, so without a trial variance.",
        "A probability of response is not the share of patients whose predicted mean outcome "
        "reaches the threshold; the paper’s share of responders in the subgroup is of that kind.",
    ]
    if any(None in plan.needed.values() for plan in page.plans):
        items.append(f"Never: {better} is not the better class in this population.")
    items += [f"{sentence(plain(name))}: {HIDDEN}, too few patients." for name in page.hidden]
    lead = "The paper’s 87% and 97% come from the definition of its code alone."
    return Section("definitions", "What the numbers are", lead, [Listing(items)])
