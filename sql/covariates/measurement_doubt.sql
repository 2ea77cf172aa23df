-- Title: Measurements without a number, and heights whose number may be feet and inches: what their source wrote
-- Returns: one row per such record: has_text (1: a text in value_source_value), may_be_inches (1: the text is as 5'11",
--          5 ft 11 in or 5-11, or two digits after the point are 01 to 11: 5.11 may be 5 ft 11 in, 5.1 may be 5.10)
-- Tables: work.measurement_record
-- Window: as in measurement_record
-- Missing: a record without doubt has no row; texts of observations are not read
-- Parameters: none
WITH spelled AS (
  SELECT
    source_table, source_id, person_id, source_value,
    TRANSLATE(
      LOWER(doubt_text), '’′‘`´”″“ .,' || CHR(9) || CHR(10) || CHR(13) || CHR(160), '''''''''''"""'
    ) AS value_text
  FROM work.measurement_record
  WHERE purpose = 'value' AND (source_value IS NULL OR (quantity = 'body_height' AND source_value BETWEEN 4 AND 7))
)

SELECT
  source_table, source_id, person_id,
  MAX(CASE WHEN value_text <> '' THEN 1 ELSE 0 END) AS has_text,
  MAX(CASE
    WHEN STRPOS(value_text, '"') > 0 OR STRPOS(value_text, 'in') > 0 THEN 1
    -- A sign or a word for feet, with something after it.
    WHEN STRPOS(value_text, '''') BETWEEN 1 AND LENGTH(value_text) - 1 THEN 1
    WHEN STRPOS(value_text, '-') BETWEEN 2 AND LENGTH(value_text) - 1 THEN 1
    WHEN STRPOS(value_text, 'ft') BETWEEN 1 AND LENGTH(value_text) - 2 THEN 1
    WHEN STRPOS(value_text, 'feet') BETWEEN 1 AND LENGTH(value_text) - 4 THEN 1
    WHEN STRPOS(value_text, 'foot') BETWEEN 1 AND LENGTH(value_text) - 4 THEN 1
    WHEN
      ABS(source_value * 100 - FLOOR(source_value * 100 + CAST(0.5 AS DOUBLE))) <= 1e-4
      AND FLOOR(source_value * 100 + CAST(0.5 AS DOUBLE)) - FLOOR(source_value) * 100 BETWEEN 1 AND 11 THEN 1
    ELSE 0
  END) AS may_be_inches
FROM spelled
GROUP BY source_table, source_id, person_id
