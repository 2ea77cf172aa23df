/* Title: Every record that could give a measured quantity (CRP, CDAI, BMI, weight, height) */
/* Returns: one row per record and quantity: where it stands, when, the recorded number, unit and operator */
/* Tables: cdm.measurement, cdm.observation, work.patient, work.quantity, work.quantity_set, work.concept_set */
/* Window: index date - lookback_days of the quantity <= date <= index date; quantities of adults only from */
/*         the 18th birthday on, which an unknown month or day of birth places as for the age */
/* Missing: a record without number or unit is kept here and judged in measurement_value */
/* Parameters: as_of_date, year_only (1: age = year - year of birth) */
WITH source AS (
  SELECT DISTINCT
    q.quantity,
    q.source_table,
    s.concept_id
  FROM work.quantity_set AS q
  INNER JOIN work.concept_set AS s
    ON s.concept_set = q.concept_set
), record AS (
  SELECT
    m.person_id,
    s.quantity,
    s.source_table,
    m.measurement_id AS source_id,
    m.measurement_concept_id AS source_concept_id,
    m.measurement_date AS source_date,
    m.measurement_datetime AS source_datetime,
    CAST(m.value_as_number AS DOUBLE) AS source_value,
    m.unit_concept_id,
    m.unit_source_value AS source_unit,
    m.operator_concept_id
  FROM cdm.measurement AS m
  INNER JOIN source AS s
    ON s.concept_id = m.measurement_concept_id AND s.source_table = 'measurement'
  WHERE
    m.measurement_date <= $as_of_date
  UNION ALL
  SELECT
    o.person_id,
    s.quantity,
    s.source_table,
    o.observation_id AS source_id,
    o.observation_concept_id AS source_concept_id,
    o.observation_date AS source_date,
    o.observation_datetime AS source_datetime,
    CAST(o.value_as_number AS DOUBLE) AS source_value,
    o.unit_concept_id,
    o.unit_source_value AS source_unit,
    CAST(NULL AS BIGINT) AS operator_concept_id
  FROM cdm.observation AS o
  INNER JOIN source AS s
    ON s.concept_id = o.observation_concept_id AND s.source_table = 'observation'
  WHERE
    o.observation_date <= $as_of_date
)
SELECT
  r.person_id,
  r.quantity,
  r.source_table,
  r.source_id,
  r.source_concept_id,
  r.source_date,
  COALESCE(r.source_datetime, CAST(r.source_date AS TIMESTAMP)) AS source_datetime,
  r.source_value,
  r.unit_concept_id,
  r.source_unit,
  r.operator_concept_id
FROM record AS r
INNER JOIN work.patient AS p
  ON p.person_id = r.person_id
INNER JOIN work.quantity AS q
  ON q.quantity = r.quantity
WHERE
  DATE_DIFF('DAY', r.source_date, p.index_date) BETWEEN 0 AND q.lookback_days
  AND (
    q.minimum_age = 0
    OR EXTRACT(YEAR FROM r.source_date) - p.year_of_birth - CASE
      WHEN $year_only = 1
      THEN 0
      WHEN EXTRACT(MONTH FROM r.source_date) * 100 + EXTRACT(DAY FROM r.source_date) < p.month_of_birth * 100 + p.day_of_birth
      THEN 1
      ELSE 0
    END >= q.minimum_age
  );
