/* Title: In which state each covariate is, in persons */
/* Returns: one row per covariate and status: n_persons */
/* Tables: work.patient_covariate */
/* Window: that of each covariate */
/* Missing: a status that nobody has gives no row; the program writes zeros */
/* Parameters: none */
SELECT
  covariate,
  status,
  COUNT(*) AS n_persons
FROM work.patient_covariate
GROUP BY
  covariate,
  status;
