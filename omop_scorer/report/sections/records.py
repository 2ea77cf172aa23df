"""Blocks on the records of a run: read, converted and rejected."""

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Listing, Prose, Table
from omop_scorer.report.context import Context, missing
from omop_scorer.report.figures import pick
from omop_scorer.report.words import (
    COHORT_MEASURES,
    MAPPED_RECORDS,
    RECORD_MEASURES,
    count,
    sentence,
    whole,
)


def record_blocks(context: Context) -> list[Block]:
    """Return the records read, converted and rejected, and counts of the cohort's records."""
    quality = context.table("covariate_quality")
    if not quality:
        return [missing("the records read")]
    measured = [str(row["covariate"]) for row in pick(quality, measure=coded.N_RECORDS)]
    rows = []
    for name in measured:
        found = {row["measure"]: row["n"] for row in pick(quality, covariate=name)}
        rows.append(
            (
                sentence(context.names.covariate(name)),
                *(count(found[each]) if each in found else "" for each in RECORD_MEASURES),
            )
        )
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                "Records in the time window of each measured quantity, and how they were used",
                ("Quantity", *RECORD_MEASURES.values()),
                rows,
            )
        )
        blocks.append(
            Prose(
                "A record is rejected if its value is not a number, if its unit is not accepted, "
                "or if its value is not plausible. The next older usable record is then used. A "
                "value with < or > is used without this sign.",
                "note",
            )
        )
    items = [*_on_steroids(context), *_on_cohort(context), *_on_mappings(context)]
    return [*blocks, Listing(items)] if items else blocks


def _on_steroids(context: Context) -> list[str]:
    quality = context.table("covariate_quality")
    found = {row["measure"]: row["n"] for row in pick(quality, covariate="steroid")}
    if coded.N_UNCLASSIFIED not in found:
        return []
    oral, injected, one_day, local = (
        count(found.get(measure, 0))
        for measure in (coded.N_ORAL, coded.N_INJECTED, coded.N_INJECTED_ONE_DAY, coded.N_LOCAL)
    )
    persons = count(found.get(coded.N_UNCLASSIFIED_PERSONS))
    return [
        f"Current corticosteroid records that count: oral {oral}, injected {injected}. Records "
        f"that do not count: injection on a single day {one_day}, local use {local}.",
        f"Corticosteroid records of unknown route: {count(found[coded.N_UNCLASSIFIED])}, persons: "
        f"{persons}. These records do not count. Map their drug or route to resolve this.",
    ]


def _on_cohort(context: Context) -> list[str]:
    quality = context.table("covariate_quality")
    found = {row["measure"]: row["n"] for row in pick(quality, covariate=terms.COHORT)}
    items = [
        f"{title}: {count(found[measure])}."
        for measure, title in COHORT_MEASURES.items()
        if measure in found
    ]
    unread = [
        f"{row['measure']} ({count(row['n'])})"
        for row in pick(quality, covariate=terms.INPUT)
        if whole(row["n"]) != 0
    ]
    if unread:
        items.append(f"Values that could not be read and count as missing: {', '.join(unread)}.")
    return items


def _on_mappings(context: Context) -> list[str]:
    quality = context.table("covariate_quality")
    persons = {
        row["covariate"]: count(row["n"]) for row in pick(quality, measure=coded.N_PERSONS_MAPPED)
    }
    found = [
        f"{row['covariate']} {count(row['n'])} (persons: {persons.get(row['covariate'], '')})"
        for row in pick(quality, measure=coded.N_RECORDS_MAPPED)
        if whole(row["n"]) != 0
    ]
    if not found:
        return []
    mapping = (context.data.run.get("config") or {}).get("concept_mapping")
    title = MAPPED_RECORDS.get(str(mapping), MAPPED_RECORDS["follow"])
    return [f"{title}: {', '.join(found)}."]
