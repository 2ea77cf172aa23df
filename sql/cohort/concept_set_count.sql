-- Title: Number of members of each concept set, and of their records
-- Returns: one row per concept set with at least one member: n_members, n_records (with those of mapped concepts)
-- Tables: work.concept_set_member
-- Window: as in concept_set_member
-- Missing: a set that is not searched in clinical tables has n_records 0
-- Parameters: none
SELECT
  concept_set,
  COUNT(CASE WHEN NOT is_mapped THEN 1 END) AS n_members,
  CAST(SUM(COALESCE(n_records, 0)) AS BIGINT) AS n_records
FROM work.concept_set_member
GROUP BY concept_set
