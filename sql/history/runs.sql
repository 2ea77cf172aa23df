-- Title: Every run, with its inputs and its status
-- Returns: run_id, and the columns of scoring_run; status with recorded_at (UTC), n_cohort, n_scored and message
-- Tables: results.scoring_run, results.scoring_run_status
-- Window: none
-- Missing: n_cohort and n_scored are NULL unless the run is COMPLETE or WITHDRAWN
-- Parameters: none
WITH ranked AS (
  SELECT
    s.run_id, s.status, s.recorded_at, s.n_cohort, s.n_scored, s.message,
    -- WITHDRAWN and COMPLETE take precedence over any later status, as in latest_run.
    ROW_NUMBER() OVER (
      PARTITION BY s.run_id
      ORDER BY
        CASE s.status WHEN 'WITHDRAWN' THEN 0 WHEN 'COMPLETE' THEN 1 WHEN 'FAILED' THEN 2 ELSE 3 END ASC NULLS LAST,
        s.recorded_at DESC NULLS LAST,
        s.run_id ASC NULLS LAST
    ) AS recency
  FROM results.scoring_run_status AS s
)

SELECT
  -- Results of an earlier release lack the columns that later ones added.
  r.*,
  s.status, s.recorded_at, s.n_cohort, s.n_scored, s.message
FROM results.scoring_run AS r
INNER JOIN ranked AS s ON s.run_id = r.run_id
WHERE s.recency = 1
ORDER BY r.run_id DESC
