"""Expected counts per child: national trend, LA level and slope, aftermath.

For each measure m, LA i and year t,

    log m_mu[i, t] = log population[i, t] + trend[t] + level[i] + slope[i] (t - slope_year)
                     + aftermath[i, t]
    m[i, t] ~ NegBin(m_mu[i, t] x regime multiplier[t], dispersion)
"""

from dataclasses import dataclass

import numpy as np

from data_prep.indicators import MEASURES, Regime
from data_prep.simulated.options import FIRST_POSSIBLE_YEAR, LAST_POSSIBLE_YEAR, SimulationOptions
from data_prep.simulated.places import Places, smooth_factor
from data_prep.simulated.processes import BASE_YEAR, LATE_YEAR, RateProcess
from data_prep.simulated.streams import (
    gamma_factor,
    normals_by_year,
    poisson,
    stream,
    uniforms_by_year,
)

# Years either side of the slopes' zero over which England's own slope is measured.
_TILT = 6


@dataclass(frozen=True)
class Rate:
    """One measure's process, drawn. ``N`` below is all years, national-only ones first, ``T`` the
    years with LA figures.

    ``trend`` (N), ``level`` (la), ``slope`` (la, log rate per year), ``multiplier`` (N; earlier
    definition over current), ``mu`` (la, N; on national-only years with the population and slopes
    of the first LA year, under the current definition), ``aftermath`` (la, T; log change, part of
    ``mu``), ``national_rate`` (N; per child).
    """

    process: RateProcess
    trend: np.ndarray
    break_level: float
    break_slope: float
    level: np.ndarray
    slope: np.ndarray
    level_sd: float
    slope_sd: float
    level_slope_correlation: float
    deprivation_slope: float
    dispersion: float
    multiplier: np.ndarray
    aftermath: np.ndarray
    mu: np.ndarray
    national_rate: np.ndarray


def funnel_correlation(processes: dict[str, RateProcess], length: float) -> np.ndarray:
    """Correlation (measure, measure): exp(-distance along the funnel / ``length``); length 0 makes
    measures independent.
    """
    position = np.array([process.position for process in processes.values()])
    distance = np.abs(position[:, None] - position[None, :])
    if length == 0:
        return np.eye(position.size)
    correlation = np.exp(-distance / length)
    return np.asarray(correlation)


def _factor(correlation: np.ndarray) -> np.ndarray:
    # Measures at one place of the funnel make the matrix singular; the ridge is far below noise.
    return np.linalg.cholesky(correlation + 1e-9 * np.eye(len(correlation)))


def broken_line(
    years: np.ndarray, knot: int, before: float, jump: float, after: float, late: float
) -> np.ndarray:
    """A line through 0 at the knot, with a jump and new slopes beyond it and beyond LATE_YEAR."""
    past = years > knot
    bend = max(LATE_YEAR, knot)
    return np.asarray(
        before * (years - knot)
        + past * (jump + (after - before) * (years - knot))
        + (years > bend) * (late - after) * (years - bend)
    )


def walks(options: SimulationOptions, factor: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Departures (N, measure) of trends from their smooth paths: random walks that are 0 in
    BASE_YEAR and do not depend on the window. ``factor`` correlates the measures.
    """
    span = np.arange(FIRST_POSSIBLE_YEAR, LAST_POSSIBLE_YEAR + 1)
    steps = stream(options.seed, "trend").standard_normal((span.size, len(factor))) @ factor.T
    path = np.cumsum(options.trend_walk_sd * steps, axis=0)
    return np.asarray((path - path[BASE_YEAR - span[0]])[years - span[0]])


def england_excess(
    level: np.ndarray, slope: np.ndarray, weight: np.ndarray, years: np.ndarray
) -> np.ndarray:
    """What the drawn levels and slopes add to England's log rate, as a line over ``years`` (N,
    counted from the year in which slopes are zero). It is taken out of the trend, so that the
    table's rates are England's; a line leaves the trend's breaks as they are.
    """
    early, late = (
        np.log(np.sum(weight * np.exp(level + slope * span))) for span in (-_TILT, _TILT)
    )
    return np.asarray((early + late) / 2 + (late - early) / (2 * _TILT) * years)


def regime_multipliers(
    name: str, years: np.ndarray, earlier: float
) -> tuple[tuple[Regime, ...], np.ndarray]:
    """The measure's regimes, and ``earlier`` in years (N) before the current one, 1 in others."""
    regimes = MEASURES[name].regimes
    multiplier = np.ones(years.size)
    if regimes:
        multiplier[[not regimes[-1].holds_in(int(year)) for year in years]] = earlier
    return regimes, multiplier


def draw_rates(
    options: SimulationOptions,
    processes: dict[str, RateProcess],
    places: Places,
    deprivation: np.ndarray,
    years: np.ndarray,
    aftermath: dict[str, np.ndarray],
) -> dict[str, Rate]:
    """Draw every rate process. ``deprivation`` is the driving z score (la), ``years`` all years
    (N), ``aftermath`` log changes (la, T) by measure.
    """
    las = places.code.size
    la_years = years[years >= options.first_year]
    factor = _factor(funnel_correlation(processes, options.level_correlation_length))
    shape = (las, len(processes))
    smooth = smooth_factor(places, options.spatial_range_km) @ stream(
        options.seed, "levels", "smooth"
    ).standard_normal(shape)
    own = stream(options.seed, "levels", "own").standard_normal(shape)
    share = options.spatial_share
    beyond = (np.sqrt(share) * smooth + np.sqrt(1 - share) * own) @ factor.T
    slope_own = stream(options.seed, "slopes").standard_normal(shape) @ factor.T

    population = np.concatenate(
        [
            np.repeat(places.population(la_years[:1]), years.size - la_years.size, axis=1),
            places.population(la_years),
        ],
        axis=1,
    )
    slope_years = np.maximum(years, options.first_year) - options.slope_year
    weight = places.population(np.array([options.slope_year]))[:, 0]
    weight = weight / weight.sum()
    walk = walks(options, factor, years)
    drift = np.log1p(options.deprivation_drift_percent / 100)

    drawn = {}
    for column, (name, process) in enumerate(processes.items()):
        effect = process.deprivation * options.deprivation_scale
        level_sd = process.level_sd * options.level_sd_scale
        rest_sd = np.sqrt(max(level_sd**2 - effect**2, 0.0))
        level = effect * deprivation + rest_sd * beyond[:, column]

        # Slopes lean on the level; a drifting deprivation effect is a slope along deprivation.
        own_sd = process.slope_sd * options.slope_sd_scale
        lean = options.level_slope_correlation
        level_z = level / level_sd if level_sd else np.zeros(las)
        slope = own_sd * (lean * level_z + np.sqrt(1 - lean**2) * slope_own[:, column])
        slope = slope + drift * deprivation
        part = effect / level_sd if level_sd else 0.0
        slope_sd = float(np.sqrt(own_sd**2 + drift**2 + 2 * own_sd * drift * lean * part))
        covariance = lean * own_sd + drift * part
        correlation = covariance / slope_sd if slope_sd and level_sd else 0.0

        scale = options.break_scale
        before = np.log1p(process.before / 100)
        after = before + scale * (np.log1p(process.after / 100) - before)
        late = after + scale * (np.log1p(process.late / 100) - np.log1p(process.after / 100))
        jump = scale * np.log1p(process.jump / 100)
        line = broken_line(years, options.knot_year, before, jump, after, late)
        base = broken_line(np.array([BASE_YEAR]), options.knot_year, before, jump, after, late)[0]
        trend = (
            np.log(process.per_10000 / 1e4)
            + (line - base)
            + walk[:, column]
            - england_excess(level, slope, weight, years - options.slope_year)
        )
        change = aftermath.get(name, np.zeros((las, la_years.size)))
        all_changes = np.zeros((las, years.size))
        all_changes[:, years.size - la_years.size :] = change
        mu = population * np.exp(
            trend + level[:, None] + slope[:, None] * slope_years + all_changes
        )
        drawn[name] = Rate(
            process=process,
            trend=trend,
            break_level=float(jump),
            break_slope=float(after - before),
            level=level,
            slope=slope,
            level_sd=level_sd,
            slope_sd=slope_sd,
            level_slope_correlation=float(correlation),
            deprivation_slope=effect,
            dispersion=(
                process.dispersion / options.scatter_scale**2 if options.scatter_scale else np.inf
            ),
            multiplier=regime_multipliers(
                name, years, (process.regime / 100) ** options.regime_scale
            )[1],
            aftermath=change,
            mu=mu,
            national_rate=mu.sum(axis=0) / population.sum(axis=0),
        )
    return drawn


def draw_counts(
    options: SimulationOptions, rates: dict[str, Rate], la_years: np.ndarray
) -> dict[str, np.ndarray]:
    """Realised counts (la, T) by measure. Each is negative binomial given its mean; the scatter of
    one LA-year is correlated between measures that are near each other in the funnel, as a busy
    year is busy all along it.
    """
    processes = {name: rate.process for name, rate in rates.items()}
    factor = _factor(funnel_correlation(processes, options.scatter_correlation_length))
    shape = (options.las, len(rates))
    normal = normals_by_year(options.seed, "scatter", la_years, shape) @ factor.T
    persistence = options.scatter_persistence
    for year in range(1, la_years.size):
        normal[year] = persistence * normal[year - 1] + np.sqrt(1 - persistence**2) * normal[year]
    counts = {}
    for column, (name, rate) in enumerate(rates.items()):
        factor_of_year = gamma_factor(normal[:, :, column].T, rate.dispersion)
        mean = rate.mu[:, -la_years.size :] * rate.multiplier[-la_years.size :]
        uniform = uniforms_by_year(options.seed, f"count {name}", la_years, options.las)
        counts[name] = poisson(uniform, mean * factor_of_year)
    return counts
