"""How simulated England publishes: what exists, is hidden, rounded, missing or doubted."""

from dataclasses import dataclass

import numpy as np

from data_prep.indicators import CIN, CLA, MEASURES, WORKFORCE
from data_prep.schema import CONFIDENCE, STATUS
from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.shares import LAST_INITIAL_ASSESSMENTS
from data_prep.simulated.streams import stream, uniforms_by_year

SUPPRESSED_LOWER, SUPPRESSED_UPPER = 1.0, 5.0

# Single assessments replaced initial and core ones: LAs tried them early, all had them from 2015.
_SINGLE_SHARE = {2012: 0.04, 2013: 0.10, 2014: 0.35}
_OLD_ASSESSMENTS = (
    "initial_assessments",
    "initial_assessments_7_days",
    "initial_assessments_10_days",
    "core_assessments",
    "core_assessments_35_days",
)
_NEW_ASSESSMENTS = ("single_assessments", "single_assessments_45_days")

# Years in which England published each measure for LAs, and for England as a whole; None leaves an
# end open. From the releases of the Department for Education and its predecessors.
_CENSUS = (2010, None)
_LA_COLLECTED: dict[str, tuple[int | None, int | None]] = {
    "population_0_17": (None, None),
    "rereferrals": (2011, None),
    "children_rereferred": (2010, 2010),
    "referrals_nfa": (2012, None),
    "referrals_not_in_need": (2012, None),
    "initial_assessments": (2010, 2014),
    "initial_assessments_7_days": (2010, 2011),
    "initial_assessments_10_days": (2010, 2014),
    "core_assessments": (2010, 2014),
    "core_assessments_35_days": (2010, 2014),
    "single_assessments": (2013, None),
    "single_assessments_45_days": (2013, None),
    "cin_ended_3_months": (2011, None),
}
_NATIONAL_COLLECTED: dict[str, tuple[int | None, int | None]] = {
    "referrals": (2005, None),
    "rereferrals": (2005, None),
    "initial_assessments": (2005, 2014),
    "initial_assessments_7_days": (2005, 2011),
    "core_assessments": (2005, 2014),
    "core_assessments_35_days": (2005, 2014),
    "cpp_starts": (2000, None),
    "cpp_second_or_subsequent": (2005, None),
    "cpp_at_31_march": (2000, None),
    "cla_at_31_march": (1994, None),
    "cla_starts": (1994, None),
}

# Authorities rated these figures of their own from 2010 to 2015.
CONFIDENCE_YEARS = (2010, 2015)
CONFIDENCE_MEASURES = (
    "referrals",
    "rereferrals",
    "referrals_nfa",
    *_OLD_ASSESSMENTS,
    *_NEW_ASSESSMENTS,
    "section47",
    "icpc",
    "icpc_15_days",
    "cpp_starts",
    "cpp_second_or_subsequent",
    "cpp_ended_2_years",
    "cpp_reviewed_on_time",
    "cin_at_31_march",
    "cin_ended_3_months",
)


@dataclass(frozen=True)
class Cells:
    """One measure as published: arrays of one shape, as ``measure_variables`` takes them."""

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    status: np.ndarray


def _within(years: np.ndarray, span: tuple[int | None, int | None]) -> np.ndarray:
    first, last = span
    return (years >= (first or -np.inf)) & (years <= (last or np.inf))


def collected_years(
    options: SimulationOptions, name: str, years: np.ndarray, *, national: bool = False
) -> np.ndarray:
    """Whether a measure was collected, by year."""
    held = np.ones(years.size, bool)
    if name in _OLD_ASSESSMENTS:
        held = years <= LAST_INITIAL_ASSESSMENTS
    elif name in _NEW_ASSESSMENTS:
        held = years >= min(_SINGLE_SHARE)
    if options.collection == "every_year":
        return held
    source = MEASURES[name].source
    default = {CIN: _CENSUS, CLA: _CENSUS, WORKFORCE: (2016, None)}.get(source, (None, None))
    span = _LA_COLLECTED.get(name, default)
    if national:
        span = _NATIONAL_COLLECTED.get(name, span)
    return held & _within(years, span)


def draw_single_assessors(options: SimulationOptions, la_years: np.ndarray) -> np.ndarray:
    """Whether an LA made single assessments in place of initial and core ones (la, T)."""
    first, final = min(_SINGLE_SHARE), max(_SINGLE_SHARE)
    share = np.array(
        [
            0.0 if year < first else 1.0 if year > final else _SINGLE_SHARE[int(year)]
            for year in la_years
        ]
    )
    eager = stream(options.seed, "single assessments").random(options.las)
    return np.asarray(eager[:, None] < share)


def exists(
    options: SimulationOptions, name: str, la_years: np.ndarray, single: np.ndarray
) -> np.ndarray:
    """Where a measure had anything to count (la, T), collected or not."""
    if name in _OLD_ASSESSMENTS:
        return ~single & (la_years <= LAST_INITIAL_ASSESSMENTS)
    if name in _NEW_ASSESSMENTS:
        return single
    return np.ones(single.shape, bool)


def draw_missing_returns(options: SimulationOptions, la_years: np.ndarray) -> np.ndarray:
    """LA-years (la, T) that made no children in need return at all."""
    uniform = uniforms_by_year(options.seed, "missing returns", la_years, options.las)
    return np.asarray(uniform < options.missing_returns_percent / 100)


def _draw_rare(
    options: SimulationOptions, what: str, name: str, la_years: np.ndarray, percent: float
) -> np.ndarray:
    uniform = uniforms_by_year(options.seed, f"{what} {name}", la_years, options.las)
    return np.asarray(uniform < percent / 100)


def publish_la_measure(
    options: SimulationOptions,
    name: str,
    la_years: np.ndarray,
    count: np.ndarray,
    possible: np.ndarray,
    missing_returns: np.ndarray,
) -> Cells:
    """Publish true values (la, T) of one measure; ``possible`` is where it had anything to count.

    Populations are rounded to 100, looked-after counts to 5, full-time equivalents and caseloads
    to one decimal; counts (of cases too) from 1 to 5 are hidden; the rest is exact.
    """
    measure = MEASURES[name]
    value = np.array(count, float)
    status = np.full(value.shape, STATUS["exact"], "int8")
    lower, upper = value.copy(), value.copy()
    unit = {"ONS mid-year population estimates": 100.0, CLA: 5.0, WORKFORCE: 0.1}.get(
        measure.source, 0.0
    )
    if name == "cases":
        unit = 0.0
    if unit and (options.rounding or not measure.is_count):
        # Full-time equivalents are printed to one decimal whatever the options say.
        value = np.round(value / unit) * unit
        if unit < 1:
            value = np.round(value, 1)
        lower, upper = np.maximum(value - unit / 2, 0.0), value + unit / 2
        status[:] = STATUS["rounded"]
    if options.suppression and measure.is_count and name != "population_0_17":
        hidden = (count >= SUPPRESSED_LOWER) & (count <= SUPPRESSED_UPPER)
        value[hidden] = np.nan
        lower[hidden], upper[hidden] = SUPPRESSED_LOWER, SUPPRESSED_UPPER
        status[hidden] = STATUS["suppressed"]

    gone = np.zeros(value.shape, bool)
    if name != "population_0_17":
        gone = _draw_rare(options, "missing cell", name, la_years, options.missing_cells_percent)
    if measure.source == CIN:
        gone |= missing_returns
    status[gone] = STATUS["not_available"]
    status[~possible] = STATUS["not_applicable"]
    status[:, ~collected_years(options, name, la_years)] = STATUS["not_collected"]
    unknown = gone | ~possible | (status == STATUS["not_collected"])
    for array in (value, lower, upper):
        array[unknown] = np.nan
    return Cells(value, lower, upper, status)


def draw_confidence(
    options: SimulationOptions, name: str, la_years: np.ndarray, cells: Cells, single: np.ndarray
) -> np.ndarray:
    """An authority's confidence in its own figure (la, T); careful LAs are careful every year."""
    care = stream(options.seed, "confidence").standard_normal(options.las)
    own = np.stack(
        [
            stream(options.seed, f"confidence {name}", int(year)).standard_normal(options.las)
            for year in la_years
        ],
        axis=1,
    )
    score = np.sqrt(0.5) * care[:, None] + np.sqrt(0.5) * own
    confidence = np.full(score.shape, CONFIDENCE["high"], "int8")
    confidence[score < -0.7] = CONFIDENCE["medium"]
    confidence[score < -1.7] = CONFIDENCE["low"]
    confidence[score < -2.3] = CONFIDENCE["aggregate"]
    if name in _OLD_ASSESSMENTS:
        confidence[single] = CONFIDENCE["pilot"]
    confidence[cells.status == STATUS["not_available"]] = CONFIDENCE["none"]
    confidence[cells.status == STATUS["not_collected"]] = CONFIDENCE["none"]
    confidence[:, ~_within(la_years, CONFIDENCE_YEARS)] = CONFIDENCE["none"]
    return confidence


def draw_low_reliability(
    options: SimulationOptions, name: str, la_years: np.ndarray, cells: Cells
) -> np.ndarray:
    """Cells (la, T) that the publisher calls unreliable: 0 or 1."""
    doubted = _draw_rare(options, "doubt", name, la_years, options.low_reliability_percent)
    return np.asarray(doubted & (cells.status == STATUS["exact"]), "int8")
