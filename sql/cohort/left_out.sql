-- Title: First reason, in order, why a person of the cohort is not scored
-- Returns: one row per person: the columns of work.cohort and left_out_reason (NULL when scored)
-- Tables: work.cohort
-- Window: the index date
-- Missing: an unknown year of birth or sex is a separate reason, checked before the others
-- Parameters: age_minimum, age_maximum (completed years, both included)
SELECT
  person_id,
  index_date,
  gender_concept_id,
  is_male,
  race,
  year_of_birth,
  month_of_birth,
  day_of_birth,
  age,
  death_date,
  CASE
    WHEN year_of_birth IS NULL THEN 'year_of_birth_unknown'
    WHEN is_male IS NULL THEN 'sex_unknown'
    WHEN death_date <= index_date THEN 'deceased'
    WHEN age < :age_minimum OR age > :age_maximum THEN 'age_out_of_range'
  END AS left_out_reason
FROM work.cohort
