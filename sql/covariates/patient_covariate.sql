-- Title: Every covariate of the model for every scored patient, with its status
-- Returns: one row per person and covariate: covariate_value, status (observed, computed, absent, imputed, left_out),
--          evidence; of a measured value also unit_concept_id, unit_source, factor (not if computed), is_censored
-- Tables: work.patient, work.model_covariate, work.covariate, work.measurement_latest
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
  c.source_unit,
  q.unit_concept_id,
  q.unit_source,
  CASE WHEN c.status = 'observed' THEN q.factor END AS factor,
  q.is_censored
FROM work.patient AS p
CROSS JOIN work.model_covariate AS m
LEFT JOIN work.covariate AS c ON c.person_id = p.person_id AND c.covariate = m.covariate
LEFT JOIN work.measurement_latest AS q
  ON
    q.person_id = c.person_id
    AND q.quantity = CASE WHEN c.status = 'computed' THEN 'body_weight' ELSE c.covariate END
