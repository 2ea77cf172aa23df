"""The section on next treatments: flow, tables, and the paper's headline share."""

from markupsafe import Markup

from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Cell, Fold, Image, Prose, Section, Table
from omop_scorer.report.charts.bars import Whole, stacked
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context, missing, with_share
from omop_scorer.report.figures import Rows, added, distinct, only_row, pick, portion
from omop_scorer.report.not_given import (
    INDEXED,
    NEXT_OF_MODEL_CLASSES,
    NEXT_TREATMENT,
    NotGiven,
    not_given,
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
    WOMEN_50_AND_OVER,
)

_DENOMINATORS = {
    NEXT_TREATMENT: "patients given a next treatment",
    NEXT_OF_MODEL_CLASSES: "patients given one of the model’s classes next",
    INDEXED: "all patients with an index treatment",
}

_COLOURS_OF_NONE = {
    coded.NONE_DIED: "#1d2530",
    coded.NONE_CONTINUING: "#878f9b",
    coded.NONE_STOPPED: "#5d6775",
    coded.NONE: "#878f9b",
}
_COLOUR_OF_OTHER = "#8c6d1f"


def section(context: Context) -> Section:
    """Return the section on next treatments."""
    title = "What was given next"
    if _n_indexed(context) == 0:
        return Section("next", title, _lead(context), [], context.notes.new())
    blocks: list[Block] = [*next_chart(context, ALL, is_half=False)]
    shares = [] if _class(context) is None else headline_table(context, ALL)
    blocks += [*shares, *persistence_blocks(context)]
    more = [*time_blocks(context), *_table(context), *concordance_blocks(context)]
    blocks.append(Fold("Every population, and the class preferred at the index treatment", more))
    return Section("next", title, _lead(context), blocks, context.notes.new())


def _class(context: Context) -> str | None:
    published = context.data.published
    return published.health_system.next_treatment.not_given if published else None


def headline_table(context: Context, population: str) -> list[Block]:
    """Return the table of patients not given the paper's class next, by denominator."""
    key = _class(context)
    published = context.data.published
    if key is None or published is None or not context.table("next_treatment"):
        return [missing("the class that was not given next")]
    title = context.names.drug_class(key)
    audited = pick(
        context.table("next_treatment"), population=population, index_rule=FIRST_BIOLOGIC
    )
    minimum = context.data.minimum_cell_count
    rows: list[list[str | Cell]] = [
        [
            sentence(name),
            *(
                _n_of(not_given(audited, key, denominator, minimum, all_index_classes=all_classes))
                for all_classes in (True, False)
            ),
        ]
        for denominator, name in _DENOMINATORS.items()
    ]
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


def _n_of(found: NotGiven) -> Cell:
    if found.of == 0:
        return Cell(NOBODY)
    if found.n is None:
        return Cell(HIDDEN)
    shown = short(found.share, found.low, found.high, found.of)
    return Cell(f"{count(found.n)} of {count(found.of)}", shown)


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
