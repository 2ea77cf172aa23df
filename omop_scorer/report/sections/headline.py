"""What stands on the first screen: the figures that people ask for, each beside the paper's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from omop_scorer.report.context import Context, only_row, pick, portion
from omop_scorer.report.sections.certainty import shares_in_state, states_of
from omop_scorer.report.sections.next_treatment import headline
from omop_scorer.report.sections.trials import alone_on_top
from omop_scorer.report.sections.women import share_of_women
from omop_scorer.report.words import HIDDEN, NOBODY, count, day, interval, sentence, share, whole


@dataclass(frozen=True)
class Card:
    """A figure, what it is, and the same figure elsewhere."""

    title: str
    value: str
    detail: str
    compared: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Rest:
    """A covariate that was not found: of how many patients, as text and as a width in percent."""

    title: str
    text: str
    width: float | None


@dataclass(frozen=True)
class Rests:
    """The covariates that were not found and were treated alike, under a sentence on them."""

    lead: str
    rests: Sequence[Rest] = ()


@dataclass(frozen=True)
class Headline:
    """The first screen."""

    title: str
    kind: str
    summary: str
    cards: Sequence[Card]
    rests_title: str
    rests: Sequence[Rests]
    key: str
    """What the short names and signs of the labels mean."""
    range: str
    """How many are within the trials’ range; empty when that is not shown."""


def build(context: Context) -> Headline:
    """Return the first screen of the report."""
    run = context.data.run
    site = run["cdm_source_name"] or "an unnamed CDM"
    whom = context.names.of_cohort()
    if context.is_empty:
        scored = Markup("<strong>no patient</strong> {} in <strong>{}</strong> was")
    elif context.n_scored is None:
        scored = Markup(
            "fewer patients {} in <strong>{}</strong> than may be shown, or a number that would "
            "tell so few, were"
        )
    else:
        n = f"{count(context.n_scored)} {'patient' if context.n_scored == 1 else 'patients'}"
        was = "was" if context.n_scored == 1 else "were"
        scored = Markup("<strong>{}</strong> {{}} in <strong>{{}}</strong> {}").format(n, was)
    summary = Markup(
        "As of <strong>{}</strong>, {} scored with the models <strong>{}</strong>: what would each "
        "of {} classes of drugs do for this patient, and how sure is that?"
    )
    cards = [_scored(context), _women(context), _alone(context), _next(context)]
    is_left_out = bool(shares_in_state(context, "left_out"))
    return Headline(
        str(site),
        f"{'Crohn’s disease population' if context.names.is_crohns else 'Population'} report",
        summary.format(
            day(run["as_of_date"]),
            scored.format(whom, site),
            run["model_id"],
            _number(len(context.keys)),
        ),
        [card for card in cards if card is not None],
        "How much was imputed or left out" if is_left_out else "How much rests on imputed values",
        _rests(context),
        _key(context),
        _range(context),
    )


def _key(context: Context) -> str:
    named = [
        f"{each['label']} {each['title']}"
        for each in context.data.classes
        if each["label"] != each["title"]
    ]
    return ", ".join([*named, "“>” differ", "“=” not told apart"])


def _range(context: Context) -> str:
    frame = pick(context.data.table("subgroup_summary"), stratum="within_trial_range")
    titles = {"yes": "yes", "no": "no", "unknown": "not known"}
    said = []
    for value, title in titles.items():
        row = only_row(pick(frame, stratum_value=value))
        part = portion(row["n_stratum"], context.n_scored) if row else None
        if part is not None:
            said.append(f"{title} {share(part)}")
        elif row:
            said.append(f"{title} {HIDDEN}")
    return ", ".join(said) if any(not each.endswith(HIDDEN) for each in said) else ""


def _scored(context: Context) -> Card:
    run = context.data.run
    n_cohort = run["n_cohort"]
    detail = _of(n_cohort, "in the cohort")
    left = portion(context.n_scored, n_cohort)
    if left is not None:
        detail += f" ({share(left)})"
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
                f"{published.health_system.shares_of_women_50_and_over['crohns_disease']:.1%}",
            ),
        ]
    detail = _detail(row, _of(row["n_population"], "in the cohort"))
    return Card("Women of 50 and over", _value(row), detail, compared)


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
    title = f"Women of 50 and over not given {context.names.drug_class(paper.not_given)} next"
    detail = _detail(row, _of(found["of"], "given a next treatment"))
    return Card(title, _value(row), detail, [("the paper", f"{paper.share:.0%}")])


def _of(n: Any, whom: str) -> str:
    return f"of those {whom}" if whole(n) is None else f"of {count(n)} {whom}"


def _value(row: dict[str, object]) -> str:
    return share(row["share"], row["n_population"])


def _detail(row: dict[str, object], of: str) -> str:
    limits = interval(row["ci_low"], row["ci_high"])
    return of if limits in (HIDDEN, NOBODY) else f"95% interval {limits}; {of}"


def _rests(context: Context) -> list[Rests]:
    if context.is_empty:
        return [Rests("Nobody was scored, so nothing was imputed.")]
    frame = context.data.table("subgroup_summary")
    touched = only_row(pick(frame, stratum="imputed", stratum_value="yes"))
    imputed, left_out = (_bars(context, state) for state in ("imputed", "left_out"))
    whole_share = portion(touched["n_stratum"], context.n_scored) if touched else None
    found = []
    if whole_share and touched is not None:
        some = f"{share(whole_share)} of the scores ({count(touched['n_stratum'])}) rest"
        some = f"All {count(touched['n_stratum'])} scores rest" if whole_share == 1 else some
        lead = f"{some} on at least one imputed value."
        if imputed:
            lead += " Imputed, as a share of the patients scored:"
        found.append(Rests(lead, imputed))
    elif imputed and all(rest.width is None for rest in imputed):
        found.append(Rests("How many patients had a covariate imputed is not shown."))
    elif imputed:
        found.append(Rests("Imputed, as a share of the patients scored:", imputed))
    elif not states_of(context):
        found.append(Rests("This run holds no figures on what was imputed."))
    else:
        found.append(Rests("No covariate of any patient was imputed."))
    if left_out and all(rest.width is None for rest in left_out):
        found.append(Rests("How many patients had a covariate left out is not shown."))
    elif left_out:
        lead = "Left out of the model, not imputed, as a share of the patients scored:"
        found.append(Rests(lead, left_out))
    return found


def _bars(context: Context, state: str) -> list[Rest]:
    return [
        Rest(
            sentence(context.names.covariate(name)),
            HIDDEN if value is None else f"{share(value)} ({count(n)})",
            None if value is None else round(100 * value, 1),
        )
        for name, n, value in shares_in_state(context, state)
    ]


def _number(n: int) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(n, str(n))
