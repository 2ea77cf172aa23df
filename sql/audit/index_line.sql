-- Title: Index line of each person, and the line that followed it
-- Returns: one row per person and index rule (first_biologic: the first line of a class of the model; first_anti_tnf):
--          drug, drug_class, index_date, index_age (years), next_class; next_drug, next_date, days_to_next (NULL
--          without a next line)
-- Tables: work.treatment_line, work.model_class, work.cohort_member
-- Window: index line from since on, up to the as-of date; a treatment continues if its drug is in use, as in
--         treatment_line
-- Missing: without a next line: none_died, otherwise none_continuing, otherwise none_stopped
-- Parameters: since, year_only (1: age = year - year of birth)
WITH index_line AS (
  SELECT l.person_id, 'first_biologic' AS index_rule, MIN(l.line_number) AS line_number
  FROM work.treatment_line AS l
  INNER JOIN work.model_class AS c ON c.drug_class = l.drug_class
  GROUP BY l.person_id
  UNION ALL
  SELECT l.person_id, 'first_anti_tnf' AS index_rule, MIN(l.line_number) AS line_number
  FROM work.treatment_line AS l
  WHERE l.drug_class = 'anti_tnf'
  GROUP BY l.person_id
)

SELECT
  i.person_id, i.index_rule, l.drug, l.drug_class, l.start_date AS index_date, m.is_male, m.age,
  CAST(
    EXTRACT(YEAR FROM l.start_date) - m.year_of_birth - CASE
      WHEN :year_only = 1 THEN 0
      WHEN
        EXTRACT(MONTH FROM l.start_date) * 100 + EXTRACT(DAY FROM l.start_date)
        < m.month_of_birth * 100 + m.day_of_birth THEN 1
      ELSE 0
    END AS BIGINT
  ) AS index_age,
  n.drug AS next_drug,
  CASE
    WHEN n.person_id IS NOT NULL THEN COALESCE(k.drug_class, 'other_advanced')
    WHEN m.death_date <= m.index_date THEN 'none_died'
    WHEN l.is_current THEN 'none_continuing'
    ELSE 'none_stopped'
  END AS next_class,
  n.start_date AS next_date,
  CAST(DATE_DIFF('day', l.start_date, n.start_date) AS INTEGER) AS days_to_next
FROM index_line AS i
INNER JOIN work.treatment_line AS l ON l.person_id = i.person_id AND l.line_number = i.line_number
INNER JOIN work.cohort_member AS m ON m.person_id = i.person_id
LEFT JOIN work.treatment_line AS n ON n.person_id = i.person_id AND n.line_number = i.line_number + 1
LEFT JOIN work.model_class AS k ON k.drug_class = n.drug_class
WHERE l.start_date >= :since
