/* Title: The latest usable value of each quantity and patient */
/* Returns: at most one row per person and quantity: covariate_value (in the quantity's unit) and its record */
/* Tables: work.measurement_value */
/* Window: that of measurement_record */
/* Missing: no row when no record is usable; an unusable latest record falls back to the next usable one */
/* Parameters: none */
WITH ranked AS (
  SELECT
    person_id,
    quantity,
    source_table,
    source_id,
    source_concept_id,
    source_date,
    source_value,
    source_unit,
    covariate_value,
    ROW_NUMBER() OVER (
      PARTITION BY person_id, quantity
      ORDER BY source_date DESC, source_datetime DESC, source_id DESC, source_table ASC, covariate_value DESC, source_unit DESC
    ) AS recency
  FROM work.measurement_value
  WHERE
    verdict = 'usable'
)
SELECT
  person_id,
  quantity,
  source_table,
  source_id,
  source_concept_id,
  source_date,
  source_value,
  source_unit,
  covariate_value
FROM ranked
WHERE
  recency = 1;
