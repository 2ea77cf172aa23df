/* Title: Who is in which population of prevalence and age-sex pyramid */
/* Returns: one row per population and person: crohns_disease, biologic_exposed, first_biologic_since */
/* Tables: work.audit_person */
/* Window: any treatment line up to the index date */
/* Missing: nobody is left out for unknown age or sex */
/* Parameters: none */
SELECT
  'crohns_disease' AS population,
  person_id
FROM work.audit_person
UNION ALL
SELECT
  'biologic_exposed' AS population,
  person_id
FROM work.audit_person
WHERE
  NOT first_biologic_date IS NULL
UNION ALL
SELECT
  'first_biologic_since' AS population,
  person_id
FROM work.audit_person
WHERE
  is_first_since;
