-- Title: Preference groups of the patients, their counts by stratum, and their covariates and effects
-- Returns: patient_subgroup with preference_group and ruled_out_class; preference_summary, preference_profile, empty
-- Tables: patient_subgroup, preference_summary, preference_profile
-- Window: none
-- Missing: NULL for runs of earlier releases, which have no rows in the new tables
-- Parameters: none
ALTER TABLE results.patient_subgroup ADD COLUMN preference_group VARCHAR;

ALTER TABLE results.patient_subgroup ADD COLUMN ruled_out_class VARCHAR;

CREATE TABLE results.preference_summary (
  run_id BIGINT NOT NULL,
  stratum VARCHAR NOT NULL,
  stratum_value VARCHAR NOT NULL,
  preference_group VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_stratum BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);

CREATE TABLE results.preference_profile (
  run_id BIGINT NOT NULL,
  preference_group VARCHAR NOT NULL,
  measure VARCHAR NOT NULL,
  category VARCHAR NOT NULL,
  population VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  mean DOUBLE,
  standard_deviation DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);
