-- Title: Patients whose yes rests only on exposures that cannot be right, by covariate
-- Returns: one row per covariate with a yes: n_by_length (no longer a yes if exposures had at most 366 days),
--          n_by_negative_supply and n_by_implausible_start (every exposure that supports it is such a one)
-- Tables: work.drug_record, work.steroid_record, work.patient
-- Window: as in prior_anti_tnf, steroid_record and immunomodulator
-- Missing: a covariate without a yes has no row
-- Parameters: prior_days, immunomodulator_days, immunomodulator_maximum
WITH support AS (
  SELECT 'steroid' AS covariate, person_id, is_current_as_long, is_negative_supply, is_implausible_start
  FROM work.steroid_record
  WHERE taken IN ('oral', 'injected')
  UNION ALL
  SELECT
    'immunomodulator' AS covariate, r.person_id,
    CASE
      WHEN DATE_DIFF('day', r.start_date, p.index_date) - LEAST(r.n_days_after_start, 365) > :immunomodulator_days
        THEN 1
      ELSE 0
    END AS is_current_as_long,
    r.is_negative_supply, r.is_implausible_start
  FROM work.drug_record AS r
  INNER JOIN work.patient AS p ON p.person_id = r.person_id
  WHERE
    r.concept_set = 'immunomodulator'
    AND DATE_DIFF('day', r.start_date, p.index_date) - LEAST(r.n_days_after_start, :immunomodulator_maximum - 1)
    <= :immunomodulator_days
  UNION ALL
  SELECT
    'prior_anti_tnf' AS covariate, r.person_id, 0 AS is_current_as_long, r.is_negative_supply, r.is_implausible_start
  FROM work.drug_record AS r
  INNER JOIN work.patient AS p ON p.person_id = r.person_id
  WHERE r.concept_set = 'biologic_anti_tnf' AND DATE_DIFF('day', r.start_date, p.index_date) BETWEEN 1 AND :prior_days
),

patient AS (
  SELECT
    covariate, person_id, MIN(is_current_as_long) AS by_length, MIN(is_negative_supply) AS by_negative_supply,
    MIN(is_implausible_start) AS by_implausible_start
  FROM support
  GROUP BY covariate, person_id
)

SELECT
  covariate,
  CAST(SUM(by_length) AS BIGINT) AS n_by_length,
  CAST(SUM(by_negative_supply) AS BIGINT) AS n_by_negative_supply,
  CAST(SUM(by_implausible_start) AS BIGINT) AS n_by_implausible_start
FROM patient
GROUP BY covariate
