"""How sure we are: what is missing, imputed, refused or converted, and what hangs on it."""

import math

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Cell, Heading, Image, Listing, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts import distributions
from omop_scorer.report.charts.canvas import ACCENT, ACCENT_MIDDLE, INK, Look
from omop_scorer.report.context import Context, missing, only_row, pick, portion, rows_of
from omop_scorer.report.sections.labels import blocks_on_labels
from omop_scorer.report.words import (
    ASSUMPTIONS,
    HIDDEN,
    STATES,
    count,
    decimal,
    listed,
    number,
    sentence,
    share,
    whole,
)

_LOOKS = {
    "observed": Look(ACCENT),
    "computed": Look(ACCENT_MIDDLE),
    "absent": Look("#d9dde3"),
    "imputed": Look("#f0c95c"),
    "left_out": Look("#f0c95c", ("#fbf1d3",)),
}

_MEASURES = {
    "n_records": "Records",
    "n_rejected_value": "Not a number",
    "n_rejected_unit": "Unit refused",
    "n_rejected_limit": "Not plausible",
    "n_converted": "Converted",
    "n_censored": "< or >",
    "n_unit_from_text": "Unit from text",
    "n_unit_missing": "No unit",
}


def section(context: Context) -> Section:
    """Return the section on what the answers rest on."""
    blocks: list[Block]
    if context.is_empty:
        blocks = [Heading("Records read, converted and refused"), *_records(context)]
        return Section("certainty", "How sure we are", _lead(context), blocks, context.notes.new())
    blocks = [Heading("What was recorded, and what stands in for it")]
    blocks += _states(context)
    blocks += [Heading("Records read, converted and refused"), *_records(context)]
    blocks += [Heading("If what was imputed were otherwise"), *_sensitivity(context)]
    blocks += blocks_on_labels(context)
    return Section("certainty", "How sure we are", _lead(context), blocks, context.notes.new())


def shares_in_state(context: Context, state: str) -> list[tuple[str, int | None, float | None]]:
    """Return covariate, patients and share of all, of the covariates that somebody has in a state.

    The largest share comes first.
    """
    found = [
        (covariate, states[state], portion(states[state], context.n_scored))
        for covariate, states in states_of(context).items()
        if states.get(state, 0) != 0
    ]
    return sorted(found, key=lambda each: -(each[2] if each[2] is not None else 2))


def states_of(context: Context) -> dict[str, dict[str, int | None]]:
    """Return the patients in each state, by covariate of the model."""
    quality = context.data.table("covariate_quality")
    states: dict[str, dict[str, int | None]] = {}
    for row in rows_of(quality) if quality is not None else ():
        state = str(row["measure"]).removeprefix("n_")
        if state in STATES:
            states.setdefault(str(row["covariate"]), {})[state] = whole(row["n"])
    return states


def _lead(context: Context) -> str:
    if context.is_empty:
        return "Nobody was scored, so nothing rests on anything."
    if not states_of(context):
        return "This run holds no figures on what was imputed."
    said = []
    titles = {"imputed": "Imputed", "left_out": "Left out of the model"}
    for state, title in titles.items():
        shares = shares_in_state(context, state)
        known = [
            f"{context.names.covariate(name)} for {share(value)}"
            for name, _, value in shares
            if value is not None
        ]
        if known:
            said.append(f"{title}, as a share of the patients scored: {listed(known)}.")
        elif shares:
            said.append(f"{title}: how many patients is not shown.")
    return " ".join(said) or "No covariate of any patient was imputed."


def _states(context: Context) -> list[Block]:
    states = states_of(context)
    if not states:
        return [missing("the states of the covariates")]
    used = [state for state in STATES if any(each.get(state) != 0 for each in states.values())]
    used = [state for state in used if any(state in each for each in states.values())]
    wholes = [
        charts.Whole(
            sentence(context.names.covariate(name)),
            [portion(each.get(state, 0), context.n_scored) for state in used],
        )
        for name, each in states.items()
    ]
    legend = [charts.Entry(STATES[state], _LOOKS[state]) for state in used]
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
    blocks: list[Block] = [
        Prose(
            Markup(
                "Each bar is everybody who was scored. What is yellow was not found in the "
                "records: {}."
            ).format(_stands_in(context, used))
        ),
        Image(
            charts.stacked(wholes, [*legend, charts.NOT_SHOWN] if _hides(wholes) else legend),
            "Bars of the state of each covariate. Not found: "
            + "; ".join(f"{row[0]} {row[-1]}" for row in rows)
            + ".",
            "What each covariate rests on",
            "Share of the patients scored by the state of each covariate.",
        ),
        table,
    ]
    published = context.data.published
    if published:
        ablation = published.ablation
        said = listed(
            [
                f"{value:.0%} without {context.names.covariate(name)}"
                for name, value in ablation.without.items()
            ]
        )
        blocks.append(
            Prose(
                "What a covariate is worth, by the paper: of the trials’ participants "
                f"{ablation.all_covariates:.0%} had no preference under all covariates; {said}.",
                "note",
            )
        )
    return blocks


def _stands_in(context: Context, used: list[str]) -> Markup:
    """Say what becomes of a value that was not found."""
    imputed = Markup(
        "the published constant, or another that the run was told to use, stands in its place{}"
    ).format(context.notes.mark("imputed"))
    left_out = Markup("the covariate is left out of the model for that patient")
    if "left_out" not in used:
        return imputed
    if "imputed" not in used:
        return left_out
    return Markup("where it is imputed, {}; where it is striped, {}").format(imputed, left_out)


def _hides(wholes: list[charts.Whole]) -> bool:
    return any(part is None for whole_ in wholes for part in whole_.parts)


def _not_found(states: dict[str, int | None]) -> int | None:
    parts = [states.get("imputed", 0), states.get("left_out", 0)]
    return None if None in parts else sum(n for n in parts if n)


def _records(context: Context) -> list[Block]:
    quality = context.data.table("covariate_quality")
    if quality is None:
        return [missing("the records read")]
    measured = [str(row["covariate"]) for row in rows_of(pick(quality, measure="n_records"))]
    rows = []
    for name in measured:
        found = {row["measure"]: row["n"] for row in rows_of(pick(quality, covariate=name))}
        rows.append(
            (
                sentence(context.names.covariate(name)),
                *(count(found[each]) if each in found else "" for each in _MEASURES),
            )
        )
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                "Records in the window of each measured quantity, and what became of them",
                ("Quantity", *_MEASURES.values()),
                rows,
            )
        )
        blocks.append(
            Prose(
                "A record is refused when it is no number, when its unit is not one that is "
                "accepted, or when its value is not plausible; then the next older usable one is "
                "taken. A value with < or > keeps its number.",
                "note",
            )
        )
    said = [*_on_steroids(context), *_on_cohort(context)]
    return [*blocks, Listing(said)] if said else blocks


def _on_steroids(context: Context) -> list[str]:
    quality = context.data.table("covariate_quality")
    found = {row["measure"]: row["n"] for row in rows_of(pick(quality, covariate="steroid"))}
    if "n_unclassified" not in found:
        return []
    counts = {
        name: count(found.get(f"n_{name}", 0)) for name in ("oral", "injected", "injected_one_day")
    }
    return [
        f"Current corticosteroid records that count: oral {counts['oral']}, injected "
        f"{counts['injected']}. That do not: a single day’s injection "
        f"{counts['injected_one_day']}, local {count(found.get('n_local', 0))}.",
        f"Corticosteroid records of which nobody knows how they were taken: "
        f"{count(found['n_unclassified'])}, persons: {count(found.get('n_unclassified_persons'))}. "
        "These never count; mapping them would settle it.",
    ]


def _on_cohort(context: Context) -> list[str]:
    quality = context.data.table("covariate_quality")
    found = {row["measure"]: row["n"] for row in rows_of(pick(quality, covariate="crohns_disease"))}
    titles = {
        "n_with_ulcerative_colitis": "Persons of the cohort with ulcerative colitis recorded too",
        "n_excluded_condition": "Persons left out of the cohort for an excluded condition",
        "n_records_without_date": "Records of the disease without a date, which could not count",
        "n_deaths_without_date": "Deaths without a date, which could not count",
    }
    said = [f"{title}: {count(found[name])}." for name, title in titles.items() if name in found]
    read = [
        f"{row['measure']} ({count(row['n'])})"
        for row in rows_of(pick(quality, covariate="input"))
        if whole(row["n"]) != 0
    ]
    if read:
        said.append(f"Values that could not be read, and count as missing: {', '.join(read)}.")
    return said


def _sensitivity(context: Context) -> list[Block]:
    frame = context.data.table("imputation_sensitivity")
    if frame is None:
        return [missing("what another imputed value would change")]
    used = [name for name in ASSUMPTIONS if not pick(frame, assumption=name).empty]
    shapes = {"first_quartile": "v", "third_quartile": "^", "reduced_model": "o"}
    series = [
        charts.Entry(
            ASSUMPTIONS[name],
            shape=shapes[name],
            filled=name == "reduced_model",
            colour=ACCENT if name == "reduced_model" else INK,
        )
        for name in used
    ]
    rows: list[list[str | Cell]] = []
    drawn = []
    for covariate in dict.fromkeys(frame["covariate"]):
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
            n_changed = count(row["n_changed"])
            cells.append(
                Cell(n_changed) if changed is None else Cell(n_changed, share(changed, n_imputed))
            )
        title = sentence(context.names.covariate(str(covariate)))
        if n_imputed != 0:
            rows.append([title, count(n_imputed), *cells])
            drawn.append(distributions.Dots(title, values, f"of {count(n_imputed)}"))
    columns = ("Imputed covariate", "Of patients", *(sentence(ASSUMPTIONS[name]) for name in used))
    table = Table("Patients whose label would be another, and their share", columns, rows)
    if not drawn:
        also = ", but covariates were left out" if shares_in_state(context, "left_out") else ""
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
    said = "How far the labels would move is not shown."
    if worst is not None:
        of = "Of those shown, at most" if has_hidden else "At most"
        said = (
            f"{of} {worst[0]:.1%} of those concerned would have another label: {worst[1]}, "
            f"under {ASSUMPTIONS[worst[2]]}."
        )
    return [
        Prose(
            "Each imputed covariate was put to the trials’ 25th and 75th percentile in turn, and "
            f"left out of the model altogether. {said}"
        ),
        Image(
            distributions.dots(
                drawn, [*series, charts.NOT_SHOWN] if has_hidden else series, is_share=True
            ),
            "Marks of the share of patients whose label would change. "
            + "; ".join(
                f"{row.label}: "
                + ", ".join(
                    f"{ASSUMPTIONS[name]} {_told(value)}"
                    for name, value in zip(used, row.values, strict=True)
                )
                for row in drawn
            )
            + ".",
            "Labels that would change",
            "Share of those patients of whom the covariate is imputed.",
        ),
        table,
        *_assumed(context),
    ]


def _told(value: float | None) -> str:
    if value is None:
        return HIDDEN
    return "not asked" if math.isnan(value) else f"{value:.1%}"


def _assumed(context: Context) -> list[Block]:
    frame = context.data.table("imputation_sensitivity")
    said: dict[str, list[str]] = {}
    is_any_yes_no = False
    for row in rows_of(frame) if frame is not None else ():
        if number(row["assumed_value"]) is not None and whole(row["n_imputed"]) != 0:
            is_any_yes_no |= context.names.is_yes_no(str(row["covariate"]))
            unit = context.names.unit(str(row["covariate"]))
            value = decimal(row["assumed_value"], 1 if unit else 0)
            said.setdefault(context.names.covariate(str(row["covariate"])), []).append(
                f"{value} {unit}".strip()
            )
    if not said:
        return []
    told = "; ".join(f"{name} {' and '.join(values)}" for name, values in said.items())
    meaning = " (yes is 1, no is 0)" if is_any_yes_no else ""
    return [Prose(f"The 25th and 75th percentiles: {told}{meaning}.", "note")]
