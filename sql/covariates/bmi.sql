-- Title: Body mass index, recorded or computed from weight and height
-- Returns: at most one row per person: covariate_value (kg/m2) and its record (the weight if computed)
-- Tables: work.measurement_latest, work.quantity
-- Window: recorded BMI and weight within their lookback_days; height at any time at age 18 or older
-- Missing: no row; patient_covariate imputes and says so
-- Parameters: none
WITH computed AS (
  SELECT
    w.person_id, w.source_table, w.source_id, w.source_concept_id, w.source_date, w.source_value, w.source_unit,
    CASE
      WHEN h.covariate_value >= 1 THEN w.covariate_value / ((h.covariate_value / 100) * (h.covariate_value / 100))
    END AS covariate_value
  FROM work.measurement_latest AS w
  INNER JOIN work.measurement_latest AS h ON h.person_id = w.person_id AND h.quantity = 'body_height'
  LEFT JOIN work.measurement_latest AS b ON b.person_id = w.person_id AND b.quantity = 'bmi'
  WHERE w.quantity = 'body_weight' AND b.person_id IS NULL
)

SELECT
  person_id, 'bmi' AS covariate, covariate_value, 'observed' AS status,
  source_table, source_id, source_concept_id, source_date, source_value, source_unit
FROM work.measurement_latest
WHERE quantity = 'bmi'
UNION ALL
SELECT
  c.person_id, 'bmi' AS covariate, c.covariate_value, 'computed' AS status,
  c.source_table, c.source_id, c.source_concept_id, c.source_date, c.source_value, c.source_unit
FROM computed AS c
INNER JOIN work.quantity AS q ON q.quantity = 'bmi'
WHERE c.covariate_value BETWEEN q.minimum AND q.maximum
