"""The section on patients whose drug is of another class than the one that the models prefer."""

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.report.blocks import Beside, Block, Cell, Fold, Image, Prose, Section, Table
from omop_scorer.report.charts.bars import Whole, stacked
from omop_scorer.report.charts.estimates import Estimate, EstimateGroup, intervals
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context
from omop_scorer.report.current import Now, now_of, otherwise_of
from omop_scorer.report.figures import portion
from omop_scorer.report.frame import Finding
from omop_scorer.report.groups import Group, groups_of
from omop_scorer.report.sections.next_treatment import look_of
from omop_scorer.report.words import (
    HIDDEN,
    NOW,
    about,
    count,
    sentence,
    share,
    with_article,
)
from omop_scorer.terms import ALL, CURRENT, LAST

_TITLE = "Who would be treated otherwise"

_NO_FIGURES = "This run has no figures on current treatments."


def section(context: Context) -> Section:
    """Return the section on preferred class against current class."""
    found = {name: now_of(context, name, CURRENT) for name in NOW}
    known = {
        name: now for name, now in found.items() if now is not None and now.population(ALL) != 0
    }
    last = now_of(context, ALL, LAST)
    if last is None or not known or context.is_empty:
        lead = _NO_FIGURES if last is None else "No patient was scored."
        return Section("otherwise", _TITLE, lead, [], context.notes.new())
    blocks: list[Block] = [Beside([_bars(context, last), _shares(context)])]
    everyone = known.pop(ALL, None)
    if everyone is not None:
        blocks.append(_matrix(context, everyone, ALL))
    others = [_matrix(context, now, name) for name, now in known.items()]
    if others:
        blocks.append(Fold(_others_title(known), list(others)))
    blocks.append(
        Prose(
            "The models rank classes by nine covariates. Physicians knew more, and a patient who "
            "does well on a drug has no reason to change it: a difference is not an error.",
            "note",
        )
    )
    return Section("otherwise", _TITLE, _lead(context), blocks, context.notes.new())


def _others_title(known: dict[str, Now]) -> str:
    names = " and ".join(NOW[name].lower() for name in known)
    return f"The same for {names}"


def otherwise_finding(context: Context) -> Finding:
    """Return how many patients were last on another class than the one alone on top."""
    now = now_of(context, ALL, LAST)
    if now is None:
        return Finding(_NO_FIGURES)
    candidates = [
        (n, group, other, of)
        for group in _first_groups(context)
        for other in context.keys
        if other != group.drug_class
        and (n := now.persons(group.key, other)) is not None
        and (of := now.population(group.key))
    ]
    if not candidates:
        return Finding("How many patients were last on another class is not shown.")
    first = candidates[0][1]
    n, group, other, of = max((e for e in candidates if e[1] == first), key=lambda e: e[0])
    text = (
        f"Of {of:,} patients with {group.short} alone on top, {n:,} were last on "
        f"{with_article(context.names.drug_class(other))}."
    )
    return Finding(text, _detail(context, now, group))


def _first_groups(context: Context) -> list[Group]:
    """Return the groups of one class, that of the class the paper asks about first."""
    published = context.data.published
    asked = published.health_system.next_treatment.not_given if published else None
    alone = [group for group in groups_of(context) if group.drug_class is not None]
    return sorted(alone, key=lambda group: group.drug_class != asked)


def _detail(context: Context, now: Now, group: Group) -> str:
    parts = []
    own = now.persons(group.key, str(group.drug_class))
    none = now.persons(group.key, terms.NONE)
    if own is not None:
        parts.append(f"on {group.short} itself: {own:,}")
    if none is not None:
        parts.append(f"never on a drug of these classes: {none:,}")
    overall = otherwise_of(context)
    text = f"{sentence('; '.join(parts))}. " if parts else ""
    if overall.share is not None:
        text += (
            f"Of all {count(overall.of)} with one class alone on top, {share(overall.share)} were "
            "last on another class."
        )
    return text.strip()


def otherwise_estimates(context: Context) -> list[Estimate]:
    """Return the share of patients last on another class, for the picture of the first screen."""
    if now_of(context, ALL, LAST) is None:
        return []
    return [_estimate(context, ALL, "Last on another class than on top")]


def _estimate(context: Context, population: str, label: str) -> Estimate:
    found = otherwise_of(context, population)
    return Estimate(label, found.share, found.low, found.high, text=found.share_text)


def _lead(context: Context) -> str:
    found = otherwise_of(context)
    if found.share is None:
        return "How many patients are on another class than the one alone on top is not shown."
    return (
        f"{count(found.n)} of {count(found.of)} patients with one class alone on top were last on "
        f"another class ({share(found.share)})."
    )


def _title_of(context: Context, drug_class: str) -> str:
    if drug_class == terms.NONE:
        return "No drug"
    return sentence(context.names.drug_class(drug_class))


def _used(context: Context, now: Now) -> list[Group]:
    return [group for group in groups_of(context) if now.population(group.key) != 0]


def _bars(context: Context, last: Now) -> Image:
    keys = last.drug_classes
    wholes = [
        Whole(
            group.title,
            [
                0.0 if n == 0 else portion(n, last.population(group.key))
                for n in (last.persons(group.key, key) for key in keys)
            ],
            count(last.population(group.key)),
        )
        for group in _used(context, last)
    ]
    titles = [_title_of(context, key) for key in keys]
    legend = [Entry(t, look_of(context, key)) for t, key in zip(titles, keys, strict=True)]
    told = "; ".join(
        f"{each.label} ({each.text}): "
        + ", ".join(
            f"{title} {HIDDEN if part is None else f'{part:.1%}'}"
            for title, part in zip(titles, each.parts, strict=True)
            if part != 0
        )
        for each in wholes
    )
    return Image(
        stacked(wholes, legend),
        f"Class of the drug last used, by preference group. {told}.",
        _bars_title(context, last),
        "Class of the drug in use or last used, by preference group; on the right, patients.",
        _figures(context, last),
        is_half=True,
        subject="The drug last used, by preference group",
    )


def _bars_title(context: Context, last: Now) -> str:
    for group in _first_groups(context):
        n, of = last.otherwise(group), last.population(group.key)
        known = portion(n, of)
        if known is not None and n is not None and not 0 < n < context.data.minimum_cell_count:
            return f"With {group.short} alone on top, {about(known)} were last on another"
    return "The drug last used, by preference group"


def _figures(context: Context, now: Now) -> Table:
    rows = [
        (group.title, *(now.shown(group.key, key) for key in now.drug_classes),
         count(now.population(group.key)))
        for group in _used(context, now)
    ]  # fmt: skip
    titles = [_title_of(context, key) for key in now.drug_classes]
    return Table("Patients by the class of the drug last used", ("Group", *titles, "All"), rows)


def _shares(context: Context) -> Image:
    drawn = [
        _estimate(context, name, title)
        for name, title in NOW.items()
        if (now := now_of(context, name, LAST)) is not None and now.population(ALL) != 0
    ]
    audit = (context.data.run.get("config") or {}).get("audit") or {}
    cdai, crp = audit.get("active_cdai", 150), audit.get("active_crp", 10)
    return Image(
        intervals([EstimateGroup(each.label, [each]) for each in drawn], is_share=True),
        "Last on another class than the one alone on top: "
        + "; ".join(f"{each.label} {each.text}" for each in drawn)
        + ".",
        _shares_title(drawn),
        Markup(
            "Patients last on another class, of those with one class alone on top{}. Active "
            "disease on record: a recorded CDAI of {} or more or, without a CDAI, a recorded CRP "
            "above {} mg/L."
        ).format(context.notes.mark("alone"), f"{cdai:g}", f"{crp:g}"),
        is_half=True,
        subject="Last on another class, by population",
    )


def _shares_title(drawn: list[Estimate]) -> str:
    active = next((each for each in drawn if each.label == NOW[terms.ACTIVE_DISEASE]), None)
    if active is not None and active.value is not None:
        return f"With active disease on record, {about(active.value)} were last on another class"
    return "Last on another class, by population"


def _matrix(context: Context, now: Now, population: str) -> Table:
    rows: list[list[str | Cell]] = []
    for group in _used(context, now):
        total = now.population(group.key)
        cells: list[str | Cell] = [group.title]
        for key in now.drug_classes:
            n = now.persons(group.key, key)
            shade = portion(n, total)
            is_own = key == group.drug_class
            cells.append(Cell(now.shown(group.key, key), shade=shade, is_marked=is_own))
        rows.append([*cells, count(total)])
    total_row: list[str | Cell] = ["All groups"]
    total_row += [now.shown(ALL, key) for key in now.drug_classes]
    rows.append([*total_row, count(now.population(ALL))])
    titles = [
        "No drug in use" if key == terms.NONE else _title_of(context, key)
        for key in now.drug_classes
    ]
    by_group = (
        "preferred class in the rows, class of the drug in use today in the columns (patients; "
        "framed: the class alone on top)"
    )
    return Table(
        f"{NOW[population]}: {by_group if len(rows) > 1 else 'drug in use today (patients)'}",
        ("Preference group", *titles, "All"),
        rows,
    )
