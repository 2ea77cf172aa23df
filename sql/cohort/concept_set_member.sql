-- Title: Members of every concept set, with their number of records in the CDM
-- Returns: concept_set, concept_id, n_records (NULL for sets that are not searched in clinical tables); is_mapped
--          (TRUE for a concept that only mappings lead into the set); is_invalid (in the vocabulary of the CDM)
-- Tables: work.concept_lookup, work.concept_set_table, work.record_count, vocab.concept
-- Window: records up to the as-of date, of all persons
-- Missing: a member without records has n_records 0; a mapped concept without records has no row; is_invalid is NULL
--          for concepts that the vocabulary does not have
-- Parameters: follow (1: mapped concepts count)
WITH counted AS (
  SELECT s.concept_set, s.concept_id, SUM(COALESCE(r.n_records, 0)) AS n_records
  FROM work.concept_lookup AS s
  INNER JOIN work.concept_set_table AS t ON t.concept_set = s.concept_set
  LEFT JOIN work.record_count AS r ON r.concept_id = s.concept_id AND r.cdm_table = t.cdm_table
  GROUP BY s.concept_set, s.concept_id
),

known AS (
  SELECT
    s.concept_set, s.concept_id,
    MAX(CASE WHEN TRIM(COALESCE(c.invalid_reason, '')) = '' THEN 0 ELSE 1 END) = 1 AS is_invalid
  FROM work.concept_lookup AS s
  INNER JOIN vocab.concept AS c ON c.concept_id = s.concept_id
  GROUP BY s.concept_set, s.concept_id
)

SELECT s.concept_set, s.concept_id, CAST(c.n_records AS BIGINT) AS n_records, s.is_mapped, k.is_invalid
FROM work.concept_lookup AS s
LEFT JOIN counted AS c ON c.concept_set = s.concept_set AND c.concept_id = s.concept_id
LEFT JOIN known AS k ON k.concept_set = s.concept_set AND k.concept_id = s.concept_id
WHERE NOT s.is_mapped OR (:follow = 1 AND c.n_records > 0)
