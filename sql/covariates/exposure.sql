-- Title: Exposures of the cohort that belong to the concept sets of drugs
-- Returns: one row per exposure and concept set: product_concept_id (the concept by which it belongs to the set: its
--          own, or its source concept), is_mapped (by a mapped concept, or by its source concept), is_used. A day
--          before year 1 counts as its first day, and one after year 9999 as its last
-- Tables: cdm.drug_exposure, work.cohort_member, work.drug_set, work.concept_lookup
-- Window: started by the as-of date
-- Missing: an exposure whose standard concept is 0 or NULL belongs to the sets of its source concept
-- Parameters: as_of_date, follow (1: mapped records count)
WITH drug AS (
  SELECT l.concept_set, l.concept_id, l.is_mapped
  FROM work.concept_lookup AS l
  INNER JOIN work.drug_set AS d ON d.concept_set = l.concept_set
),

record AS (
  SELECT
    d.concept_set, x.person_id, x.drug_exposure_id, x.drug_concept_id, x.drug_concept_id AS product_concept_id,
    x.drug_exposure_start_date, x.drug_exposure_end_date, x.days_supply, x.route_concept_id, d.is_mapped
  FROM cdm.drug_exposure AS x
  INNER JOIN drug AS d ON d.concept_id = x.drug_concept_id
  INNER JOIN work.cohort_member AS m ON m.person_id = x.person_id
  WHERE x.drug_exposure_start_date <= :as_of_date
  UNION ALL
  SELECT
    d.concept_set, x.person_id, x.drug_exposure_id, x.drug_concept_id, x.drug_source_concept_id AS product_concept_id,
    x.drug_exposure_start_date, x.drug_exposure_end_date, x.days_supply, x.route_concept_id, TRUE AS is_mapped
  FROM cdm.drug_exposure AS x
  INNER JOIN drug AS d ON d.concept_id = x.drug_source_concept_id
  INNER JOIN work.cohort_member AS m ON m.person_id = x.person_id
  WHERE
    (x.drug_concept_id = 0 OR x.drug_concept_id IS NULL)
    AND x.drug_source_concept_id <> 0
    AND x.drug_exposure_start_date <= :as_of_date
)

SELECT
  concept_set, person_id, drug_exposure_id, drug_concept_id, product_concept_id,
  days_supply, route_concept_id, is_mapped,
  CASE
    WHEN drug_exposure_start_date < CAST('0001-01-01' AS DATE) THEN CAST('0001-01-01' AS DATE)
    ELSE drug_exposure_start_date
  END AS drug_exposure_start_date,
  CASE
    WHEN drug_exposure_end_date > CAST('9999-12-31' AS DATE) THEN CAST('9999-12-31' AS DATE)
    WHEN drug_exposure_end_date < CAST('0001-01-01' AS DATE) THEN CAST('0001-01-01' AS DATE)
    ELSE drug_exposure_end_date
  END AS drug_exposure_end_date,
  CASE WHEN is_mapped AND :follow = 0 THEN FALSE ELSE TRUE END AS is_used
FROM record
