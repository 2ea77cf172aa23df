-- Title: Measured quantities from which a covariate was computed: weight and height of the body mass index
-- Returns: one row per person, covariate and quantity: quantity_value (source_value x factor; kg, cm), its record and
--          unit
-- Tables: work.patient_covariate, work.measurement_latest
-- Window: as in measurement_record
-- Missing: covariates that are not computed have no row
-- Parameters: none
SELECT
  c.person_id, c.covariate, l.quantity, l.covariate_value AS quantity_value,
  l.source_table, l.source_id, l.source_concept_id, l.source_date, l.source_value, l.source_unit,
  l.unit_concept_id, l.unit_source, l.factor, l.is_censored
FROM work.patient_covariate AS c
INNER JOIN work.measurement_latest AS l ON l.person_id = c.person_id
WHERE c.covariate = 'bmi' AND c.status = 'computed' AND l.quantity IN ('body_weight', 'body_height')
