-- Title: Number of persons with rows in each of two runs
-- Returns: run_id, n_with_subgroup (persons), n_with_covariates (persons); a run without any has no row
-- Tables: results.patient_subgroup, results.patient_covariate
-- Window: none
-- Missing: a run whose rows have been removed has no row, or fewer persons than were scored
-- Parameters: earlier_run_id, later_run_id
WITH person AS (
  SELECT s.run_id, s.person_id, 1 AS has_subgroup, 0 AS has_covariates
  FROM results.patient_subgroup AS s
  WHERE s.run_id = :earlier_run_id OR s.run_id = :later_run_id
  UNION ALL
  SELECT DISTINCT c.run_id, c.person_id, 0 AS has_subgroup, 1 AS has_covariates
  FROM results.patient_covariate AS c
  WHERE c.run_id = :earlier_run_id OR c.run_id = :later_run_id
)

SELECT
  p.run_id,
  COUNT(CASE WHEN p.has_subgroup = 1 THEN 1 END) AS n_with_subgroup,
  COUNT(CASE WHEN p.has_covariates = 1 THEN 1 END) AS n_with_covariates
FROM person AS p
GROUP BY p.run_id
