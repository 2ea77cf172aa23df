-- Title: Rows of measurement from the charts and from the further events, by date
-- Returns: one row per measurement; some rows of the charts occur twice
-- Tables: chart, event
-- Window: none
SELECT *
FROM chart
UNION ALL BY NAME
SELECT
  event_id AS measurement_id,
  person_id,
  concept_id AS measurement_concept_id,
  event_day AS measurement_date,
  event_day + TO_SECONDS(second_of_day) AS measurement_datetime,
  32817 AS measurement_type_concept_id,
  CAST(ROUND(quantity, 1) AS DECIMAL(18, 3)) AS value_as_number,
  unit_concept_id,
  visit_occurrence_id,
  source_value AS measurement_source_value,
  unit_source_value
FROM event
ORDER BY measurement_date, measurement_id
