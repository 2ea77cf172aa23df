-- Title: Tables of the audits, the sensitivity of subgroups, and the OHDSI cohorts
-- Returns: the tables named in results_data_model.csv that 0001_tables does not create, empty
-- Tables: every table of the audits
-- Window: none
-- Missing: a share is NULL if its population is empty
-- Parameters: none
CREATE TABLE results.subgroup_summary (
  run_id BIGINT NOT NULL,
  stratum VARCHAR NOT NULL,
  stratum_value VARCHAR NOT NULL,
  subgroup VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_stratum BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);

CREATE TABLE results.prevalence (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  measure VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_population BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);

CREATE TABLE results.age_sex_pyramid (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  age_group VARCHAR NOT NULL,
  sex VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL
);

CREATE TABLE results.next_treatment (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  index_rule VARCHAR NOT NULL,
  index_class VARCHAR NOT NULL,
  next_class VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_population BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);

CREATE TABLE results.next_treatment_time (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  index_rule VARCHAR NOT NULL,
  index_class VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  first_quartile_days DOUBLE,
  median_days DOUBLE,
  third_quartile_days DOUBLE
);

CREATE TABLE results.preference_concordance (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  preferred VARCHAR NOT NULL,
  next_class VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL
);

CREATE TABLE results.uncertainty_comparison (
  run_id BIGINT NOT NULL,
  subgroup_bootstrap VARCHAR NOT NULL,
  subgroup_analytic VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL
);

CREATE TABLE results.label_check (
  run_id BIGINT NOT NULL,
  uncertainty VARCHAR NOT NULL,
  measure VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_population BIGINT NOT NULL
);

CREATE TABLE results.imputation_sensitivity (
  run_id BIGINT NOT NULL,
  covariate VARCHAR NOT NULL,
  assumption VARCHAR NOT NULL,
  assumed_value DOUBLE,
  n_imputed BIGINT NOT NULL,
  n_changed BIGINT NOT NULL
);

CREATE TABLE results.covariate_summary (
  run_id BIGINT NOT NULL,
  covariate VARCHAR NOT NULL,
  population VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  mean DOUBLE,
  standard_deviation DOUBLE,
  trial_mean DOUBLE NOT NULL,
  trial_standard_deviation DOUBLE NOT NULL,
  standardised_mean_difference DOUBLE
);

CREATE TABLE results.histogram (
  run_id BIGINT NOT NULL,
  measure VARCHAR NOT NULL,
  category VARCHAR NOT NULL,
  bin_low DOUBLE NOT NULL,
  bin_high DOUBLE NOT NULL,
  n_persons BIGINT NOT NULL,
  expected_share DOUBLE
);

CREATE TABLE results.run_cohort_definition (
  run_id BIGINT NOT NULL,
  cohort_definition_id BIGINT NOT NULL,
  cohort_definition_name VARCHAR NOT NULL,
  cohort_definition_description VARCHAR NOT NULL
);

CREATE TABLE results.run_cohort (
  run_id BIGINT NOT NULL,
  cohort_definition_id BIGINT NOT NULL,
  subject_id BIGINT NOT NULL,
  cohort_start_date DATE NOT NULL,
  cohort_end_date DATE NOT NULL
);

ALTER TABLE results.patient_covariate ALTER COLUMN covariate_value DROP NOT NULL;
