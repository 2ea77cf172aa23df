-- Title: Age and sex of the patients scored in a run
-- Returns: person_id, age (completed years on the index date), is_male
-- Tables: results.patient_subgroup
-- Window: none
-- Missing: no rows if retention has removed the rows of persons
-- Parameters: run_id
SELECT s.person_id, s.age, s.is_male
FROM results.patient_subgroup AS s
WHERE s.run_id = :run_id
ORDER BY s.person_id
