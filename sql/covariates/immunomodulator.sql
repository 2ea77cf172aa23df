-- Title: Current use of an immunomodulator (azathioprine, mercaptopurine or methotrexate, in any form)
-- Returns: one row per person with such an exposure: covariate_value 1 and the latest exposure
-- Tables: work.drug_record, work.patient
-- Window: exposures that started by the index date and last until index date - lookback_days or later;
--         an exposure longer than maximum_days counts as one of maximum_days
-- Missing: no row; patient_covariate gives the status absent
-- Parameters: lookback_days, maximum_days
WITH ranked AS (
  SELECT
    r.person_id, r.drug_exposure_id, r.drug_concept_id, r.start_date,
    ROW_NUMBER() OVER (
      PARTITION BY r.person_id
      ORDER BY r.start_date DESC NULLS LAST, r.drug_exposure_id DESC NULLS LAST, r.drug_concept_id DESC NULLS LAST
    ) AS recency
  FROM work.drug_record AS r
  INNER JOIN work.patient AS p ON p.person_id = r.person_id
  WHERE
    r.concept_set = 'immunomodulator'
    AND DATE_DIFF('day', r.start_date, p.index_date) - LEAST(r.n_days_after_start, :maximum_days - 1) <= :lookback_days
)

SELECT
  person_id,
  'immunomodulator' AS covariate,
  CAST(1 AS DOUBLE) AS covariate_value,
  'observed' AS status,
  'drug_exposure' AS source_table,
  drug_exposure_id AS source_id,
  drug_concept_id AS source_concept_id,
  start_date AS source_date,
  CAST(NULL AS DOUBLE) AS source_value,
  CAST(NULL AS VARCHAR) AS source_unit
FROM ranked
WHERE recency = 1
