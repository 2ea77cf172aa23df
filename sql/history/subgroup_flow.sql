-- Title: Number of patients by their subgroups in two runs
-- Returns: earlier_subgroup, later_subgroup (labels), n_persons; each person scored in either run is counted once
-- Tables: results.patient_subgroup
-- Window: none
-- Missing: a label is NULL if the person was not scored in that run
-- Parameters: earlier_run_id, later_run_id
WITH earlier AS (
  SELECT s.person_id, s.subgroup
  FROM results.patient_subgroup AS s
  WHERE s.run_id = :earlier_run_id
),

later AS (
  SELECT s.person_id, s.subgroup
  FROM results.patient_subgroup AS s
  WHERE s.run_id = :later_run_id
)

SELECT e.subgroup AS earlier_subgroup, l.subgroup AS later_subgroup, COUNT(*) AS n_persons
FROM earlier AS e
FULL OUTER JOIN later AS l ON l.person_id = e.person_id
GROUP BY e.subgroup, l.subgroup
ORDER BY n_persons DESC, earlier_subgroup ASC NULLS LAST, later_subgroup ASC NULLS LAST
