-- Title: Newest start of a drug exposure of any person
-- Returns: one row: last_drug_date
-- Tables: cdm.drug_exposure
-- Window: dates up to the as-of date
-- Missing: last_drug_date is NULL if there is no such date
-- Parameters: as_of_date
SELECT MAX(drug_exposure_start_date) AS last_drug_date
FROM cdm.drug_exposure
WHERE drug_exposure_start_date <= :as_of_date
