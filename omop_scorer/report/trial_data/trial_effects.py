"""The section on the effects of the trials, and how far the models shrink them."""

from collections.abc import Mapping

from omop_scorer.report.blocks import Block, Image, Prose, Section, Table
from omop_scorer.report.charts.estimates import Dots, dots
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.trial_data.names import TrialNames, breakable, trial_name
from omop_scorer.report.trial_data.shown_counts import ByTrial
from omop_scorer.report.words import HIDDEN, decimal, listed
from omop_scorer.trials.mixed_model import MixedFit


def section(models: Mapping[str, MixedFit], counts: ByTrial, names: TrialNames) -> Section:
    """Return the section on the effects of the trials in each model."""
    lead = (
        "A model moves the mean residual of a trial towards 0, the more, the fewer participants "
        "the trial has and the less the trials differ."
    )
    blocks: list[Block] = []
    singular = {arm: fit for arm, fit in models.items() if fit.singular}
    if zero := [names.arm(arm) for arm, fit in singular.items() if fit.has_trial_variance]:
        text = (
            f"In the model of {listed(zero)} the trial variance is 0, so every trial effect is "
            "exactly 0 and there is nothing to draw."
        )
        blocks.append(Prose(text))
    if unknown := [names.arm(arm) for arm, fit in singular.items() if not fit.has_trial_variance]:
        text = (
            f"In the model of {listed(unknown)} the trial variance is not estimable, so the model "
            "has no trial effects."
        )
        blocks.append(Prose(text))
    for arm, fit in models.items():
        if not fit.singular:
            blocks.append(_image(arm, fit, counts[arm], names))
    return Section("trial-effects", "Trial effects", lead, blocks)


def unshrunken(fit: MixedFit, trial: str) -> float:
    """Return the mean residual of a trial, whose shrunken value is the trial effect."""
    weight = fit.variance_ratio * fit.n_per_trial[trial]
    return fit.trial_effects[trial] * (1 + weight) / weight


def _image(arm: str, fit: MixedFit, counts: Mapping[str, int | None], names: TrialNames) -> Image:
    series = [
        Entry("trial effect", shape="o", filled=True, colour=names.colour(arm)),
        Entry("mean residual, not shrunken", shape="D"),
    ]
    drawn, rows = [], []
    for trial in fit.trial_effects:
        n, name = counts[trial], trial_name(trial)
        if n is None:
            drawn.append(Dots(name, [None, None], HIDDEN))
            rows.append((breakable(name), *[HIDDEN] * 4))
            continue
        effect, mean = fit.trial_effects[trial], unshrunken(fit, trial)
        drawn.append(Dots(name, [effect, mean], f"{decimal(effect, 1)} of {decimal(mean, 1)}"))
        kept = fit.variance_ratio * n / (1 + fit.variance_ratio * n)
        rows.append(
            (breakable(name), f"{n:,}", decimal(mean, 1), decimal(effect, 1), f"{kept:.0%}")
        )
    caption = (
        f"In {names.unit} of the outcome. A trial effect is the prediction for this trial alone. "
        "It is not an effect of the drug, and scores of patients never use it."
    )
    if any(each is None for each in counts.values()):
        caption += " Trials with few participants, and others that would reveal them, are hidden."
    shown = [f"{each.label} {each.text}" for each in drawn]
    return Image(
        dots(drawn, series),
        f"Trial effects in the model of {names.arm(arm)}, each of its mean residual: "
        + "; ".join(shown)
        + ".",
        f"Trial effects and their shrinkage: {names.arm(arm)}",
        caption,
        Table(
            f"Trials of {names.arm(arm)}",
            ("Trial", "Participants", "Mean residual", "Trial effect", "Kept"),
            rows,
        ),
    )
