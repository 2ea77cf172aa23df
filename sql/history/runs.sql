-- Title: Every run, with its inputs and its status
-- Returns: run_id, and the columns of scoring_run; status with recorded_at (UTC), n_cohort, n_scored and message
-- Tables: results.scoring_run, results.scoring_run_status
-- Window: none
-- Missing: n_cohort and n_scored are NULL unless the run is COMPLETE
-- Parameters: none
WITH ranked AS (
  SELECT
    s.run_id, s.status, s.recorded_at, s.n_cohort, s.n_scored, s.message,
    -- COMPLETE takes precedence over any later status, as in latest_run.
    ROW_NUMBER() OVER (
      PARTITION BY s.run_id
      ORDER BY
        CASE s.status WHEN 'COMPLETE' THEN 1 WHEN 'FAILED' THEN 2 ELSE 3 END ASC NULLS LAST,
        s.recorded_at DESC NULLS LAST,
        s.run_id ASC NULLS LAST
    ) AS recency
  FROM results.scoring_run_status AS s
)

SELECT
  r.run_id, r.as_of_date, r.started_at, r.tool_version, r.engine, r.model_id, r.model_sha256,
  r.concept_sets_sha256, r.uncertainty, r.cdm_source_name, r.cdm_version, r.cdm_release_date,
  r.vocabulary_version, r.config_json,
  s.status, s.recorded_at, s.n_cohort, s.n_scored, s.message
FROM results.scoring_run AS r
INNER JOIN ranked AS s ON s.run_id = r.run_id
WHERE s.recency = 1
ORDER BY r.run_id DESC
