-- Title: Drug of the index treatment, and how long a person is followed on it
-- Returns: one row per person and index rule: drug, drug_class, index_date; last_day (the last one, in days from the
--          index date, on which an end would be known), next_day (start of another class; NULL without one)
-- Tables: work.index_line, work.treatment_line, work.cohort_member, work.drug_record
-- Window: an end is known once the gap has passed, so last_day is gap_days + 1 before death or before the newest start
--         of a drug of the cohort: drugs may be loaded later than other records
-- Missing: a person without a last_day from the index date on has no row
-- Parameters: gap_days
WITH known AS (
  SELECT MAX(start_date) AS last_date
  FROM work.drug_record
),

dated AS (
  SELECT
    i.person_id, i.index_rule, i.drug, i.drug_class, i.index_date,
    CAST(LEAST(k.last_date, COALESCE(m.death_date, k.last_date)) AS DATE) AS end_date,
    MIN(DATE_DIFF('day', i.index_date, n.start_date)) AS next_day
  FROM work.index_line AS i
  INNER JOIN work.cohort_member AS m ON m.person_id = i.person_id
  CROSS JOIN known AS k
  LEFT JOIN work.treatment_line AS n
    ON n.person_id = i.person_id AND n.line_number > i.line_number AND n.drug_class <> i.drug_class
  GROUP BY i.person_id, i.index_rule, i.drug, i.drug_class, i.index_date, m.death_date, k.last_date
)

SELECT
  person_id, index_rule, drug, drug_class, index_date, next_day,
  DATE_DIFF('day', index_date, end_date) - :gap_days - 1 AS last_day
FROM dated
WHERE DATE_DIFF('day', index_date, end_date) > :gap_days
