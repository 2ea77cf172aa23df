/* Title: How many members each concept set has, and how many records they have together */
/* Returns: one row per concept set that resolves to something: n_members, n_records */
/* Tables: work.concept_set_member */
/* Window: that of concept_set_member */
/* Missing: a set that is not looked for in clinical tables has n_records 0 */
/* Parameters: none */
SELECT
  concept_set,
  COUNT(*) AS n_members,
  CAST(SUM(COALESCE(n_records, 0)) AS BIGINT) AS n_records
FROM work.concept_set_member
GROUP BY
  concept_set;
