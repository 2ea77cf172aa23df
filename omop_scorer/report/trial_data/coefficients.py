"""The section on the coefficients of the models, their tests and their variances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import special

from omop_scorer.report.blocks import Block, Cell, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts.estimates import Estimate, estimates
from omop_scorer.report.trial_data.names import TrialNames, breakable, p_value, precise
from omop_scorer.report.words import HIDDEN, decimal, listed
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.participants import PLACEBO, Participants


@dataclass(frozen=True)
class _Scaled:
    """A coefficient, scaled to a step of its covariate, with its 95% interval."""

    label: str
    value: float
    low: float
    high: float


def section(
    models: Mapping[str, MixedFit], participants: Participants, names: TrialNames, minimum: int
) -> Section:
    """Return the section on fitted models, by arm."""
    lead = (
        "The placebo model predicts the outcome without a drug. The model of a class predicts what "
        "the class adds to that prediction. All slopes of a model are tested together in the table "
        "of likelihood ratios."
    )
    scaled = {arm: _scaled(fit, participants, names) for arm, fit in models.items()}
    ends = [end for arm in models if arm != PLACEBO for e in scaled[arm] for end in (e.low, e.high)]
    span = (min(ends), max(ends)) if ends else None
    blocks: list[Block] = []
    for arm in models:
        picture_span = None if arm == PLACEBO else span
        blocks += [
            Heading(f"Model of {names.arm(arm)}"),
            _image(arm, scaled[arm], names, picture_span),
        ]
    blocks += [Heading("All models side by side"), _models_table(models, names, minimum)]
    blocks += [_likelihood_ratios(models, names), *_variances(models, names, minimum)]
    return Section("coefficients", "Coefficients", lead, blocks)


def _scaled(fit: MixedFit, participants: Participants, names: TrialNames) -> list[_Scaled]:
    found = []
    for i, term in enumerate(fit.terms):
        step = names.step(term, participants)
        value = float(fit.beta[i]) * step
        reach = float(special.stdtrit(fit.satterthwaite_df[i], 0.975) * fit.se[i]) * step
        found.append(_Scaled(names.scaled_term(term, step), value, value - reach, value + reach))
    return found


def _image(
    arm: str, scaled: Sequence[_Scaled], names: TrialNames, span: tuple[float, float] | None
) -> Image:
    rows = [Estimate(e.label, e.value, e.low, e.high, text=_interval(e)) for e in scaled]
    caption = (
        f"Dots are coefficients in {names.unit} of the outcome, bars their 95% intervals "
        "(Satterthwaite). A number is scaled to one standard deviation of the participants, a "
        "yes/no covariate is yes against no. The intercept belongs to a participant at the centre "
        "of every covariate."
    )
    if arm != PLACEBO:
        caption += " The intervals do not contain the error of the placebo model."
    return Image(
        estimates(rows, colour=names.colour(arm), span=span),
        f"Coefficients of the model of {names.arm(arm)} with 95% intervals: "
        + "; ".join(f"{e.label} {_interval(e)}" for e in scaled)
        + ".",
        f"Coefficients: {names.arm(arm)}",
        caption,
        Table(
            f"Scaled coefficients of {names.arm(arm)}",
            ("Term", "Coefficient", "95% interval, from", "To"),
            [
                (breakable(e.label), *(decimal(each, 1) for each in (e.value, e.low, e.high)))
                for e in scaled
            ],
        ),
    )


def _interval(each: _Scaled) -> str:
    return f"{decimal(each.value, 1)} ({decimal(each.low, 1)} to {decimal(each.high, 1)})"


def _models_table(models: Mapping[str, MixedFit], names: TrialNames, minimum: int) -> Table:
    terms = list(dict.fromkeys(term for fit in models.values() for term in fit.terms))
    rows: list[list[str | Cell]] = [
        [breakable(names.term(term)), *(_cell(fit, term, minimum) for fit in models.values())]
        for term in terms
    ]
    return Table(
        "Coefficient ± standard error for one unit; below, p-value and degrees of freedom "
        "(Satterthwaite)",
        ("Term", *(breakable(names.arm(arm)) for arm in models)),
        rows,
    )


def _cell(fit: MixedFit, term: str, minimum: int) -> Cell:
    if term not in fit.terms:
        return Cell("")
    i = fit.terms.index(term)
    error = float(fit.se[i])
    df = f", df {fit.satterthwaite_df[i]:.0f}" if fit.n >= minimum else ""
    p = p_value(float(fit.p_satterthwaite[i]))
    text = f"{precise(float(fit.beta[i]), error)} ± {precise(error, error)}"
    return Cell(text, f"p{p}{df}" if p.startswith("<") else f"p={p}{df}")


def _likelihood_ratios(models: Mapping[str, MixedFit], names: TrialNames) -> Table:
    return Table(
        "Likelihood ratio: all slopes together, by maximum likelihood",
        ("Model", "Chi-squared", "Degrees of freedom", "p-value"),
        [
            (breakable(names.arm(arm)), f"{fit.lrt_chi2:.2f}", str(fit.lrt_df), p_value(fit.lrt_p))
            for arm, fit in models.items()
        ],
    )


def _trial_variance(fit: MixedFit) -> str:
    if not fit.has_trial_variance:
        return "not estimable"
    return "0 (singular)" if fit.singular else decimal(fit.trial_variance, 1)


def _variances(models: Mapping[str, MixedFit], names: TrialNames, minimum: int) -> list[Block]:
    blocks: list[Block] = [
        Table(
            "Participants, trials and variances",
            ("Model", "Participants", "Trials", "Trial variance", "Residual variance"),
            [
                (
                    breakable(names.arm(arm)),
                    f"{fit.n:,}" if fit.n >= minimum else HIDDEN,
                    f"{fit.n_trials:,}",
                    _trial_variance(fit),
                    decimal(fit.residual_variance, 1),
                )
                for arm, fit in models.items()
            ],
        )
    ]
    singular = [
        names.arm(a) for a, fit in models.items() if fit.singular and fit.has_trial_variance
    ]
    if singular:
        text = (
            f"Singular: for {listed(singular)} the best trial variance is exactly 0, so the fit is "
            "plain least squares. It does not mean that the trials are alike."
        )
        blocks.append(Prose(text, "note"))
    if one := [names.arm(a) for a, fit in models.items() if not fit.has_trial_variance]:
        text = (
            f"Not estimable: the trials of {listed(one)} cannot show a variance between trials, so "
            "the fit is plain least squares and no standard error contains such a variance."
        )
        blocks.append(Prose(text, "note"))
    return blocks
