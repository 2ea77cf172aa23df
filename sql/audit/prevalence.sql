-- Title: Women of 50 and over, races, and patients with one class alone on top, in each population
-- Returns: one row per population and measure: n_persons, n_population (for labels: scored persons of the population)
-- Tables: work.prevalence_grid, work.audit_population, work.audit_person, work.patient_score, work.model_class
-- Window: age on the index date
-- Missing: unknown age or sex, and unknown race, are separate measures; these persons stay in n_population
-- Parameters: none
WITH property AS (
  SELECT person_id, 'women_50_and_over' AS measure FROM work.audit_person
  WHERE NOT is_male AND age >= 50
  UNION ALL
  SELECT person_id, 'age_or_sex_unknown' AS measure FROM work.audit_person
  WHERE is_male IS NULL OR age IS NULL
  UNION ALL
  SELECT person_id, race AS measure FROM work.audit_person
  UNION ALL
  SELECT s.person_id, c.drug_class || '_alone_on_top' AS measure
  FROM work.patient_score AS s
  INNER JOIN work.model_class AS c ON c.drug_class = s.preferred
),

of_scored AS (
  SELECT drug_class || '_alone_on_top' AS measure FROM work.model_class
),

counted AS (
  SELECT p.population, r.measure, COUNT(*) AS n_persons
  FROM work.audit_population AS p
  INNER JOIN property AS r ON r.person_id = p.person_id
  GROUP BY p.population, r.measure
),

total AS (
  SELECT p.population, COUNT(*) AS n_everybody, COUNT(s.person_id) AS n_scored
  FROM work.audit_population AS p
  LEFT JOIN work.patient_score AS s ON s.person_id = p.person_id
  GROUP BY p.population
)

SELECT
  g.population,
  g.measure,
  COALESCE(c.n_persons, 0) AS n_persons,
  COALESCE(CASE WHEN o.measure IS NULL THEN t.n_everybody ELSE t.n_scored END, 0) AS n_population
FROM work.prevalence_grid AS g
LEFT JOIN counted AS c ON c.population = g.population AND c.measure = g.measure
LEFT JOIN total AS t ON t.population = g.population
LEFT JOIN of_scored AS o ON o.measure = g.measure
ORDER BY g.display_order
