-- Title: Candidate records of each measured quantity, by outcome
-- Returns: one row per quantity with records: number of records by verdict, how the usable ones were read,
--          and n_ambiguous (heights in feet that may be in feet and inches, rejected for their unit)
-- Tables: work.measurement_value
-- Window: as in measurement_record
-- Missing: a quantity without records has no row; the program writes zeros
-- Parameters: none
SELECT
  quantity,
  COUNT(*) AS n_records,
  SUM(CASE WHEN verdict = 'rejected_value' THEN 1 ELSE 0 END) AS n_rejected_value,
  SUM(CASE WHEN verdict = 'rejected_unit' THEN 1 ELSE 0 END) AS n_rejected_unit,
  SUM(CASE WHEN verdict = 'rejected_limit' THEN 1 ELSE 0 END) AS n_rejected_limit,
  SUM(CASE WHEN verdict = 'usable' AND factor <> 1 THEN 1 ELSE 0 END) AS n_converted,
  SUM(CASE WHEN verdict = 'usable' AND is_censored THEN 1 ELSE 0 END) AS n_censored,
  SUM(CASE WHEN verdict = 'usable' AND unit_source = 'text' THEN 1 ELSE 0 END) AS n_unit_from_text,
  SUM(CASE WHEN verdict = 'usable' AND unit_source = 'missing' THEN 1 ELSE 0 END) AS n_unit_missing,
  SUM(is_ambiguous) AS n_ambiguous
FROM work.measurement_value
GROUP BY quantity
