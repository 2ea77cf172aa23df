-- Title: Persons with the disease
-- Returns: one row per person
-- Tables: cdm.person, cdm.condition_occurrence
-- Window: none
-- Missing: a person without a row in person is excluded, and counted
-- Parameters: cohort_concept_ids, cohort_source_ids
SELECT
  person_id, gender_concept_id, year_of_birth, month_of_birth, day_of_birth, race_concept_id, care_site_id
FROM cdm.person
WHERE
  person_id IN (
    SELECT person_id FROM cdm.condition_occurrence
    WHERE condition_concept_id IN (:cohort_concept_ids) OR condition_source_concept_id IN (:cohort_source_ids)
  )
