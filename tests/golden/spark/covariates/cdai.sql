/* Title: Crohn's disease activity index, the latest usable value */
/* Returns: at most one row per person: covariate_value (points) and its record */
/* Tables: work.measurement_latest */
/* Window: index date - lookback_days of cdai <= date <= index date */
/* Missing: no row; patient_covariate imputes and says so */
/* Parameters: none */
SELECT
  person_id,
  'cdai' AS covariate,
  covariate_value,
  'observed' AS status,
  source_table,
  source_id,
  source_concept_id,
  source_date,
  source_value,
  source_unit
FROM work.measurement_latest
WHERE
  quantity = 'cdai';
