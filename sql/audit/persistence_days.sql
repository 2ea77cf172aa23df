-- Title: Persons by days on the drug of the index treatment
-- Returns: one row per population, index rule, class of the index treatment (and all), preference, n_days (those after
--          longest_days as one more) and is_stopped: n_persons
-- Tables: work.index_member, work.persistence_time, work.index_treatment, work.class_preference
-- Window: as in persistence_time
-- Missing: a person who could not be scored as of the index date has preference not_scored
-- Parameters: longest_days
WITH outcome AS (
  SELECT
    t.person_id, t.index_rule, COALESCE(c.preference, 'not_scored') AS preference,
    LEAST(t.n_days, :longest_days + 1) AS n_days,
    CASE WHEN t.n_days <= :longest_days THEN t.is_stopped ELSE 0 END AS is_stopped
  FROM work.persistence_time AS t
  INNER JOIN work.index_treatment AS i ON i.person_id = t.person_id AND i.index_rule = t.index_rule
  LEFT JOIN work.class_preference AS c ON c.drug_class = t.drug_class AND c.preferred = i.preferred
)

SELECT
  m.population, m.index_rule, m.index_class, o.preference, o.n_days, o.is_stopped, COUNT(*) AS n_persons
FROM outcome AS o
INNER JOIN work.index_member AS m ON m.person_id = o.person_id AND m.index_rule = o.index_rule
GROUP BY m.population, m.index_rule, m.index_class, o.preference, o.n_days, o.is_stopped
ORDER BY m.population, m.index_rule, m.index_class, o.preference, o.n_days, o.is_stopped
