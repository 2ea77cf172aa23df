-- Title: Days on the drug of the index treatment, and whether it is known to have ended
-- Returns: one row per person and index rule: drug_class, n_days (from the index date to the last day that the drug
--          covers without a gap of more than gap_days, to the start of another class, or to the last day followed),
--          is_stopped (1: the drug ended, or another class started; 0: neither is known)
-- Tables: work.persistence_followed, work.line_drug, work.drug_record
-- Window: exposures from the index date on; an exposure covers at least exposure_days
-- Missing: as in persistence_followed
-- Parameters: gap_days, exposure_days
WITH exposure AS (
  SELECT
    f.person_id, f.index_rule, r.drug_exposure_id,
    DATE_DIFF('day', f.index_date, r.start_date) AS start_day,
    DATE_DIFF('day', f.index_date, r.start_date) + GREATEST(r.n_days_after_start, :exposure_days - 1) AS end_day
  FROM work.persistence_followed AS f
  INNER JOIN work.line_drug AS d ON d.drug = f.drug
  INNER JOIN work.drug_record AS r ON r.person_id = f.person_id AND r.concept_set = d.concept_set
),

chained AS (
  SELECT
    person_id, index_rule, start_day, end_day,
    MAX(end_day) OVER (
      PARTITION BY person_id, index_rule ORDER BY start_day ASC NULLS LAST, drug_exposure_id ASC NULLS LAST
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS covered_day
  FROM exposure
),

ended AS (
  SELECT
    person_id, index_rule,
    COALESCE(MIN(CASE WHEN start_day - covered_day > :gap_days THEN covered_day END), MAX(end_day)) AS end_day
  FROM chained
  GROUP BY person_id, index_rule
)

SELECT
  f.person_id, f.index_rule, f.drug_class,
  CAST(LEAST(e.end_day, COALESCE(f.next_day, e.end_day), f.last_day) AS BIGINT) AS n_days,
  CASE WHEN LEAST(e.end_day, COALESCE(f.next_day, e.end_day)) > f.last_day THEN 0 ELSE 1 END AS is_stopped
FROM work.persistence_followed AS f
INNER JOIN ended AS e ON e.person_id = f.person_id AND e.index_rule = f.index_rule
