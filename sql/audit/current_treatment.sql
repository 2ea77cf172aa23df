-- Title: Classes that the models prefer now, by the class in use and by the class last used
-- Returns: one row per population, treatment (current, last), preference group (or all), preferred (all; in shared_top
--          also each set of classes on top) and drug class (or none): n_persons (also if 0), n_population
-- Tables: work.current_treatment_grid, work.patient_score, work.audit_person, work.patient_covariate,
--         work.last_treatment
-- Window: scored persons on the index date; active_disease: the recorded CDAI is active_cdai or more or, without one,
--         the recorded CRP is above active_crp
-- Missing: none without a drug in use (current), or without any line (last); imputed values make no disease active
-- Parameters: active_cdai, active_crp
WITH population AS (
  SELECT person_id, 'all' AS population FROM work.patient_score
  UNION ALL
  SELECT person_id, 'women_50_and_over' AS population FROM work.audit_person
  WHERE NOT is_male AND age >= 50
  UNION ALL
  SELECT person_id, 'active_disease' AS population FROM work.patient_covariate
  WHERE covariate IN ('cdai', 'crp') AND status = 'observed'
  GROUP BY person_id
  HAVING
    MAX(CASE WHEN covariate = 'cdai' THEN covariate_value END) >= :active_cdai
    OR (
      COUNT(CASE WHEN covariate = 'cdai' THEN 1 END) = 0
      AND MAX(CASE WHEN covariate = 'crp' THEN covariate_value END) > :active_crp
    )
),

treated AS (
  SELECT
    p.population, s.preference_group, s.preferred, COALESCE(t.drug_class, 'none') AS last_class,
    CASE WHEN t.is_current THEN t.drug_class ELSE 'none' END AS current_class
  FROM work.patient_score AS s
  INNER JOIN population AS p ON p.person_id = s.person_id
  LEFT JOIN work.last_treatment AS t ON t.person_id = s.person_id
),

counted AS (
  SELECT population, 'current' AS treatment, preference_group, preferred, current_class AS drug_class, COUNT(*) AS n
  FROM treated
  GROUP BY population, preference_group, preferred, current_class
  UNION ALL
  SELECT population, 'last' AS treatment, preference_group, preferred, last_class AS drug_class, COUNT(*) AS n
  FROM treated
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
