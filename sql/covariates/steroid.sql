-- Title: Current use of a systemic corticosteroid
-- Returns: one row per person with an oral or multi-day injected exposure: covariate_value 1 and the latest exposure
-- Tables: work.steroid_record
-- Window: as in steroid_record
-- Missing: no row; patient_covariate gives the status absent; local and unclassified exposures never count
-- Parameters: none
WITH ranked AS (
  SELECT
    person_id, drug_exposure_id, drug_concept_id, start_date,
    ROW_NUMBER() OVER (
      PARTITION BY person_id
      ORDER BY start_date DESC NULLS LAST, drug_exposure_id DESC NULLS LAST, drug_concept_id DESC NULLS LAST
    ) AS recency
  FROM work.steroid_record
  WHERE taken IN ('oral', 'injected')
)

SELECT
  person_id,
  'steroid' AS covariate,
  CAST(1 AS DOUBLE) AS covariate_value,
  'observed' AS status,
  'drug_exposure' AS source_table,
  drug_exposure_id AS source_id,
  drug_concept_id AS source_concept_id,
  start_date AS source_date,
  CAST(NULL AS DOUBLE) AS source_value,
  CAST(NULL AS VARCHAR) AS source_unit
FROM ranked
WHERE recency = 1
