-- Title: Number of records of all persons per concept of the sets, in measurement
-- Returns: one row per concept: record_date (the earliest), n_records; where dates are not of type DATE,
--          one row per concept and date, and the run leaves out what is after the as-of date
-- Tables: cdm.measurement
-- Window: dates up to the as-of date
-- Missing: a concept without a record has no row; records without a concept have a row, as do those of concept 0
-- Parameters: concept_ids, as_of_date
SELECT measurement_concept_id AS concept_id, MIN(measurement_date) AS record_date, COUNT(*) AS n_records
FROM cdm.measurement
WHERE
  (measurement_concept_id IN (:concept_ids) OR measurement_concept_id IS NULL)
  AND measurement_date <= :as_of_date
GROUP BY measurement_concept_id
