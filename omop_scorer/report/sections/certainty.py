"""The section on certainty: missing, imputed, rejected and converted values, and their effect."""

import math

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import (
    Beside,
    Block,
    Cell,
    Fold,
    Image,
    Prose,
    Section,
    Stack,
    Table,
)
from omop_scorer.report.charts.bars import Whole, stacked
from omop_scorer.report.charts.canvas import ACCENT, ACCENT_MIDDLE, INK, Look
from omop_scorer.report.charts.estimates import Dots, dots
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context, missing, shown_count
from omop_scorer.report.figures import distinct, only_row, pick, portion
from omop_scorer.report.sections.attrition import attrition_block
from omop_scorer.report.sections.labels import blocks_on_labels
from omop_scorer.report.sections.records import record_blocks
from omop_scorer.report.words import (
    ASSUMPTIONS,
    HIDDEN,
    STATES,
    about,
    count,
    decimal,
    listed,
    number,
    sentence,
    share,
    whole,
)

#: Amber: what was not found.
IMPUTED = "#b98500"

_LOOKS = {
    coded.OBSERVED: Look(ACCENT),
    coded.COMPUTED: Look(ACCENT_MIDDLE),
    coded.ABSENT: Look("#878f9b"),
    coded.IMPUTED: Look(IMPUTED),
    coded.LEFT_OUT: Look(IMPUTED, ("#5f4400",)),
}

_SHAPES = {terms.FIRST_QUARTILE: "v", terms.THIRD_QUARTILE: "^", terms.REDUCED_MODEL: "o"}

_TITLE = "How sure"

_ON_RECORDS = "Records read, converted and rejected"


def section(context: Context) -> Section:
    """Return the section on the data behind the scores."""
    attrition, records = attrition_block(context), Fold(_ON_RECORDS, record_blocks(context))
    blocks: list[Block]
    if context.is_empty:
        blocks = [attrition, records]
        return Section("certainty", _TITLE, _lead(context), blocks, context.notes.new())
    blocks = [Beside([*_states(context), *_sensitivity(context)])]
    assumed = Fold(records.title, [*records.blocks, *_assumed(context)])
    blocks += [Beside([attrition, Stack(blocks_on_labels(context))]), assumed]
    return Section("certainty", _TITLE, _lead(context), blocks, context.notes.new())


def shares_in_state(context: Context, state: str) -> list[tuple[str, int | None, float | None]]:
    """Return covariate, number and share of patients, for the covariates with patients in a state.

    The largest share comes first.
    """
    found = [
        (covariate, states[state], portion(states[state], context.n_scored))
        for covariate, states in states_of(context).items()
        if states.get(state, 0) != 0
    ]
    return sorted(found, key=lambda each: -(each[2] if each[2] is not None else 2))


def states_of(context: Context) -> dict[str, dict[str, int | None]]:
    """Return the number of patients in each state, by covariate of the model."""
    quality = context.table("covariate_quality")
    states: dict[str, dict[str, int | None]] = {}
    for row in quality:
        state = str(row["measure"]).removeprefix("n_")
        if state in STATES:
            states.setdefault(str(row["covariate"]), {})[state] = whole(row["n"])
    return states


def _lead(context: Context) -> str:
    if context.is_empty:
        return "No patient was scored."
    if not states_of(context):
        return "This run has no figures on imputed values."
    sentences = []
    titles = {coded.IMPUTED: "Imputed", coded.LEFT_OUT: "Left out of the model"}
    for state, title in titles.items():
        shares = shares_in_state(context, state)
        known = [
            f"{context.names.covariate(name)} for {share(value)}"
            for name, _, value in shares
            if value is not None
        ]
        if known:
            sentences.append(f"{title}, as a share of the patients scored: {listed(known)}.")
        elif shares:
            sentences.append(f"{title}: the number of patients is not shown.")
    return " ".join(sentences) or "No covariate was imputed for any patient."


def _states(context: Context) -> list[Block]:
    states = states_of(context)
    if not states:
        return [missing("the states of the covariates")]
    used = [state for state in STATES if any(each.get(state) != 0 for each in states.values())]
    used = [state for state in used if any(state in each for each in states.values())]
    wholes = [
        Whole(
            sentence(context.names.covariate(name)),
            [portion(each.get(state, 0), context.n_scored) for state in used],
        )
        for name, each in states.items()
    ]
    legend = [Entry(STATES[state], _LOOKS[state]) for state in used]
    rows = [
        (
            sentence(context.names.covariate(name)),
            *(count(each.get(state, 0)) for state in used),
            share(portion(_not_found(each), context.n_scored), context.n_scored),
        )
        for name, each in states.items()
    ]
    table = Table(
        "Patients scored, by the state of each covariate",
        ("Covariate", *(sentence(STATES[state]) for state in used), "Not found"),
        rows,
    )
    image = Image(
        stacked(wholes, legend),
        "State of each covariate. Not found: "
        + "; ".join(f"{row[0]} {row[-1]}" for row in rows)
        + ".",
        _states_title(context),
        Markup(
            "Patients scored, by the state of each covariate. Amber: no usable record, {}.{}"
        ).format(_replacement(context, used), _ablation(context)),
        table,
        is_half=True,
        subject="Where the value of each covariate comes from",
    )
    return [image]


def _states_title(context: Context) -> str:
    imputed = [
        (value, name)
        for name, _, value in shares_in_state(context, coded.IMPUTED)
        if value is not None
    ]
    if not imputed:
        return "Where the value of each covariate comes from"
    highest, name = max(imputed)
    return f"{sentence(context.names.covariate(name))} is imputed for {about(highest)} of patients"


def _ablation(context: Context) -> str:
    published = context.data.published
    if published is None:
        return ""
    ablation = published.ablation
    without = listed(
        [
            f"{value:.0%} without {context.names.covariate(name)}"
            for name, value in ablation.without.items()
        ]
    )
    return (
        f" In the paper, trial participants without a preference: {ablation.all_covariates:.0%} "
        f"with all covariates, {without}."
    )


def _replacement(context: Context, used: list[str]) -> Markup:
    """Return the clause on what the run does about missing values."""
    imputed = Markup("a fixed value is used instead{}").format(context.notes.mark("imputed"))
    left_out = Markup("the covariate is left out of the model for that patient")
    if coded.LEFT_OUT not in used:
        return imputed
    if coded.IMPUTED not in used:
        return left_out
    return Markup("where it is plain, {}; where it is striped, {}").format(imputed, left_out)


def _hides(wholes: list[Whole]) -> bool:
    return any(part is None for whole_ in wholes for part in whole_.parts)


def _not_found(states: dict[str, int | None]) -> int | None:
    parts = [states.get(coded.IMPUTED, 0), states.get(coded.LEFT_OUT, 0)]
    return None if None in parts else sum(n for n in parts if n)


def _sensitivity(context: Context) -> list[Block]:
    frame = context.table("imputation_sensitivity")
    if not frame:
        return [missing("what another imputed value would change")]
    used = [name for name in _SHAPES if pick(frame, assumption=name)]
    series = [
        Entry(
            ASSUMPTIONS[name],
            shape=_SHAPES[name],
            filled=name == terms.REDUCED_MODEL,
            colour=ACCENT if name == terms.REDUCED_MODEL else INK,
        )
        for name in used
    ]
    rows: list[list[str | Cell]] = []
    drawn = []
    for covariate in distinct(frame, "covariate"):
        cells: list[Cell] = []
        values: list[float | None] = []
        n_imputed = None
        for name in used:
            row = only_row(pick(frame, covariate=covariate, assumption=name))
            if row is None:
                cells.append(Cell(""))
                values.append(math.nan)
                continue
            n_imputed = whole(row["n_imputed"])
            changed = portion(row["n_changed"], n_imputed)
            values.append(math.nan if n_imputed == 0 else changed)
            n_changed = shown_count(row, "n_changed")
            cells.append(
                Cell(n_changed) if changed is None else Cell(n_changed, share(changed, n_imputed))
            )
        title = sentence(context.names.covariate(str(covariate)))
        if n_imputed != 0:
            rows.append([title, count(n_imputed), *cells])
            drawn.append(Dots(title, values, f"of {count(n_imputed)}"))
    columns = ("Imputed covariate", "Patients", *(sentence(ASSUMPTIONS[name]) for name in used))
    table = Table("Patients whose label would change, and their share", columns, rows)
    if not drawn:
        has_left_out = shares_in_state(context, coded.LEFT_OUT)
        also = ", but covariates were left out of the model" if has_left_out else ""
        return [Prose(f"Nothing was imputed{also}.", "note")]
    has_hidden = any(value is None for row in drawn for value in row.values)
    worst = max(
        (
            (value, row.label, name)
            for row in drawn
            for value, name in zip(row.values, used, strict=True)
            if value is not None and not math.isnan(value)
        ),
        default=None,
    )
    result = "The number of labels that would change is not shown."
    if worst is not None:
        at_most = "Of the figures shown, at most" if has_hidden else "At most"
        result = (
            f"{at_most} {worst[0]:.1%} of the patients concerned would have a different label "
            f"({worst[1]}, {ASSUMPTIONS[worst[2]]})."
        )
    alt = "; ".join(
        f"{row.label}: "
        + ", ".join(
            f"{ASSUMPTIONS[name]} {_in_words(value)}"
            for name, value in zip(used, row.values, strict=True)
        )
        for row in drawn
    )
    return [
        Image(
            dots(drawn, series, is_share=True),
            f"Share of patients whose label would change. {alt}.",
            f"If imputed otherwise: {_worst_title(worst, has_hidden=has_hidden)}",
            "Share of the patients imputed whose label would change if the covariate were at the "
            f"trials’ 25th percentile, at the 75th, or left out of the model. {result}",
            table,
            is_half=True,
            subject="Labels that would change if imputed values were different",
        )
    ]


def _worst_title(worst: tuple[float, str, str] | None, *, has_hidden: bool) -> str:
    if worst is None:
        return "labels that change"
    at_most = "of those shown, at most" if has_hidden else "at most"
    return f"{at_most} {about(worst[0])} of labels change"


def _in_words(value: float | None) -> str:
    if value is None:
        return HIDDEN
    return "not tested" if math.isnan(value) else f"{value:.1%}"


def _assumed(context: Context) -> list[Block]:
    frame = context.table("imputation_sensitivity")
    assumed: dict[str, list[str]] = {}
    is_any_yes_no = False
    for row in frame:
        if number(row["assumed_value"]) is not None and whole(row["n_imputed"]) != 0:
            is_any_yes_no |= context.names.is_yes_no(str(row["covariate"]))
            unit = context.names.unit(str(row["covariate"]))
            value = decimal(row["assumed_value"], 1 if unit else 0)
            assumed.setdefault(context.names.covariate(str(row["covariate"])), []).append(
                f"{value} {unit}".strip()
            )
    if not assumed:
        return []
    text = "; ".join(f"{name} {' and '.join(values)}" for name, values in assumed.items())
    meaning = " (yes is 1, no is 0)" if is_any_yes_no else ""
    return [Prose(f"The trials’ 25th and 75th percentiles: {text}{meaning}.", "note")]
