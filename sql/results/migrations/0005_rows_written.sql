-- Title: The last day of the CDM, and the rows that a run wrote
-- Returns: scoring_run with the column cdm_last_date, scoring_run_status with the column rows_written
-- Tables: scoring_run, scoring_run_status
-- Window: none
-- Missing: NULL for runs of earlier releases
-- Parameters: none
ALTER TABLE results.scoring_run ADD COLUMN cdm_last_date DATE;

ALTER TABLE results.scoring_run_status ADD COLUMN rows_written VARCHAR;
