-- Title: Persons with the disease, with age, sex and date of death
-- Returns: one row per person: index_date; age (completed years, NULL when the year of birth is unknown);
--          is_male (TRUE, FALSE, NULL when unknown); race (a concept set, NULL when unknown); death_date (the
--          earliest; a day before year 1 counts as its first day)
-- Tables: work.disease, work.race, cdm.person, cdm.death, work.concept_set
-- Window: as in disease; age and death as of the as-of date
-- Missing: 15 June if the month of birth is unknown, whatever the day; the 1st if only the day is unknown;
--          a person without a row in person stays in the cohort, with age, sex and race unknown
-- Parameters: as_of_date, year_only (1: age = year - year of birth)
WITH death AS (
  SELECT
    person_id,
    MIN(CASE WHEN death_date < CAST('0001-01-01' AS DATE) THEN CAST('0001-01-01' AS DATE) ELSE death_date END)
      AS death_date
  FROM cdm.death
  GROUP BY person_id
),

birth AS (
  SELECT
    person_id,
    gender_concept_id,
    race_concept_id,
    CAST(year_of_birth AS BIGINT) AS year_of_birth,
    CASE WHEN month_of_birth BETWEEN 1 AND 12 THEN month_of_birth ELSE 6 END AS month_of_birth,
    CASE
      WHEN month_of_birth BETWEEN 1 AND 12 THEN CASE WHEN day_of_birth BETWEEN 1 AND 31 THEN day_of_birth ELSE 1 END
      ELSE 15
    END AS day_of_birth
  FROM cdm.person
)

SELECT
  d.person_id,
  CAST(:as_of_date AS DATE) AS index_date,
  b.gender_concept_id,
  CASE g.concept_set WHEN 'sex_male' THEN TRUE WHEN 'sex_female' THEN FALSE END AS is_male,
  r.concept_set AS race,
  b.year_of_birth,
  b.month_of_birth,
  b.day_of_birth,
  CAST(
    EXTRACT(YEAR FROM CAST(:as_of_date AS DATE)) - b.year_of_birth - CASE
      WHEN :year_only = 1 THEN 0
      WHEN
        EXTRACT(MONTH FROM CAST(:as_of_date AS DATE)) * 100 + EXTRACT(DAY FROM CAST(:as_of_date AS DATE))
        < b.month_of_birth * 100 + b.day_of_birth THEN 1
      ELSE 0
    END AS BIGINT
  ) AS age,
  x.death_date
FROM work.disease AS d
LEFT JOIN birth AS b ON b.person_id = d.person_id
LEFT JOIN work.concept_set AS g ON g.concept_id = b.gender_concept_id AND g.concept_set IN ('sex_male', 'sex_female')
LEFT JOIN work.race AS r ON r.concept_id = b.race_concept_id
LEFT JOIN death AS x ON x.person_id = d.person_id
WHERE NOT d.is_excluded
