# What lme4 offers for the same moments: parametric refits with the trial effects held.
# Rscript boot_mer.R TRIALS.csv N_REFITS SCALED_TO; prints one JSON object.
suppressPackageStartupMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
trials <- read.csv(arguments[1])
n <- as.integer(arguments[2])
scale <- as.numeric(arguments[3]) / n
trials$trial <- factor(trials$trial)
fit <- lmer(reformulate(c(setdiff(names(trials), c("trial", "y")), "(1 | trial)"), "y"), trials)
start <- proc.time()
refits <- suppressMessages(bootMer(fit, fixef, nsim = n, seed = 1234, use.u = TRUE, type = "parametric"))
took <- proc.time() - start
cpu <- took[["user.self"]] + took[["sys.self"]]
stopifnot(all(is.finite(refits$t)))
cat(sprintf(
  '{"seconds": %.6f, "cpu_seconds": %.6f, "note": "%d refits, %.0f per second of CPU"}\n',
  took[["elapsed"]] * scale, cpu * scale, n, n / cpu
))
