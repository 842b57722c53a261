"""What figures show of authorities' levels at each stage of `funnel`, roughly.

Levels are explored around it (`models/around_data.py`); the density of the model does not change by
it, only how fast it is explored.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from models.around_data import Shown, clear_of_years
from models.funnel_data import CHILDREN, SHARES, FunnelCounts
from models.replaceable import worked_out

# A count of which a later stage is drawn enters at half a case where a study draws none.
LEAST = 0.5
# No year tells a log ratio closer than to a thousandth.
_LEAST_VARIANCE = 1e-6


def shown_levels(
    observations: FunnelCounts, passed_on: TensorVariable | None, scatter: TensorVariable
) -> Shown:
    """What figures show of levels, from the data, or in a study from each data set.

    An authority's mean log ratio shows its level and with it the part that is not ``passed_on`` of
    what the stage before departs, over the years, from that stage's own level. ``scatter`` of the
    model, (outcome,) or (la, outcome), says how well.
    """
    outcomes = list(observations.outcomes)

    def of_all(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        return np.stack([_shown(observations, name, drawn) for name in outcomes], axis=1)

    shape = (5, len(outcomes), len(observations.las))
    found = worked_out("levels_shown", shape, of_all)
    mean, years, counting, stretch, log_before = (found[k] for k in range(5))
    own_scatter = scatter[:, None] if scatter.ndim == 1 else scatter.T
    precision = years / (counting + stretch * own_scatter**2 + _LEAST_VARIANCE)
    if passed_on is None:
        return Shown(mean, precision)
    # Flows alone take on part of a departure; nought for the others.
    flow = np.array([[name == other for other in observations.flows] for name in outcomes], float)
    not_passed_on = pt.dot(flow, 1 - passed_on)[:, None]
    of = np.eye(len(outcomes)) + not_passed_on * stages_before(observations)
    return Shown(mean + not_passed_on * log_before, precision, of)


def stages_before(observations: FunnelCounts) -> np.ndarray:
    """1 where the stage of a column lies before the outcome of a row, back to the one that is
    counted of children; (outcome, outcome).
    """
    outcomes = list(observations.outcomes)
    before = np.zeros((len(outcomes), len(outcomes)))
    for row, name in enumerate(outcomes):
        base = observations.exposures[name]
        while base != CHILDREN:
            before[row, outcomes.index(base)] = 1
            base = observations.exposures[base]
    return before


def _shown(
    observations: FunnelCounts, outcome: str, drawn: Mapping[str, np.ndarray] | None
) -> np.ndarray:
    """Of each authority (5, la): log of its mean ratio or log odds of its mean share, clear of the
    national path; years with figures; variance that counting alone gives one year, and what the
    process gives it per unit of scatter squared; mean log rate per child of what is counted of.
    """
    cells = _cells(observations, outcome, drawn)

    def table(column: str) -> pd.DataFrame:
        by_year = cells.pivot(index="la", columns="year", values=column)
        return by_year.reindex(observations.las.index)

    log_ratio, before = clear_of_years(table("log_ratio")), table("log_before")
    log_before = before.mean(axis=1)
    if outcome not in SHARES:
        log_ratio -= _not_passed_on(log_ratio, before)
    # The likelihoods go by mean counts: a year out of all proportion counts as a share of them.
    ratio = log_ratio.map(np.exp)
    counting, stretch = table("chance").mean(axis=1), pd.Series(1.0, log_ratio.index)
    if outcome in SHARES:
        share = (ratio / (1 + ratio)).mean(axis=1)
        level, stretch = (share / (1 - share)).map(np.log), 1 / (share * (1 - share))
    else:
        level = ratio.mean(axis=1).map(np.log)
    rows = {
        "level": level.fillna(0.0),
        "years": ratio.notna().sum(axis=1),
        "counting": counting.fillna(1.0),
        "stretch": stretch.fillna(1.0),
        "log_before": log_before.fillna(log_before.mean()),
    }
    return np.stack(list(rows.values()))


def _not_passed_on(log_ratio: pd.DataFrame, log_before: pd.DataFrame) -> pd.DataFrame:
    """What years of many or few cases of the stage before take from or add to an authority's log
    ratio, (la, year), by least squares on departures from means of authorities and years.
    """
    within = log_ratio.sub(log_ratio.mean(axis=1), axis=0)
    departure = log_before - log_before.mean()
    departure = departure.sub(departure.mean(axis=1), axis=0)
    squares = float(np.nansum(departure**2))
    return departure * (float(np.nansum(departure * within)) / squares if squares > 0 else 0.0)


def _cells(
    observations: FunnelCounts, outcome: str, drawn: Mapping[str, np.ndarray] | None
) -> pd.DataFrame:
    """Cells of an outcome with their log ratio or log odds, intervals at their midpoint; the log
    rate per child of what they are counted of; and the variance that counting alone gives the log
    ratio. Of the data or of a world ``drawn``.
    """
    rows = observations.of(outcome)
    cells = observations.cells.iloc[rows]
    count = (cells["lower"] + cells["upper"]) / 2 + 0.5
    of = cells["exposure"]
    if drawn is not None:
        count = pd.Series(drawn[f"y_{outcome}"] + 0.5, cells.index)
        before = drawn.get(f"y_{observations.exposures[outcome]}")
        if before is not None and outcome not in SHARES:
            place = observations.parent_cell[rows]
            of = of.mask(place >= 0, np.maximum(before[place], LEAST))
    is_share = outcome in SHARES
    rest = of - count + 1.0 if is_share else of
    return cells.assign(
        log_ratio=np.log(count / rest),
        log_before=np.log(of / observations.children[rows]),
        chance=1 / count + (1 / rest if is_share else 0.0),
    )
