-- Title: Conditions of all persons with the concepts of the condition sets; they give the cohort
-- Returns: one row per condition record, dated or not
-- Tables: cdm.condition_occurrence
-- Window: none; the rules apply theirs in the run
-- Missing: a person without such a record gives no row
-- Parameters: concept_ids
SELECT
  condition_occurrence_id, person_id, condition_concept_id, condition_start_date,
  condition_source_concept_id
FROM cdm.condition_occurrence
WHERE condition_concept_id IN (:concept_ids)
