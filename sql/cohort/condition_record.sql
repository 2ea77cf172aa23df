-- Title: Condition records that belong to the concept sets of the rules
-- Returns: one row per record and concept set: condition_start_date (a day before year 1 counts as its first day),
--          is_mapped (by a mapped concept, or by its source concept), is_used
-- Tables: cdm.condition_occurrence, work.concept_lookup, work.condition_set
-- Window: none; records of all persons, dated or not
-- Missing: a record whose standard concept is 0 or NULL belongs to the sets of its source concept
-- Parameters: follow (1: mapped records count)
WITH searched AS (
  SELECT l.concept_set, l.concept_id, l.is_mapped
  FROM work.concept_lookup AS l
  INNER JOIN work.condition_set AS s ON s.concept_set = l.concept_set
),

record AS (
  SELECT
    s.concept_set, c.person_id, c.condition_occurrence_id, c.condition_concept_id, c.condition_start_date, s.is_mapped
  FROM cdm.condition_occurrence AS c
  INNER JOIN searched AS s ON s.concept_id = c.condition_concept_id
  UNION ALL
  SELECT
    s.concept_set, c.person_id, c.condition_occurrence_id, c.condition_concept_id, c.condition_start_date,
    TRUE AS is_mapped
  FROM cdm.condition_occurrence AS c
  INNER JOIN searched AS s ON s.concept_id = c.condition_source_concept_id
  WHERE (c.condition_concept_id = 0 OR c.condition_concept_id IS NULL) AND c.condition_source_concept_id <> 0
)

SELECT
  concept_set, person_id, condition_occurrence_id, condition_concept_id, is_mapped,
  CASE
    WHEN condition_start_date < CAST('0001-01-01' AS DATE) THEN CAST('0001-01-01' AS DATE)
    ELSE condition_start_date
  END AS condition_start_date,
  CASE WHEN is_mapped AND :follow = 0 THEN FALSE ELSE TRUE END AS is_used
FROM record
