-- Title: Deaths of persons with the disease
-- Returns: one row per death record, dated or not
-- Tables: cdm.death, cdm.condition_occurrence
-- Window: none
-- Missing: a living person gives no row
-- Parameters: cohort_concept_ids, cohort_source_ids
SELECT person_id, death_date
FROM cdm.death
WHERE
  person_id IN (
    SELECT person_id FROM cdm.condition_occurrence
    WHERE condition_concept_id IN (:cohort_concept_ids) OR condition_source_concept_id IN (:cohort_source_ids)
  )
