-- Title: Number of records that are mapped, or have no standard concept, in each clinical table
-- Returns: one row per table with records: cdm_table, n_without_concept, n_mapped
-- Tables: work.record_count, work.concept_lookup
-- Window: records up to the as-of date, of all persons
-- Missing: concept 0 and NULL are no standard concept
-- Parameters: none
WITH mapped AS (
  SELECT DISTINCT concept_id FROM work.concept_lookup
  WHERE is_mapped
)

SELECT
  r.cdm_table,
  CAST(SUM(CASE WHEN COALESCE(r.concept_id, 0) = 0 THEN r.n_records ELSE 0 END) AS BIGINT) AS n_without_concept,
  CAST(SUM(CASE WHEN m.concept_id IS NULL THEN 0 ELSE r.n_records END) AS BIGINT) AS n_mapped
FROM work.record_count AS r
LEFT JOIN mapped AS m ON m.concept_id = r.concept_id
GROUP BY r.cdm_table
