-- Title: Observations of persons with the disease, of the measured quantities
-- Returns: one row per observation
-- Tables: cdm.observation, cdm.condition_occurrence
-- Window: none; the rules apply theirs in the run
-- Missing: a person without such a record gives no row
-- Parameters: concept_ids, cohort_concept_ids, cohort_source_ids
SELECT
  observation_id, person_id, observation_concept_id, observation_date, observation_datetime,
  value_as_number, unit_concept_id, unit_source_value, observation_source_concept_id
FROM cdm.observation
WHERE
  observation_concept_id IN (:concept_ids)
  AND person_id IN (
    SELECT person_id FROM cdm.condition_occurrence
    WHERE condition_concept_id IN (:cohort_concept_ids) OR condition_source_concept_id IN (:cohort_source_ids)
  )
