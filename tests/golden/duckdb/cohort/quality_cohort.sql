/* Title: Persons with the disease who have ulcerative colitis on record too, and persons excluded */
/* Returns: one row: n_with_ulcerative_colitis (excluded or not), n_excluded_condition */
/* Tables: work.disease, cdm.condition_occurrence, work.concept_set */
/* Window: any condition record up to the as-of date */
/* Missing: nobody such gives 0 */
/* Parameters: as_of_date */
WITH colitis AS (
  SELECT DISTINCT
    c.person_id
  FROM cdm.condition_occurrence AS c
  INNER JOIN work.concept_set AS s
    ON s.concept_id = c.condition_concept_id AND s.concept_set = 'ulcerative_colitis'
  WHERE
    c.condition_start_date <= $as_of_date
)
SELECT
  COUNT(c.person_id) AS n_with_ulcerative_colitis,
  COUNT(CASE WHEN d.is_excluded THEN 1 END) AS n_excluded_condition
FROM work.disease AS d
LEFT JOIN colitis AS c
  ON c.person_id = d.person_id;
