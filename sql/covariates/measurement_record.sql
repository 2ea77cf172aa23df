-- Title: Records that can give a measured quantity (CRP, CDAI, BMI, weight, height)
-- Returns: one row per record and quantity: source table and row, date (a day before year 1 counts as its first day),
--          recorded number, unit and operator; purpose (value: a candidate of a scored patient; undated;
--          after_death: of a person of the cohort who had died before), doubt_text (see measurement_doubt)
-- Tables: cdm.measurement, cdm.observation, work.cohort_member, work.quantity_concept
-- Window: index date - lookback_days of the quantity <= date <= index date; a quantity with a minimum_age only
--         from that birthday on, with an unknown month or day of birth treated as for the age
-- Missing: a record without a number or unit is kept here and rejected or accepted in measurement_value;
--          a record without a date is only counted
-- Parameters: as_of_date, year_only (1: age = year - year of birth)
WITH record AS (
  SELECT
    p.person_id, p.index_date, p.death_date, p.left_out_reason, p.year_of_birth, p.month_of_birth, p.day_of_birth,
    s.quantity, s.source_table, s.lookback_days, s.minimum_age, m.measurement_id AS source_id,
    m.measurement_concept_id AS source_concept_id, m.measurement_date AS recorded_date,
    m.measurement_datetime AS recorded_datetime, CAST(m.value_as_number AS DOUBLE) AS source_value, m.unit_concept_id,
    m.unit_source_value AS source_unit, m.operator_concept_id,
    CASE WHEN m.value_as_number IS NULL OR m.value_as_number BETWEEN 4 AND 7 THEN m.value_source_value END AS doubt_text
  FROM cdm.measurement AS m
  INNER JOIN work.quantity_concept AS s ON s.concept_id = m.measurement_concept_id AND s.source_table = 'measurement'
  -- Joined in both branches, not after the UNION, so that an engine reads only the cohort's records.
  INNER JOIN work.cohort_member AS p ON p.person_id = m.person_id
  WHERE m.measurement_date <= :as_of_date OR m.measurement_date IS NULL
  UNION ALL
  SELECT
    p.person_id, p.index_date, p.death_date, p.left_out_reason, p.year_of_birth, p.month_of_birth, p.day_of_birth,
    s.quantity, s.source_table, s.lookback_days, s.minimum_age, o.observation_id AS source_id,
    o.observation_concept_id AS source_concept_id, o.observation_date AS recorded_date,
    o.observation_datetime AS recorded_datetime, CAST(o.value_as_number AS DOUBLE) AS source_value, o.unit_concept_id,
    o.unit_source_value AS source_unit, CAST(NULL AS BIGINT) AS operator_concept_id, CAST(NULL AS VARCHAR) AS doubt_text
  FROM cdm.observation AS o
  INNER JOIN work.quantity_concept AS s ON s.concept_id = o.observation_concept_id AND s.source_table = 'observation'
  INNER JOIN work.cohort_member AS p ON p.person_id = o.person_id
  WHERE o.observation_date <= :as_of_date OR o.observation_date IS NULL
),

told AS (
  SELECT
    *,
    CASE WHEN recorded_date < CAST('0001-01-01' AS DATE) THEN CAST('0001-01-01' AS DATE) ELSE recorded_date END
      AS source_date,
    CASE
      WHEN recorded_date IS NULL THEN 'undated'
      WHEN left_out_reason IS NULL THEN 'value'
      WHEN recorded_date > death_date AND recorded_date <= index_date THEN 'after_death'
    END AS purpose
  FROM record
)

SELECT
  person_id, quantity, source_table, source_id, source_concept_id, source_date,
  COALESCE(recorded_datetime, CAST(source_date AS TIMESTAMP)) AS source_datetime,
  source_value, unit_concept_id, source_unit, operator_concept_id, purpose, doubt_text
FROM told
WHERE
  purpose IN ('undated', 'after_death') OR (
    purpose = 'value' AND DATE_DIFF('day', source_date, index_date) BETWEEN 0 AND lookback_days
    AND (minimum_age = 0 OR EXTRACT(YEAR FROM source_date) - year_of_birth - CASE
      WHEN :year_only = 1 THEN 0
      WHEN EXTRACT(MONTH FROM source_date) * 100 + EXTRACT(DAY FROM source_date) < month_of_birth * 100 + day_of_birth
        THEN 1
      ELSE 0
    END >= minimum_age)
  )
