"""Inspections of simulated England and what follows an inadequate judgement.

    logit P(grade inadequate) = logit(inadequate_percent) + framework effect
        + timeliness, re-referral and agency share of the year before (z) and deprivation (z),
          each times its log odds per SD

Better grades follow from the same latent score by cutpoints (a proportional-odds model). The year
before is the last financial year that ended before the inspection; where the window does not reach
back so far, its first year stands in.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from data_prep.schema import FRAMEWORKS
from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.streams import stream

PREDICTORS = ("timeliness", "rereferral", "agency", "deprivation")
# Measures that change after an inadequate judgement.
AFTERMATH_MEASURES = ("section47", "icpc", "cpp_starts")
NO_EVENT = -99
_MEDIAN_GAP_DAYS = 52
_DATE_UNKNOWN = 0.3


@dataclass(frozen=True)
class _Era:
    """When a framework ran, the share of LAs it reached, and how its inspectors judged: log odds of
    inadequate against the default, and cutpoints above inadequate for the two middle grades.
    """

    framework: str
    first: str
    last: str
    reach: float
    severity: float
    cutpoints: tuple[float, float]
    reinspected: float = 0.0
    cycle_days: int | None = None


_ERAS = (
    _Era("SLAC", "2009-08-01", "2012-07-20", 1.0, 0.0, (1.9, 4.6)),
    _Era("CPI", "2012-07-21", "2013-08-31", 0.33, 0.2, (2.0, 5.0)),
    _Era("SIF", "2014-02-01", "2018-01-31", 1.0, 0.3, (2.2, 5.2), reinspected=0.6),
    _Era("ILACS", "2018-02-01", "2035-12-31", 1.0, -0.3, (1.8, 4.0), cycle_days=1280),
)


@dataclass(frozen=True)
class Inspections:
    """One entry per inspection, in order of publication. ``la`` is a position, ``grade`` 0
    inadequate to 3 outstanding; ``inspected`` is always known here, ``date_known`` says whether it
    is published; ``log_odds`` of inadequate, and ``predictor_year`` whose indicators it reads.
    """

    la: np.ndarray
    framework: np.ndarray
    grade: np.ndarray
    published: np.ndarray
    inspected: np.ndarray
    date_known: np.ndarray
    reinspection: np.ndarray
    log_odds: np.ndarray
    predictor_year: np.ndarray


def financial_year(dates: np.ndarray) -> np.ndarray:
    """The financial year, ending 31 March, in which each date falls."""
    months = dates.astype("datetime64[M]").astype(int)
    return np.asarray(1970 + months // 12 + (months % 12 >= 3))


def standardised_predictors(
    timeliness: np.ndarray, rereferral: np.ndarray, agency: np.ndarray, deprivation: np.ndarray
) -> np.ndarray:
    """Standard scores (predictor, la, T), in the order of PREDICTORS; each over all LA-years."""
    broad = np.broadcast_to(deprivation[:, None], timeliness.shape)
    stacked = np.stack([timeliness, rereferral, agency, broad])
    mean = stacked.mean(axis=(1, 2), keepdims=True)
    sd = stacked.std(axis=(1, 2), keepdims=True)
    return np.asarray((stacked - mean) / np.where(sd > 0, sd, 1.0))


def predictor_effects(options: SimulationOptions) -> np.ndarray:
    """Log odds of inadequate per SD, in the order of PREDICTORS."""
    return np.array(
        [
            options.inadequate_timeliness,
            options.inadequate_rereferral,
            options.inadequate_agency,
            options.inadequate_deprivation,
        ]
    )


def framework_effects() -> np.ndarray:
    """Log odds of inadequate by framework, in the order of the schema's FRAMEWORKS."""
    severity = {era.framework: era.severity for era in _ERAS}
    return np.array([severity[name] for name in FRAMEWORKS])


def draw_inspections(
    options: SimulationOptions, predictors: np.ndarray, la_years: np.ndarray
) -> Inspections:
    """Draw visits, dates and grades; kept are those published within the window of LA years."""
    linear = np.tensordot(predictor_effects(options), predictors, axes=1)
    rows: list[tuple] = []
    for era in _ERAS:
        # Dates are whole days since 1970 until all are drawn.
        first, last = (int(np.datetime64(day).astype(int)) for day in (era.first, era.last))
        days = last - first
        # All draws of an LA are made whether used or not, so that windows agree on their overlap.
        uniform = stream(options.seed, "inspections", era.framework).random((options.las, 40, 5))
        for la in range(options.las):
            reached = uniform[la, 0, 4] < era.reach
            if not reached:
                continue
            cycle = era.cycle_days or days
            date = first + int(uniform[la, 0, 0] * min(cycle, days))
            repeat = False
            for turn in range(40):
                if date > last:
                    break
                draw = uniform[la, turn]
                before = _year(date) - 1
                at = int(np.clip(before - la_years[0], 0, la_years.size - 1))
                odds = logit(options.inadequate_percent / 100) + era.severity + linear[la, at]
                cuts = expit(odds + np.array([0.0, *era.cutpoints]))
                grade = int(np.sum(draw[1] > cuts))
                gap = round(_MEDIAN_GAP_DAYS * float(np.exp(0.35 * (2 * draw[2] - 1))))
                known = draw[3] >= _DATE_UNKNOWN
                rows.append(
                    (la, era.framework, grade, date + gap, date, known, repeat, odds, la_years[at])
                )
                if era.cycle_days:
                    # The next turn comes sooner for a failing LA; it is a full inspection.
                    date = date + (700 if grade == 0 else era.cycle_days)
                elif grade == 0 and not repeat and draw[4] < era.reinspected:
                    date, repeat = date + 700, True
                else:
                    break
    rows = [row for row in rows if la_years[0] <= _year(row[3]) <= la_years[-1]]
    rows.sort(key=lambda row: (row[3], row[0]))
    columns = list(zip(*rows, strict=True)) or [()] * 9
    return Inspections(
        la=np.array(columns[0], dtype=int),
        framework=np.array(columns[1], dtype="<U5"),
        grade=np.array(columns[2], dtype="int8"),
        published=np.array(columns[3], dtype=int).astype("datetime64[D]"),
        inspected=np.array(columns[4], dtype=int).astype("datetime64[D]"),
        date_known=np.array(columns[5], dtype=bool),
        reinspection=np.array(columns[6], dtype="int8"),
        log_odds=np.array(columns[7], dtype=float),
        predictor_year=np.array(columns[8], dtype=int),
    )


def _year(day: int) -> int:
    return int(financial_year(np.array([day]).astype("datetime64[D]"))[0])


def event_times(inspections: Inspections, las: int, la_years: np.ndarray) -> np.ndarray:
    """Years (la, T) since the latest inadequate judgement was published; NO_EVENT before any."""
    times = np.full((las, la_years.size), NO_EVENT)
    inadequate = inspections.grade == 0
    years = financial_year(inspections.published[inadequate])
    # In order of publication, so that a later judgement overwrites what an earlier one began.
    for la, year in zip(inspections.la[inadequate], years, strict=True):
        since = la_years - year
        times[la, since >= 0] = since[since >= 0]
    return times


def derive_aftermath(options: SimulationOptions, times: np.ndarray) -> dict[str, np.ndarray]:
    """Log changes (la, T) of the measures that respond, by event time 0, 1 and 2."""
    effect = np.zeros(times.shape)
    for event_time, percent in enumerate(options.aftermath_percent):
        effect[times == event_time] = np.log1p(percent / 100)
    return dict.fromkeys(AFTERMATH_MEASURES, effect)
