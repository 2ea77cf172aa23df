-- Title: Attributes of every person of the cohort that the audits use
-- Returns: one row per person: age (completed years), is_male, sex, age_group and race (text, unknown included),
--          first_biologic_date (first line of a class of the model), is_first_since (TRUE if on or after since),
--          first_record_date (of the disease), care_site_id, care_site_name, care_site (the name and id as a text)
-- Tables: work.cohort_member, work.treatment_line, work.model_class, work.age_group, work.disease,
--         work.person_care_site
-- Window: the index date
-- Missing: unknown age, sex, race or care site is a separate value; care_site_id and care_site_name are then NULL;
--          first_biologic_date is NULL without such a line
-- Parameters: since
WITH first_biologic AS (
  SELECT l.person_id, MIN(l.start_date) AS start_date
  FROM work.treatment_line AS l
  INNER JOIN work.model_class AS c ON c.drug_class = l.drug_class
  GROUP BY l.person_id
)

SELECT
  m.person_id,
  m.age,
  m.is_male,
  CASE WHEN m.is_male IS NULL THEN 'unknown' WHEN m.is_male THEN 'male' ELSE 'female' END AS sex,
  COALESCE(g.age_group, 'unknown') AS age_group,
  COALESCE(m.race, 'race_unknown') AS race,
  b.start_date AS first_biologic_date,
  CASE WHEN b.start_date >= :since THEN TRUE ELSE FALSE END AS is_first_since,
  d.first_record_date,
  s.care_site_id,
  s.care_site_name,
  CASE
    WHEN s.care_site_id IS NULL THEN 'unknown'
    WHEN s.care_site_name IS NULL THEN CAST(s.care_site_id AS VARCHAR)
    ELSE s.care_site_name || ' (' || CAST(s.care_site_id AS VARCHAR) || ')'
  END AS care_site
FROM work.cohort_member AS m
INNER JOIN work.disease AS d ON d.person_id = m.person_id
LEFT JOIN work.age_group AS g ON m.age BETWEEN g.lowest_age AND g.highest_age
LEFT JOIN first_biologic AS b ON b.person_id = m.person_id
LEFT JOIN work.person_care_site AS s ON s.person_id = m.person_id
