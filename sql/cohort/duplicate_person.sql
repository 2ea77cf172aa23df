-- Title: Persons of the cohort with more than one row in person
-- Returns: one row: n_persons
-- Tables: work.cohort
-- Window: none
-- Missing: without such persons the count is 0
-- Parameters: none
WITH repeated AS (
  SELECT person_id FROM work.cohort
  GROUP BY person_id
  HAVING COUNT(*) > 1
)

SELECT COUNT(*) AS n_persons FROM repeated
