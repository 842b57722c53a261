"""What figures show of authorities' levels at each stage of `funnel`, roughly.

Levels are explored around it (`drawn_around_data` in `models/joint.py`); the density of the model
does not change by it, only how fast it is explored.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pytensor.tensor.variable import TensorVariable

from models.funnel_data import CHILDREN, SHARES, FunnelCounts
from models.joint import Shown
from models.replaceable import worked_out

# A count of which a later stage is drawn enters at half a case where a study draws none.
LEAST = 0.5
# Sampling variance of a mean log ratio is not taken for less than one per cent squared.
_LEAST_VARIANCE = 1e-4


def shown_levels(observations: FunnelCounts) -> dict[str, TensorVariable | np.ndarray]:
    """For each outcome an array (3, la), from the data, or in a study from each data set.

    Rows are an authority's mean log ratio or log odds, clear of the national path; its precision, 0
    where there are no figures; and the mean log rate per child of what its cells are counted of.
    """

    def of_all(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        return np.stack([_shown(observations, name, drawn) for name in observations.outcomes])

    shape = (len(observations.outcomes), 3, len(observations.las))
    shown = worked_out("levels_shown", shape, of_all)
    return {name: shown[place] for place, name in enumerate(observations.outcomes)}


def at_a_gate(
    observations: FunnelCounts,
    shown: Mapping[str, TensorVariable | np.ndarray],
    passed_on: TensorVariable | None,
    outcome: str,
    before: Mapping[str, TensorVariable],
) -> Shown:
    """What is shown of ``outcome``, given the levels of the stages ``before`` it.

    An authority's mean log ratio shows its level and with it the part that is not passed on of what
    the stage before departs, over the years, from that stage's own level.
    """
    mean, precision, log_before = (shown[outcome][row] for row in range(3))
    stages = [] if outcome in SHARES else _stages_up_to(observations, outcome)
    if passed_on is None or not stages:
        return Shown(mean, precision)
    kept = passed_on[list(observations.flows).index(outcome)]
    return Shown(mean, precision, (1 - kept) * (sum(before[name] for name in stages) - log_before))


def _stages_up_to(observations: FunnelCounts, outcome: str) -> list[str]:
    """Stages before an outcome, back to the one that is counted of children."""
    stages = []
    base = observations.exposures[outcome]
    while base != CHILDREN:
        stages.append(base)
        base = observations.exposures[base]
    return stages


def _shown(
    observations: FunnelCounts, outcome: str, drawn: Mapping[str, np.ndarray] | None
) -> np.ndarray:
    cells = _log_ratios(observations, outcome, drawn)

    def table(column: str) -> pd.DataFrame:
        by_year = cells.pivot(index="la", columns="year", values=column)
        return by_year.reindex(observations.las.index)

    ratio, before = table("log_ratio"), table("log_before")
    ratio = ratio - ratio.mean() + ratio.stack().mean()
    log_before = before.mean(axis=1).fillna(before.stack().mean())
    within = ratio.sub(ratio.mean(axis=1), axis=0)
    if outcome not in SHARES:
        # What is not passed on of a departure is no scatter of the stage itself.
        departure = before - before.mean()
        departure = departure.sub(departure.mean(axis=1), axis=0)
        squares = float(np.nansum(departure**2))
        if squares > 0:
            within = within - departure * float(np.nansum(departure * within)) / squares
    years = ratio.notna().sum(axis=1)
    variance = _variance(table("share"), table("chance"), within)
    precision = (years / variance).where(years > 0, 0.0)
    return np.stack([ratio.mean(axis=1).fillna(0.0), precision, log_before])


def _variance(share: pd.DataFrame, chance: pd.DataFrame, within: pd.DataFrame) -> pd.Series:
    """Variance of one year's log ratio or log odds around an authority's own, by authority.

    Chance of counting and scatter of the process, which on log odds is wide where a share is near 0
    or 1. Authorities whose recording changed out of all proportion count five times the median.
    """
    stretch = 1 / (share * (1 - share)).mean(axis=1) if share.notna().any(axis=None) else 1.0
    counting = chance.mean(axis=1)
    freedom = within.notna().sum(axis=1) - 1
    scatter = ((within**2).sum(axis=1) / freedom.where(freedom > 0) - counting) / stretch
    scatter = scatter.clip(upper=5 * max(scatter.median(), _LEAST_VARIANCE))
    return max(np.nan_to_num(scatter.mean()), _LEAST_VARIANCE) * stretch + counting.fillna(1.0)


def _log_ratios(
    observations: FunnelCounts, outcome: str, drawn: Mapping[str, np.ndarray] | None
) -> pd.DataFrame:
    """Cells of an outcome with their log ratio or log odds, intervals at their midpoint; the log
    rate per child of what they are counted of; the share, of shares; and the variance that counting
    alone gives the log ratio. Of the data or of a world ``drawn``.
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
        share=count / (count + rest) if is_share else np.nan,
        chance=1 / count + (1 / rest if is_share else 0.0),
    )
