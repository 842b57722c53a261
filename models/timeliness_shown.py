"""What figures show of each authority in `timeliness`, roughly: its level of re-referrals, its
effect of timeliness within it, and its mean timeliness.

All are explored around it (`models/around_data.py`); the density of the model does not change by
it, only how fast it is explored.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pytensor.tensor.variable import TensorVariable

from models.around_data import LEAST_VARIANCE, Shown, clear_of_years
from models.replaceable import worked_out
from models.timeliness_data import TimelinessObservations, acting, clear_of_means


def shown_shares(
    observations: TimelinessObservations, scatter: TensorVariable
) -> tuple[Shown, Shown]:
    """Level of each authority's log odds, clear of the nation's years, and their slope on its
    timeliness, both clear of the authority's mean and of the nation's years; ``scatter`` of the
    model, one or (la,), says how well they are known.
    """

    def of(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        return _shares(observations, drawn or {})

    found = worked_out("shares_shown", (6, len(observations.las)), of)
    level, years, slope, squares, counting, stretch = (found[k] for k in range(6))
    clarity = 1 / (counting + stretch * scatter**2 + LEAST_VARIANCE)
    return Shown(level, years * clarity), Shown(slope, squares * clarity)


def shown_timeliness(observations: TimelinessObservations, within_sd: TensorVariable) -> Shown:
    """Mean timeliness of each authority, clear of the nation's years, where years depart from it by
    ``within_sd``.
    """

    def of(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        return _timeliness(observations, drawn or {})

    found = worked_out("timeliness_shown", (3, len(observations.las)), of)
    return Shown(found[0], found[1] / (within_sd**2 + found[2] + LEAST_VARIANCE))


def _shares(observations: TimelinessObservations, drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of each authority (6, la): level and years with figures; slope by least squares and sum of
    squares of timeliness; variance of log odds that counting alone gives one year, and what the
    process gives it per unit of scatter squared. Of the data, intervals at their midpoint, or of
    what is ``drawn``.
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

    by_year = cells.assign(y=log_odds).pivot(index="la", columns="year", values="y")
    squares = (x**2).groupby(cells["la"]).sum()
    # An authority whose timeliness never moves shows no slope.
    slope = (x * y).groupby(cells["la"]).sum() / squares.where(squares > 1e-9)
    table = pd.DataFrame(
        {
            "level": clear_of_years(by_year).mean(axis=1),
            "years": by_year.notna().sum(axis=1),
            "slope": slope.fillna(0.0),
            "squares": squares,
            "counting": (stretch / cells["exposure"]).groupby(cells["la"]).mean(),
            "stretch": stretch.groupby(cells["la"]).mean(),
        }
    ).reindex(observations.las.index)
    # Nor does one without figures: none and squares of nought, over any variance.
    nothing = {"level": 0.0, "years": 0, "slope": 0.0, "squares": 0.0}
    return table.fillna(nothing | {"counting": 1.0, "stretch": 1.0}).to_numpy(float).T


def _timeliness(
    observations: TimelinessObservations, drawn: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Of each authority (3, la): mean of its figures, how many there are, and the mean variance of
    their errors.
    """
    timely = observations.timely
    steps = timely["steps"].to_numpy()
    timely = timely.assign(steps=drawn.get("timeliness", steps), variance=timely["error"] ** 2)
    by_year = timely.pivot(index="la", columns="year", values="steps")
    table = pd.DataFrame(
        {
            "mean": clear_of_years(by_year).mean(axis=1),
            "years": by_year.notna().sum(axis=1),
            "error": timely.groupby("la")["variance"].mean(),
        }
    ).reindex(observations.las.index)
    return table.fillna(0.0).to_numpy(float).T
