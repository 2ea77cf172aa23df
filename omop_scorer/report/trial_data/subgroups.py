"""Blocks on subgroups of participants: counts by label, and labels by two methods."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from omop_scorer.report.blocks import Block, Cell, Image, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts.canvas import ACCENT, Look
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.trial_data.names import TrialNames, breakable
from omop_scorer.report.words import sentence, share
from omop_scorer.terms import Uncertainty
from omop_scorer.trials.concordance import ORDERS, Concordance
from omop_scorer.trials.participants import Integers
from omop_scorer.trials.variants import FittedVariant

LOOKS: dict[Uncertainty, Look] = {"bootstrap": charts.SITE, "analytic": Look(ACCENT)}

#: Most labels of a picture, and of each side of a heat map; the others are added up.
_MOST_DRAWN, _MOST_OF_A_SIDE = 15, 8

#: Most columns of a heat map under their own labels, and the longest of such a label.
_MOST_NAMED, _LONG = 6, 24

OTHERS = "other labels"

CONCORDANCE_CAUTION = (
    "Concordance counts contradictions only (A > B by one method, B > A by the other). It is "
    "blind to lost power: two methods that find nothing agree fully. So read it with the shares "
    "without a preference and with the same label beside it."
)


def counts_of(labels: Integers, label_set: Sequence[str]) -> dict[str, int]:
    """Return the number of participants of each label that occurs, in the order of the labels."""
    counts = np.bincount(labels[labels >= 0], minlength=len(label_set)).tolist()
    return {name: n for name, n in zip(label_set, counts, strict=True) if n}


def counts_section(labels: Mapping[Uncertainty, Integers], label_set: Sequence[str]) -> Section:
    """Return the section on the participants by label and uncertainty."""
    n = len(next(iter(labels.values())))
    shares = {how: float(np.mean(each == len(label_set) - 1)) for how, each in labels.items()}
    lead = "Without a preference: " + ", ".join(
        f"{share(each)} by {how}" for how, each in shares.items()
    )
    found = {how: counts_of(each, label_set) for how, each in labels.items()}
    counts = _counts(found, n, label_set)
    caution = (
        "These labels are of the participants that the models were fitted to. They are not "
        "validated, and a label is no response: the analytic errors contain the variance between "
        "trials, the bootstrap errors do not."
    )
    return Section("subgroups", "Subgroups", f"{lead}.", [Prose(caution), *counts])


def _counts(
    found: Mapping[Uncertainty, Mapping[str, int]], n: int, label_set: Sequence[str]
) -> list[Block]:
    used = [label for label in label_set if any(label in each for each in found.values())]
    most = sorted(used, key=lambda label: -max(each.get(label, 0) for each in found.values()))
    drawn = [label for label in used if label in most[:_MOST_DRAWN]]
    rest = {
        how: sum(m for label, m in each.items() if label not in drawn)
        for how, each in found.items()
    }

    def bar(m: int, how: Uncertainty) -> charts.Bar:
        return charts.Bar(m / n, look=LOOKS[how], text=f"{m:,} ({m / n:.1%})")

    groups = [
        charts.BarGroup(label, [bar(each.get(label, 0), how) for how, each in found.items()])
        for label in drawn
    ]
    if any(rest.values()):
        groups.append(charts.BarGroup(OTHERS, [bar(m, how) for how, m in rest.items()]))
    legend = [Entry(how, LOOKS[how]) for how in found]
    told = "; ".join(
        f"{group.label}: "
        + ", ".join(f"{how} {b.text}" for how, b in zip(found, group.bars, strict=True))
        for group in groups
    )
    image = Image(
        charts.bars(groups, legend),
        f"Bars of the participants by label and uncertainty. {told}.",
        "Participants by label",
        f"Of {n:,} participants.",
    )
    table = Table(
        "Participants by label",
        ("Label", *(how.capitalize() for how in found)),
        [
            (breakable(label), *(f"{each.get(label, 0):,}" for each in found.values()))
            for label in used
        ],
    )
    return [replace(image, table=table)]


def ablation_section(
    variants: Sequence[FittedVariant],
    full: Mapping[Uncertainty, Integers],
    label_set: Sequence[str],
    names: TrialNames,
) -> Section:
    """Return the section on the models without some covariates."""
    lead = (
        "All models were fitted again without each covariate, and without each combination: the "
        "share of participants without a preference, and what contradicts the full models."
    )
    whole = {how: float(np.mean(each == len(label_set) - 1)) for how, each in full.items()}
    groups, rows = [_group("all covariates", whole)], [_ablation_row("All covariates", whole, None)]
    for each in variants:
        title = f"without {names.without(each.left_out)}"
        own = {how: one.no_preference_share[1] for how, one in each.agreement.items()}
        groups.append(_group(title, own))
        rows.append(_ablation_row(sentence(title), own, each.agreement))
    note = (
        "A higher or a lower share says nothing of how right the labels are. For the published "
        "models the paper’s text says that its last variant lacks CDAI, CRP and ileal "
        "involvement; the paper’s code drops CRP and ileal involvement only, because it names a "
        "column of CDAI that does not exist. Here every variant lacks what its name says."
    )
    told = "; ".join(f"{g.label}: " + ", ".join(b.text for b in g.bars) for g in groups)
    blocks: list[Block] = [
        Image(
            charts.bars(groups, [Entry(how, LOOKS[how]) for how in full]),
            f"Bars of the share without a preference (bootstrap, analytic) by variant. {told}.",
            "Participants without a preference",
            note,
        ),
        Table(
            "Variants: without a preference, concordance with the full models, and same label",
            (
                "Models",
                *(f"{what}, {how}" for what in _ABLATION for how in full),
            ),
            rows,
        ),
        Prose(CONCORDANCE_CAUTION, "note"),
    ]
    return Section("ablation", "Without covariates", lead, blocks)


_ABLATION = ("No preference", "Concordance", "Same label")


def _group(title: str, shares: Mapping[Uncertainty, float]) -> charts.BarGroup:
    return charts.BarGroup(
        title, [charts.Bar(each, look=LOOKS[how], text=share(each)) for how, each in shares.items()]
    )


def _ablation_row(
    title: str,
    shares: Mapping[Uncertainty, float],
    agreement: Mapping[Uncertainty, Concordance] | None,
) -> list[str]:
    both = [None] * len(shares) if agreement is None else [agreement[how] for how in shares]
    return [
        breakable(title),
        *(share(each) for each in shares.values()),
        *("" if each is None else f"{each.concordance:.1%}" for each in both),
        *("" if each is None else f"{each.same_label_share:.1%}" for each in both),
    ]


def heat_map(
    pairs: Mapping[tuple[str, str], int], label_set: Sequence[str], caption: str, heading: str
) -> Table:
    """Return the participants by two labels: rows by the first, columns by the second.

    Rare labels are added up. Many or long labels are numbered, so that the columns are narrow.
    """
    rows, columns = (_side(pairs, i, label_set) for i in (0, 1))
    is_numbered = len(columns) > _MOST_NAMED or any(len(each) > _LONG for each in columns)
    if is_numbered:
        rows = columns = [e for e in (*label_set, OTHERS) if e in rows or e in columns]
    total = sum(pairs.values())
    counts: dict[tuple[str, str], int] = {}
    for (first, second), n in pairs.items():
        place = (first if first in rows else OTHERS, second if second in columns else OTHERS)
        counts[place] = counts.get(place, 0) + n
    cells: list[list[str | Cell]] = []
    for i, first in enumerate(rows, start=1):
        own = [counts.get((first, second), 0) for second in columns]
        name = f"{i}: {first}" if is_numbered else first
        shaded = [Cell(f"{n:,}", shade=n / total if total else None) for n in own]
        cells.append([breakable(name), *shaded, f"{sum(own):,}"])
    sums = [sum(counts.get((first, second), 0) for first in rows) for second in columns]
    cells.append(["All", *(f"{n:,}" for n in sums), f"{total:,}"])
    names = map(str, range(1, len(columns) + 1)) if is_numbered else map(breakable, columns)
    return Table(caption, (heading, *names, "All"), cells)


def _side(pairs: Mapping[tuple[str, str], int], i: int, label_set: Sequence[str]) -> list[str]:
    """Return the labels of a side in the order of the label set, the rarest as one."""
    counts: dict[str, int] = {}
    for pair, n in pairs.items():
        counts[pair[i]] = counts.get(pair[i], 0) + n
    kept = sorted(counts, key=lambda label: -counts[label])[:_MOST_OF_A_SIDE]
    found = [label for label in label_set if label in kept]
    return [*found, OTHERS] if len(counts) > len(kept) else found


def agreement_table(
    agreements: Mapping[Uncertainty, Concordance], first: str, second: str, caption: str
) -> Table:
    """Return concordance with the shares that show lost power, by column."""
    both = list(agreements.values())

    def shown(value: float, n: int) -> str:
        return f"{value:.1%}" if n else "–"

    rows = [
        ("Concordance", *(shown(each.concordance, each.n) for each in both)),
        ("Contradictory labels", *(f"{e.n_contradictory:,} of {e.n:,}" for e in both)),
        ("Same label", *(shown(each.same_label_share, each.n) for each in both)),
        (
            f"Without a preference, {first}",
            *(shown(each.no_preference_share[0], each.n) for each in both),
        ),
        (
            f"Without a preference, {second}",
            *(shown(each.no_preference_share[1], each.n) for each in both),
        ),
    ]
    return Table(caption, ("", *(each.capitalize() for each in agreements)), rows)


def pair_tables(agreement: Concordance, first: str, second: str) -> list[Block]:
    """Return for each pair of classes the participants by order and method."""
    found: list[Block] = []
    for (a, b), counts in agreement.pairs.items():
        total = sum(map(sum, counts))
        orders = [each.replace("A", a).replace("B", "\0").replace("\0", b) for each in ORDERS]
        rows: list[list[str | Cell]] = [
            [breakable(order), *(Cell(f"{n:,}", shade=n / total if total else None) for n in row)]
            for order, row in zip(orders, counts, strict=True)
        ]
        caption = f"{a} and {b}: {first} in the rows, {second} in the columns"
        found.append(Table(caption, (sentence(first), *(breakable(each) for each in orders)), rows))
    return found
