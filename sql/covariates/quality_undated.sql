-- Title: Measured records of the cohort without a date
-- Returns: one row: n_measurement, n_observation
-- Tables: work.measurement_record
-- Window: none
-- Missing: without such records the count is 0
-- Parameters: none
SELECT
  COUNT(DISTINCT CASE WHEN source_table = 'measurement' THEN source_id END) AS n_measurement,
  COUNT(DISTINCT CASE WHEN source_table = 'observation' THEN source_id END) AS n_observation
FROM work.measurement_record
WHERE purpose = 'undated'
