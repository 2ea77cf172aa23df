/* Title: The results tables of release 0.1 */
/* Returns: the tables named in results_data_model.csv, empty */
/* Tables: every table of the results schema */
/* Window: none */
/* Missing: NULL where the specification does not require a value */
/* Parameters: none */
CREATE TABLE results.scoring_run (
  run_id BIGINT NOT NULL,
  as_of_date DATE NOT NULL,
  started_at TIMESTAMP_NTZ NOT NULL,
  tool_version STRING NOT NULL,
  engine STRING NOT NULL,
  model_id STRING NOT NULL,
  model_sha256 STRING NOT NULL,
  config_sha256 STRING NOT NULL,
  concept_sets_sha256 STRING NOT NULL,
  uncertainty STRING NOT NULL,
  cdm_source_name STRING,
  cdm_version STRING,
  cdm_release_date DATE,
  vocabulary_version STRING,
  config_json STRING NOT NULL
);

CREATE TABLE results.scoring_run_status (
  run_id BIGINT NOT NULL,
  status STRING NOT NULL,
  recorded_at TIMESTAMP_NTZ NOT NULL,
  n_cohort BIGINT,
  n_scored BIGINT,
  message STRING
);

CREATE TABLE results.attrition (
  run_id BIGINT NOT NULL,
  step INT NOT NULL,
  reason STRING NOT NULL,
  n_persons BIGINT NOT NULL,
  n_excluded BIGINT NOT NULL
);

CREATE TABLE results.patient_covariate (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  covariate STRING NOT NULL,
  covariate_value DOUBLE NOT NULL,
  status STRING NOT NULL,
  source_table STRING,
  source_id BIGINT,
  source_concept_id BIGINT,
  source_date DATE,
  source_value DOUBLE,
  source_unit STRING
);

CREATE TABLE results.counterfactual (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  drug_class STRING NOT NULL,
  attributable_effect DOUBLE NOT NULL,
  standard_error DOUBLE NOT NULL,
  expected_reduction DOUBLE NOT NULL,
  response_probability DOUBLE NOT NULL,
  preference_rank INT NOT NULL
);

CREATE TABLE results.patient_subgroup (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  subgroup STRING NOT NULL,
  first_class STRING NOT NULL,
  second_class STRING NOT NULL,
  third_class STRING,
  p_first_second DOUBLE NOT NULL,
  p_second_third DOUBLE,
  p_first_third DOUBLE,
  worst_class_ruled_out BOOLEAN NOT NULL,
  placebo_effect DOUBLE NOT NULL,
  age INT NOT NULL,
  is_male BOOLEAN NOT NULL,
  n_imputed INT NOT NULL,
  within_trial_range BOOLEAN
);

CREATE TABLE results.treatment_line (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  line_number INT NOT NULL,
  drug STRING NOT NULL,
  drug_class STRING NOT NULL,
  start_date DATE NOT NULL
);

CREATE TABLE results.concept_set_member (
  run_id BIGINT NOT NULL,
  concept_set STRING NOT NULL,
  concept_id BIGINT NOT NULL,
  n_records BIGINT
);

CREATE TABLE results.covariate_quality (
  run_id BIGINT NOT NULL,
  covariate STRING NOT NULL,
  measure STRING NOT NULL,
  n BIGINT NOT NULL
);
