-- Title: Newest date of all persons in condition_occurrence
-- Returns: one row: record_date
-- Tables: cdm.condition_occurrence
-- Window: dates up to the as-of date
-- Missing: record_date is NULL if there is no such record; not asked where the column is not of type DATE
-- Parameters: as_of_date
SELECT MAX(condition_start_date) AS record_date
FROM cdm.condition_occurrence
WHERE condition_start_date <= :as_of_date
