-- Title: The latest exposure to the drug of each line, the treatment in use, and the women of 50 and over by year
-- Returns: treatment_line with last_start_date, last_exposure_date and is_current; current_treatment,
--          treated_otherwise and prevalence_by_year, empty
-- Tables: treatment_line, current_treatment, treated_otherwise, prevalence_by_year
-- Window: none
-- Missing: NULL for runs of earlier releases, which have no rows in the new tables
-- Parameters: none
ALTER TABLE results.treatment_line ADD COLUMN last_start_date DATE;

ALTER TABLE results.treatment_line ADD COLUMN last_exposure_date DATE;

ALTER TABLE results.treatment_line ADD COLUMN is_current BOOLEAN;

CREATE TABLE results.current_treatment (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  treatment VARCHAR NOT NULL,
  preference_group VARCHAR NOT NULL,
  preferred VARCHAR NOT NULL,
  drug_class VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_population BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);

CREATE TABLE results.treated_otherwise (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  treatment VARCHAR NOT NULL,
  class_used VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_population BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);

CREATE TABLE results.prevalence_by_year (
  run_id BIGINT NOT NULL,
  event VARCHAR NOT NULL,
  calendar_year INTEGER NOT NULL,
  measure VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_population BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);
