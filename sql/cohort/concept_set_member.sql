-- Title: Members of every concept set, with their number of records in the CDM
-- Returns: concept_set, concept_id, n_records (NULL for sets that are not searched in clinical tables)
-- Tables: work.concept_set, work.concept_set_table, cdm.condition_occurrence, cdm.drug_exposure,
--         cdm.measurement, cdm.observation
-- Window: records up to the as-of date, of all persons
-- Missing: a member without records has n_records 0
-- Parameters: as_of_date
WITH record AS (
  SELECT 'condition_occurrence' AS cdm_table, condition_concept_id AS concept_id, COUNT(*) AS n
  FROM cdm.condition_occurrence
  WHERE condition_start_date <= :as_of_date
  GROUP BY condition_concept_id
  UNION ALL
  SELECT 'drug_exposure' AS cdm_table, drug_concept_id AS concept_id, COUNT(*) AS n
  FROM cdm.drug_exposure
  WHERE drug_exposure_start_date <= :as_of_date
  GROUP BY drug_concept_id
  UNION ALL
  SELECT 'measurement' AS cdm_table, measurement_concept_id AS concept_id, COUNT(*) AS n
  FROM cdm.measurement
  WHERE measurement_date <= :as_of_date
  GROUP BY measurement_concept_id
  UNION ALL
  SELECT 'observation' AS cdm_table, observation_concept_id AS concept_id, COUNT(*) AS n
  FROM cdm.observation
  WHERE observation_date <= :as_of_date
  GROUP BY observation_concept_id
),

counted AS (
  SELECT s.concept_set, s.concept_id, SUM(COALESCE(r.n, 0)) AS n_records
  FROM work.concept_set AS s
  INNER JOIN work.concept_set_table AS t ON t.concept_set = s.concept_set
  LEFT JOIN record AS r ON r.concept_id = s.concept_id AND r.cdm_table = t.cdm_table
  GROUP BY s.concept_set, s.concept_id
)

SELECT s.concept_set, s.concept_id, CAST(c.n_records AS BIGINT) AS n_records
FROM work.concept_set AS s
LEFT JOIN counted AS c ON c.concept_set = s.concept_set AND c.concept_id = s.concept_id
