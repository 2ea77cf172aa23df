-- Title: Newest start of a drug exposure of any person, from the date that the source returned
-- Returns: one row: last_drug_date
-- Tables: cdm.drug_exposure_last
-- Window: dates up to the as-of date
-- Missing: last_drug_date is NULL if there is no such date
-- Parameters: as_of_date
SELECT MAX(record_date) AS last_drug_date
FROM cdm.drug_exposure_last
WHERE record_date <= :as_of_date
