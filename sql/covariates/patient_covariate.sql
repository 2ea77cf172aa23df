-- Title: Every covariate of the model for every scored patient, with its status
-- Returns: one row per person and covariate: covariate_value, status (observed, computed, absent, imputed, left_out),
--          evidence
-- Tables: work.patient, work.model_covariate, work.covariate
-- Window: as for each covariate
-- Missing: a yes/no covariate without a record is absent (0); any other missing value is imputed with missing_value, or
--          left out (NULL) if the model without it is used
-- Parameters: none
SELECT
  p.person_id,
  m.covariate,
  COALESCE(c.covariate_value, m.missing_value) AS covariate_value,
  COALESCE(c.status, m.missing_status) AS status,
  c.source_table,
  c.source_id,
  c.source_concept_id,
  c.source_date,
  c.source_value,
  c.source_unit
FROM work.patient AS p
CROSS JOIN work.model_covariate AS m
LEFT JOIN work.covariate AS c ON c.person_id = p.person_id AND c.covariate = m.covariate
