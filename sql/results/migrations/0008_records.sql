-- Title: The unit of each measured value, the records of a computed value, and the index treatment of each person
-- Returns: patient_covariate with unit_concept_id, unit_source, factor and is_censored; covariate_input and
--          index_treatment, empty
-- Tables: patient_covariate, covariate_input, index_treatment
-- Window: none
-- Missing: NULL for runs of earlier releases, which have no rows in the new tables
-- Parameters: none
ALTER TABLE results.patient_covariate ADD COLUMN unit_concept_id BIGINT;

ALTER TABLE results.patient_covariate ADD COLUMN unit_source VARCHAR;

ALTER TABLE results.patient_covariate ADD COLUMN factor DOUBLE;

ALTER TABLE results.patient_covariate ADD COLUMN is_censored BOOLEAN;

CREATE TABLE results.covariate_input (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  covariate VARCHAR NOT NULL,
  quantity VARCHAR NOT NULL,
  quantity_value DOUBLE NOT NULL,
  source_table VARCHAR NOT NULL,
  source_id BIGINT,
  source_concept_id BIGINT,
  source_date DATE NOT NULL,
  source_value DOUBLE NOT NULL,
  source_unit VARCHAR,
  unit_concept_id BIGINT,
  unit_source VARCHAR NOT NULL,
  factor DOUBLE NOT NULL,
  is_censored BOOLEAN NOT NULL
);

CREATE TABLE results.index_treatment (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  index_rule VARCHAR NOT NULL,
  drug VARCHAR NOT NULL,
  drug_class VARCHAR NOT NULL,
  index_date DATE NOT NULL,
  population VARCHAR,
  preferred VARCHAR NOT NULL,
  next_drug VARCHAR,
  next_class VARCHAR NOT NULL,
  next_date DATE,
  days_to_next INTEGER
);
