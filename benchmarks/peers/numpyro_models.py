"""The three models for numpyro, in the forms that sample best. Imports nothing of the project."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import gammaln


def zero_sum(free):
    """Numbers that sum to zero from one fewer that are free; distances are kept."""
    n = free.shape[0] + 1
    norm = free.sum() / (jnp.sqrt(n) + n)
    return jnp.append(free, norm - free.sum() / jnp.sqrt(n)) - norm


def trend(d):
    """Negative-binomial trend."""
    level = numpyro.sample(
        "national_level", dist.Normal(d["national_level_mu"], d["national_level_sigma"])
    )
    step_sd = numpyro.sample(
        "trend_step_sd", dist.LogNormal(d["trend_step_sd_mu"], d["trend_step_sd_sigma"])
    )
    step = numpyro.sample("trend_step", dist.Normal(0, step_sd * d["root_gap"]))
    path = jnp.append(0.0, jnp.cumsum(step))
    path = numpyro.deterministic("trend", path - path.mean())
    level_sd = numpyro.sample("la_level_sd", dist.HalfNormal(d["la_level_sd_sigma"]))
    slope_sd = numpyro.sample("la_slope_sd", dist.HalfNormal(d["la_slope_sd_sigma"]))
    eta = d["la_level_slope_correlation_eta"]
    raw = numpyro.sample("correlation_raw", dist.Beta(eta, eta))
    correlation = numpyro.deterministic("la_level_slope_correlation", 2 * raw - 1)
    residual = jnp.sqrt(1 - correlation**2)
    las = (int(d["A"]),)
    free_sd = slope_sd if int(d["slopes_clear"]) else 1.0
    free = numpyro.sample("slope_free", dist.Normal(0, free_sd).expand((las[0] - 1,)))
    if int(d["slopes_clear"]):
        slope = zero_sum(free)
        around = level + correlation * level_sd / slope_sd * slope
        la_level = numpyro.sample("la_level", dist.Normal(around, level_sd * residual))
    else:
        la_level = numpyro.sample("la_level", dist.Normal(level, level_sd).expand(las))
        score = (la_level - la_level.mean()) / level_sd
        slope = slope_sd * (correlation * score + residual * zero_sum(free))
    slope = numpyro.deterministic("la_slope", slope)
    scatter = numpyro.sample("scatter_sd", dist.HalfNormal(d["scatter_sd_sigma"]))
    la, year = d["la"] - 1, d["year"] - 1
    mean = d["log_exposure"] + la_level[la] + path[year] + slope[la] * d["time"][year]
    dispersion = 1 / (scatter**2 + 1e-6)
    numpyro.sample("y", dist.NegativeBinomial2(jnp.exp(mean), dispersion), obs=d["y"])


def shares(d):
    """Beta-binomial shares; the mass is written out, for numpyro's own is slow to differentiate."""
    level = numpyro.sample("level", dist.Normal(d["level_mu"], d["level_sigma"]))
    between = numpyro.sample(
        "between_effect", dist.Normal(d["between_effect_mu"], d["between_effect_sigma"])
    )
    within = numpyro.sample(
        "within_effect", dist.Normal(d["within_effect_mu"], d["within_effect_sigma"])
    )
    within_sd = numpyro.sample("within_effect_sd", dist.HalfNormal(d["within_effect_sd_sigma"]))
    las = (int(d["A"]),)
    z = numpyro.sample("within_z", dist.Normal(0, 1).expand(las))
    own = numpyro.deterministic("la_within_effect", within + within_sd * z)
    level_sd = numpyro.sample("la_level_sd", dist.HalfNormal(d["la_level_sd_sigma"]))
    la_level = numpyro.sample("la_level", dist.Normal(level + between * d["between"], level_sd))
    free = numpyro.sample(
        "year_free", dist.Normal(0, d["year_effect_sigma"]).expand((int(d["T"]) - 1,))
    )
    path = numpyro.deterministic("year_effect", zero_sum(free))
    scatter = numpyro.sample("scatter_sd", dist.HalfNormal(d["scatter_sd_sigma"]))
    la = d["la"] - 1
    log_odds = la_level[la] + path[d["year"] - 1] + own[la] * d["within"]
    dispersion = 1 / (scatter**2 + 1e-6)
    share = 1 / (1 + jnp.exp(-log_odds))
    a, b = dispersion * share, dispersion * (1 - share)
    y, n = d["y"], d["total"]
    mass = gammaln(y + a) - gammaln(a) + gammaln(n - y + b) - gammaln(b)
    mass += gammaln(dispersion) - gammaln(n + dispersion)
    numpyro.factor("y", mass.sum())


def horseshoe(d):
    """Bernoulli judgements under a regularised horseshoe, as standard scores."""
    level = numpyro.sample("level", dist.Normal(d["level_mu"], d["level_sigma"]))
    framework = numpyro.sample(
        "framework_effect",
        dist.Normal(d["framework_effect_mu"], d["framework_effect_sigma"]).expand((int(d["F"]),)),
    )
    predictors = (int(d["K"]),)
    z = numpyro.sample("effect_z", dist.Normal(0, 1).expand(predictors))
    overall = numpyro.sample("global_scale", _half_t(d, "global_scale"))
    local = numpyro.sample("local_scale", _half_t(d, "local_scale").expand(predictors))
    slab = numpyro.sample(
        "slab_variance", dist.InverseGamma(d["slab_variance_alpha"], d["slab_variance_beta"])
    )
    shrunk = overall * local
    effect = numpyro.deterministic(
        "predictor_effect", z * shrunk * jnp.sqrt(slab / (slab + shrunk**2))
    )
    log_odds = level + framework[d["framework"] - 1] + d["x"] @ effect
    numpyro.sample("y", dist.Bernoulli(logits=log_odds), obs=d["y"])


def _half_t(d, name):
    scale = dist.StudentT(d[f"{name}_nu"], 0, d[f"{name}_sigma"])
    return dist.FoldedDistribution(scale)


MODELS = {"trend": trend, "shares": shares, "horseshoe": horseshoe}
