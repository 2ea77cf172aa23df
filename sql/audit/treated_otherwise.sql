-- Title: Patients with one class alone on top, by whether they are on it, on another one or on none
-- Returns: one row per population, treatment (current, last) and class used (on_top, another, none):
--          n_persons (also if 0), n_population
-- Tables: work.treated_otherwise_grid, work.treatment_now
-- Window: as in treatment_now
-- Missing: as in treatment_now; patients with several classes on top, or no preference, are not counted
-- Parameters: none
WITH used AS (
  SELECT population, 'current' AS treatment, alone_class, current_class AS drug_class
  FROM work.treatment_now
  UNION ALL
  SELECT population, 'last' AS treatment, alone_class, last_class AS drug_class
  FROM work.treatment_now
),

counted AS (
  SELECT
    population, treatment,
    CASE
      WHEN drug_class = 'none' THEN 'none' WHEN drug_class = alone_class THEN 'on_top' ELSE 'another'
    END AS class_used,
    COUNT(*) AS n
  FROM used
  WHERE alone_class IS NOT NULL
  GROUP BY
    population, treatment,
    CASE
      WHEN drug_class = 'none' THEN 'none' WHEN drug_class = alone_class THEN 'on_top' ELSE 'another'
    END
)

SELECT
  g.population, g.treatment, g.class_used,
  CAST(COALESCE(SUM(CASE WHEN c.class_used = g.class_used THEN c.n END), 0) AS BIGINT) AS n_persons,
  CAST(COALESCE(SUM(c.n), 0) AS BIGINT) AS n_population
FROM work.treated_otherwise_grid AS g
LEFT JOIN counted AS c ON c.population = g.population AND c.treatment = g.treatment
GROUP BY g.population, g.treatment, g.class_used, g.display_order
ORDER BY g.display_order
