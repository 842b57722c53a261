"""What figures show of each authority's effect of timeliness within it, roughly.

Effects are explored around it (`models/around_data.py`); the density of the model does not change
by it, only how fast it is explored.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pytensor.tensor.variable import TensorVariable

from models.around_data import Shown
from models.replaceable import worked_out
from models.timeliness_data import TimelinessObservations, acting, clear_of_means

# No year tells log odds closer than to a thousandth.
_LEAST_VARIANCE = 1e-6

# No year tells log odds closer than to a thousandth.
_LEAST_VARIANCE = 1e-6


def shown_slopes(observations: TimelinessObservations, scatter: TensorVariable) -> Shown:
    """Slope of each authority's log odds on its timeliness, both clear of the authority's mean and
    of the nation's years, and its precision; ``scatter`` of the model, one or (la,), says how well.
    """

    def of(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        return _slopes(observations, drawn or {})

    found = worked_out("slopes_shown", (4, len(observations.las)), of)
    slope, squares, counting, stretch = (found[k] for k in range(4))
    return Shown(slope, squares / (counting + stretch * scatter**2 + _LEAST_VARIANCE))


def _slopes(observations: TimelinessObservations, drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of each authority (4, la): slope by least squares; sum of squares of timeliness; variance of
    log odds that counting alone gives one year, and what the process gives it per unit of scatter
    squared. Of the data, intervals at their midpoint, or of what is ``drawn``.
    """
    cells = observations.cells
    midpoint = (cells["lower"] + cells["upper"]).to_numpy() / 2
    share = (drawn.get("y", midpoint) + 0.5) / (cells["exposure"].to_numpy() + 1.0)
    steps = drawn.get("timeliness", observations.timely["steps"].to_numpy())
    timely = pd.Series(acting(observations, steps), cells.index)
    x = clear_of_means(timely, cells["la"], cells["year"])
    log_odds = pd.Series(np.log(share / (1 - share)), cells.index)
    y = clear_of_means(log_odds, cells["la"], cells["year"])
    stretch = pd.Series(1 / (share * (1 - share)), cells.index)

    squares = (x**2).groupby(cells["la"]).sum()
    table = pd.DataFrame(
        {
            # An authority whose timeliness never moves shows no slope.
            "slope": ((x * y).groupby(cells["la"]).sum() / squares.where(squares > 1e-9)).fillna(
                0.0
            ),
            "squares": squares,
            "counting": (stretch / cells["exposure"]).groupby(cells["la"]).mean(),
            "stretch": stretch.groupby(cells["la"]).mean(),
        }
    ).reindex(observations.las.index)
    # Nor does one without figures: squares of nought, over any variance.
    nothing = {"slope": 0.0, "squares": 0.0, "counting": 1.0, "stretch": 1.0}
    return table.fillna(nothing).to_numpy().T
