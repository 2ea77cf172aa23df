-- Title: Women of 50 and over by calendar year, among persons with a record of the disease or a first biologic in it
-- Returns: one row per event (disease_record, first_biologic), calendar year and measure: n_persons, n_population
-- Tables: work.prevalence_by_year_grid, work.condition_record, work.audit_person, work.cohort_member
-- Window: from since to the as-of date; age in a year is the year minus the year of birth, as in the paper
-- Missing: persons of unknown age or sex are a measure of their own, and stay in n_population
-- Parameters: since, as_of_date
WITH happened AS (
  SELECT DISTINCT
    'disease_record' AS event, -- noqa: RF04
    person_id, CAST(EXTRACT(YEAR FROM condition_start_date) AS BIGINT) AS calendar_year
  FROM work.condition_record
  WHERE concept_set = 'crohns_disease' AND is_used AND condition_start_date BETWEEN :since AND :as_of_date
  UNION ALL
  SELECT
    'first_biologic' AS event, -- noqa: RF04
    person_id, CAST(EXTRACT(YEAR FROM first_biologic_date) AS BIGINT) AS calendar_year
  FROM work.audit_person
  WHERE is_first_since
),

counted AS (
  SELECT
    h.event, h.calendar_year,
    COUNT(*) AS n_population,
    COUNT(CASE WHEN NOT m.is_male AND h.calendar_year - m.year_of_birth >= 50 THEN 1 END) AS n_women,
    COUNT(CASE WHEN m.is_male IS NULL OR m.year_of_birth IS NULL THEN 1 END) AS n_unknown
  FROM happened AS h
  INNER JOIN work.cohort_member AS m ON m.person_id = h.person_id
  GROUP BY h.event, h.calendar_year
)

SELECT
  g.event, g.calendar_year, g.measure,
  COALESCE(CASE WHEN g.measure = 'women_50_and_over' THEN c.n_women ELSE c.n_unknown END, 0) AS n_persons,
  COALESCE(c.n_population, 0) AS n_population
FROM work.prevalence_by_year_grid AS g
LEFT JOIN counted AS c ON c.event = g.event AND c.calendar_year = g.calendar_year
ORDER BY g.display_order
