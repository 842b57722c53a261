"""What figures show of authorities' levels of each outcome in `deprivation`, roughly.

Levels are explored around it (`models/around_data.py`); the density of the model does not change by
it, only how fast it is explored.
"""

from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from data_prep.joint_observations import JointCounts
from models.around_data import LEAST_VARIANCE, Shown, shown_rates
from models.replaceable import worked_out


def shown_levels(observations: JointCounts, variance: TensorVariable | np.ndarray) -> Shown:
    """Mean log rates of authorities, clear of the national path, and how well they are known, from
    the data, or in a study from each data set; each (outcome, la).

    ``variance`` is what the model gives the log rate of one year beside counting, (outcome,) or
    (outcome, la).
    """

    def of(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        return _shown(observations, None if drawn is None else drawn["y"])

    shape = (3, len(observations.outcomes), len(observations.las))
    found = worked_out("levels_shown", shape, of)
    mean, years, counting = (found[k] for k in range(3))
    each_year = variance[:, None] if variance.ndim == 1 else variance
    return Shown(mean, years / (counting + each_year + LEAST_VARIANCE))


def shown_slopes(levels: Shown, x: np.ndarray, sd: TensorVariable) -> Shown:
    """Slope of each outcome's ``levels`` on deprivation ``x`` (la,) by least squares, and its
    precision where they lie around it with ``sd`` (outcome,); both (outcome,).
    """
    known = pt.gt(levels.precision, 0)
    number = pt.maximum(known.sum(axis=1, keepdims=True), 1)
    off = known * (x - (known * x).sum(axis=1, keepdims=True) / number)
    squares = (off**2).sum(axis=1)
    slope = (off * levels.mean).sum(axis=1) / pt.maximum(squares, 1e-9)
    variance = sd[:, None] ** 2 + 1 / pt.maximum(levels.precision, 1e-9)
    return Shown(slope, squares**2 / pt.maximum((off**2 * variance).sum(axis=1), 1e-9))


def _shown(observations: JointCounts, drawn: np.ndarray | None) -> np.ndarray:
    """(3, outcome, la): log of the mean rate, years with figures, and the variance that counting
    alone gives the log rate of one year. Intervals count as their midpoint.
    """
    cells = observations.cells
    count = (cells["lower"] + cells["upper"]).to_numpy() / 2 if drawn is None else drawn
    cells = cells.assign(count=count)
    found = []
    for name in observations.outcomes:
        log_rate, chance = shown_rates(cells[cells["outcome"] == name], observations.las.index)
        # As the likelihood goes by mean counts: a year out of proportion counts as a share of them.
        level = np.log(log_rate.map(np.exp).mean(axis=1))
        years, counting = log_rate.notna().sum(axis=1), chance.mean(axis=1)
        found.append([level.fillna(0.0), years, counting.fillna(1.0)])
    return np.moveaxis(np.array(found, float), 0, 1)
