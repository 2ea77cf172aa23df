-- Title: How long patients stay on the drug of their index treatment
-- Returns: persistence and persistence_mean, empty
-- Tables: persistence, persistence_mean
-- Window: none
-- Missing: runs of earlier releases have no rows
-- Parameters: none
CREATE TABLE results.persistence (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  index_rule VARCHAR NOT NULL,
  drug_class VARCHAR NOT NULL,
  preference VARCHAR NOT NULL,
  days INTEGER NOT NULL,
  n_at_risk BIGINT NOT NULL,
  n_stopped BIGINT NOT NULL,
  share DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE
);

CREATE TABLE results.persistence_mean (
  run_id BIGINT NOT NULL,
  population VARCHAR NOT NULL,
  index_rule VARCHAR NOT NULL,
  drug_class VARCHAR NOT NULL,
  preference VARCHAR NOT NULL,
  n_persons BIGINT NOT NULL,
  mean_days DOUBLE,
  ci_low DOUBLE,
  ci_high DOUBLE,
  difference_days DOUBLE,
  difference_ci_low DOUBLE,
  difference_ci_high DOUBLE,
  p_value DOUBLE
);
