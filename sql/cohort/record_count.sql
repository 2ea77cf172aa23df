-- Title: Number of records of each concept in the clinical tables
-- Returns: one row per table and concept: cdm_table, concept_id, n_records
-- Tables: cdm.condition_occurrence, cdm.drug_exposure, cdm.measurement, cdm.observation
-- Window: records up to the as-of date, of all persons
-- Missing: a concept without records has no row
-- Parameters: as_of_date
SELECT 'condition_occurrence' AS cdm_table, condition_concept_id AS concept_id, COUNT(*) AS n_records
FROM cdm.condition_occurrence
WHERE condition_start_date <= :as_of_date
GROUP BY condition_concept_id
UNION ALL
SELECT 'drug_exposure' AS cdm_table, drug_concept_id AS concept_id, COUNT(*) AS n_records
FROM cdm.drug_exposure
WHERE drug_exposure_start_date <= :as_of_date
GROUP BY drug_concept_id
UNION ALL
SELECT 'measurement' AS cdm_table, measurement_concept_id AS concept_id, COUNT(*) AS n_records
FROM cdm.measurement
WHERE measurement_date <= :as_of_date
GROUP BY measurement_concept_id
UNION ALL
SELECT 'observation' AS cdm_table, observation_concept_id AS concept_id, COUNT(*) AS n_records
FROM cdm.observation
WHERE observation_date <= :as_of_date
GROUP BY observation_concept_id
