-- Title: Exposures of the cohort to the drugs that the rules use, with their intervals
-- Returns: one row per exposure and concept set: start_date, route, n_days_after_start (0: the start day alone;
--          an end after the as-of date counts as the as-of date), is_first_set (1 for one row of each exposure);
--          and what cannot be right (0, 1): is_long (more than 366 days), is_reversed, is_negative_supply,
--          is_implausible_start (before 1900, or before birth)
-- Tables: work.exposure, work.cohort_member
-- Window: started on or before the index date
-- Missing: an end before the start, or a days_supply below 1, is ignored: the start day remains;
--          an exposure without a start date is not read
-- Parameters: as_of_date
WITH numbered AS (
  SELECT
    concept_set, product_concept_id,
    ROW_NUMBER()
      OVER (PARTITION BY product_concept_id ORDER BY concept_set ASC NULLS LAST, product_concept_id ASC NULLS LAST)
      AS set_number
  FROM (
    SELECT DISTINCT concept_set, product_concept_id FROM work.exposure
    WHERE is_used
  ) AS product
),

exposure AS (
  SELECT
    m.person_id, m.index_date, m.year_of_birth, m.month_of_birth, m.day_of_birth,
    x.concept_set, n.set_number, x.drug_exposure_id, x.drug_concept_id, x.product_concept_id, x.route_concept_id,
    CAST(x.days_supply AS BIGINT) AS days_supply,
    x.drug_exposure_start_date AS start_date,
    x.drug_exposure_end_date AS end_date
  FROM work.exposure AS x
  INNER JOIN numbered AS n ON n.concept_set = x.concept_set AND n.product_concept_id = x.product_concept_id
  INNER JOIN work.cohort_member AS m ON m.person_id = x.person_id
  WHERE x.is_used AND x.drug_exposure_start_date <= m.index_date
)

SELECT
  person_id, index_date, concept_set, drug_exposure_id, drug_concept_id, product_concept_id, start_date,
  route_concept_id,
  GREATEST(
    0,
    CASE
      WHEN end_date > :as_of_date
        THEN GREATEST(1, COALESCE(DATE_DIFF('day', start_date, CAST(:as_of_date AS DATE)), 0))
      ELSE COALESCE(DATE_DIFF('day', start_date, end_date), 0)
    END,
    COALESCE(days_supply - 1, 0)
  ) AS n_days_after_start,
  CASE WHEN set_number = 1 THEN 1 ELSE 0 END AS is_first_set,
  CASE WHEN DATE_DIFF('day', start_date, end_date) >= 366 OR days_supply > 366 THEN 1 ELSE 0 END AS is_long,
  CASE WHEN end_date < start_date THEN 1 ELSE 0 END AS is_reversed,
  CASE WHEN days_supply < 0 THEN 1 ELSE 0 END AS is_negative_supply,
  CASE
    WHEN start_date < CAST('1900-01-01' AS DATE) OR EXTRACT(YEAR FROM start_date) < year_of_birth THEN 1
    WHEN
      EXTRACT(YEAR FROM start_date) = year_of_birth
      AND EXTRACT(MONTH FROM start_date) * 100 + EXTRACT(DAY FROM start_date) < month_of_birth * 100 + day_of_birth
      THEN 1
    ELSE 0
  END AS is_implausible_start
FROM exposure
