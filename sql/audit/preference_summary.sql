-- Title: Preference groups of the scored patients, overall and by stratum
-- Returns: one row per stratum (without preference_group), value that occurs and preference group: n_persons (also if
--          0), n_stratum
-- Tables: work.stratum_count, work.preference_group
-- Window: as in stratum_count
-- Missing: as in stratum_count
-- Parameters: none
WITH counted AS (
  SELECT stratum, stratum_value, preference_group, CAST(SUM(n_persons) AS BIGINT) AS n_persons FROM work.stratum_count
  WHERE stratum <> 'preference_group'
  GROUP BY stratum, stratum_value, preference_group
),

total AS (
  SELECT stratum, stratum_value, CAST(SUM(n_persons) AS BIGINT) AS n_stratum FROM counted
  GROUP BY stratum, stratum_value
)

SELECT t.stratum, t.stratum_value, g.preference_group, COALESCE(c.n_persons, 0) AS n_persons, t.n_stratum
FROM total AS t
CROSS JOIN work.preference_group AS g
LEFT JOIN counted AS c
  ON c.stratum = t.stratum AND c.stratum_value = t.stratum_value AND c.preference_group = g.preference_group
ORDER BY t.stratum, t.stratum_value, g.display_order
