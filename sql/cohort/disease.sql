-- Title: Persons with enough records of the disease, and whether they also have an excluding condition
-- Returns: one row per person: is_excluded
-- Tables: cdm.condition_occurrence, work.concept_set, work.excluded_set
-- Window: any condition record up to the as-of date
-- Missing: a person without an excluding record is not excluded
-- Parameters: as_of_date, minimum_distinct_days
WITH excluded AS (
  SELECT DISTINCT c.person_id
  FROM cdm.condition_occurrence AS c
  INNER JOIN work.concept_set AS s ON s.concept_id = c.condition_concept_id
  INNER JOIN work.excluded_set AS e ON e.concept_set = s.concept_set
  WHERE c.condition_start_date <= :as_of_date
),

disease AS (
  SELECT c.person_id
  FROM cdm.condition_occurrence AS c
  INNER JOIN work.concept_set AS s ON s.concept_id = c.condition_concept_id AND s.concept_set = 'crohns_disease'
  WHERE c.condition_start_date <= :as_of_date AND c.person_id IS NOT NULL
  GROUP BY c.person_id
  HAVING
    COUNT(
      DISTINCT CASE
        WHEN c.condition_start_date < CAST('0001-01-01' AS DATE) THEN CAST('0001-01-01' AS DATE)
        ELSE c.condition_start_date
      END
    ) >= :minimum_distinct_days
)

SELECT
  d.person_id,
  CASE WHEN e.person_id IS NULL THEN FALSE ELSE TRUE END AS is_excluded
FROM disease AS d
LEFT JOIN excluded AS e ON e.person_id = d.person_id
