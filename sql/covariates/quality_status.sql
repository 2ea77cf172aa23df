-- Title: Number of persons by covariate and status
-- Returns: one row per covariate and status: n_persons
-- Tables: work.patient_covariate
-- Window: as for each covariate
-- Missing: a status without persons has no row; the program writes zeros
-- Parameters: none
SELECT covariate, status, COUNT(*) AS n_persons
FROM work.patient_covariate
GROUP BY covariate, status
