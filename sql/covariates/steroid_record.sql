-- Title: Current corticosteroid exposures of the scored patients, with their administration
-- Returns: one row per exposure: taken (oral, injected, injected_one_day, local, unclassified);
--          is_current_as_long (1: not current if it had 366 days at most), is_negative_supply, is_implausible_start
-- Tables: work.drug_record, work.patient, work.steroid_form, work.concept_set
-- Window: exposures that started by the index date and last until index date - lookback_days or later;
--         an exposure longer than maximum_days counts as one of maximum_days
-- Missing: without dose form and route: oral for the always systemic ingredients, otherwise unclassified
-- Parameters: lookback_days, maximum_days
WITH current_exposure AS (
  SELECT
    r.person_id, r.drug_exposure_id, r.drug_concept_id, r.product_concept_id, r.start_date, r.n_days_after_start,
    r.route_concept_id,
    CASE
      WHEN DATE_DIFF('day', r.start_date, p.index_date) - LEAST(r.n_days_after_start, 365) > :lookback_days THEN 1
      ELSE 0
    END AS is_current_as_long,
    r.is_negative_supply, r.is_implausible_start
  FROM work.drug_record AS r
  INNER JOIN work.patient AS p ON p.person_id = r.person_id
  WHERE
    r.concept_set = 'systemic_corticosteroid'
    AND DATE_DIFF('day', r.start_date, p.index_date) - LEAST(r.n_days_after_start, :maximum_days - 1) <= :lookback_days
),

route AS (
  SELECT concept_id, MIN(concept_set) AS concept_set
  FROM work.concept_set
  WHERE concept_set IN ('route_oral', 'route_injected', 'route_local')
  GROUP BY concept_id
),

classified AS (
  SELECT
    e.person_id, e.drug_exposure_id, e.drug_concept_id, e.start_date, e.n_days_after_start,
    e.is_current_as_long, e.is_negative_supply, e.is_implausible_start,
    CASE
      WHEN f.taken IS NOT NULL THEN f.taken
      WHEN t.concept_set = 'route_oral' THEN 'oral'
      WHEN t.concept_set = 'route_injected' THEN 'injected'
      WHEN t.concept_set = 'route_local' THEN 'local'
      WHEN a.concept_id IS NOT NULL THEN 'oral'
      ELSE 'unclassified'
    END AS taken
  FROM current_exposure AS e
  LEFT JOIN work.steroid_form AS f ON f.product_concept_id = e.product_concept_id
  LEFT JOIN route AS t ON t.concept_id = e.route_concept_id
  LEFT JOIN work.concept_set AS a
    ON a.concept_id = e.product_concept_id AND a.concept_set = 'corticosteroid_always_systemic'
)

SELECT
  person_id, drug_exposure_id, drug_concept_id, start_date,
  is_current_as_long, is_negative_supply, is_implausible_start,
  CASE WHEN taken = 'injected' AND n_days_after_start = 0 THEN 'injected_one_day' ELSE taken END AS taken
FROM classified
