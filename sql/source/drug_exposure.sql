-- Title: Drug exposures of persons with the disease to the drugs of the concept sets
-- Returns: one row per exposure
-- Tables: cdm.drug_exposure, cdm.condition_occurrence
-- Window: none; the rules apply theirs in the run
-- Missing: a person without such a record gives no row
-- Parameters: concept_ids, cohort_concept_ids, cohort_source_ids
SELECT
  drug_exposure_id, person_id, drug_concept_id, drug_exposure_start_date, drug_exposure_end_date,
  days_supply, route_concept_id, drug_source_concept_id
FROM cdm.drug_exposure
WHERE
  drug_concept_id IN (:concept_ids)
  AND person_id IN (
    SELECT person_id FROM cdm.condition_occurrence
    WHERE condition_concept_id IN (:cohort_concept_ids) OR condition_source_concept_id IN (:cohort_source_ids)
  )
