"""Concepts that are not standard or no longer valid, and the concept sets that mappings lead into.

A warehouse is not reloaded at each release of the vocabulary, and codes without a mapping get
concept 0. The records of such concepts are evidence, so they count, or are counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from omop_scorer.staging.night import Night
from omop_scorer.staging.pull import pull_mapped_concepts, pull_mappings
from omop_scorer.staging.rule_sets import rule_sets
from omop_scorer.terms import MAPPING_MEASURES

_MEASURED = ("measurement", "observation")


def stage_lookup(night: Night) -> None:
    """Stage `work.concept_link`, `work.concept_lookup` and `work.concept_set`.

    Needs `work.concept_named`. Chains of mappings are followed one step at a time, until a step
    finds no further concept.
    """
    n_links = night.stage("cohort/concept_link_end", "concept_link")
    for n_steps in count():
        pull_mappings(night, n_steps)
        before, n_links = n_links, night.stage("cohort/concept_link", n_steps=n_steps)
        if n_links == before:
            break
        pull_mapped_concepts(night, n_steps)
    night.stage("cohort/concept_lookup")
    night.stage("cohort/concept_set")


@dataclass(frozen=True)
class MappedRecords:
    """Records that belong to a concept set by a mapping or by their source concept."""

    n_records: int = 0
    n_persons: int = 0
    n_not_used: int = 0
    """Those that no rule uses although mappings are followed."""


def fetch_mapped_records(night: Night) -> dict[str, MappedRecords]:
    """Return the records by concept set of the rules, zeros included."""
    found = {name: MappedRecords() for name in rule_sets(night.definitions)}
    for name, n_records, n_persons in night.fetch("covariates/quality_mapped"):
        found[str(name)] = MappedRecords(int(str(n_records)), int(str(n_persons)))
    if _has_measured(night):
        for name, *numbers in night.fetch("covariates/quality_mapped_measurement"):
            found[str(name)] = MappedRecords(*(int(str(n)) for n in numbers))
    return found


def _has_measured(night: Night) -> bool:
    """Return False if no measurement of anybody is mapped or lacks a standard concept.

    The largest table is then not read once more.
    """
    return any(
        table in _MEASURED and int(str(n_without_concept)) + int(str(n_mapped))
        for table, n_without_concept, n_mapped in night.fetch("cohort/mapped_table")
    )


def mapping_counts(found: Mapping[str, MappedRecords]) -> dict[tuple[str, str], int]:
    """Return the counts of `covariate_quality`."""
    return {
        (name, measure): n
        for name, records in found.items()
        for measure, n in zip(MAPPING_MEASURES, (records.n_records, records.n_persons), strict=True)
    }


def mapping_messages(
    night: Night, found: Mapping[str, MappedRecords]
) -> tuple[list[str], list[str]]:
    """Return notes of records that count by a mapping, and warnings of records that do not."""
    unused = {name: each.n_not_used for name, each in found.items() if each.n_not_used}
    notes, warnings = [], []
    if listed := ", ".join(_in_words(name, each) for name, each in found.items() if each.n_records):
        if night.config.concept_mapping == "follow":
            notes.append(
                "records that belong to a concept set by a mapping or by their source concept: "
                + listed
            )
        else:
            warnings.append(
                f"records that would count by a mapping or by their source concept: {listed}; they "
                "do not count, because concept_mapping is exact"
            )
    if unused:
        warnings.append(
            "measured records without a standard concept, whose source concept belongs to a "
            "concept set: "
            + ", ".join(f"{name} ({n:,} records)" for name, n in unused.items())
            + "; they do not count, because only conditions and drugs count by their source concept"
        )
    return notes, warnings


def _in_words(name: str, found: MappedRecords) -> str:
    return f"{name} ({found.n_records:,} records of {found.n_persons:,} persons)"
