-- Title: Newest date of all persons in measurement
-- Returns: one row: record_date
-- Tables: cdm.measurement
-- Window: dates up to the as-of date
-- Missing: record_date is NULL if there is no such record; not asked where the column is not of type DATE
-- Parameters: as_of_date
SELECT MAX(measurement_date) AS record_date
FROM cdm.measurement
WHERE measurement_date <= :as_of_date
