-- Title: Measurements of persons with the disease, of the measured quantities
-- Returns: one row per measurement
-- Tables: cdm.measurement, cdm.condition_occurrence
-- Window: none; the rules apply theirs in the run
-- Missing: a person without such a record gives no row
-- Parameters: concept_ids, cohort_concept_ids, cohort_source_ids
SELECT
  measurement_id, person_id, measurement_concept_id, measurement_date, measurement_datetime,
  operator_concept_id, value_as_number, unit_concept_id, unit_source_value,
  measurement_source_concept_id, value_source_value
FROM cdm.measurement
WHERE
  measurement_concept_id IN (:concept_ids)
  AND person_id IN (
    SELECT person_id FROM cdm.condition_occurrence
    WHERE condition_concept_id IN (:cohort_concept_ids) OR condition_source_concept_id IN (:cohort_source_ids)
  )
