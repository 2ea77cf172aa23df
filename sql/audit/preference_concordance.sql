-- Title: Classes that the models preferred at the first biologic, by the class given next
-- Returns: one row per population, preferred and next class: n_persons, also if 0
-- Tables: work.preference_concordance_grid, work.index_member
-- Window: scored as of the index date; the next treatment up to the as-of date
-- Missing: a person who could not be scored as of that day has preferred not_scored
-- Parameters: none
WITH counted AS (
  SELECT population, preferred, next_class, COUNT(*) AS n_persons
  FROM work.index_member
  WHERE index_rule = 'first_biologic' AND index_class = 'all'
  GROUP BY population, preferred, next_class
)

SELECT g.population, g.preferred, g.next_class, COALESCE(c.n_persons, 0) AS n_persons
FROM work.preference_concordance_grid AS g
LEFT JOIN counted AS c
  ON c.population = g.population AND c.preferred = g.preferred AND c.next_class = g.next_class
ORDER BY g.display_order
