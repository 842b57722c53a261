"""True parts of other measures: beta-binomial shares, timeliness and re-referral.

For a part m of parent n, LA i and year t,

    logit share[i, t] = trend[t] + level[i] (+ effect[i, t], for re-referrals) + regime[t]
    m[i, t] ~ BetaBinomial(n[i, t], share[i, t], precision)

Timeliness is the beta-distributed share of assessments on time behind the counts, in points of ten
per cent: its LA mean (of expected shares over the window) acts on re-referral with the effect
between, its departure from that mean with the effect within.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from data_prep.simulated.options import FIRST_POSSIBLE_YEAR, LAST_POSSIBLE_YEAR, SimulationOptions
from data_prep.simulated.processes import BASE_YEAR, ShareProcess, drawn_from
from data_prep.simulated.rates import broken_line, regime_multipliers
from data_prep.simulated.streams import beta_share, binomial, stream, uniforms_by_year

# Timely assessment is measured on initial assessments while they exist, then on single ones.
LAST_INITIAL_ASSESSMENTS = 2014
_TIMELY_INITIAL, _TIMELY_SINGLE = "initial_assessments_10_days", "single_assessments_45_days"
_POINTS = 10.0


@dataclass(frozen=True)
class Share:
    """One part's process, drawn; ``N`` all years, ``T`` years with LA figures.

    ``trend`` (N) and ``level`` (la) are log odds, ``regime`` (N) the change of log odds under an
    earlier definition; ``expected`` (la, N) is the share of ``of`` under the current definition,
    ``latent`` (la, T) the beta-distributed share behind the counts, regime included.
    """

    process: ShareProcess
    of: str
    trend: np.ndarray
    level: np.ndarray
    level_sd: float
    deprivation_slope: float
    precision: float
    regime: np.ndarray
    expected: np.ndarray
    latent: np.ndarray


@dataclass(frozen=True)
class Timeliness:
    """Timeliness in points of ten per cent: ``latent`` (la, T), ``between`` (la) the LA mean less
    the mean of LAs, ``within`` (la, T), and ``slope`` (la), each LA's effect within.
    """

    latent: np.ndarray
    between: np.ndarray
    within: np.ndarray
    slope: np.ndarray


def _draw_share(
    options: SimulationOptions,
    name: str,
    process: ShareProcess,
    deprivation: np.ndarray,
    years: np.ndarray,
    effect: np.ndarray | None = None,
) -> Share:
    seed = options.seed
    la_years = years[years >= options.first_year]
    slope = process.deprivation * options.deprivation_scale
    level_sd = process.level_sd * options.level_sd_scale
    rest_sd = np.sqrt(max(level_sd**2 - slope**2, 0.0))
    own = stream(seed, "share level", name).standard_normal(options.las)
    level = slope * deprivation + rest_sd * own

    after = process.before + options.break_scale * (process.after - process.before)
    line = broken_line(years, options.knot_year, process.before, 0.0, after, after)
    base = broken_line(np.array([BASE_YEAR]), options.knot_year, process.before, 0.0, after, after)[
        0
    ]
    span = np.arange(FIRST_POSSIBLE_YEAR, LAST_POSSIBLE_YEAR + 1)
    steps = stream(seed, "share trend", name).standard_normal(span.size)
    walk = np.cumsum(options.trend_walk_sd * steps)
    walk = (walk - walk[BASE_YEAR - span[0]])[years - span[0]]
    trend = logit(process.percent / 100) + line - base + walk

    odds = trend + level[:, None] + (0.0 if effect is None else effect)
    multiplier = regime_multipliers(name, years, np.exp(process.regime * options.regime_scale))
    regime = np.log(multiplier[1])
    precision = process.precision / options.scatter_scale**2 if options.scatter_scale else np.inf
    uniform = uniforms_by_year(seed, f"share scatter {name}", la_years, options.las)
    published = expit(odds + regime)[:, -la_years.size :]
    return Share(
        process=process,
        of=drawn_from(name, process),
        trend=trend,
        level=level,
        level_sd=level_sd,
        deprivation_slope=slope,
        precision=precision,
        regime=regime,
        expected=expit(odds),
        latent=beta_share(uniform, published, precision),
    )


def derive_timeliness(
    options: SimulationOptions, shares: dict[str, Share], la_years: np.ndarray
) -> Timeliness:
    """Split the latent share of assessments on time between and within LAs."""
    initial = la_years <= LAST_INITIAL_ASSESSMENTS
    window = slice(-la_years.size, None)
    latent = _POINTS * np.where(
        initial, shares[_TIMELY_INITIAL].latent, shares[_TIMELY_SINGLE].latent
    )
    expected = _POINTS * np.where(
        initial,
        shares[_TIMELY_INITIAL].expected[:, window],
        shares[_TIMELY_SINGLE].expected[:, window],
    )
    mean = expected.mean(axis=1)
    own = stream(options.seed, "timeliness slope").standard_normal(options.las)
    return Timeliness(
        latent=latent,
        between=mean - mean.mean(),
        within=latent - mean[:, None],
        slope=options.timeliness_within + options.timeliness_within_sd * own,
    )


def draw_shares(
    options: SimulationOptions,
    processes: dict[str, ShareProcess],
    deprivation: np.ndarray,
    years: np.ndarray,
) -> tuple[dict[str, Share], Timeliness]:
    """Draw every part. ``deprivation`` is the driving z score (la), ``years`` all years (N)."""
    la_years = years[years >= options.first_year]
    shares = {
        name: _draw_share(options, name, process, deprivation, years)
        for name, process in processes.items()
        if name != "rereferrals"
    }
    timeliness = derive_timeliness(options, shares, la_years)
    # Years without LA figures have no departures from the LA mean.
    effect = np.repeat(options.timeliness_between * timeliness.between[:, None], years.size, axis=1)
    effect[:, -la_years.size :] += timeliness.slope[:, None] * timeliness.within
    shares["rereferrals"] = _draw_share(
        options, "rereferrals", processes["rereferrals"], deprivation, years, effect
    )
    return {name: shares[name] for name in processes}, timeliness


def draw_parts(
    options: SimulationOptions,
    shares: dict[str, Share],
    counts: dict[str, np.ndarray],
    la_years: np.ndarray,
) -> dict[str, np.ndarray]:
    """Realised counts (la, T) of every measure, parts added to ``counts``; NaN where the parent
    does not exist.
    """
    counts = dict(counts)
    waiting = dict(shares)
    while waiting:
        # A part of a part waits for its parent.
        for name in [name for name, share in waiting.items() if share.of in counts]:
            share = waiting.pop(name)
            uniform = uniforms_by_year(options.seed, f"part {name}", la_years, options.las)
            counts[name] = binomial(uniform, counts[share.of], share.latent)
    # A referral is closed before or after assessment, not both; only where almost every referral
    # was closed does this bind.
    counts["referrals_not_in_need"] = np.minimum(
        counts["referrals_not_in_need"], counts["referrals"] - counts["referrals_nfa"]
    )
    return counts


def expected_parts(shares: dict[str, Share], mu: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Expected counts (la, N) of every measure under the current definition: ``mu`` of the rates,
    with each part's share of what it is drawn from.
    """
    mu = dict(mu)
    waiting = dict(shares)
    while waiting:
        for name in [name for name, share in waiting.items() if share.of in mu]:
            share = waiting.pop(name)
            mu[name] = mu[share.of] * share.expected
    return mu
