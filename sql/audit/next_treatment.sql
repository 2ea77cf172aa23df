-- Title: Next treatment by population, index rule and class of the index treatment
-- Returns: one row per population, index rule, index class and next class: n_persons (also if 0), n_population
-- Tables: work.next_treatment_grid, work.index_member
-- Window: as in index_treatment
-- Missing: without a next treatment the next class is none_died, none_continuing or none_stopped
-- Parameters: none
WITH counted AS (
  SELECT population, index_rule, index_class, next_class, COUNT(*) AS n_persons
  FROM work.index_member
  GROUP BY population, index_rule, index_class, next_class
),

total AS (
  SELECT population, index_rule, index_class, COUNT(*) AS n_population
  FROM work.index_member
  GROUP BY population, index_rule, index_class
)

SELECT
  g.population,
  g.index_rule,
  g.index_class,
  g.next_class,
  COALESCE(c.n_persons, 0) AS n_persons,
  COALESCE(t.n_population, 0) AS n_population
FROM work.next_treatment_grid AS g
LEFT JOIN counted AS c
  ON
    c.population = g.population AND c.index_rule = g.index_rule
    AND c.index_class = g.index_class AND c.next_class = g.next_class
LEFT JOIN total AS t
  ON t.population = g.population AND t.index_rule = g.index_rule AND t.index_class = g.index_class
ORDER BY g.display_order
