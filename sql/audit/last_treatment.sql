-- Title: The drug that each person was last on, and whether it is in use
-- Returns: one row per person with a line: drug, drug_class, is_current
-- Tables: work.treatment_line, work.model_class
-- Window: up to the as-of date; in use as in treatment_line
-- Missing: a person without a line has no row; a class outside the model is other_advanced. Of several drugs, those in
--          use come first, then the one whose latest exposure started last, then the one with the greater line number
-- Parameters: none
WITH ranked AS (
  SELECT
    person_id, drug, drug_class, is_current,
    ROW_NUMBER() OVER (
      PARTITION BY person_id
      ORDER BY
        CASE WHEN is_current THEN 0 ELSE 1 END ASC NULLS LAST,
        last_start_date DESC NULLS LAST,
        line_number DESC NULLS LAST
    ) AS recency
  FROM work.treatment_line
)

SELECT r.person_id, r.drug, COALESCE(c.drug_class, 'other_advanced') AS drug_class, r.is_current
FROM ranked AS r
LEFT JOIN work.model_class AS c ON c.drug_class = r.drug_class
WHERE r.recency = 1
