-- Title: Verdict on every candidate record: usable after conversion, or the reason for its rejection
-- Returns: one row per record and quantity: covariate_value (source_value x factor, in the quantity's unit), verdict
--          (usable, rejected_value, rejected_unit, rejected_limit), unit_source (concept, text, missing), factor,
--          is_censored (the operator makes the number a bound), has_text (1: no number, but a text), is_ambiguous (1: a
--          height in feet that may be in feet and inches)
-- Tables: work.measurement_record, work.measurement_doubt, work.quantity, work.unit_concept, work.unit_text,
--         work.concept_set
-- Window: as in measurement_record
-- Missing: no number = rejected_value; no unit is accepted only for the quantities that allow it; an ambiguous
--          height = rejected_unit
-- Parameters: none
WITH spelled AS (
  SELECT
    person_id, quantity, source_table, source_id, source_concept_id, source_date, source_datetime, source_value,
    unit_concept_id, source_unit, operator_concept_id,
    TRANSLATE(LOWER(COALESCE(source_unit, '')), ' ' || CHR(9) || CHR(10) || CHR(13) || CHR(160), '') AS unit_text
  FROM work.measurement_record
  WHERE purpose = 'value'
),

recognised AS (
  SELECT
    r.person_id, r.quantity, r.source_table, r.source_id, r.source_concept_id, r.source_date, r.source_datetime,
    r.source_value, r.unit_concept_id, r.source_unit, q.minimum, q.maximum, COALESCE(x.has_text, 0) AS has_text,
    CASE
      WHEN r.quantity <> 'body_height' OR x.may_be_inches IS NULL THEN 0
      -- The international foot, and the US foot.
      WHEN COALESCE(c.factor, t.factor) BETWEEN CAST(30.47 AS DOUBLE) AND CAST(30.49 AS DOUBLE) THEN x.may_be_inches
      ELSE 0
    END AS is_ambiguous,
    -- Some engines fail if a product underflows, so values this close to 0 become 0.
    CASE WHEN r.source_value BETWEEN -1e-290 AND 1e-290 THEN CAST(0 AS DOUBLE) ELSE r.source_value END AS number,
    CASE
      WHEN c.factor IS NOT NULL THEN 'concept'
      WHEN t.factor IS NOT NULL THEN 'text'
      WHEN q.accepts_missing_unit AND COALESCE(r.unit_concept_id, 0) = 0 AND r.unit_text = '' THEN 'missing'
    END AS unit_source,
    COALESCE(c.factor, t.factor, CAST(1 AS DOUBLE)) AS factor,
    CASE WHEN o.concept_id IS NULL THEN FALSE ELSE TRUE END AS is_censored
  FROM spelled AS r
  INNER JOIN work.quantity AS q ON q.quantity = r.quantity
  LEFT JOIN work.unit_concept AS c ON c.quantity = r.quantity AND c.unit_concept_id = r.unit_concept_id
  LEFT JOIN work.unit_text AS t ON t.quantity = r.quantity AND t.unit_text = r.unit_text
  LEFT JOIN work.measurement_doubt AS x
    ON x.source_table = r.source_table AND x.source_id = r.source_id AND x.person_id = r.person_id
  LEFT JOIN work.concept_set AS o ON o.concept_id = r.operator_concept_id AND o.concept_set = 'operator_censored'
)

SELECT
  person_id, quantity, source_table, source_id, source_concept_id, source_date, source_datetime,
  source_value, unit_concept_id, source_unit, unit_source, factor, is_censored, has_text, is_ambiguous,
  CASE WHEN source_value BETWEEN -1e15 AND 1e15 THEN number * factor END AS covariate_value,
  CASE
    WHEN source_value IS NULL THEN 'rejected_value'
    WHEN NOT source_value BETWEEN CAST(-1.7976931348623157e308 AS DOUBLE) AND CAST(1.7976931348623157e308 AS DOUBLE)
      THEN 'rejected_value'
    WHEN unit_source IS NULL OR is_ambiguous = 1 THEN 'rejected_unit'
    WHEN source_value BETWEEN -1e15 AND 1e15 AND number * factor BETWEEN minimum AND maximum THEN 'usable'
    ELSE 'rejected_limit'
  END AS verdict
FROM recognised
