-- Title: Deaths of the cohort that other dates contradict
-- Returns: one row: n_record_after_death (records dated after the death, of the sets that the rules read),
--          n_death_contradicted (persons with such a record more than 60 days after), n_death_before_birth (persons),
--          n_deaths_of_two_dates (persons with several dates of death)
-- Tables: work.cohort_member, work.condition_record, work.drug_record, work.measurement_record, cdm.death
-- Window: deaths and records up to the index date; dates of death at any time
-- Missing: an unknown month or day of birth as for the age; without such persons or records the count is 0
-- Parameters: none
WITH dead AS (
  SELECT
    person_id, death_date, index_date,
    CASE
      WHEN EXTRACT(YEAR FROM death_date) < year_of_birth THEN 1
      WHEN
        EXTRACT(YEAR FROM death_date) = year_of_birth
        AND EXTRACT(MONTH FROM death_date) * 100 + EXTRACT(DAY FROM death_date) < month_of_birth * 100 + day_of_birth
        THEN 1
      ELSE 0
    END AS is_before_birth
  FROM work.cohort_member
  WHERE death_date <= index_date
),

record AS (
  SELECT
    'condition_occurrence' AS source_table, condition_occurrence_id AS source_id, person_id,
    condition_start_date AS record_date
  FROM work.condition_record
  WHERE is_used AND concept_set IN ('crohns_disease', 'cd_ileal_definite', 'cd_ileal_probable', 'cd_not_ileal_colon')
  UNION DISTINCT
  SELECT 'drug_exposure' AS source_table, drug_exposure_id AS source_id, person_id, start_date AS record_date
  FROM work.drug_record
  UNION DISTINCT
  SELECT source_table, source_id, person_id, source_date AS record_date
  FROM work.measurement_record
  WHERE purpose = 'after_death'
),

counted AS (
  SELECT
    COUNT(r.person_id) AS n_record_after_death,
    COUNT(DISTINCT CASE WHEN DATE_DIFF('day', d.death_date, r.record_date) > 60 THEN d.person_id END)
      AS n_death_contradicted,
    COUNT(DISTINCT CASE WHEN d.is_before_birth = 1 THEN d.person_id END) AS n_death_before_birth
  FROM dead AS d
  LEFT JOIN record AS r ON r.person_id = d.person_id AND r.record_date > d.death_date AND r.record_date <= d.index_date
),

several AS (
  SELECT m.person_id
  FROM work.cohort_member AS m
  INNER JOIN cdm.death AS d ON d.person_id = m.person_id
  GROUP BY m.person_id
  HAVING COUNT(DISTINCT d.death_date) > 1
)

SELECT
  n_record_after_death, n_death_contradicted, n_death_before_birth,
  (SELECT COUNT(*) FROM several) AS n_deaths_of_two_dates
FROM counted
