"""Drug exposures of synthetic persons: courses, treatment histories and distractors.

Each function takes the true values and writes exposures that express them, along with untidy rows
that must not change the results. It returns the id of the row that a run must find. Days are
counted back from the last day of a person.
"""

from typing import Any

import numpy as np

from omop_scorer.cdm.ddl import NULL, Array
from omop_scorer.synthetic.records import CAREER_DAYS, EPOCH, MICRO, Charts, latest
from omop_scorer.synthetic.rows import NOTHING


def add_exposures(
    charts: Charts,
    who: Array,
    days: Array,
    length: Array,
    concept: Array,
    route: Array,
    **more: Any,
) -> Array:
    """Write exposures of `length` days, with the end recorded in one of the ways that sites use."""
    g, n = charts.g, len(who)
    start = charts.day(who, days)
    end = start + length - 1
    style = g.integers(6, size=n)
    stated_end = np.select([style == 2, style == 3], [start, start - g.integers(1, 30, n)], end)
    supply = np.select(
        [(style == 3) & (length == 1), style == 0, style == 4, style == 5],
        [g.choice([NULL, 0, 1], n), NULL, g.choice([0, -1], n), np.maximum(length // 2, 1)],
        length,
    )
    return charts.add(
        "drug_exposure",
        who,
        drug_concept_id=concept,
        drug_exposure_start_date=start,
        drug_exposure_start_datetime=np.where(g.random(n) < 0.5, start * 86_400 * MICRO, NULL),
        drug_exposure_end_date=stated_end,
        days_supply=supply,
        route_concept_id=route,
        **more,
    )


def add_courses(charts: Charts, drugs: str, positive: Array, window: int) -> Array:
    """Write courses of drugs. Only persons in `positive` have a course that counts in the window.

    Returns the row id of each person's latest course that counts, or NULL.
    """
    g, n = charts.g, charts.n
    pool = charts.world.courses[drugs]
    injected, counts = pool["how"] == "injected", np.isin(pool["how"], ["oral", "injected"])

    def write(who: Array, among: Array, ended: Array, length: Array, *, brief: bool) -> Any:
        form = pool.pick(g, len(who), among)
        # An injection counts only if it lasts longer than one day, so a brief one is a distractor.
        is_injected = injected[form]
        length = np.where(is_injected, 1 if brief else np.maximum(length, 2), length)
        days = np.maximum(ended[who] + length - 1, 0)
        length = np.where(is_injected & brief, 1, days - ended[who] + 1)
        return days, add_exposures(
            charts, who, days, length, pool["concept"][form], pool["route"][form]
        )

    support: list[tuple[Array, Array, Array]] = []
    for share in (1.0, 0.4):
        who = charts.some(positive, share)
        ended = np.where(g.random(n) < 0.1, window, g.integers(-20, window + 1, n))
        length = np.where(g.random(n) < 0.15, 1, g.integers(2, 90, n))[who]
        days, ids = write(who, counts, ended, length, brief=False)
        support.append((who, -days, ids))
    who = charts.some(True, 0.15)  # ended before the window
    ended = window + 1 + np.where(g.random(n) < 0.15, 0, g.integers(0, 900, n))
    write(who, np.full(len(counts), True), ended, g.integers(1, 90, len(who)), brief=False)
    who = charts.some(True, 0.15)  # in the window, but local, unclassified, not listed or one day
    ended = g.integers(-20, window + 1, n)
    write(who, ~counts | injected, ended, g.integers(1, 60, len(who)), brief=True)
    who = charts.some(True, 0.03)  # starts after the as-of date
    form = pool.pick(g, len(who), counts)
    to_come, length = -g.integers(1, 60, len(who)), g.integers(1, 60, len(who))
    add_exposures(charts, who, to_come, length, pool["concept"][form], pool["route"][form])
    return latest(n, *(np.concatenate(part) for part in zip(*support, strict=True)))


def add_treatments(
    charts: Charts, prior_anti_tnf: Array, has_others: Array
) -> tuple[Array, Array, Array, Array]:
    """Draw treatment histories and write their exposures.

    Persons with `prior_anti_tnf` start an anti-TNF before their last day. Other persons may start
    another drug, or an anti-TNF on the last day itself.

    Returns
    -------
    tuple
        For each treatment line the index of the person, the index of the drug and the start date;
        and for each person the row id of the latest anti-TNF exposure before the last day.
    """
    g, n, drugs = charts.g, charts.n, charts.world.biologics
    is_tnf = drugs["drug_class"] == "anti_tnf"
    approved = np.array([day.toordinal() - EPOCH for day in drugs["approved"]])
    on_market = charts.last[:, None] - approved
    infliximab = on_market[:, drugs["name"].tolist().index("infliximab")]
    most = np.maximum(np.minimum(np.minimum(charts.age_days, CAREER_DAYS), infliximab), 1)
    first = 1 + np.floor(g.random(n) * most).astype(np.int64)
    first = np.where(~prior_anti_tnf & (g.random(n) < 0.05), 0, np.minimum(first, most))
    used = np.zeros(on_market.shape, dtype=bool)
    lines: list[tuple[Array, Array, Array]] = []

    def begin(who: Array, days: Array, allowed: Array) -> None:
        score = np.log(drugs.weight) + g.gumbel(size=used.shape)
        possible = allowed & ~used & (on_market >= days[:, None])
        drug = np.where(possible, score, -np.inf).argmax(axis=1)
        started = np.flatnonzero(who & possible.any(axis=1) & (days <= charts.age_days))
        used[started, drug[started]] = True
        lines.append((started, drug[started], days[started]))

    # On the last day itself anyone may start an anti-TNF, because it is not a prior one.
    def allowed_on(days: Array) -> Array:
        is_allowed: Array = ~is_tnf | (prior_anti_tnf | (days == 0))[:, None]
        return is_allowed

    begin(
        prior_anti_tnf & (g.random(n) < 0.1),
        first + g.integers(30, 400, n),
        np.broadcast_to(~is_tnf, used.shape),
    )
    begin(prior_anti_tnf, first, np.broadcast_to(is_tnf, used.shape))
    begin(has_others & ~prior_anti_tnf, first, allowed_on(first))
    continues, days = prior_anti_tnf | has_others, first
    for _ in range(3):
        continues = continues & (g.random(n) < 0.5)
        draw = g.random(n)
        gap = 30 + np.floor(g.exponential(500, n)).astype(np.int64)
        days = days - np.select([draw < 0.05, draw > 0.95], [0, days], gap)
        continues &= days >= 0
        begin(continues, days, allowed_on(days))
    who, drug, days = (np.concatenate(part) for part in zip(*lines, strict=True))
    return (
        who,
        drug,
        charts.day(who, days),
        _add_exposures_of_lines(charts, who, drug, days, is_tnf),
    )


def _add_exposures_of_lines(
    charts: Charts, who: Array, drug: Array, days: Array, is_tnf: Array
) -> Array:
    """Write the first and some later exposures of treatment lines.

    Returns the row id of each person's latest anti-TNF exposure before the last day, or NULL.
    """
    g, drugs = charts.g, charts.world.biologics
    products = [np.array(ids) for ids in drugs["products"]]
    start = np.cumsum([0, *map(len, products[:-1])])
    size = np.array([len(ids) for ids in products])

    def write(who: Array, drug: Array, days: Array) -> Array:
        which = start[drug] + np.floor(g.random(len(who)) * size[drug]).astype(np.int64)
        concept = np.concatenate(products)[which]
        # This RxNorm product is recorded with the HCPCS code J1745 as its source.
        is_j1745 = concept == 937369
        return add_exposures(
            charts,
            who,
            days,
            g.choice([1, 28, 56], len(who)),
            concept,
            g.choice([NULL, 0, 4171047, 4142048], len(who)),
            drug_source_concept_id=np.where(is_j1745, 2718445, 0),
            drug_source_value=np.where(is_j1745, "J1745", NOTHING),
        )

    support = [(who, -days, write(who, drug, days), drug, days)]
    for _ in range(4):
        days = days - g.integers(14, 70, len(days))
        kept = g.random(len(days)) < np.where(days >= 0, 0.75, 0.1)
        who, drug, days = who[kept], drug[kept], days[kept]
        support.append((who, -days, write(who, drug, days), drug, days))
    planned = charts.some(True, 0.02)  # an anti-TNF after the as-of date
    any_tnf = g.choice(np.flatnonzero(is_tnf), len(planned))
    write(planned, any_tnf, -g.integers(1, 60, len(planned)))
    who, order, ids, drug, days = (np.concatenate(part) for part in zip(*support, strict=True))
    counts = is_tnf[drug] & (days > 0)
    return latest(charts.n, who[counts], order[counts], ids[counts])


def add_other_drugs(charts: Charts) -> None:
    """Write drugs that no rule reads, and an infliximab that is not mapped to a concept."""
    g = charts.g
    who = charts.some(True, 0.3)
    concept = g.choice(charts.world.records["other_drug_concepts"], len(who))
    length, days = g.integers(1, 90, len(who)), g.integers(0, 1000, len(who))
    unmapped = np.where(concept == 0, "INFLIXIMAB 100MG (local)", NOTHING)
    no_route = np.full(len(who), NULL)
    add_exposures(charts, who, days, length, concept, no_route, drug_source_value=unmapped)
