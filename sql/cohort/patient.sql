-- Title: Scored patients: persons of the cohort without an exclusion reason
-- Returns: one row per person: index_date, age (years), is_male, and the parts of the date of birth
-- Tables: work.cohort_member
-- Window: the index date
-- Missing: age and sex are known for every patient here; neither is ever imputed
-- Parameters: none
SELECT
  person_id,
  index_date,
  CAST(age AS INTEGER) AS age,
  is_male,
  gender_concept_id,
  year_of_birth,
  month_of_birth,
  day_of_birth
FROM work.cohort_member
WHERE left_out_reason IS NULL
