"""The rows of a run, pulled from a source that the engine cannot read in place.

Each function runs files of `sql/source`, and does nothing where the engine reads the CDM in place.
A pull returns at least the rows that the rules use; the rules themselves run on the engine.
"""

from collections.abc import Iterable, Mapping, Sequence

from omop_scorer import sql
from omop_scorer.cdm.tables import CONCEPT_COLUMNS, COUNT_TABLES
from omop_scorer.staging.night import Night
from omop_scorer.staging.rule_sets import CORTICOSTEROIDS, condition_sets, sets_by_table
from omop_scorer.terms import COHORT

_DOSE_FORM = ("RxNorm has dose form",)
_MAPPINGS = ("Maps to", "Concept replaced by")
#: The concept of a record without a standard concept.
_NO_CONCEPT = (0,)

Items = Iterable[Mapping[str, object]]


def pull_named_concepts(night: Night, items: Items) -> None:
    """Pull the concepts that the items of the concept sets name by code or by name."""
    if night.engine.reads_in_place:
        return
    rows = list(items)
    by_code = [row for row in rows if row["concept_id"] is None and row["concept_code"] is not None]
    by_name = [row for row in rows if row["concept_id"] is None and row["concept_code"] is None]
    with night.step("pull vocabulary") as step:
        step.rows = night.pull(
            "concept_by_code",
            "concept",
            vocabulary_ids=_words(by_code, "vocabulary_id"),
            concept_codes=_words(by_code, "concept_code"),
        )
        step.rows += night.pull(
            "concept_by_name",
            "concept",
            vocabulary_ids=_words(by_name, "vocabulary_id"),
            concept_class_ids=_words(by_name, "concept_class_id"),
        )


def pull_descendants(night: Night) -> None:
    """Pull the descendants of the concepts in `work.concept_set_root`."""
    if night.engine.reads_in_place:
        return
    query = "SELECT DISTINCT concept_id FROM work.concept_set_root WHERE include_descendants"
    ids = [int(str(row[0])) for row in night.engine.fetch(sql.parse(query), {})]
    with night.step("pull concept_ancestor") as step:
        step.rows = night.pull("concept_ancestor", concept_ids=sorted(ids))


def pull_members(night: Night) -> None:
    """Pull the concepts in `work.concept_named`, descendants included."""
    if night.engine.reads_in_place:
        return
    query = "SELECT DISTINCT concept_id FROM work.concept_named"
    ids = [int(str(row[0])) for row in night.engine.fetch(sql.parse(query), {})]
    with night.step("pull concept") as step:
        step.rows = night.pull("concept", concept_ids=sorted(ids))


def pull_mappings(night: Night, n_steps: int) -> None:
    """Pull the mappings to the concepts from which `n_steps` mappings lead into a concept set."""
    if night.engine.reads_in_place:
        return
    ids = _linked(night, n_steps)
    with night.step("pull mappings") as step:
        step.rows = night.pull(
            "concept_mapping", "concept_relationship", concept_ids=ids, relationship_ids=_MAPPINGS
        )


def pull_mapped_concepts(night: Night, n_steps: int) -> None:
    """Pull the concepts from which one more mapping leads to the concepts of `pull_mappings`."""
    if night.engine.reads_in_place:
        return
    ids = _linked(night, n_steps)
    with night.step("pull mapped concepts") as step:
        step.rows = night.pull(
            "concept_mapped", "concept", target_concept_ids=ids, relationship_ids=_MAPPINGS
        )


def _linked(night: Night, n_steps: int) -> list[int]:
    query = "SELECT DISTINCT concept_id FROM work.concept_link WHERE n_steps = :n_steps"
    rows = night.engine.fetch(sql.parse(query), {"n_steps": n_steps})
    return sorted(int(str(row[0])) for row in rows)


def pull_counts(night: Night) -> None:
    """Pull how many records each member of the concept sets has, per clinical table and date.

    Mapped concepts and records without a standard concept are counted too.
    """
    if night.engine.reads_in_place:
        return
    query = "SELECT cdm_table, concept_set FROM work.concept_set_table"
    sets = sets_by_table(night.definitions)
    for name, concept_set in night.engine.fetch(sql.parse(query), {}):
        sets.setdefault(str(name), set()).add(str(concept_set))
    with night.step("pull counts") as step:
        step.rows = 0
        for table in COUNT_TABLES:
            assert table.counts is not None
            members = _members(night, sets[table.counts.table], "concept_lookup")
            ids = sorted({*members, *_NO_CONCEPT})
            step.rows += night.pull(table.name, concept_ids=ids, as_of_date=night.as_of)


def pull_persons(night: Night) -> None:
    """Pull the conditions that the rules ask for, and the persons with the disease."""
    if night.engine.reads_in_place:
        return
    ids = _members(night, condition_sets(night.config), "concept_lookup")
    with night.step("pull persons") as step:
        step.rows = night.pull("condition_occurrence", concept_ids=ids)
        step.rows += _pull_unmapped(night, "condition_occurrence", concept_ids=ids)
        patients = _patients(night)
        step.rows += night.pull("person", "person", **patients)
        step.rows += night.pull("death", "death", **patients)
        step.rows += night.pull("care_site", care_site_ids=_care_sites(night))


def _care_sites(night: Night) -> list[int]:
    query = "SELECT DISTINCT care_site_id FROM cdm.person WHERE care_site_id IS NOT NULL"
    return sorted(int(str(row[0])) for row in night.engine.fetch(sql.parse(query), {}))


def pull_records(night: Night) -> None:
    """Pull the drugs and measurements of the persons with the disease; end the snapshot.

    Needs `work.record_count`.
    """
    if night.engine.reads_in_place:
        return
    patients = _patients(night)
    unmapped = {
        str(table) for table, n_without, _ in night.fetch("cohort/mapped_table") if n_without
    }
    searched = sets_by_table(night.definitions)
    with night.step("pull records") as step:
        ids = _on_record(night, searched["drug_exposure"])
        step.rows = night.pull("drug_exposure", "drug_exposure", concept_ids=ids, **patients)
        if "drug_exposure" in unmapped:
            step.rows += _pull_unmapped(night, "drug_exposure", **patients)
        for table in ("measurement", "observation"):
            ids = _on_record(night, searched[table])
            step.rows += night.pull(table, table, concept_ids=ids, **patients)
            if table in unmapped:
                ids = _members(night, searched[table], "concept_lookup")
                step.rows += _pull_unmapped(night, table, concept_ids=ids, **patients)
        step.rows += night.pull(
            "concept_relationship", concept_ids=_products(night), relationship_ids=_DOSE_FORM
        )
    night.engine.release_source()


def _pull_unmapped(night: Night, table: str, **ids: Sequence[int]) -> int:
    return night.pull(f"{table}_unmapped", table, no_concept_ids=_NO_CONCEPT, **ids)


def _patients(night: Night) -> dict[str, list[int]]:
    """Return the concepts, and source concepts on record, of the persons with the disease."""
    disease = _members(night, (COHORT,))
    found: set[int] = set()
    if night.config.concept_mapping == "follow":
        found = _pulled(night, "condition_occurrence", "{standard} = 0 OR {standard} IS NULL")
    return {
        "cohort_concept_ids": disease,
        "cohort_source_ids": sorted(found.intersection(disease)),
    }


def _products(night: Night) -> list[int]:
    """Return the corticosteroids of the concept set, and those of the pulled records."""
    sets = (CORTICOSTEROIDS,)
    members = {*_members(night, sets, "concept_named")}
    mapped = {*_members(night, sets, "concept_lookup")} - members
    return sorted(members | mapped & _pulled(night, "drug_exposure", "TRUE"))


def _pulled(night: Night, table: str, condition: str) -> set[int]:
    """Return the concepts and source concepts of pulled records."""
    standard, source = CONCEPT_COLUMNS[table]
    query = (
        f"SELECT DISTINCT {standard} AS standard_id, {source} AS source_id FROM cdm.{table} "  # noqa: S608
        f"WHERE {condition.format(standard=standard)}"
    )
    rows = night.engine.fetch(sql.parse(query), {})
    return {int(str(concept)) for row in rows for concept in row if concept is not None}


def _members(night: Night, concept_sets: Iterable[str], table: str = "concept_set") -> list[int]:
    query = f"SELECT concept_set, concept_id FROM work.{table}"  # noqa: S608
    wanted = set(concept_sets)
    rows = night.engine.fetch(sql.parse(query), {})
    return sorted({int(str(concept_id)) for name, concept_id in rows if name in wanted})


def _on_record(night: Night, concept_sets: Iterable[str]) -> list[int]:
    """Return the members of concept sets, and the mapped concepts that have records."""
    query = (
        "SELECT l.concept_set, l.concept_id FROM work.concept_lookup AS l "
        "LEFT JOIN work.record_count AS r ON r.concept_id = l.concept_id "
        "WHERE NOT l.is_mapped OR r.concept_id IS NOT NULL"
    )
    wanted = set(concept_sets)
    rows = night.engine.fetch(sql.parse(query), {})
    return sorted({int(str(concept_id)) for name, concept_id in rows if name in wanted})


def _words(items: Items, key: str) -> list[str]:
    return sorted({str(row[key]) for row in items if row[key] is not None})
