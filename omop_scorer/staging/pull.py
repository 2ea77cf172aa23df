"""The rows of a run, pulled from a source that the engine cannot read in place.

Each function runs files of `sql/source`, and does nothing where the engine reads the CDM in place.
A pull returns at least the rows that the rules use; the rules themselves run on the engine.
"""

from collections.abc import Iterable, Mapping

from omop_scorer import sql
from omop_scorer.cdm.tables import COUNT_TABLES
from omop_scorer.staging.night import Night
from omop_scorer.terms import COHORT

#: Sets of conditions that the SQL files ask for by name.
_CONDITION_SETS = (
    *(COHORT, "ulcerative_colitis"),
    *("cd_ileal_definite", "cd_ileal_probable", "cd_not_ileal_colon"),
)
_DOSE_FORM = ("RxNorm has dose form",)
_CORTICOSTEROIDS = ("systemic_corticosteroid",)

Items = Iterable[Mapping[str, object]]


def pull_named_concepts(night: Night, items: Items) -> None:
    """Pull the concepts that the items of the concept sets name, by id, by code or by name."""
    if night.engine.reads_in_place:
        return
    rows = list(items)
    by_code = [row for row in rows if row["concept_id"] is None and row["concept_code"] is not None]
    by_name = [row for row in rows if row["concept_id"] is None and row["concept_code"] is None]
    ids = {int(str(row["concept_id"])) for row in rows if row["concept_id"] is not None}
    with night.step("pull vocabulary") as step:
        step.rows = night.pull("concept", concept_ids=sorted(ids))
        step.rows += night.pull(
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


def pull_counts(night: Night) -> None:
    """Pull how many records each member of the concept sets has, per clinical table and date."""
    if night.engine.reads_in_place:
        return
    query = (
        "SELECT DISTINCT t.cdm_table, s.concept_id FROM work.concept_set AS s "
        "INNER JOIN work.concept_set_table AS t ON t.concept_set = s.concept_set"
    )
    members: dict[str, set[int]] = {}
    for table, concept_id in night.engine.fetch(sql.parse(query), {}):
        members.setdefault(str(table), set()).add(int(str(concept_id)))
    with night.step("pull counts") as step:
        step.rows = 0
        for table in COUNT_TABLES:
            assert table.counts is not None
            ids = sorted(members.get(table.counts.table, ()))
            step.rows += night.pull(table.name, concept_ids=ids, as_of_date=night.as_of)


def pull_persons(night: Night) -> None:
    """Pull the conditions that the rules ask for, and the persons with the disease."""
    if night.engine.reads_in_place:
        return
    sets = (*_CONDITION_SETS, *night.config.cohort.exclude_concept_sets)
    disease = _members(night, (COHORT,))
    with night.step("pull persons") as step:
        step.rows = night.pull("condition_occurrence", concept_ids=_members(night, sets))
        step.rows += night.pull("person", cohort_concept_ids=disease)
        step.rows += night.pull("death", cohort_concept_ids=disease)


def pull_records(night: Night) -> None:
    """Pull the drugs and measurements of the persons with the disease; end the snapshot.

    Needs `work.drug_set` and `work.quantity_concept`.
    """
    if night.engine.reads_in_place:
        return
    disease = _members(night, (COHORT,))
    drugs = "SELECT concept_set FROM work.drug_set"
    sets = [str(row[0]) for row in night.engine.fetch(sql.parse(drugs), {})]
    measured: dict[str, set[int]] = {}
    query = "SELECT DISTINCT source_table, concept_id FROM work.quantity_concept"
    for table, concept_id in night.engine.fetch(sql.parse(query), {}):
        measured.setdefault(str(table), set()).add(int(str(concept_id)))
    with night.step("pull records") as step:
        drug_ids = _members(night, sets)
        step.rows = night.pull("drug_exposure", concept_ids=drug_ids, cohort_concept_ids=disease)
        for table in ("measurement", "observation"):
            ids = sorted(measured.get(table, ()))
            step.rows += night.pull(table, concept_ids=ids, cohort_concept_ids=disease)
        step.rows += night.pull(
            "concept_relationship",
            concept_ids=_members(night, _CORTICOSTEROIDS),
            relationship_ids=_DOSE_FORM,
        )
    night.engine.release_source()


def _members(night: Night, concept_sets: Iterable[str]) -> list[int]:
    rows = night.engine.fetch(sql.parse("SELECT concept_set, concept_id FROM work.concept_set"), {})
    wanted = set(concept_sets)
    return sorted({int(str(concept_id)) for name, concept_id in rows if name in wanted})


def _words(items: Items, key: str) -> list[str]:
    return sorted({str(row[key]) for row in items if row[key] is not None})
