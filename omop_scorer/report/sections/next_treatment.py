"""The section on next treatments: flow, tables, and the paper's headline share."""

from markupsafe import Markup

from omop_scorer.disclosure import coded
from omop_scorer.model.intervals import wilson_interval
from omop_scorer.report.blocks import Beside, Block, Cell, Fold, Image, Prose, Section, Table
from omop_scorer.report.charts.bars import Whole, stacked
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import (
    Context,
    Rows,
    added,
    distinct,
    missing,
    only_row,
    pick,
    portion,
    with_share,
)
from omop_scorer.report.sections.persistence import persistence_blocks
from omop_scorer.report.sections.preference import concordance_blocks, time_blocks
from omop_scorer.report.words import (
    AUDITED,
    HIDDEN,
    INDEX_RULES,
    NEXT,
    NOBODY,
    about,
    count,
    sentence,
    share,
    short,
    whole,
)
from omop_scorer.terms import (
    ALL,
    FIRST_BIOLOGIC,
    NONE_NEXT,
    OTHER_ADVANCED,
    WOMEN_50_AND_OVER,
)

_DENOMINATORS = {
    "next_treatment": "patients given a next treatment",
    "next_of_model_classes": "patients given one of the model’s classes next",
    "indexed": "all patients with an index treatment",
}

_COLOURS_OF_NONE = {
    coded.NONE_DIED: "#1d2530",
    coded.NONE_CONTINUING: "#878f9b",
    coded.NONE_STOPPED: "#5d6775",
    coded.NONE: "#878f9b",
}
_COLOUR_OF_OTHER = "#8c6d1f"

Headline = dict[str, object]


def section(context: Context) -> Section:
    """Return the section on next treatments."""
    title = "What was given next"
    if _n_indexed(context) == 0:
        return Section("next", title, _lead(context), [], context.notes.new())
    blocks: list[Block] = [*next_chart(context, ALL, is_half=False)]
    key = _class(context)
    if key is not None:
        blocks += headline_table(context, ALL)
    times = [*persistence_blocks(context), *time_blocks(context)]
    blocks += [Beside(times)] if all(isinstance(each, Image) for each in times) else times
    more = [*_table(context), *concordance_blocks(context)]
    blocks.append(Fold("Every population, and the class preferred at the index treatment", more))
    return Section("next", title, _lead(context), blocks, context.notes.new())


def _class(context: Context) -> str | None:
    published = context.data.published
    return published.health_system.next_treatment.not_given if published else None


def headline(
    context: Context, population: str, denominator: str, *, all_index_classes: bool = True
) -> Headline | None:
    """Return the patients not given the paper's class next: n, `of`, share and interval.

    None if the table or the class is missing. A value is None if it is not shown. The result is
    calculated from shown counts only, so it reveals nothing that a reader could not calculate.
    """
    key = _class(context)
    frame = pick(context.table("next_treatment"), population=population, index_rule=FIRST_BIOLOGIC)
    if key is None or not frame:
        return None
    n_population, given = (
        _indexed(context, frame, next_classes, all_index_classes=all_index_classes)
        for next_classes in (_next_of(frame, denominator), [key])
    )
    n = None if n_population is None or given is None else n_population - given
    # The results hold no cell for these sums, so they are suppressed here by the same rule.
    if any(
        each is not None and 0 < each < context.data.minimum_cell_count
        for each in (n, n_population)
    ):
        n = n_population = None
    low = high = None
    if n is not None and n_population:
        low, high = (float(end) for end in wilson_interval(n, n_population))
    return {
        "n": n,
        "of": n_population,
        "share": portion(n, n_population),
        "low": low,
        "high": high,
    }


def _next_of(frame: Rows, denominator: str) -> list[str] | None:
    """Return the next classes of a denominator; None for any next class or none."""
    if denominator == "indexed":
        return None
    excluded = set(NONE_NEXT)
    if denominator == "next_of_model_classes":
        excluded.add(OTHER_ADVANCED)
    return [each for each in distinct(frame, "next_class") if each not in excluded]


def _indexed(
    context: Context,
    frame: Rows,
    next_classes: list[str] | None,
    *,
    all_index_classes: bool,
) -> int | None:
    """Return the patients with these next classes, indexed on any class or any but the paper's."""
    rows = {(row["index_class"], row["next_class"]): row for row in frame}
    any_row = {row["index_class"]: row for row in rows.values()}

    def persons(index_class: str, next_class: str | None) -> int | None:
        is_any = next_class is None
        row = any_row.get(index_class) if is_any else rows.get((index_class, next_class))
        column = "n_population" if is_any else "n_persons"
        return 0 if row is None else whole(row[column])

    key = _class(context)
    parts: list[int | None] = []
    for next_class in next_classes if next_classes is not None else [None]:
        everyone = persons(ALL, next_class)
        if all_index_classes:
            parts.append(everyone)
            continue
        others = added([persons(each, next_class) for each in context.keys if each != key])
        own = persons(str(key), next_class)
        if others is None and everyone is not None and own is not None:
            others = everyone - own
        parts.append(others)
    return added(parts)


def headline_table(context: Context, population: str) -> list[Block]:
    """Return the table of patients not given the paper's class next, by denominator."""
    key = _class(context)
    published = context.data.published
    if key is None or published is None or context.table("next_treatment") is None:
        return [missing("the class that was not given next")]
    title = context.names.drug_class(key)
    rows: list[list[str | Cell]] = []
    for denominator, name in _DENOMINATORS.items():
        cells: list[str | Cell] = [sentence(name)]
        for all_classes in (True, False):
            found = headline(context, population, denominator, all_index_classes=all_classes)
            if found is None:
                cells.append("")
            elif found["of"] == 0:
                cells.append(NOBODY)
            elif found["n"] is None:
                cells.append(HIDDEN)
            else:
                shown = short(found["share"], found["low"], found["high"], found["of"])
                cells.append(Cell(f"{count(found['n'])} of {count(found['of'])}", shown))
        rows.append(cells)
    paper = published.health_system.next_treatment
    return [
        Prose(
            f"The paper says that {paper.share:.0%} of biologic-exposed women over 50 were not "
            f"given {title} next. It does not name the denominator, so the table shows each "
            f"possible one. Patients who started with {title} can hardly be given it next, so the "
            "last column excludes them."
        ),
        Table(
            f"Not given {title} next after the first biologic: "
            f"{context.names.population(population).lower()}",
            ("Denominator", "Any index treatment", f"Index treatment not {title}"),
            rows,
        ),
    ]


def _all_indexed(context: Context) -> Rows:
    return pick(
        context.table("next_treatment"),
        population=ALL,
        index_rule=FIRST_BIOLOGIC,
        index_class=ALL,
    )


def _n_indexed(context: Context) -> int | None:
    frame = _all_indexed(context)
    return whole(frame[0]["n_population"]) if frame else None


def _lead(context: Context) -> str:
    frame = _all_indexed(context)
    if not frame:
        return "This run has no figures on next treatments."
    n = _n_indexed(context)
    if n == 0:
        return f"No patient was given a first biologic since {context.names.since}."
    n_next = _n_treated(frame)
    text = (
        f"{count(n)} persons had their first biologic since {context.names.since}"
        if n is not None
        else f"The number of first biologics since {context.names.since} is not shown"
    )
    if n is not None and n_next is not None:
        text += f"; {count(n_next)} of them ({share(portion(n_next, n))}) had a next treatment"
    return f"{text}."


def _n_treated(rows: Rows) -> int | None:
    return added([whole(row["n_persons"]) for row in rows if row["next_class"] not in NONE_NEXT])


def look_of(context: Context, key: str) -> Look:
    """Return the look of a class, or of another next treatment."""
    if key in context.keys:
        return Look(context.colour(key))
    return Look(_COLOURS_OF_NONE.get(key, _COLOUR_OF_OTHER))


def next_chart(context: Context, population: str, *, is_half: bool = True) -> list[Block]:
    """Return the next treatments of a population, by the class of the index treatment."""
    frame = pick(context.table("next_treatment"), population=population, index_rule=FIRST_BIOLOGIC)
    together = pick(frame, index_class=ALL)
    if not together:
        return [missing("the next treatments of this population")]
    if whole(together[0]["n_population"]) == 0:
        return [Prose("No patient had an index treatment.", "note")]
    known = distinct(frame, "next_class")
    keys = [key for key in (*context.keys, *NEXT) if key in known]
    wholes = []
    for index_class in (ALL, *context.keys):
        found = pick(frame, index_class=index_class)
        if found and whole(found[0]["n_population"]) != 0:
            wholes.append(_whole(context, found, keys, index_class))
    titles = [sentence(context.names.drug_class(key)) for key in keys]
    legend = [Entry(title, look_of(context, key)) for title, key in zip(titles, keys, strict=True)]
    told = "; ".join(
        f"{each.label} ({each.text}): "
        + ", ".join(
            f"{title} {HIDDEN if part is None else f'{part:.1%}'}"
            for title, part in zip(titles, each.parts, strict=True)
            if part != 0
        )
        for each in wholes
    )
    name = context.names.population(population)
    return [
        Image(
            stacked(wholes, legend),
            f"Next treatment after the first biologic, {name}. {told}.",
            _chart_title(together, name),
            Markup("{}. Each row is an index treatment{}; on the right, patients.").format(
                name, context.notes.mark("index")
            ),
            is_half=is_half,
            subject=f"What came next: {name.lower()}",
        )
    ]


def _whole(context: Context, found: Rows, keys: list[str], index_class: str) -> Whole:
    of = whole(found[0]["n_population"])
    counts = {row["next_class"]: whole(row["n_persons"]) for row in found}
    title = "After any class" if index_class == ALL else context.names.drug_class(index_class)
    parts = [0.0 if counts.get(key, 0) == 0 else portion(counts.get(key, 0), of) for key in keys]
    return Whole(sentence(title), parts, count(of))


def _chart_title(together: Rows, name: str) -> str:
    known = portion(_n_treated(together), whole(together[0]["n_population"]))
    who = "of these women" if name == AUDITED[WOMEN_50_AND_OVER] else "after a first biologic"
    if known is None:
        return f"What was given next: {name.lower()}"
    return f"{about(known)} {who} were given another treatment"


def _table(context: Context) -> list[Block]:
    blocks: list[Block] = []
    for rule, title in INDEX_RULES.items():
        keys = [
            *((population, ALL) for population in AUDITED),
            *((ALL, key) for key in context.keys if rule == FIRST_BIOLOGIC),
        ]
        rows = [row for key in keys if (row := _row(context, rule, *key))]
        if rows:
            columns = ("Population", "All", *_next_titles(context))
            caption = f"Next treatment after the {title}: persons and their share"
            blocks.append(Table(caption, columns, rows))
    return blocks


def _next_classes(context: Context) -> list[str]:
    frame = context.table("next_treatment")
    known = distinct(frame, "next_class")
    return [key for key in (*context.keys, *NEXT) if key in known]


def _next_titles(context: Context) -> list[str]:
    return [sentence(context.names.drug_class(key)) for key in _next_classes(context)]


def _row(context: Context, rule: str, population: str, index_class: str) -> list[str | Cell]:
    found = pick(
        context.table("next_treatment"),
        population=population,
        index_rule=rule,
        index_class=index_class,
    )
    if not found or (index_class != ALL and whole(found[0]["n_population"]) == 0):
        return []
    n_population = found[0]["n_population"]
    title = context.names.population(population)
    if index_class != ALL:
        title = f"Index {context.names.drug_class(index_class)}"
    cells: list[str | Cell] = [title, count(n_population)]
    for key in _next_classes(context):
        row = only_row(pick(found, next_class=key))
        cells.append("" if row is None else with_share(row, n_population))
    return cells
