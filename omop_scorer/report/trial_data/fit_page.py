"""The page of `omop-scorer trials fit`."""

from collections.abc import Iterator

from omop_scorer.report.blocks import Section
from omop_scorer.report.frame import Card, Page, render_page
from omop_scorer.report.trial_data import (
    cleaning,
    coefficients,
    refits,
    subgroups,
    trial_effects,
)
from omop_scorer.report.trial_data.names import TrialNames, first_screen, footer
from omop_scorer.report.trial_data.shown_counts import shown_counts
from omop_scorer.report.words import listed, share
from omop_scorer.trials.fitting import Fitted


def render_fit(fitted: Fitted, minimum: int) -> str:
    """Return fitted models as a page.

    Parameters
    ----------
    fitted
        The models.
    minimum
        The smallest number of participants of a trial that is shown.
    """
    template = fitted.data.template
    names = TrialNames(template, template.classes)
    headline = first_screen(
        "Models of trial data",
        template.title,
        f"One placebo model and {len(names.classes)} models of drug classes, fitted by REML with "
        f"one effect per trial. Outcome: {names.outcome}, in {names.unit}.",
        _cards(fitted, names),
        names,
    )
    sections = list(_sections(fitted, names, minimum))
    digest = f"Trial data: SHA-256 {fitted.data.sha256}. Seed {fitted.refitting.seed}."
    title = f"Models of trial data: {template.title}"
    return render_page(Page(title, headline, sections, footer(minimum, digest)))


def _sections(fitted: Fitted, names: TrialNames, minimum: int) -> Iterator[Section]:
    data, models = fitted.data, fitted.models
    yield cleaning.section(data, minimum)
    yield coefficients.section(models.named(), data.participants, names, minimum)
    counts = shown_counts(data.participants, minimum)
    yield trial_effects.section(models.named(), counts, names)
    yield refits.section(models.classes, fitted.moments, fitted.refitting, names)
    yield subgroups.counts_section(fitted.labels, fitted.label_set)
    if fitted.variants:
        yield subgroups.ablation_section(fitted.variants, fitted.labels, fitted.label_set, names)


def _cards(fitted: Fitted, names: TrialNames) -> list[Card]:
    counts = fitted.data.attrition
    n_equal = {
        how: float((label == len(fitted.label_set) - 1).mean())
        for how, label in fitted.labels.items()
    }
    singular = [
        names.arm(arm)
        for arm, fit in fitted.models.named().items()
        if fit.singular and fit.has_trial_variance
    ]
    n_models = len(fitted.models.named())
    return [
        Card("Participants", f"{counts.n_included:,}", f"of {counts.n_rows:,} rows of the file"),
        Card("Trials", f"{len(fitted.data.participants.trials):,}", "with an included participant"),
        Card(
            "Without a preference",
            share(n_equal["bootstrap"]),
            "of the participants, by bootstrap",
            [("analytic", share(n_equal["analytic"]))],
        ),
        Card(
            "Trial variance of 0",
            f"{len(singular)}",
            f"of {n_models} models" + (f": {listed(singular)}" if singular else ""),
        ),
    ]
