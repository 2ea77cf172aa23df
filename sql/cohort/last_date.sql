-- Title: Last day of the CDM
-- Returns: one row: last_date, the newest date of a condition, drug or measurement of any person, and of the release
-- Tables: cdm.condition_occurrence, cdm.drug_exposure, cdm.measurement, cdm.cdm_source
-- Window: dates up to the as-of date
-- Missing: last_date is NULL if there is no such date
-- Parameters: as_of_date
SELECT MAX(d.last_date) AS last_date
FROM (
  SELECT MAX(condition_start_date) AS last_date FROM cdm.condition_occurrence
  WHERE condition_start_date <= :as_of_date
  UNION ALL
  SELECT MAX(drug_exposure_start_date) AS last_date FROM cdm.drug_exposure
  WHERE drug_exposure_start_date <= :as_of_date
  UNION ALL
  SELECT MAX(measurement_date) AS last_date FROM cdm.measurement
  WHERE measurement_date <= :as_of_date
  UNION ALL
  SELECT MAX(cdm_release_date) AS last_date FROM cdm.cdm_source
  WHERE cdm_release_date <= :as_of_date
) AS d
