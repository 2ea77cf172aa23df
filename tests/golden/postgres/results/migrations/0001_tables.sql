/* Title: The results tables of release 0.1 */
/* Returns: the tables named in results_data_model.csv, empty */
/* Tables: every table of the results schema */
/* Window: none */
/* Missing: NULL where the specification does not require a value */
/* Parameters: none */
CREATE TABLE results.scoring_run (
  run_id BIGINT NOT NULL,
  as_of_date DATE NOT NULL,
  started_at TIMESTAMP NOT NULL,
  tool_version TEXT NOT NULL,
  engine TEXT NOT NULL,
  model_id TEXT NOT NULL,
  model_sha256 TEXT NOT NULL,
  config_sha256 TEXT NOT NULL,
  concept_sets_sha256 TEXT NOT NULL,
  uncertainty TEXT NOT NULL,
  cdm_source_name TEXT,
  cdm_version TEXT,
  cdm_release_date DATE,
  vocabulary_version TEXT,
  config_json TEXT NOT NULL
);

CREATE TABLE results.scoring_run_status (
  run_id BIGINT NOT NULL,
  status TEXT NOT NULL,
  recorded_at TIMESTAMP NOT NULL,
  n_cohort BIGINT,
  n_scored BIGINT,
  message TEXT
);

CREATE TABLE results.attrition (
  run_id BIGINT NOT NULL,
  step INT NOT NULL,
  reason TEXT NOT NULL,
  n_persons BIGINT NOT NULL,
  n_excluded BIGINT NOT NULL
);

CREATE TABLE results.patient_covariate (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  covariate TEXT NOT NULL,
  covariate_value DOUBLE PRECISION NOT NULL,
  status TEXT NOT NULL,
  source_table TEXT,
  source_id BIGINT,
  source_concept_id BIGINT,
  source_date DATE,
  source_value DOUBLE PRECISION,
  source_unit TEXT
);

CREATE TABLE results.counterfactual (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  drug_class TEXT NOT NULL,
  attributable_effect DOUBLE PRECISION NOT NULL,
  standard_error DOUBLE PRECISION NOT NULL,
  expected_reduction DOUBLE PRECISION NOT NULL,
  response_probability DOUBLE PRECISION NOT NULL,
  preference_rank INT NOT NULL
);

CREATE TABLE results.patient_subgroup (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  subgroup TEXT NOT NULL,
  first_class TEXT NOT NULL,
  second_class TEXT NOT NULL,
  third_class TEXT,
  p_first_second DOUBLE PRECISION NOT NULL,
  p_second_third DOUBLE PRECISION,
  p_first_third DOUBLE PRECISION,
  worst_class_ruled_out BOOLEAN NOT NULL,
  placebo_effect DOUBLE PRECISION NOT NULL,
  age INT NOT NULL,
  is_male BOOLEAN NOT NULL,
  n_imputed INT NOT NULL,
  within_trial_range BOOLEAN
);

CREATE TABLE results.treatment_line (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  line_number INT NOT NULL,
  drug TEXT NOT NULL,
  drug_class TEXT NOT NULL,
  start_date DATE NOT NULL
);

CREATE TABLE results.concept_set_member (
  run_id BIGINT NOT NULL,
  concept_set TEXT NOT NULL,
  concept_id BIGINT NOT NULL,
  n_records BIGINT
);

CREATE TABLE results.covariate_quality (
  run_id BIGINT NOT NULL,
  covariate TEXT NOT NULL,
  measure TEXT NOT NULL,
  n BIGINT NOT NULL
);
