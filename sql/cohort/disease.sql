-- Title: Persons with enough records of the disease, and whether they also have an excluding condition
-- Returns: one row per person: is_excluded, first_record_date (of the disease)
-- Tables: work.condition_record, work.excluded_set
-- Window: any condition record up to the as-of date
-- Missing: a person without an excluding record is not excluded
-- Parameters: as_of_date, minimum_distinct_days
WITH excluded AS (
  SELECT DISTINCT c.person_id
  FROM work.condition_record AS c
  INNER JOIN work.excluded_set AS e ON e.concept_set = c.concept_set
  WHERE c.is_used AND c.condition_start_date <= :as_of_date
),

disease AS (
  SELECT person_id, MIN(condition_start_date) AS first_record_date
  FROM work.condition_record
  WHERE
    concept_set = 'crohns_disease' AND is_used
    AND condition_start_date <= :as_of_date AND person_id IS NOT NULL
  GROUP BY person_id
  HAVING COUNT(DISTINCT condition_start_date) >= :minimum_distinct_days
)

SELECT
  d.person_id,
  d.first_record_date,
  CASE WHEN e.person_id IS NULL THEN FALSE ELSE TRUE END AS is_excluded
FROM disease AS d
LEFT JOIN excluded AS e ON e.person_id = d.person_id
