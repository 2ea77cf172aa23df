-- Title: Names of the care sites of persons with the disease
-- Returns: one row per care site
-- Tables: cdm.care_site
-- Window: none
-- Missing: a care site without a row has no name
-- Parameters: care_site_ids
SELECT care_site_id, care_site_name
FROM cdm.care_site
WHERE care_site_id IN (:care_site_ids)
