"""England totals of simulated England, as published, also for years without LA figures."""

import numpy as np

from data_prep.indicators import CLA, MEASURES, WORKFORCE
from data_prep.schema import STATUS
from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.publication import Cells
from data_prep.simulated.rates import Rate
from data_prep.simulated.shares import Share
from data_prep.simulated.streams import stream

# From this year releases printed England totals to the nearest 10 rather than 100.
_FINER_FROM = 2015


def national_shares(shares: dict[str, Share], mu: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """England's expected share (N) of the measure each part is drawn from."""
    return {name: mu[name].sum(axis=0) / mu[share.of].sum(axis=0) for name, share in shares.items()}


def total_of_las(counts: np.ndarray, expected: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Sum over LAs (T) of counts (la, T), with the expected count for LAs without a figure; places
    where the measure did not exist are NaN and add nothing.
    """
    filled = np.where(missing & np.isfinite(counts), np.round(expected), counts)
    return np.asarray(np.nansum(filled, axis=0))


def totals_without_las(
    options: SimulationOptions,
    rates: dict[str, Rate],
    shares: dict[str, Share],
    national_share: dict[str, np.ndarray],
    england: np.ndarray,
) -> dict[str, np.ndarray]:
    """England totals for national-only years, from ``england`` children in those years (n)."""
    size = england.size

    def scatter(name: str) -> np.ndarray:
        # Drawn backwards from the first LA year, so that adding earlier years changes no later one.
        draws = stream(options.seed, "national total", name).standard_normal(size)[::-1]
        return np.exp(options.national_total_sd * draws)

    totals = {
        name: np.round(england * rate.national_rate[:size] * rate.multiplier[:size] * scatter(name))
        for name, rate in rates.items()
    }
    waiting = dict(shares)
    while waiting:
        for name in [name for name, share in waiting.items() if share.of in totals]:
            share = waiting.pop(name)
            odds = national_share[name][:size] / (1 - national_share[name][:size])
            odds = odds * np.exp(share.regime[:size]) * scatter(name)
            totals[name] = np.round(totals[share.of] * odds / (1 + odds))
    return totals


def publish_total(
    options: SimulationOptions, name: str, years: np.ndarray, total: np.ndarray
) -> Cells:
    """Publish an England total (N): to the nearest 10 for looked-after children and from 2015, to
    the nearest 100 otherwise; full-time equivalents and caseloads to one decimal. NaN totals are
    not collected.
    """
    measure = MEASURES[name]
    total = np.asarray(total, float)
    unit = np.where((years >= _FINER_FROM) | (measure.source == CLA), 10.0, 100.0)
    if measure.source == WORKFORCE:
        unit = np.full(years.size, 0.1)
    if name == "population_0_17":
        unit = np.full(years.size, 100.0)
    if options.rounding or measure.source == WORKFORCE:
        value = np.round(np.round(total / unit) * unit, 1)
        lower, upper = np.maximum(value - unit / 2, 0.0), value + unit / 2
        status = np.full(years.size, STATUS["rounded"], "int8")
    else:
        value, lower, upper = total.copy(), total.copy(), total.copy()
        status = np.full(years.size, STATUS["exact"], "int8")
    if name == "population_0_17" and options.uncertain_population_before is not None:
        known = years >= options.uncertain_population_before
        half = options.uncertain_population_percent / 100
        offset = [
            stream(options.seed, "population interval", int(year)).uniform(-0.5, 0.5)
            for year in years
        ]
        centre = total * (1 + half * np.array(offset))
        value = np.where(known, value, np.nan)
        lower = np.where(known, lower, np.floor(centre * (1 - half) / 1e4) * 1e4)
        upper = np.where(known, upper, np.ceil(centre * (1 + half) / 1e4) * 1e4)
        status[~known] = STATUS["derived"]
    unknown = np.isnan(total)
    status[unknown] = STATUS["not_collected"]
    for array in (value, lower, upper):
        array[unknown] = np.nan
    return Cells(value, lower, upper, status)


def coverage_of(name: str) -> str:
    """What the England total of a measure includes or imputes."""
    if name == "population_0_17":
        return "all children aged 0-17 resident in England"
    if MEASURES[name].source == WORKFORCE:
        return "all authorities, authorities without a printed figure included"
    if "assessments" in name:
        return (
            "authorities that made assessments of this kind, with estimates for those without a "
            "figure"
        )
    return "all authorities, with estimates for those without a figure"
