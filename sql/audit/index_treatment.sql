-- Title: Index treatment of each person, what the models preferred on that day, and the treatment that followed it
-- Returns: one row per person and index rule: drug, drug_class, index_date, population (of age and sex), preferred
--          (classes on top as of the index date), next_drug, next_class, next_date, days_to_next
-- Tables: work.index_line, work.index_preference, work.anti_tnf_preference
-- Window: as in index_line; age on the as-of date or, with age_at_index 1, on the index date
-- Missing: unknown age or sex = no population; a person who could not be scored as of the index date has preferred
--          not_scored
-- Parameters: age_at_index
WITH aged AS (
  SELECT
    person_id, index_rule, drug, drug_class, index_date, next_drug, next_class, next_date, days_to_next, is_male,
    CASE WHEN :age_at_index = 1 THEN index_age ELSE age END AS age
  FROM work.index_line
)

SELECT
  a.person_id, a.index_rule, a.drug, a.drug_class, a.index_date,
  CASE
    WHEN a.is_male AND a.age >= 50 THEN 'men_50_and_over'
    WHEN a.is_male AND a.age < 50 THEN 'men_under_50'
    WHEN NOT a.is_male AND a.age >= 50 THEN 'women_50_and_over'
    WHEN NOT a.is_male AND a.age < 50 THEN 'women_under_50'
  END AS population,
  COALESCE(p.preferred, t.preferred, 'not_scored') AS preferred,
  a.next_drug, a.next_class, a.next_date, a.days_to_next
FROM aged AS a
-- The first biologic, if it started on the same day.
LEFT JOIN work.index_line AS b
  ON b.person_id = a.person_id AND b.index_rule = 'first_biologic' AND b.index_date = a.index_date
LEFT JOIN work.index_preference AS p ON p.person_id = b.person_id
LEFT JOIN work.anti_tnf_preference AS t ON t.person_id = a.person_id AND a.index_rule = 'first_anti_tnf'
