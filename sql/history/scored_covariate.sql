-- Title: One covariate of the patients scored in a run
-- Returns: person_id, covariate_value, status
-- Tables: results.patient_covariate, results.patient_subgroup
-- Window: none
-- Missing: covariate_value is NULL where the covariate was left out
-- Parameters: run_id, covariate
SELECT v.person_id, v.covariate_value, v.status
FROM results.patient_covariate AS v
INNER JOIN results.patient_subgroup AS s ON s.run_id = v.run_id AND s.person_id = v.person_id
WHERE v.run_id = :run_id AND v.covariate = :covariate
ORDER BY v.person_id
