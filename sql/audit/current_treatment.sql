-- Title: Classes that the models prefer now, by the class in use and by the class last used
-- Returns: one row per population, treatment (current, last), preference group (or all), preferred (all; in shared_top
--          also each set of classes on top) and drug class (or none): n_persons (also if 0), n_population
-- Tables: work.current_treatment_grid, work.treatment_now
-- Window: as in treatment_now
-- Missing: as in treatment_now
-- Parameters: none
WITH counted AS (
  SELECT population, 'current' AS treatment, preference_group, preferred, current_class AS drug_class, COUNT(*) AS n
  FROM work.treatment_now
  GROUP BY population, preference_group, preferred, current_class
  UNION ALL
  SELECT population, 'last' AS treatment, preference_group, preferred, last_class AS drug_class, COUNT(*) AS n
  FROM work.treatment_now
  GROUP BY population, preference_group, preferred, last_class
)

SELECT
  g.population, g.treatment, g.preference_group, g.preferred, g.drug_class,
  CAST(COALESCE(SUM(CASE WHEN c.drug_class = g.drug_class THEN c.n END), 0) AS BIGINT) AS n_persons,
  CAST(COALESCE(SUM(c.n), 0) AS BIGINT) AS n_population
FROM work.current_treatment_grid AS g
LEFT JOIN counted AS c
  ON
    c.population = g.population AND c.treatment = g.treatment
    AND (g.preference_group = 'all' OR c.preference_group = g.preference_group)
    AND (g.preferred = 'all' OR c.preferred = g.preferred)
GROUP BY g.population, g.treatment, g.preference_group, g.preferred, g.drug_class, g.display_order
ORDER BY g.display_order
