-- Title: The first reason, in order, for which a person of the cohort is not scored
-- Returns: one row per person: the columns of work.cohort and left_out_reason (NULL when scored)
-- Tables: work.cohort, cdm.condition_occurrence, work.concept_set, work.excluded_set
-- Window: the index date; excluded conditions: any record up to it
-- Missing: an unknown year of birth or sex is a reason of its own, before any other
-- Parameters: as_of_date, age_minimum, age_maximum (completed years, both included)
WITH excluded AS (
  SELECT DISTINCT c.person_id
  FROM cdm.condition_occurrence AS c
  INNER JOIN work.concept_set AS s ON s.concept_id = c.condition_concept_id
  INNER JOIN work.excluded_set AS e ON e.concept_set = s.concept_set
  WHERE c.condition_start_date <= :as_of_date
)

SELECT
  c.person_id,
  c.index_date,
  c.gender_concept_id,
  c.is_male,
  c.year_of_birth,
  c.month_of_birth,
  c.day_of_birth,
  c.age,
  c.death_date,
  CASE
    WHEN c.year_of_birth IS NULL THEN 'year_of_birth_unknown'
    WHEN c.is_male IS NULL THEN 'sex_unknown'
    WHEN c.death_date <= c.index_date THEN 'deceased'
    WHEN c.age < :age_minimum OR c.age > :age_maximum THEN 'age_out_of_range'
    WHEN e.person_id IS NOT NULL THEN 'excluded_condition'
  END AS left_out_reason
FROM work.cohort AS c
LEFT JOIN excluded AS e ON e.person_id = c.person_id
