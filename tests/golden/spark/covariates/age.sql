/* Title: Age in completed years on the index date */
/* Returns: one row per person: covariate_value (years); evidence: the year of birth */
/* Tables: work.patient */
/* Window: the index date */
/* Missing: persons without a year of birth are not scored */
/* Parameters: none */
SELECT
  person_id,
  'age' AS covariate,
  CAST(age AS DOUBLE) AS covariate_value,
  'observed' AS status,
  'person' AS source_table,
  person_id AS source_id,
  CAST(NULL AS BIGINT) AS source_concept_id,
  CAST(NULL AS DATE) AS source_date,
  CAST(year_of_birth AS DOUBLE) AS source_value,
  CAST(NULL AS STRING) AS source_unit
FROM work.patient;
