"""Blocks on how long patients stay on their index drug, by class and by preference."""

from collections.abc import Sequence

from markupsafe import Markup

from omop_scorer.report.blocks import Beside, Block, Image, Prose, Table
from omop_scorer.report.charts.canvas import ACCENT
from omop_scorer.report.charts.curves import Curve, over_time
from omop_scorer.report.context import Context, missing, shown_count
from omop_scorer.report.figures import Row, Rows, only_row, pick
from omop_scorer.report.words import (
    about,
    decimal,
    listed,
    number,
    sentence,
    whole,
    with_article,
    within,
)
from omop_scorer.terms import ALL, FIRST_BIOLOGIC, OTHERS_PREFERRED, PREFERRED

_SUBJECT = "how long patients stay on the index drug"

#: Days of which a title tells the shares: the latest on which some are known to be on the drug.
_TOLD = (360, 180, 90, 30)

#: Days of the table, beside those with counts.
_QUARTER = 90

#: Named values of the axis, in days.
_NAMES = tuple((float(days), f"{days:,}") for days in range(0, 721, 180))

#: A difference with a smaller p-value is told in a title.
_LEVEL = 0.05

_PREFERENCES = {
    PREFERRED: ("Given a preferred class", ACCENT),
    OTHERS_PREFERRED: ("Given another class", "#878f9b"),
}

_LEFT_OUT = "Days and numbers at risk are left out where few stopped or were censored."

_NO_COUNTS = (
    "Days are left out where few stopped or were censored. Numbers at risk are not shown, because "
    "together with other numbers they could tell of few patients."
)

_NO_PROOF = (
    "This is no proof of an effect: who was given which class was not decided by chance, the "
    "patients may differ in other ways, and drugs are recorded in different ways."
)


def persistence_blocks(context: Context) -> list[Block]:
    """Return the curves of patients still on the index drug, and their mean days in words."""
    frame = pick(context.table("persistence"), population=ALL, index_rule=FIRST_BIOLOGIC)
    if not frame:
        if "persistence" in context.data.tables:
            return [Prose(f"Too few patients are followed to show {_SUBJECT}.", "note")]
        return [missing(_SUBJECT)]
    classes = [key for key in context.keys if pick(frame, drug_class=key, preference=ALL)]
    by_class = [
        (sentence(context.names.drug_class(key)), context.colour(key), _of(frame, key, ALL))
        for key in classes or [ALL]
    ]
    mark = context.notes.mark("persistence")
    images = [_image(by_class, "by its class" if classes else "of any class", mark)]
    pairs = [
        (title, colour, _of(frame, ALL, key))
        for key, (title, colour) in _PREFERENCES.items()
        if pick(frame, drug_class=ALL, preference=key)
    ]
    if pairs:
        title = _title_of_means(context)
        of_what = "by whether the models preferred its class"
        images.append(_image(pairs, of_what, mark, title))
    parts = ("" if classes else "class", "" if pairs else "preference")
    left_out = [f"by {part}" for part in parts if part]
    said = [*_means(context, classes), _NO_PROOF]
    if left_out:
        said.append(f"Too few patients are followed to show the curves {' and '.join(left_out)}.")
    return [Beside(images), Prose(" ".join(said))]


def _of(frame: Rows, drug_class: str, preference: str) -> Rows:
    """Return the rows of a curve, up to the first day on which nobody is left.

    A share that was rounded to zero has an interval, and a true zero has none.
    """
    rows = sorted(
        pick(frame, drug_class=drug_class, preference=preference), key=lambda row: int(row["days"])
    )
    ends = [
        i
        for i, row in enumerate(rows)
        if number(row["share"]) == 0 and number(row["ci_high"]) is None
    ]
    return rows[: ends[0] + 1] if ends else rows


def _image(
    groups: Sequence[tuple[str, str, Rows]], of_what: str, mark: Markup, title: str | None = None
) -> Image:
    lines = [_curve(*group) for group in groups]
    day = next((day for day in _TOLD if any(_share(each, day) for each in lines)), _TOLD[0])
    told = "; ".join(f"{each.title} {about(_share(each, day))} after {day} days" for each in lines)
    has_counts = any(whole(row["n_at_risk"]) is not None for _, _, rows in groups for row in rows)
    table = [
        (
            f"{name}, {row['days']:,} days",
            shown_count(row, "n_at_risk"),
            shown_count(row, "n_stopped"),
            _with_interval(row),
        )
        for name, _, rows in groups
        for row in rows
        if int(row["days"]) % _QUARTER == 0 or whole(row["n_at_risk"]) is not None
    ]
    return Image(
        over_time(lines, "days since the index treatment", _NAMES, 130),
        f"Share of patients still on the index drug: {told}.",
        title or _title(lines, day),
        Markup(
            "Kaplan-Meier estimate of the share still on the drug{} of the index treatment, {}; "
            "the tint is the 95% interval. {}"
        ).format(mark, of_what, _LEFT_OUT if has_counts else _NO_COUNTS),
        Table(
            f"Patients still on the index drug, {of_what}",
            ("Patients and days", "At risk", "Stopped before", "Share (95% interval)"),
            table,
        ),
        is_half=True,
        subject=sentence(f"{_SUBJECT}, {of_what}"),
    )


def _curve(title: str, colour: str, rows: Rows) -> Curve:
    points = [(float(row["days"]), number(row["share"])) for row in rows]
    band = [
        (float(row["days"]), low, high)
        for row in rows
        if (low := number(row["ci_low"])) is not None
        and (high := number(row["ci_high"])) is not None
    ]
    return Curve(title, points, colour, is_stepped=False, band=band)


def _share(line: Curve, day: int) -> float | None:
    return dict(line.points).get(float(day))


def _with_interval(row: Row) -> str:
    low, high = (number(row[name]) for name in ("ci_low", "ci_high"))
    text = about(row["share"])
    return text if low is None or high is None else f"{text} ({100 * low:.0f}–{100 * high:.0f})"


def _title(lines: Sequence[Curve], day: int) -> str:
    """Return the finding on a day; a class is named if its interval is above all others."""
    known = {each.title: share for each in lines if (share := _share(each, day)) is not None}
    if not known:
        return sentence(_SUBJECT)
    ends = {each.title: (low, high) for each in lines for at, low, high in each.band if at == day}
    most, least = max(known, key=lambda name: known[name]), min(known.values())
    others = [ends[name][1] for name in known if name != most and name in ends]
    start = f"After {day} days, "
    if len(known) > 1 and len(ends) == len(known) and ends[most][0] > max(others):
        drug = with_article(within(most))
        return f"{start}{about(known[most])} still have their first drug, {drug}"
    if known[most] == least:
        return f"{start}{about(least)} still have their first drug"
    return f"{start}{about(least)} to {about(known[most])} still have their first drug"


def _mean_of(context: Context, drug_class: str, preference: str) -> Row | None:
    rows = context.table("persistence_mean")
    keys = {"population": ALL, "index_rule": FIRST_BIOLOGIC}
    return only_row(pick(rows, **keys, drug_class=drug_class, preference=preference))


def _title_of_means(context: Context) -> str:
    """Return the finding on both preferences, in at most twelve words."""
    given = _mean_of(context, ALL, PREFERRED) or {}
    difference, p_value = (number(given.get(name)) for name in ("difference_days", "p_value"))
    if difference is None or p_value is None:
        return "Preference cannot be told from the class given here"
    if p_value >= _LEVEL:
        return "No clear difference between preferred and other classes"
    more = "longer" if difference > 0 else "shorter"
    return f"{decimal(abs(difference), 0)} days {more} on a drug whose class was preferred"


def _means(context: Context, classes: Sequence[str]) -> list[str]:
    """Return the mean days within two years, and the difference between preferences, in words."""
    found = [
        f"{_days(row)} if it is {with_article(within(context.names.drug_class(key)))}"
        for key in classes
        if (row := _mean_of(context, key, ALL)) is not None and _days(row)
    ]
    parts = []
    if found:
        parts.append(
            f"Of the first 720 days, patients spend on their first drug on average {listed(found)}."
        )
    given, other = (_mean_of(context, ALL, key) for key in _PREFERENCES)
    if given is None or other is None:
        return parts
    if _days(given) and _days(other):
        parts.append(
            "Patients given a class that the models preferred at that time spend "
            f"{_days(given)} on it, patients given another class {_days(other)}."
        )
    names = ("difference_days", "difference_ci_low", "difference_ci_high", "p_value")
    difference, low, high, p_value = (number(given[name]) for name in names)
    if difference is None or low is None or high is None or p_value is None:
        parts.append(
            "Preference cannot be told from class here: no class has a mean time on the drug both "
            "where the models preferred it and where they preferred another one. Such a mean needs "
            "enough patients on the drug for 720 days, unless all are known to have stopped before."
        )
    else:
        chance = "below 0.001" if p_value < 0.001 else decimal(p_value, 3)
        parts.append(
            f"Within the class given, preferred minus other is {decimal(difference, 0)} days (95% "
            f"interval {decimal(low, 0)} to {decimal(high, 0)}; p {chance})."
        )
    return parts


def _days(row: Row) -> str:
    """Return mean days with their interval; empty if they are not shown."""
    mean = number(row["mean_days"])
    if mean is None:
        return ""
    low, high = (number(row[name]) for name in ("ci_low", "ci_high"))
    text = f"{decimal(mean, 0)} days"
    if low is None or high is None:
        return text
    return f"{text} ({decimal(low, 0)} to {decimal(high, 0)})"
