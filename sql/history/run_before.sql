-- Title: The last COMPLETE run up to an as-of date
-- Returns: at most one row: run_id, concept_sets_sha256
-- Tables: results.scoring_run, results.scoring_run_status
-- Window: runs with this as-of date or an earlier one
-- Missing: no row before the first COMPLETE run
-- Parameters: as_of_date
SELECT r.run_id, r.concept_sets_sha256
FROM results.scoring_run AS r
INNER JOIN results.scoring_run_status AS s ON s.run_id = r.run_id
WHERE s.status = 'COMPLETE' AND r.as_of_date <= :as_of_date
ORDER BY r.as_of_date DESC, r.run_id DESC
LIMIT 1
