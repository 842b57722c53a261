"""What a perfect fit of `inadequacy` to simulated England would say.

The truth is written for figures that nobody publishes: the process behind a share, standardised
over all LA-years. A model of published figures has another perfect answer: the log odds, linear in
its own predictors, that come nearest to the true probabilities of the inspections fitted (least
Kullback-Leibler divergence), as judgements without end at the same inspections would show.
"""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

from models.inadequacy_data import InadequacyObservations

_STEPS = 50


def nearest_log_odds(
    cube: xr.DataTree, observations: InadequacyObservations, columns: slice
) -> tuple[pd.Series, np.ndarray]:
    """Level of each framework fitted, and effects of the predictors in ``columns``.

    Inspections with a figure that is not known are left out.
    """
    rows, figures = observations.inspections, observations.figures
    known = figures.known.all(axis=1)
    truth = cube["truth"].to_dataset()["inadequate_log_odds"].to_numpy()[rows["position"]]
    frameworks = list(dict.fromkeys(rows["framework"]))
    dummies = (rows["framework"].to_numpy()[:, None] == np.array(frameworks)).astype(float)
    design = np.hstack([dummies, figures.values[:, columns]])[known]
    found = _fractional_logistic(design, expit(truth[known]))
    return pd.Series(found[: len(frameworks)], frameworks), found[len(frameworks) :]


def _fractional_logistic(design: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Coefficients whose expected score is nought: Newton's method on a concave function."""
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = expit(design @ found)
        curvature = design.T @ (design * (p * (1 - p))[:, None])
        step = np.linalg.lstsq(curvature, design.T @ (share - p), rcond=1e-10)[0]
        found = found + step
        if np.abs(step).max() < 1e-10:
            return found
    raise ArithmeticError("the nearest log odds were not found")


def true_log_odds(
    rows: pd.DataFrame,
    values: np.ndarray,
    level: pd.Series,
    effects: np.ndarray,
) -> np.ndarray:
    """Log odds (1, row); a framework without an inspection fitted has the mean level."""
    own = rows["framework"].map(level).fillna(level.mean()).to_numpy(float)
    return np.asarray((own + values @ effects)[None])
