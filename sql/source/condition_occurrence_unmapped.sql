-- Title: Conditions of all persons without a standard concept, by their source concept
-- Returns: one row per condition record, dated or not
-- Tables: cdm.condition_occurrence
-- Window: none; the rules apply theirs in the run
-- Missing: a person without such a record gives no row
-- Parameters: concept_ids, no_concept_ids
SELECT
  condition_occurrence_id, person_id, condition_concept_id, condition_start_date,
  condition_source_concept_id
FROM cdm.condition_occurrence
WHERE
  condition_source_concept_id IN (:concept_ids)
  AND (condition_concept_id IN (:no_concept_ids) OR condition_concept_id IS NULL)
