-- Title: The state of the CDM that a run read
-- Returns: scoring_run with the column cdm_snapshot
-- Tables: scoring_run
-- Window: none
-- Missing: NULL for runs of earlier releases
-- Parameters: none
ALTER TABLE results.scoring_run ADD COLUMN cdm_snapshot VARCHAR;
