-- Title: Subgroups of the scored patients, overall and by stratum
-- Returns: one row per stratum, value that occurs and subgroup: n_persons (also if 0), n_stratum
-- Tables: work.stratum_count, work.subgroup_label
-- Window: as in stratum_count
-- Missing: as in stratum_count
-- Parameters: none
WITH total AS (
  SELECT stratum, stratum_value, CAST(SUM(n_persons) AS BIGINT) AS n_stratum FROM work.stratum_count
  GROUP BY stratum, stratum_value
)

SELECT t.stratum, t.stratum_value, l.subgroup, COALESCE(c.n_persons, 0) AS n_persons, t.n_stratum
FROM total AS t
CROSS JOIN work.subgroup_label AS l
LEFT JOIN work.stratum_count AS c
  ON c.stratum = t.stratum AND c.stratum_value = t.stratum_value AND c.subgroup = l.subgroup
ORDER BY t.stratum, t.stratum_value, l.display_order
