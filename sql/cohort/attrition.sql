-- Title: Attrition: persons left after each exclusion reason, applied in order
-- Returns: one row per step: step, reason, n_persons (left after the step), n_excluded (persons excluded by the step)
-- Tables: work.cohort_member, work.attrition_step
-- Window: the index date
-- Missing: a reason that excludes nobody is a row with n_excluded 0
-- Parameters: none
WITH reason AS (
  SELECT left_out_reason AS reason, COUNT(*) AS n_excluded
  FROM work.cohort_member
  WHERE left_out_reason IS NOT NULL
  GROUP BY left_out_reason
),

total AS (
  SELECT COUNT(*) AS n_persons FROM work.cohort_member
)

SELECT
  s.step,
  s.reason,
  CAST(t.n_persons - SUM(COALESCE(r.n_excluded, 0)) OVER (ORDER BY s.step) AS BIGINT) AS n_persons,
  CAST(COALESCE(r.n_excluded, 0) AS BIGINT) AS n_excluded
FROM work.attrition_step AS s
CROSS JOIN total AS t
LEFT JOIN reason AS r ON r.reason = s.reason
