-- Title: Persons with an index treatment by one rule, as of the day on which it started
-- Returns: one row per person: the columns of work.cohort, with the date and age (years) of the index treatment; for
--          first_anti_tnf only persons whose first biologic did not start on that day
-- Tables: work.index_line, work.cohort_member
-- Window: as in index_line
-- Missing: unknown age or sex stays unknown
-- Parameters: index_rule
SELECT
  m.person_id,
  i.index_date,
  m.gender_concept_id,
  m.is_male,
  m.race,
  m.year_of_birth,
  m.month_of_birth,
  m.day_of_birth,
  i.index_age AS age,
  m.death_date
FROM work.index_line AS i
INNER JOIN work.cohort_member AS m ON m.person_id = i.person_id
LEFT JOIN work.index_line AS b
  ON b.person_id = i.person_id AND b.index_rule = 'first_biologic' AND b.index_date = i.index_date
WHERE i.index_rule = :index_rule AND (i.index_rule = 'first_biologic' OR b.person_id IS NULL)
