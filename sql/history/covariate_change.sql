-- Title: Covariates that differ between two runs in the patients whose subgroup differs
-- Returns: covariate, n_persons (patients with another value), n_alone (those in whom no other covariate differs)
-- Tables: results.patient_subgroup, results.patient_covariate
-- Window: none
-- Missing: NULL counts as a value; covariate is NULL for the patients in whom no covariate differs
-- Parameters: earlier_run_id, later_run_id
WITH changed AS (
  SELECT e.person_id
  FROM results.patient_subgroup AS e
  INNER JOIN results.patient_subgroup AS l ON l.person_id = e.person_id
  WHERE e.run_id = :earlier_run_id AND l.run_id = :later_run_id AND l.subgroup <> e.subgroup
),

earlier AS (
  SELECT v.person_id, v.covariate, v.covariate_value
  FROM results.patient_covariate AS v
  INNER JOIN changed AS c ON c.person_id = v.person_id
  WHERE v.run_id = :earlier_run_id
),

later AS (
  SELECT v.person_id, v.covariate, v.covariate_value
  FROM results.patient_covariate AS v
  INNER JOIN changed AS c ON c.person_id = v.person_id
  WHERE v.run_id = :later_run_id
),

differing AS (
  SELECT
    COALESCE(e.person_id, l.person_id) AS person_id,
    COALESCE(e.covariate, l.covariate) AS covariate
  FROM earlier AS e
  FULL OUTER JOIN later AS l ON l.person_id = e.person_id AND l.covariate = e.covariate
  WHERE
    e.person_id IS NULL
    OR l.person_id IS NULL
    OR l.covariate_value IS DISTINCT FROM e.covariate_value
),

counted AS (
  SELECT d.covariate, COUNT(d.covariate) OVER (PARTITION BY c.person_id) AS n_differing
  FROM changed AS c
  LEFT JOIN differing AS d ON d.person_id = c.person_id
)

SELECT
  n.covariate,
  COUNT(*) AS n_persons,
  COUNT(CASE WHEN n.n_differing = 1 THEN 1 END) AS n_alone
FROM counted AS n
GROUP BY n.covariate
ORDER BY n_persons DESC, n.covariate ASC NULLS LAST
