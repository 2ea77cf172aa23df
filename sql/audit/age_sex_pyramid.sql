-- Title: Number of persons by age group and sex in each population
-- Returns: one row per population, age group and sex: n_persons, also if 0
-- Tables: work.age_sex_pyramid_grid, work.audit_population, work.audit_person
-- Window: age on the index date
-- Missing: unknown age and unknown sex are separate groups
-- Parameters: none
WITH counted AS (
  SELECT p.population, a.age_group, a.sex, COUNT(*) AS n_persons
  FROM work.audit_population AS p
  INNER JOIN work.audit_person AS a ON a.person_id = p.person_id
  GROUP BY p.population, a.age_group, a.sex
)

SELECT g.population, g.age_group, g.sex, COALESCE(c.n_persons, 0) AS n_persons
FROM work.age_sex_pyramid_grid AS g
LEFT JOIN counted AS c ON c.population = g.population AND c.age_group = g.age_group AND c.sex = g.sex
ORDER BY g.display_order
