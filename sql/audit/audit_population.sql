-- Title: Members of each population of prevalence and age_sex_pyramid
-- Returns: one row per population (crohns_disease, biologic_exposed, first_biologic_since) and person
-- Tables: work.audit_person
-- Window: any treatment line up to the index date
-- Missing: no person is excluded for unknown age or sex
-- Parameters: none
SELECT 'crohns_disease' AS population, person_id FROM work.audit_person
UNION ALL
SELECT 'biologic_exposed' AS population, person_id FROM work.audit_person
WHERE first_biologic_date IS NOT NULL
UNION ALL
SELECT 'first_biologic_since' AS population, person_id FROM work.audit_person
WHERE is_first_since
