"""The first screen: three findings as sentences, what changed, and one picture."""

from collections.abc import Iterator

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.model.intervals import wilson_interval
from omop_scorer.report.blocks import Image
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts.estimates import Estimate, EstimateGroup, intervals
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context
from omop_scorer.report.figures import pick, portion
from omop_scorer.report.frame import Finding, Headline
from omop_scorer.report.groups import sizes_of
from omop_scorer.report.sections.certainty import shares_in_state
from omop_scorer.report.sections.history import sentence_on_change
from omop_scorer.report.sections.otherwise import otherwise_estimates, otherwise_finding
from omop_scorer.report.sections.trials import alone_on_top
from omop_scorer.report.sections.women import share_of_women
from omop_scorer.report.words import (
    HIDDEN,
    about,
    count,
    day,
    in_ten,
    listed,
    number,
    sentence,
    share,
    short,
    whole,
)

#: What is assumed instead of the imputed value, after "labels differ".
_ASSUMED = {
    terms.EITHER_QUARTILE: "if it is at the trials’ 25th or 75th percentile, not as imputed",
    terms.FIRST_QUARTILE: "if it is at the trials’ 25th percentile instead of the imputed value",
    terms.THIRD_QUARTILE: "if it is at the trials’ 75th percentile instead of the imputed value",
    terms.REDUCED_MODEL: "if it is left out of the model instead of imputed",
}

_KINDS = {True: "Crohn’s disease population report", False: "Population report"}


def build(context: Context) -> Headline:
    """Return the first screen of the report."""
    site = str(context.data.run["cdm_source_name"] or "an unnamed CDM")
    report = context.report
    title = str(report.get("title") or site)
    owner = " · ".join(str(report[key]) for key in ("department", "contact") if report.get(key))
    findings = [otherwise_finding(context), *_trust(context), *_most(context)]
    return Headline(
        _KINDS[context.names.is_crohns],
        title,
        _summary(context, site),
        remarks=_remarks(context),
        findings=[] if context.is_empty else findings,
        change=sentence_on_change(context),
        image=None if context.is_empty else _strip(context),
        owner=owner,
    )


def _summary(context: Context, site: str) -> Markup:
    run, n = context.data.run, context.n_scored
    group = context.names.of_cohort()
    if context.is_empty:
        scored = Markup("<strong>no patient</strong> {} in <strong>{}</strong> was")
    elif n is None:
        scored = Markup("patients {} in <strong>{}</strong> (number not shown) were")
    else:
        patients = f"{count(n)} {'patient' if n == 1 else 'patients'}"
        was = "was" if n == 1 else "were"
        scored = Markup("<strong>{}</strong> {{}} in <strong>{{}}</strong> {}").format(
            patients, was
        )
    classes = {2: "two", 3: "three", 4: "four", 5: "five"}.get(len(context.keys), "several")
    return Markup(
        "As of <strong>{}</strong>, {} scored{} with the models <strong>{}</strong>: the effect "
        "of each of {} drug classes, and how certain it is."
    ).format(
        day(run["as_of_date"]),
        scored.format(group, site),
        _of_cohort(context),
        run["model_id"],
        classes,
    )


def _of_cohort(context: Context) -> str:
    n_cohort = context.data.run["n_cohort"]
    if context.is_empty or whole(n_cohort) is None:
        return ""
    return f" (of {count(n_cohort)} in the cohort)"


def _trust(context: Context) -> Iterator[Finding]:
    imputed = sizes_of(context, coded.IMPUTED)
    within = sizes_of(context, coded.WITHIN_TRIAL_RANGE)
    rests, known = (
        portion(sizes.get(coded.YES, 0), context.n_scored) if sizes else None
        for sizes in (imputed, within)
    )
    parts = []
    if rests is not None:
        rest = f"{sentence(in_ten(rests))} scores rest" if rests else "No score rests"
        parts.append(f"{rest} on an imputed value")
    if known is not None:
        who = f"{about(known)} are" if known else "no patient is"
        parts.append(f"{who} known to resemble trial participants")
    if not parts:
        yield Finding("How many scores rest on an imputed value is not shown.")
        return
    detail = (
        "The models are valid for patients like the participants; for others a score is an "
        "extrapolation."
    )
    yield Finding(f"{sentence('; '.join(parts))}.", f"{detail}{_left_out(context)}")


def _left_out(context: Context) -> str:
    known = [
        f"{context.names.covariate(name)} for {HIDDEN if value is None else share(value)}"
        for name, _, value in shares_in_state(context, coded.LEFT_OUT)
    ]
    return f" Left out of the model, not imputed: {listed(known)}." if known else ""


def _most(context: Context) -> Iterator[Finding]:
    frame = context.table("imputation_sensitivity")
    either = pick(frame, assumption=terms.EITHER_QUARTILE)
    found = []
    # Runs of earlier releases have no rows on either of the quartiles.
    for row in either or frame:
        name = str(row["covariate"])
        changed = portion(row["n_changed"], context.n_scored)
        if changed and terms.TOGETHER not in name:
            imputed = portion(row["n_imputed"], context.n_scored)
            found.append((changed, name, imputed, str(row["assumption"])))
    if not found:
        reason = "nothing is imputed" if _is_nothing_imputed(context) else "not shown"
        yield Finding(f"What recording more would settle: {reason}.")
        return
    changed, name, imputed, assumption = max(found)
    known = f"it is imputed in {about(imputed)} and" if imputed is not None else "it"
    yield Finding(
        f"{_of_shown(context, changed)}ecording the {context.names.covariate(name)} would settle "
        f"most: {known} would change {about(changed)} of labels.",
        f"That many labels differ {_ASSUMED[assumption]}.",
    )


def _of_shown(context: Context, most: float) -> str:
    """Return the start of the sentence; a covariate that is not shown could change more labels."""
    for row in context.table("imputation_sensitivity"):
        highest = row.get("n_changed_high")
        bound = portion(row["n_imputed"] if highest is None else highest, context.n_scored)
        if whole(row["n_changed"]) is None and (bound is None or bound > most):
            return "Of the figures shown, r"
    return "R"


def _is_nothing_imputed(context: Context) -> bool:
    quality = context.table("covariate_quality")
    imputed = pick(quality, measure=coded.N_IMPUTED)
    return bool(quality) and all(whole(row["n"]) == 0 for row in imputed)


def _strip(context: Context) -> Image | None:
    published = context.data.published
    trials = published.trials if published else None
    rows = [*otherwise_estimates(context)]
    for each in context.data.classes:
        row = alone_on_top(context, str(each["key"]))
        if row is not None:
            marks = []
            if trials:
                marks.append((charts.TRIALS, trials.share_alone_on_top(str(each["label"]))))
            title = f"{sentence(str(each['title']))} alone on top"
            rows.append(_estimate(title, row, marks))
    women = share_of_women(context)
    if women is not None:
        rows.append(_estimate("Women of 50 and over, of the cohort", women, _marks(context)))
    rows += _resembling(context)
    if not rows:
        return None
    legend = []
    if published:
        legend = [
            Entry("the trials’ participants", shape=charts.TRIALS),
            Entry(published.health_system.title, shape=charts.HEALTH_SYSTEM),
        ]
    return Image(
        intervals([EstimateGroup(row.label, [row]) for row in rows], legend, is_share=True),
        "Shares with 95% intervals: " + "; ".join(f"{e.label} {e.text}" for e in rows) + ".",
        "The shares behind these findings, with 95% intervals",
        "A published figure stands beside ours only where both have the same denominator."
        if published
        else "",
        subject="The shares behind these findings",
    )


def _marks(context: Context) -> list[tuple[str, float]]:
    published = context.data.published
    if published is None:
        return []
    system = published.health_system.shares_of_women_50_and_over.get(terms.COHORT)
    trials = (charts.TRIALS, published.trials.share_of_women_50_and_over)
    return [trials] if system is None else [trials, (charts.HEALTH_SYSTEM, system)]


def _estimate(title: str, row: dict[str, object], marks: list[tuple[str, float]]) -> Estimate:
    value, low, high = (number(row[name]) for name in ("share", "ci_low", "ci_high"))
    text = short(value, low, high, row["n_population"])
    return Estimate(title, value, low, high, text=text, marks=marks)


def _resembling(context: Context) -> list[Estimate]:
    sizes = sizes_of(context, coded.WITHIN_TRIAL_RANGE)
    if not sizes:
        return []
    n, of = sizes.get(coded.YES, 0), context.n_scored
    title = "Known to resemble the trials’ participants"
    if n is None or not of:
        return [Estimate(title, None, text=share(None))]
    low, high = (float(end) for end in wilson_interval(n, of))
    return [Estimate(title, n / of, low, high, text=short(n / of, low, high))]


def _remarks(context: Context) -> list[list[tuple[str, str]]]:
    named = [
        f"{each['label']} means {each['title']}"
        for each in context.data.classes
        if each["label"] != each["title"]
    ]
    signs = ["“>” a larger effect", "“=” no difference found"]
    key = ", ".join(["“alone on top” first by itself", *named, *signs])
    return [
        [
            ("What this is", "the scores of published models, for groups of patients."),
            ("What it is not", "a medical device, or a recommendation for a patient."),
            ("Key", f"{key}."),
        ],
    ]
