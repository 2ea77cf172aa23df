-- Title: Records of each quantity without a number
-- Returns: one row per quantity with such records: n_without_number (also if not finite), n_with_text (of them, with
--          a text in value_source_value), n_persons_without (without a usable value, but with such a record)
-- Tables: work.measurement_value
-- Window: as in measurement_record
-- Missing: a quantity without such records has no row
-- Parameters: none
WITH person AS (
  SELECT
    quantity, person_id,
    COUNT(CASE WHEN verdict = 'rejected_value' THEN 1 END) AS n_without_number,
    COUNT(CASE WHEN verdict = 'rejected_value' AND has_text = 1 THEN 1 END) AS n_with_text,
    COUNT(CASE WHEN verdict = 'usable' THEN 1 END) AS n_usable
  FROM work.measurement_value
  GROUP BY quantity, person_id
)

SELECT
  quantity,
  CAST(SUM(n_without_number) AS BIGINT) AS n_without_number,
  CAST(SUM(n_with_text) AS BIGINT) AS n_with_text,
  COUNT(CASE WHEN n_usable = 0 THEN 1 END) AS n_persons_without
FROM person
WHERE n_without_number > 0
GROUP BY quantity
