-- Title: Care site of each person with the disease
-- Returns: one row per person with a care site: care_site_id, care_site_name (without blanks at the ends)
-- Tables: work.disease, cdm.person, cdm.care_site
-- Window: none; the CDM holds the care site of now
-- Missing: no row without a care site (NULL or 0); the name is NULL if the CDM has none, and the first in the alphabet
--          of several
-- Parameters: none
SELECT
  d.person_id,
  p.care_site_id,
  MIN(NULLIF(TRIM(c.care_site_name), '')) AS care_site_name
FROM work.disease AS d
INNER JOIN cdm.person AS p ON p.person_id = d.person_id
LEFT JOIN cdm.care_site AS c ON c.care_site_id = p.care_site_id
WHERE p.care_site_id <> 0
GROUP BY d.person_id, p.care_site_id
