-- Title: Ileal involvement: 1 if an ileal location was ever recorded, else 0 if a colonic location was
-- Returns: at most one row per person: covariate_value (1, 0) and the latest record that supports it
-- Tables: work.condition_record, work.patient
-- Window: any record up to the index date, or of the lookback_days days before it; exact concepts and concepts mapped
--         to them, no descendants
-- Missing: no row if neither location was recorded; patient_covariate imputes and says so
-- Parameters: as_of_date, lookback_days
WITH location AS (
  SELECT
    c.person_id, c.condition_occurrence_id, c.condition_concept_id, c.condition_start_date, p.index_date,
    CASE WHEN c.concept_set = 'cd_not_ileal_colon' THEN 0 ELSE 1 END AS is_ileal
  FROM work.condition_record AS c
  INNER JOIN work.patient AS p ON p.person_id = c.person_id
  WHERE
    c.concept_set IN ('cd_ileal_definite', 'cd_ileal_probable', 'cd_not_ileal_colon')
    AND c.is_used
    AND c.condition_start_date <= :as_of_date AND c.condition_start_date <= p.index_date
),

ranked AS (
  SELECT
    person_id, condition_occurrence_id, condition_concept_id, condition_start_date, is_ileal,
    ROW_NUMBER() OVER (
      PARTITION BY person_id
      ORDER BY
        is_ileal DESC NULLS LAST, condition_start_date DESC NULLS LAST,
        condition_occurrence_id DESC NULLS LAST, condition_concept_id DESC NULLS LAST
    ) AS precedence
  FROM location
  WHERE DATE_DIFF('day', condition_start_date, index_date) <= :lookback_days
)

SELECT
  person_id, 'ileal' AS covariate, CAST(is_ileal AS DOUBLE) AS covariate_value, 'observed' AS status,
  'condition_occurrence' AS source_table, condition_occurrence_id AS source_id,
  condition_concept_id AS source_concept_id, condition_start_date AS source_date,
  CAST(NULL AS DOUBLE) AS source_value, CAST(NULL AS VARCHAR) AS source_unit
FROM ranked
WHERE precedence = 1
