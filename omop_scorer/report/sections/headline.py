"""The first screen: the figures that readers ask for most, each next to the paper's figure."""

from typing import Any

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.context import Context, only_row, pick, portion
from omop_scorer.report.frame import Card, Headline, ShareBar, ShareBars
from omop_scorer.report.sections.certainty import shares_in_state, states_of
from omop_scorer.report.sections.next_treatment import headline
from omop_scorer.report.sections.trials import alone_on_top
from omop_scorer.report.sections.women import share_of_women
from omop_scorer.report.words import (
    HIDDEN,
    NOBODY,
    WITHIN_RANGE,
    count,
    day,
    interval,
    sentence,
    share,
    whole,
)


def build(context: Context) -> Headline:
    """Return the first screen of the report."""
    run = context.data.run
    site = run["cdm_source_name"] or "an unnamed CDM"
    group = context.names.of_cohort()
    if context.is_empty:
        scored = Markup("<strong>no patient</strong> {} in <strong>{}</strong> was")
    elif context.n_scored is None:
        scored = Markup("patients {} in <strong>{}</strong> (number not shown) were")
    else:
        n = f"{count(context.n_scored)} {'patient' if context.n_scored == 1 else 'patients'}"
        was = "was" if context.n_scored == 1 else "were"
        scored = Markup("<strong>{}</strong> {{}} in <strong>{{}}</strong> {}").format(n, was)
    summary = Markup(
        "As of <strong>{}</strong>, {} scored with the models <strong>{}</strong>. For each "
        "patient, the models estimate the effect of each of {} drug classes, and how certain that "
        "effect is."
    )
    cards = [_scored(context), _women(context), _alone(context), _next(context)]
    has_left_out = bool(shares_in_state(context, coded.LEFT_OUT))
    return Headline(
        f"{'Crohn’s disease population' if context.names.is_crohns else 'Population'} report",
        str(site),
        summary.format(
            day(run["as_of_date"]),
            scored.format(group, site),
            run["model_id"],
            _number(len(context.keys)),
        ),
        [card for card in cards if card is not None],
        _remarks(context),
        "Imputed and left-out covariates" if has_left_out else "Imputed values",
        _missing(context),
    )


def _remarks(context: Context) -> list[list[tuple[str, str]]]:
    within_range = _range(context)
    return [
        [
            ("What this is", "the scores of published models, for groups of patients."),
            ("What it is not", "a medical device, or a recommendation for a patient."),
        ],
        [
            ("Key", f"{_key(context)}."),
            *([("Within the trials’ range", f"{within_range}.")] if within_range else []),
        ],
    ]


def _key(context: Context) -> str:
    named = [
        f"{each['label']} means {each['title']}"
        for each in context.data.classes
        if each["label"] != each["title"]
    ]
    return ", ".join([*named, "“>” a larger effect", "“=” no difference found"])


def _range(context: Context) -> str:
    frame = pick(context.data.table("subgroup_summary"), stratum=coded.WITHIN_TRIAL_RANGE)
    parts = []
    for value, title in WITHIN_RANGE.items():
        row = only_row(pick(frame, stratum_value=value))
        known = portion(row["n_stratum"], context.n_scored) if row else None
        if known is not None:
            parts.append(f"{title} {share(known)}")
        elif row:
            parts.append(f"{title} {HIDDEN}")
    return ", ".join(parts) if any(not each.endswith(HIDDEN) for each in parts) else ""


def _scored(context: Context) -> Card:
    run = context.data.run
    n_cohort = run["n_cohort"]
    detail = _of(n_cohort, "in the cohort")
    part = portion(context.n_scored, n_cohort)
    if part is not None:
        detail += f" ({share(part)})"
    return Card("Patients scored", count(context.n_scored), detail)


def _women(context: Context) -> Card | None:
    row = share_of_women(context)
    if row is None:
        return None
    published = context.data.published
    compared = []
    if published:
        compared = [
            (published.trials.title, f"{published.trials.share_of_women_50_and_over:.1%}"),
            (
                published.health_system.title,
                f"{published.health_system.shares_of_women_50_and_over[terms.COHORT]:.1%}",
            ),
        ]
    detail = _detail(row, _of(row["n_population"], "in the cohort"))
    return Card("Women aged 50 and over", _value(row), detail, compared)


def _alone(context: Context) -> Card | None:
    published = context.data.published
    key = published.health_system.next_treatment.not_given if published else None
    if key is None or key not in context.keys:
        return None
    row = alone_on_top(context, key)
    if row is None or published is None:
        return None
    trials = published.trials.share_alone_on_top(context.names.label(key))
    title = f"{sentence(context.names.drug_class(key))} alone on top"
    detail = _detail(row, _of(row["n_population"], "scored"))
    return Card(title, _value(row), detail, [(published.trials.title, f"{trials:.1%}")])


def _next(context: Context) -> Card | None:
    published = context.data.published
    if published is None:
        return None
    paper = published.health_system.next_treatment
    found = headline(context, paper.population, "next_treatment")
    if found is None:
        return None
    row = {
        "share": found["share"],
        "ci_low": found["low"],
        "ci_high": found["high"],
        "n_population": found["of"],
    }
    title = f"Women aged 50 and over not given {context.names.drug_class(paper.not_given)} next"
    detail = _detail(row, _of(found["of"], "given a next treatment"))
    return Card(title, _value(row), detail, [("the paper", f"{paper.share:.0%}")])


def _of(n: Any, group: str) -> str:
    return f"of those {group}" if whole(n) is None else f"of {count(n)} {group}"


def _value(row: dict[str, object]) -> str:
    return share(row["share"], row["n_population"])


def _detail(row: dict[str, object], of: str) -> str:
    limits = interval(row["ci_low"], row["ci_high"])
    return of if limits in (HIDDEN, NOBODY) else f"95% interval {limits}; {of}"


def _missing(context: Context) -> list[ShareBars]:
    if context.is_empty:
        return [ShareBars("No patient was scored, so nothing was imputed.")]
    frame = context.data.table("subgroup_summary")
    row = only_row(pick(frame, stratum=coded.IMPUTED, stratum_value=coded.YES))
    imputed, left_out = (_bars(context, state) for state in (coded.IMPUTED, coded.LEFT_OUT))
    whole_share = portion(row["n_stratum"], context.n_scored) if row else None
    found = []
    if whole_share and row is not None:
        scores = f"{share(whole_share)} of the scores ({count(row['n_stratum'])}) depend"
        scores = f"All {count(row['n_stratum'])} scores depend" if whole_share == 1 else scores
        lead = f"{scores} on at least one imputed value."
        if imputed:
            lead += " Imputed, as a share of the patients scored:"
        found.append(ShareBars(lead, imputed))
    elif imputed and all(bar.width is None for bar in imputed):
        found.append(ShareBars("The number of patients with an imputed covariate is not shown."))
    elif imputed:
        found.append(ShareBars("Imputed, as a share of the patients scored:", imputed))
    elif not states_of(context):
        found.append(ShareBars("This run has no figures on imputed values."))
    else:
        found.append(ShareBars("No covariate was imputed for any patient."))
    if left_out and all(bar.width is None for bar in left_out):
        found.append(ShareBars("The number of patients with a left-out covariate is not shown."))
    elif left_out:
        lead = "Left out of the model, not imputed, as a share of the patients scored:"
        found.append(ShareBars(lead, left_out))
    return found


def _bars(context: Context, state: str) -> list[ShareBar]:
    return [
        ShareBar(
            sentence(context.names.covariate(name)),
            HIDDEN if value is None else f"{share(value)} ({count(n)})",
            None if value is None else round(100 * value, 1),
        )
        for name, n, value in shares_in_state(context, state)
    ]


def _number(n: int) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(n, str(n))
