"""Tables of planned trials, for a terminal of 80 columns."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from omop_scorer.cli.trials_tables import arms_key
from omop_scorer.model.card import ModelCard
from omop_scorer.trials.population import FEW, is_few
from omop_scorer.trials.power import POWERS, ArmSizes, PlannedTrial, Settings
from omop_scorer.trials.power_figures import SUBGROUP_CAUTION
from omop_scorer.trials.simulated_power import Simulated


def render_plans(
    plans: Sequence[PlannedTrial],
    card: ModelCard,
    labels: tuple[str, str],
    settings: Settings,
    source: str,
) -> Group:
    """Return the tables of each population, and what the numbers are; `source` says whose."""
    parts: list[RenderableType] = [Text(f"Population: {source}"), arms_key(card.classes), Text()]
    for plan in plans:
        parts += [_heading(plan, labels), Text(), _powers(plan, settings), Text(), _sizes(plan)]
        parts += [Text()]
    notes = _notes(card, labels, settings)
    if not any(is_few(plan.n_subgroup) for plan in plans):
        notes.pop("few in a subgroup")
    if not any(None in plan.needed.values() for plan in plans):
        notes.pop("never")
    lines = [Text.assemble((name, "bold"), f": {text}") for name, text in notes.items()]
    return Group(*parts, *lines)


def _heading(plan: PlannedTrial, labels: tuple[str, str]) -> Text:
    moments = plan.moments
    response = " against ".join(
        f"{mean:.1%} with {label}"
        for mean, label in zip(moments.mean_probability, labels, strict=True)
    )
    heading = Text(f"{plan.name}: {moments.n:,} patient{'s' * (moments.n != 1)}", style="bold")
    return heading.append(f"\nmean probability of response {response}", style="not bold")


def _powers(plan: PlannedTrial, settings: Settings) -> Table:
    table = _table(
        "patients\nan arm",
        "binary\noutcome",
        "subgroup\nalone",
        "continuous\noutcome",
        "predicted\nprobability",
        "expected\ncounts",
    )
    for each in plan.at_size:
        is_corrected = settings.is_corrected
        counted = each.binary_outcome_corrected if is_corrected else each.binary_outcome
        table.add_row(
            f"{each.n:,}",
            Text(f"{counted:.1%}", style="bold"),
            "-" if each.subgroup is None else f"{each.subgroup:.1%}",
            f"{each.continuous_outcome:.1%}",
            _simulated(each.simulated.predicted_probability),
            _simulated(each.simulated.expected_counts),
        )
    return table


def _simulated(simulated: Simulated) -> str:
    return f"{simulated.power:.1%} ± {100 * simulated.monte_carlo_error:.1f}"


def _sizes(plan: PlannedTrial) -> Table:
    table = _table("needed an arm for a power of", *(f"{power:.0%}" for power in POWERS))
    table.columns[0].justify = "left"
    table.add_row("trial of responders, binary outcome", *_shown(plan.needed), style="bold")
    subgroup = "subgroup alone as eligibility rule"
    if plan.n_subgroup:
        patients = f"{plan.n_subgroup:,} patient{'s' * (plan.n_subgroup != 1)}"
        table.add_row(f"{subgroup}, {patients}", *_shown(plan.needed_in_subgroup))
    else:
        why = "too few patients, or too few others" if plan.n_subgroup is None else "no patient"
        table.add_row(f"{subgroup}: {why}", *("-" for _ in POWERS))
    table.add_row("continuous outcome", *_shown(plan.needed_with_continuous_outcome))
    return table


def _shown(sizes: ArmSizes) -> Sequence[str]:
    return ["never" if n is None else f"{n:,}" for n in sizes.values()]


def _notes(card: ModelCard, labels: tuple[str, str], settings: Settings) -> dict[str, str]:
    better, other = labels
    corrected = " with Yates' correction" if settings.is_corrected else ""
    return {
        "assumed": f"the effects of the card {card.id} are taken as true; their errors are in no "
        "power. Estimated effects tend to be too large, so plan for smaller ones.",
        "binary outcome": "the headline. Each patient responds "
        f"({card.response_threshold:g} {card.outcome.unit} or more) or not, and {better} is better "
        f"than {other} by the chi-squared test{corrected}, alpha {settings.alpha:g}. Exact.",
        "subgroup alone": f"patients for whom {better} alone is ranked first. {SUBGROUP_CAUTION}",
        "few in a subgroup": f"a subgroup of fewer than {FEW} patients says little about others.",
        "continuous outcome": f"{card.outcome.title}, compared by its mean; the variance is that "
        "of the residual and of the expected outcome in the population, in one trial.",
        "predicted probability": "as the published code: a t-test of the predicted probabilities, "
        "without the noise of outcomes. It is not the power of a trial that counts responders. "
        "Simulated; ± is one Monte Carlo error.",
        "expected counts": "as the published text: sums of probabilities taken as counts. "
        "Simulated.",
        "never": f"{better} is not the better class in this population.",
    }


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
