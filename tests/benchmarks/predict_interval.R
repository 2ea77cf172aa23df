# What the packages lme4 and merTools offer to whoever has fitted such a model in R: predictions
# without the random effects, and their intervals by simulation.
# Rscript predict_interval.R PATIENTS.csv N_SIMULATIONS; prints one JSON object.
suppressPackageStartupMessages({
  library(lme4)
  library(merTools)
})
arguments <- commandArgs(trailingOnly = TRUE)
patients <- read.csv(arguments[1])
n_simulations <- as.integer(arguments[2])
covariates <- setdiff(names(patients), "trial")

# Trials of the size of the published ones: 9 of 300 participants.
set.seed(1)
participants <- patients[sample(nrow(patients), 2700, replace = TRUE), covariates]
participants$trial <- factor(rep(1:9, each = 300))
participants$y <- as.matrix(participants[covariates]) %*% seq(-0.2, 0.2, length.out = length(covariates)) +
  rnorm(9, sd = 30)[participants$trial] + rnorm(2700, sd = 90)
fit <- lmer(reformulate(c(covariates, "(1 | trial)"), "y"), participants)
patients$trial <- factor(1, levels = 1:9)

start <- proc.time()
for (drug_class in 1:3) {
  effect <- predict(fit, patients, re.form = NA)
  interval <- predictInterval(fit, patients, which = "fixed", n.sims = n_simulations, stat = "mean",
                              level = pnorm(1) - pnorm(-1), include.resid.var = FALSE)
}
took <- proc.time() - start

# The closed form that omop-scorer uses, x'Cx, is what the simulation approaches.
x <- cbind(1, as.matrix(patients[covariates]))
exact <- sqrt(rowSums((x %*% as.matrix(vcov(fit))) * x))
simulated <- (interval$upr - interval$lwr) / 2
off <- median(abs(simulated / exact - 1))
stopifnot(max(abs(effect - x %*% fixef(fit))) < 1e-8, off < 0.2)
cat(sprintf(
  '{"seconds": %.6f, "cpu_seconds": %.6f, "note": "%d simulations; standard errors within %.1f%% of x\'Cx (median)"}\n',
  took[["elapsed"]], took[["user.self"]] + took[["sys.self"]], n_simulations, 100 * off
))
