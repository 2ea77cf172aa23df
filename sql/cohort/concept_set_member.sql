-- Title: Members of every concept set, with their number of records in the CDM
-- Returns: concept_set, concept_id, n_records (NULL for sets that are not searched in clinical tables)
-- Tables: work.concept_set, work.concept_set_table, work.record_count
-- Window: records up to the as-of date, of all persons
-- Missing: a member without records has n_records 0
-- Parameters: none
WITH counted AS (
  SELECT s.concept_set, s.concept_id, SUM(COALESCE(r.n_records, 0)) AS n_records
  FROM work.concept_set AS s
  INNER JOIN work.concept_set_table AS t ON t.concept_set = s.concept_set
  LEFT JOIN work.record_count AS r ON r.concept_id = s.concept_id AND r.cdm_table = t.cdm_table
  GROUP BY s.concept_set, s.concept_id
)

SELECT s.concept_set, s.concept_id, CAST(c.n_records AS BIGINT) AS n_records
FROM work.concept_set AS s
LEFT JOIN counted AS c ON c.concept_set = s.concept_set AND c.concept_id = s.concept_id
