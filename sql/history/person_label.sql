-- Title: Label of one person in every run whose rows of persons are still there
-- Returns: one row per run: run_id, subgroup (label)
-- Tables: results.scoring_run, results.patient_subgroup
-- Window: none
-- Missing: no row for a run in which the person was not scored, or whose rows of persons have been removed
-- Parameters: person_id
SELECT s.run_id, s.subgroup
FROM results.scoring_run AS r
INNER JOIN results.patient_subgroup AS s ON s.run_id = r.run_id AND s.person_id = :person_id
ORDER BY s.run_id
