"""What figures show of the level and the slope of each authority over years, roughly.

Both are explored around it (`models/around_data.py`); the density of the model does not change by
it, only how fast it is explored.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pytensor.tensor.variable import TensorVariable

from models.around_data import LEAST_VARIANCE, Shown, shown_rates
from models.replaceable import worked_out


def shown_trends(
    name: str,
    cells: pd.DataFrame,
    las: pd.Index,
    middle: float,
    variance: TensorVariable,
    of: np.ndarray | slice = slice(None),
) -> tuple[Shown, Shown]:
    """Levels and slopes of log rates, clear of the national path, and how well they are known; each
    (la,).

    Parameters
    ----------
    name
        What the numbers are called where a study works them out for each data set.
    cells
        ``la, year, lower, upper, exposure`` of every cell of the observed variable ``y``.
    las
        Codes of the authorities.
    middle
        The year at which levels are taken.
    variance : () or (la,)
        What the model gives the log rate of one year beside counting.
    of
        Which of the cells count, of one outcome where there are several.
    """

    def work(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        midpoint = (cells["lower"] + cells["upper"]).to_numpy() / 2
        counted = cells.assign(count=midpoint if drawn is None else drawn["y"])
        return _shown(counted[of], las, middle)

    found = worked_out(name, (5, len(las)), work)
    level, slope, years, squares, counting = (found[k] for k in range(5))
    clarity = 1 / (counting + variance + LEAST_VARIANCE)
    return Shown(level, years * clarity), Shown(slope, squares * clarity)


def _shown(cells: pd.DataFrame, las: pd.Index, middle: float) -> np.ndarray:
    """(5, la): log of the mean rate clear of the slope, slope by least squares, years with figures,
    squares of their distance from their mean, and the variance that counting alone gives the log
    rate of one year.
    """
    log_rate, chance = shown_rates(cells, las)
    known = log_rate.notna()
    time = known.mul(np.asarray(log_rate.columns, float) - middle, axis=1).where(known)
    off = time.sub(time.mean(axis=1), axis=0)
    squares = (off**2).sum(axis=1)
    # One year shows no slope.
    slope = ((off * log_rate).sum(axis=1) / squares.where(squares > 0)).fillna(0.0)
    # As the likelihood goes by mean counts: a year out of proportion counts as a share of them.
    rate = (log_rate - time.mul(slope, axis=0)).map(np.exp).mean(axis=1)
    counting = chance.mean(axis=1).fillna(1.0)
    # Without figures a rate of one, over any variance.
    return np.array([np.log(rate.fillna(1.0)), slope, known.sum(axis=1), squares, counting], float)
