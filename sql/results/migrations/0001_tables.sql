-- Title: Results tables of release 0.1
-- Returns: the tables named in results_data_model.csv, empty
-- Tables: every table of the results schema
-- Window: none
-- Missing: NULL where the specification does not require a value
-- Parameters: none
CREATE TABLE results.scoring_run (
  run_id BIGINT NOT NULL,
  as_of_date DATE NOT NULL,
  started_at TIMESTAMP NOT NULL,
  tool_version VARCHAR NOT NULL,
  engine VARCHAR NOT NULL,
  model_id VARCHAR NOT NULL,
  model_sha256 VARCHAR NOT NULL,
  config_sha256 VARCHAR NOT NULL,
  concept_sets_sha256 VARCHAR NOT NULL,
  uncertainty VARCHAR NOT NULL,
  cdm_source_name VARCHAR,
  cdm_version VARCHAR,
  cdm_release_date DATE,
  vocabulary_version VARCHAR,
  config_json VARCHAR NOT NULL
);

CREATE TABLE results.scoring_run_status (
  run_id BIGINT NOT NULL,
  status VARCHAR NOT NULL,
  recorded_at TIMESTAMP NOT NULL,
  n_cohort BIGINT,
  n_scored BIGINT,
  message VARCHAR
);

CREATE TABLE results.attrition (
  run_id BIGINT NOT NULL,
  step INTEGER NOT NULL,
  reason VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  n_excluded BIGINT NOT NULL
);

CREATE TABLE results.patient_covariate (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  covariate VARCHAR NOT NULL,
  covariate_value DOUBLE NOT NULL,
  status VARCHAR NOT NULL,
  source_table VARCHAR,
  source_id BIGINT,
  source_concept_id BIGINT,
  source_date DATE,
  source_value DOUBLE,
  source_unit VARCHAR
);

CREATE TABLE results.counterfactual (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  drug_class VARCHAR NOT NULL,
  attributable_effect DOUBLE NOT NULL,
  standard_error DOUBLE NOT NULL,
  expected_reduction DOUBLE NOT NULL,
  response_probability DOUBLE NOT NULL,
  preference_rank INTEGER NOT NULL
);

CREATE TABLE results.patient_subgroup (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  subgroup VARCHAR NOT NULL,
  first_class VARCHAR NOT NULL,
  second_class VARCHAR NOT NULL,
  third_class VARCHAR,
  p_first_second DOUBLE NOT NULL,
  p_second_third DOUBLE,
  p_first_third DOUBLE,
  worst_class_ruled_out BOOLEAN NOT NULL,
  placebo_effect DOUBLE NOT NULL,
  age INTEGER NOT NULL,
  is_male BOOLEAN NOT NULL,
  n_imputed INTEGER NOT NULL,
  within_trial_range BOOLEAN
);

CREATE TABLE results.treatment_line (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  line_number INTEGER NOT NULL,
  drug VARCHAR NOT NULL,
  drug_class VARCHAR NOT NULL,
  start_date DATE NOT NULL
);

CREATE TABLE results.concept_set_member (
  run_id BIGINT NOT NULL,
  concept_set VARCHAR NOT NULL,
  concept_id BIGINT NOT NULL,
  n_records BIGINT
);

CREATE TABLE results.covariate_quality (
  run_id BIGINT NOT NULL,
  covariate VARCHAR NOT NULL,
  measure VARCHAR NOT NULL,
  n BIGINT NOT NULL
);
