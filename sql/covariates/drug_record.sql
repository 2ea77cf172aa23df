-- Title: Exposures of the cohort to the drugs that the rules use, with their intervals
-- Returns: one row per exposure and concept set: start_date, route, n_days_after_start (0: the start day alone;
--          an end after the as-of date counts as the as-of date)
-- Tables: work.exposure, work.cohort_member
-- Window: started on or before the index date
-- Missing: an end before the start, or a days_supply below 1, is ignored: the start day remains
-- Parameters: as_of_date
SELECT
  m.person_id,
  m.index_date,
  x.concept_set,
  x.drug_exposure_id,
  x.drug_concept_id,
  x.product_concept_id,
  x.drug_exposure_start_date AS start_date,
  x.route_concept_id,
  GREATEST(
    0,
    CASE
      WHEN x.drug_exposure_end_date > :as_of_date
        THEN GREATEST(1, COALESCE(DATE_DIFF('day', x.drug_exposure_start_date, CAST(:as_of_date AS DATE)), 0))
      ELSE COALESCE(DATE_DIFF('day', x.drug_exposure_start_date, x.drug_exposure_end_date), 0)
    END,
    COALESCE(CAST(x.days_supply AS BIGINT) - 1, 0)
  ) AS n_days_after_start
FROM work.exposure AS x
INNER JOIN work.cohort_member AS m ON m.person_id = x.person_id
WHERE x.is_used AND x.drug_exposure_start_date <= m.index_date
