"""The section on the bootstrap: its standard errors beside those of the fit."""

from collections.abc import Mapping

import numpy as np

from omop_scorer.model.contradictions import INTERCEPT
from omop_scorer.report.blocks import Block, Cell, Image, Prose, Section, Table
from omop_scorer.report.charts.estimates import Dots, dots
from omop_scorer.report.charts.lettering import fitted
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.trial_data.names import CLASS_SHAPES, TrialNames, breakable, precise
from omop_scorer.report.words import decimal
from omop_scorer.trials.bootstrap import Moments
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.mixed_model import MixedFit

#: What the intercepts of the published models keep of their error, by class.
_PUBLISHED = {"anti_tnf": 0.58, "anti_il12_23": 0.71, "anti_integrin": 0.88}


def section(
    classes: Mapping[str, MixedFit],
    moments: Mapping[str, Moments],
    refitting: Refitting,
    names: TrialNames,
) -> Section:
    """Return the section on the bootstrap of the class models."""
    lead = (
        f"{refitting.refits:,} refits of each class model, seed {refitting.seed}, give a second "
        "standard error for each coefficient."
    )
    blocks: list[Block] = [
        Prose(_meaning(classes, moments, refitting, names)),
        _ratios(classes, moments, names),
        _errors(classes, moments, names),
        _shares(moments, names),
    ]
    return Section("bootstrap", "Bootstrap and analytic errors", lead, blocks)


def error_ratios(fit: MixedFit, moments: Moments) -> dict[str, float]:
    """Return the bootstrap standard error as a multiple of the analytic one, by term."""
    ratios = np.sqrt(np.diag(moments.covariance)) / fit.se
    return dict(zip(fit.terms, ratios.tolist(), strict=True))


def _meaning(
    classes: Mapping[str, MixedFit],
    moments: Mapping[str, Moments],
    refitting: Refitting,
    names: TrialNames,
) -> str:
    if refitting.trials == "redrawn":
        return (
            "Each refit drew the trial effects anew, so the errors contain the spread between "
            "trials. The published recipe holds them."
        )
    own = ", ".join(
        f"{decimal(error_ratios(fit, moments[key])[INTERCEPT])} ({names.classes[key]})"
        for key, fit in classes.items()
    )
    text = (
        "The trial effects u are held at their estimates in every refit, as published. So the "
        "spread of the intercept between trials is left out: the bootstrap error is not the "
        f"uncertainty in a new trial. The error of the intercept is here {own} of the analytic one."
    )
    if set(_PUBLISHED) <= set(classes):
        known = ", ".join(f"{ratio} ({names.classes[key]})" for key, ratio in _PUBLISHED.items())
        text += f" In the published models it is {known}."
    return text


def _ratios(
    classes: Mapping[str, MixedFit], moments: Mapping[str, Moments], names: TrialNames
) -> Image:
    ratios = {key: error_ratios(fit, moments[key]) for key, fit in classes.items()}
    terms = list(dict.fromkeys(term for fit in classes.values() for term in fit.terms))
    series = [
        Entry(fitted(names.classes[key], 150), None, shape, True, names.colour(key))
        for key, shape in zip(classes, CLASS_SHAPES, strict=False)
    ]
    rows = [
        Dots(names.term(term), [ratios[key].get(term, np.nan) for key in classes]) for term in terms
    ]
    told = "; ".join(
        f"{names.classes[key]}: "
        + ", ".join(f"{names.term(term)} {decimal(ratio)}" for term, ratio in ratios[key].items())
        for key in classes
    )
    return Image(
        dots(rows, series, bands=[1.0]),
        f"Bootstrap standard error divided by the analytic one, by term. {told}.",
        "Bootstrap error divided by analytic error",
        "At the dotted line both errors are the same. The ratio says nothing of how certain a "
        "coefficient is.",
        Table(
            "Bootstrap error divided by analytic error",
            ("Term", *(breakable(names.classes[key]) for key in classes)),
            [
                (breakable(names.term(t)), *(decimal(ratios[k].get(t, np.nan)) for k in classes))
                for t in terms
            ],
        ),
    )


def _errors(
    classes: Mapping[str, MixedFit], moments: Mapping[str, Moments], names: TrialNames
) -> Table:
    terms = list(dict.fromkeys(term for fit in classes.values() for term in fit.terms))
    rows: list[list[str | Cell]] = []
    for term in terms:
        cells: list[str | Cell] = [breakable(names.term(term))]
        for key, fit in classes.items():
            i = fit.terms.index(term)
            error = float(fit.se[i])
            drawn = float(np.sqrt(moments[key].covariance[i, i]))
            cells.append(Cell(precise(drawn, error), f"analytic {precise(error, error)}"))
        rows.append(cells)
    return Table(
        "Standard error by bootstrap; below, from the fit",
        ("Term", *(breakable(names.classes[key]) for key in classes)),
        rows,
    )


def _shares(moments: Mapping[str, Moments], names: TrialNames) -> Table:
    return Table(
        "Refits with a trial variance of exactly 0, and largest Monte Carlo error of a mean",
        ("Class", "Refits at 0", "Error, in standard deviations"),
        [
            (
                breakable(names.classes[key]),
                f"{each.share_at_zero:.1%}",
                f"{_monte_carlo_error(each):.5f}",
            )
            for key, each in moments.items()
        ],
    )


def _monte_carlo_error(moments: Moments) -> float:
    return float((moments.monte_carlo_error / np.sqrt(np.diag(moments.covariance))).max())
