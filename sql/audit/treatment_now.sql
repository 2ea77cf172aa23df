-- Title: What the models prefer now for each scored patient, and the class in use and the class last used
-- Returns: one row per population (all, women_50_and_over, active_disease) and person in it: preference_group,
--          preferred, alone_class (the class alone on top; NULL for several), last_class, current_class (or none)
-- Tables: work.patient_score, work.audit_person, work.patient_covariate, work.last_treatment,
--         work.model_class
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
)

SELECT
  p.population, s.person_id, s.preference_group, s.preferred, c.drug_class AS alone_class,
  COALESCE(t.drug_class, 'none') AS last_class,
  CASE WHEN t.is_current THEN t.drug_class ELSE 'none' END AS current_class
FROM work.patient_score AS s
INNER JOIN population AS p ON p.person_id = s.person_id
LEFT JOIN work.last_treatment AS t ON t.person_id = s.person_id
LEFT JOIN work.model_class AS c ON c.drug_class = s.preferred
