-- Title: Newest date of all persons in drug_exposure
-- Returns: one row: record_date
-- Tables: cdm.drug_exposure
-- Window: dates up to the as-of date
-- Missing: record_date is NULL if there is no such record; not asked where the column is not of type DATE
-- Parameters: as_of_date
SELECT MAX(drug_exposure_start_date) AS record_date
FROM cdm.drug_exposure
WHERE drug_exposure_start_date <= :as_of_date
