-- Title: Number of records of all persons per concept of the sets, in drug_exposure
-- Returns: one row per concept: record_date (the earliest), n_records; where dates are not of type DATE,
--          one row per concept and date, and the run leaves out what is after the as-of date
-- Tables: cdm.drug_exposure
-- Window: dates up to the as-of date
-- Missing: a concept without a record has no row; records without a concept have a row, as do those of concept 0
-- Parameters: concept_ids, as_of_date
SELECT drug_concept_id AS concept_id, MIN(drug_exposure_start_date) AS record_date, COUNT(*) AS n_records
FROM cdm.drug_exposure
WHERE
  (drug_concept_id IN (:concept_ids) OR drug_concept_id IS NULL)
  AND drug_exposure_start_date <= :as_of_date
GROUP BY drug_concept_id
