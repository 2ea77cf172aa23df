/* Title: Male sex */
/* Returns: one row per person: covariate_value (1 male, 0 female); evidence: the gender concept */
/* Tables: work.patient */
/* Window: none */
/* Missing: persons of unknown sex are not scored */
/* Parameters: none */
SELECT
  person_id,
  'male' AS covariate,
  CAST(CASE WHEN is_male THEN 1 ELSE 0 END AS DOUBLE) AS covariate_value,
  'observed' AS status,
  'person' AS source_table,
  person_id AS source_id,
  gender_concept_id AS source_concept_id,
  CAST(NULL AS DATE) AS source_date,
  CAST(NULL AS DOUBLE) AS source_value,
  CAST(NULL AS TEXT) AS source_unit
FROM work.patient;
