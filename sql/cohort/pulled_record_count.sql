-- Title: Number of records of each concept, from the counts that the source returned
-- Returns: one row per table and concept: cdm_table, concept_id, n_records
-- Tables: cdm.condition_occurrence_count, cdm.drug_exposure_count, cdm.measurement_count,
--         cdm.observation_count
-- Window: records up to the as-of date, of all persons
-- Missing: a concept without records has no row
-- Parameters: as_of_date
SELECT 'condition_occurrence' AS cdm_table, concept_id, CAST(SUM(n_records) AS BIGINT) AS n_records
FROM cdm.condition_occurrence_count
WHERE record_date <= :as_of_date
GROUP BY concept_id
UNION ALL
SELECT 'drug_exposure' AS cdm_table, concept_id, CAST(SUM(n_records) AS BIGINT) AS n_records
FROM cdm.drug_exposure_count
WHERE record_date <= :as_of_date
GROUP BY concept_id
UNION ALL
SELECT 'measurement' AS cdm_table, concept_id, CAST(SUM(n_records) AS BIGINT) AS n_records
FROM cdm.measurement_count
WHERE record_date <= :as_of_date
GROUP BY concept_id
UNION ALL
SELECT 'observation' AS cdm_table, concept_id, CAST(SUM(n_records) AS BIGINT) AS n_records
FROM cdm.observation_count
WHERE record_date <= :as_of_date
GROUP BY concept_id
