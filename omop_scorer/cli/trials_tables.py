"""Tables of fitted models, for a terminal of 80 columns."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from omop_scorer.model.card import ClassTemplate, Template
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.attrition_words import Line, changes, reasons
from omop_scorer.trials.fitting import Fitted
from omop_scorer.trials.load import TrialData
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.participants import PLACEBO

_MODELS_BESIDE_EACH_OTHER = 4

_TERM_WIDTH = 17

#: A p-value below this one is not printed.
_SMALLEST_P = 0.001


def render_fit(fitted: Fitted) -> Group:
    """Return what `trials fit` prints: attrition, models, tests, subgroups and variants."""
    return Group(*_parts(fitted))


def _parts(fitted: Fitted) -> Iterator[RenderableType]:
    yield heading("Participants")
    yield attrition_table(fitted.data)
    yield arms_key(fitted.data.template.classes)
    labels = arm_labels(fitted.data.template)
    yield heading("Coefficients")
    models = iter(fitted.models.named().items())
    while some := dict(islice(models, _MODELS_BESIDE_EACH_OTHER)):
        yield _models_table(some, labels)
    yield Text(
        f"Outcome: {fitted.data.template.outcome.title}. A class models what the prediction of "
        f"the {PLACEBO} model leaves. Intercepts are at {_centres(fitted)}.\n"
        "Estimate ± standard error, p-value with Satterthwaite's degrees of freedom (df). "
        "Likelihood ratio: all slopes together, by maximum likelihood. The error of the "
        f"{PLACEBO} model is in no standard error of a class."
    )
    yield from _least_squares(fitted, labels)
    yield heading(f"Participants by subgroup ({fitted.refitting.refits:,} refits)")
    yield _subgroups_table(fitted)
    if fitted.variants:
        yield heading("Without covariates")
        yield _variants_table(fitted)
        yield Text(
            "Concordance with the full models: 1 less the share of contradictory labels. A model "
            "that finds nothing contradicts nothing."
        )
    else:
        yield Text("No variants were fitted; --without names covariates that sites may lack.")


def heading(text: str) -> Text:
    """Return a heading with an empty line before it."""
    return Text(f"\n{text}", style="bold")


def attrition_table(data: TrialData) -> Table:
    """Return counts of a cleaning, one a line; reasons that no row had are left out."""
    counts, labels = data.attrition, arm_labels(data.template)
    shown = [i for i, n in enumerate(counts.included.by_arm) if n]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in ("all", *(labels[counts.arms[i]] for i in shown)):
        table.add_column(name, justify="right", overflow="fold")
    for line in (
        Line("rows of the file", counts.rows.n, counts.rows.by_arm),
        *(Line(f"left out: {each.words}", each.n, each.by_arm) for each in reasons(counts)),
        Line("included", counts.included.n, counts.included.by_arm),
        *(Line(f"of them: {each.words}", each.n, each.by_arm) for each in changes(counts)),
    ):
        if line.n:
            by_arm = (f"{line.by_arm[i]:,}" for i in shown)
            table.add_row(Text(one_line(line.words)), f"{line.n:,}", *by_arm)
    return table


def arm_labels(template: Template) -> dict[str, str]:
    """Return the short name of each arm, by key."""
    return {PLACEBO: PLACEBO} | {each.key: each.label for each in template.classes}


def arms_key(classes: Sequence[ClassTemplate]) -> Text:
    """Return the line that says which class each short name means."""
    return Text(", ".join(f"{each.label} = {each.key}" for each in classes) + ".")


def _models_table(models: Mapping[str, MixedFit], labels: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", max_width=_TERM_WIDTH, overflow="fold")
    for name in models:
        table.add_column(labels[name], justify="right", overflow="fold")
    terms = list(dict.fromkeys(term for fit in models.values() for term in fit.terms))
    for term in terms:
        table.add_row(term, *(_coefficient(fit, term) for fit in models.values()))
    table.add_section()
    for name, value in (
        ("trial variance", _trial_variance),
        ("  std. dev.", lambda fit: "" if fit.singular else _digits(fit.trial_variance**0.5)),
        ("residual var.", lambda fit: _digits(fit.residual_variance)),
        ("  std. dev.", lambda fit: _digits(fit.residual_variance**0.5)),
        ("participants", lambda fit: f"{fit.n:,}"),
        ("trials", lambda fit: str(fit.n_trials)),
        ("likelihood ratio", lambda fit: f"{fit.lrt_chi2:.2f}, df {fit.lrt_df}"),
        ("  p-value", lambda fit: p_value(fit.lrt_p)),
    ):
        table.add_row(name, *(value(fit) for fit in models.values()))
    return table


def _coefficient(fit: MixedFit, term: str) -> str:
    if term not in fit.terms:
        return ""
    i = fit.terms.index(term)
    estimate = with_error(float(fit.beta[i]), float(fit.se[i]))
    p = p_value(fit.p_satterthwaite[i])
    said = f"p{p}" if p.startswith("<") else f"p={p}"
    return f"{estimate}\n{said} df {fit.satterthwaite_df[i]:.0f}"


def with_error(estimate: float, error: float) -> str:
    """Return an estimate and its standard error, both to two digits of the error."""
    decimals = min(max(1 - math.floor(math.log10(error)), 0), 9) if error > 0 else 9
    return f"{estimate:z.{decimals}f} ± {error:.{decimals}f}"


def _trial_variance(fit: MixedFit) -> str:
    if not fit.has_trial_variance:
        return "not estimable"
    return "0 (singular)" if fit.singular else _digits(fit.trial_variance)


def _digits(value: float) -> str:
    """Return a positive number with at least three significant digits."""
    return f"{value:,.1f}" if value >= 1000 else f"{value:#.4g}"


def _centres(fitted: Fitted) -> str:
    centres = fitted.data.centres
    return ", ".join(f"{name} {value:g}" for name, value in centres.items() if value) or "0"


def p_value(p: float) -> str:
    """Return a p-value with three decimals."""
    return f"<{_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}"


def _least_squares(fitted: Fitted, labels: Mapping[str, str]) -> Iterator[Text]:
    named = {labels[name]: fit for name, fit in fitted.models.named().items()}
    if singular := [name for name, fit in named.items() if fit.singular and fit.has_trial_variance]:
        yield Text(
            f"Singular: in {', '.join(singular)} the best trial variance is exactly 0, so the fit "
            "is plain least squares."
        )
    if one := [name for name, fit in named.items() if not fit.has_trial_variance]:
        yield Text(
            f"Not estimable: the trials of {', '.join(one)} cannot show a variance between trials, "
            "so the fit is plain least squares and no standard error contains such a variance."
        )


def _subgroups_table(fitted: Fitted) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("label")
    for uncertainty in fitted.labels:
        table.add_column(uncertainty, justify="right")
    for place, label in enumerate(fitted.label_set):
        counts = [int((each == place).sum()) for each in fitted.labels.values()]
        if any(counts):
            table.add_row(label, *(f"{n:,}" for n in counts))
    return table


def _variants_table(fitted: Fitted) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("left out\n", overflow="fold")
    for column in (
        "no preference\nbootstrap",
        "\nanalytic",
        "concordance\nbootstrap",
        "\nanalytic",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for variant in fitted.variants:
        both = [variant.agreement[each] for each in ("bootstrap", "analytic")]
        table.add_row(
            variant.name,
            *(f"{each.no_preference_share[1]:.1%}" for each in both),
            *(f"{each.concordance:.3f}" for each in both),
        )
    return table
