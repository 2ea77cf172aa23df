"""Preference groups of the scored patients: which class is alone on top, if one is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omop_scorer import terms
from omop_scorer.model.intervals import wilson_interval
from omop_scorer.report.charts.bars import NO_DIFFERENCE, SHARED
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.context import Context, shown_count, shown_share
from omop_scorer.report.figures import added, distinct, pick, portion
from omop_scorer.report.words import count, number, sentence, share, short, whole


@dataclass(frozen=True)
class Group:
    """A preference group with its names and its look."""

    key: str
    title: str
    short: str
    look: Look
    drug_class: str | None = None
    """The class alone on top; None if several or all are."""


@dataclass(frozen=True)
class Counted:
    """Patients of a group within a stratum; None is not shown."""

    n: int | None
    of: int | None
    share: float | None
    low: float | None = None
    high: float | None = None
    n_text: str = ""
    """The count as text: its bounds if it is hidden and they are known."""
    share_text: str = ""


def groups_of(context: Context) -> list[Group]:
    """Return the groups of the run's classes, single classes first and no preference last."""
    found = [
        Group(
            terms.alone(key),
            f"{sentence(context.names.drug_class(key))} alone on top",
            context.names.drug_class(key),
            Look(context.colour(key)),
            key,
        )
        for key in context.keys
    ]
    if len(context.keys) > 2:
        found.append(Group(terms.SHARED_TOP, "Several classes on top", "several", SHARED))
    found.append(Group(terms.NO_PREFERENCE, "No preference", "no preference", NO_DIFFERENCE))
    return found


def counts_of(context: Context, stratum: str = terms.ALL) -> dict[str, dict[str, Counted]]:
    """Return the patients of each group by value of a stratum; empty if there are no figures."""
    key = ("counts_of", stratum)
    if key not in context.kept:
        context.kept[key] = _counts(context, stratum)
    found: dict[str, dict[str, Counted]] = context.kept[key]
    return found


def _counts(context: Context, stratum: str) -> dict[str, dict[str, Counted]]:
    frame = pick(context.table("preference_summary"), stratum=stratum)
    found: dict[str, dict[str, Counted]] = {}
    for row in frame:
        found.setdefault(str(row["stratum_value"]), {})[str(row["preference_group"])] = Counted(
            whole(row["n_persons"]),
            whole(row["n_stratum"]),
            number(row["share"]),
            number(row["ci_low"]),
            number(row["ci_high"]),
            shown_count(row),
            shown_share(row, "n_stratum"),
        )
    return found or _added_up(context, stratum)


def sizes_of(context: Context, stratum: str) -> dict[str, int | None]:
    """Return the patients scored by value of a stratum; None is not shown."""
    return {
        value: next(iter(groups.values())).of
        for value, groups in counts_of(context, stratum).items()
        if groups
    }


def _added_up(context: Context, stratum: str) -> dict[str, dict[str, Counted]]:
    """Return the same from the labels, for runs of earlier releases.

    The classes that the labels of an unknown card name are not known, so there are no figures.
    """
    frame = pick(context.table("subgroup_summary"), stratum=stratum)
    if not set(distinct(frame, "subgroup")) <= set(context.labels):
        return {}
    found = {}
    for value in distinct(frame, "stratum_value"):
        rows = pick(frame, stratum_value=value)
        found[str(value)] = _by_group(context, rows)
    return found


def _by_group(context: Context, rows: Sequence[Mapping[str, object]]) -> dict[str, Counted]:
    of = whole(rows[0]["n_stratum"])
    by_group: dict[str, list[int | None]] = {each.key: [] for each in groups_of(context)}
    for row in rows:
        by_group[group_of(context, str(row["subgroup"]))].append(whole(row["n_persons"]))
    return {key: _counted(added(numbers), of) for key, numbers in by_group.items()}


def _counted(n: int | None, of: int | None) -> Counted:
    if n is None or not of:
        return Counted(n, of, None, None, None, count(n), share(None, of))
    low, high = (float(end) for end in wilson_interval(n, of))
    value = portion(n, of)
    return Counted(n, of, value, low, high, count(n), short(value, low, high, of))


def nobody(of: int | None = None) -> Counted:
    """Return a group without patients."""
    return Counted(0, of, 0.0, n_text=count(0), share_text=share(0.0))


def group_of(context: Context, label: str) -> str:
    """Return the key of the group of a label."""
    top = context.top(label)
    if len(top) >= len(context.keys):
        return terms.NO_PREFERENCE
    return terms.alone(top[0]) if len(top) == 1 else terms.SHARED_TOP
