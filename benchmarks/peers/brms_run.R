# brms with the formulas that bambi gets: Rscript brms_run.R FOLDER. Knows nothing of the project.
#
# FOLDER holds job.json and data.csv; facts.json, names.json and draws.bin are written there: double
# numbers, draws first, then chains, then quantities. Compiled code is kept in $XDG_CACHE_HOME.

start <- proc.time()[["elapsed"]]
suppressPackageStartupMessages(library(brms))
folder <- commandArgs(trailingOnly = TRUE)[[1]]
job <- jsonlite::fromJSON(file.path(folder, "job.json"))
data <- read.csv(file.path(folder, "data.csv"))
for (name in intersect(c("la", "year", "framework"), names(data))) {
  data[[name]] <- factor(data[[name]])
}
predictors <- grep("^x[0-9]+$", names(data), value = TRUE)
numbers <- job$numbers

# brms' own defaults, but for the shrinkage that the task is about.
task <- switch(job$task,
  trend = list(
    formula = bf(y ~ 1 + offset(log_exposure) + (1 + time | la) + (1 | year)),
    family = negbinomial(), prior = NULL
  ),
  shares = list(
    formula = bf(y | trials(total) ~ 1 + between + within + (1 + within | la) + (1 | year)),
    family = beta_binomial(), prior = NULL
  ),
  horseshoe = list(
    formula = bf(reformulate(c(predictors, "(1 | framework)"), "y")),
    family = bernoulli(),
    prior = set_prior(sprintf(
      "horseshoe(df = %g, scale_global = %g, df_global = %g, df_slab = %g, scale_slab = %g)",
      numbers$local_scale_nu, numbers$global_scale_sigma, numbers$global_scale_nu,
      # The slab's variance is inverse gamma, half its degrees of freedom and half their product
      # with the squared scale.
      2 * numbers$slab_variance_alpha,
      sqrt(numbers$slab_variance_beta / numbers$slab_variance_alpha)
    ), class = "b")
  )
)
seconds <- list(start = proc.time()[["elapsed"]] - start)

began <- proc.time()[["elapsed"]]
kept <- file.path(Sys.getenv("XDG_CACHE_HOME"), "compiled.rds")
if (file.exists(kept)) {
  compiled <- readRDS(kept)
} else {
  compiled <- brm(
    task$formula, data, family = task$family, prior = task$prior, chains = 0, silent = 2
  )
  saveRDS(compiled, kept)
}
seconds$compile <- proc.time()[["elapsed"]] - began

began <- proc.time()[["elapsed"]]
fit <- update(
  compiled, recompile = FALSE, chains = job$chains, cores = job$cores, seed = job$seed,
  warmup = job$tune, iter = job$tune + job$draws, control = list(adapt_delta = job$target_accept),
  silent = 2, refresh = 0
)
seconds$sampling <- proc.time()[["elapsed"]] - began

draws <- as.array(fit)
quantities <- setdiff(dimnames(draws)[[3]], c("lp__", "lprior"))
file <- file(file.path(folder, "draws.bin"), "wb")
writeBin(as.vector(draws[, , quantities]), file)
close(file)
jsonlite::write_json(quantities, file.path(folder, "names.json"))
told <- nuts_params(fit)
total <- function(name) sum(told$Value[told$Parameter == name])
jsonlite::write_json(
  list(
    seconds = seconds, gradients = total("n_leapfrog__"), gradients_all = NULL,
    divergences = total("divergent__"),
    version = paste0("brms ", packageVersion("brms"), ", rstan ", packageVersion("rstan"))
  ),
  file.path(folder, "facts.json"), auto_unbox = TRUE, null = "null", digits = NA
)
