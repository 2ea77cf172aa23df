-- Title: Latest usable value of each quantity and patient
-- Returns: at most one row per person and quantity: covariate_value (in the quantity's unit) and its record and unit
-- Tables: work.measurement_value
-- Window: as in measurement_record
-- Missing: no row if no record is usable; if the latest record is not usable, the next usable one counts
-- Parameters: none
WITH ranked AS (
  SELECT
    person_id, quantity, source_table, source_id, source_concept_id, source_date, source_value, source_unit,
    unit_concept_id, unit_source, factor, is_censored, covariate_value,
    ROW_NUMBER() OVER (
      PARTITION BY person_id, quantity
      ORDER BY
        source_date DESC NULLS LAST, source_datetime DESC NULLS LAST, source_id DESC NULLS LAST,
        source_table ASC NULLS LAST, covariate_value DESC NULLS LAST, source_unit DESC NULLS LAST,
        unit_concept_id DESC NULLS LAST, is_censored DESC NULLS LAST
    ) AS recency
  FROM work.measurement_value
  WHERE verdict = 'usable'
)

SELECT
  person_id, quantity, source_table, source_id, source_concept_id, source_date, source_value, source_unit,
  unit_concept_id, unit_source, factor, is_censored, covariate_value
FROM ranked
WHERE recency = 1
