-- Title: Last day of the CDM, from the dates that the source returned
-- Returns: one row: last_date, the newest date of a condition, drug or measurement of any person, and of the release
-- Tables: cdm.condition_occurrence_last, cdm.drug_exposure_last, cdm.measurement_last, cdm.cdm_source
-- Window: dates up to the as-of date
-- Missing: last_date is NULL if there is no such date
-- Parameters: as_of_date
SELECT MAX(d.last_date) AS last_date
FROM (
  SELECT MAX(record_date) AS last_date FROM cdm.condition_occurrence_last
  WHERE record_date <= :as_of_date
  UNION ALL
  SELECT MAX(record_date) AS last_date FROM cdm.drug_exposure_last
  WHERE record_date <= :as_of_date
  UNION ALL
  SELECT MAX(record_date) AS last_date FROM cdm.measurement_last
  WHERE record_date <= :as_of_date
  UNION ALL
  SELECT MAX(cdm_release_date) AS last_date FROM cdm.cdm_source
  WHERE cdm_release_date <= :as_of_date
) AS d
