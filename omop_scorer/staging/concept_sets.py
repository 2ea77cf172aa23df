"""The concept sets of a run, resolved against the vocabulary of the CDM."""

import pyarrow as pa

from omop_scorer.config.site_sets import site_concept_sets
from omop_scorer.staging.concept_mapping import stage_lookup
from omop_scorer.staging.night import Night
from omop_scorer.staging.pull import (
    pull_counts,
    pull_descendants,
    pull_members,
    pull_named_concepts,
)
from omop_scorer.staging.rule_sets import searched_sets

_ITEM = pa.schema(
    [
        ("concept_set", pa.string()),
        ("concept_id", pa.int64()),
        ("vocabulary_id", pa.string()),
        ("concept_code", pa.string()),
        ("concept_name", pa.string()),
        ("concept_class_id", pa.string()),
        ("include_descendants", pa.bool_()),
        ("is_excluded", pa.bool_()),
    ]
)
_TABLE = pa.schema([("concept_set", pa.string()), ("cdm_table", pa.string())])


def stage_concept_sets(night: Night) -> tuple[int, list[str]]:
    """Stage `work.concept_set`, `work.concept_lookup` and `work.concept_set_member`.

    Returns
    -------
    tuple
        The number of members, descendants included, and warnings about sets that are empty.
    """
    concept_sets, extra = night.definitions.concept_sets, site_concept_sets(night.config)
    items, tables = concept_sets.item_rows(extra), concept_sets.table_rows(extra)
    night.load("concept_set_item", pa.Table.from_pylist(items, schema=_ITEM))
    night.load("concept_set_table", pa.Table.from_pylist(tables, schema=_TABLE))
    counted = {str(row["concept_set"]) for row in tables}
    searched = sorted({*counted, *searched_sets(night.definitions)})
    night.load("searched_set", pa.table({"concept_set": pa.array(searched, pa.string())}))
    pull_named_concepts(night, items)
    night.stage("cohort/concept_set_root")
    pull_descendants(night)
    night.stage("cohort/concept_named")
    pull_members(night)
    stage_lookup(night)
    pull_counts(night)
    in_place = night.engine.reads_in_place
    night.stage("cohort/record_count" if in_place else "cohort/pulled_record_count", "record_count")
    night.stage("cohort/concept_set_member")
    counts = {
        str(name): (int(str(members)), int(str(records)))
        for name, members, records in night.fetch("cohort/concept_set_count")
    }
    names = sorted({*concept_sets, *extra})
    warnings = []
    if unresolved := [name for name in names if name not in counts]:
        warnings.append(f"concept sets that resolve to no concept: {', '.join(unresolved)}")
    if unused := [n for n in names if n in counts and n in counted and counts[n][1] == 0]:
        warnings.append(f"concept sets with no records in the CDM: {', '.join(unused)}")
    return sum(members for members, _ in counts.values()), warnings
