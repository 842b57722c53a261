"""Terms that several models share: paths over years and effects of local authorities.

Each term is parameterised as measured, not as a textbook writes it; `docs/decisions/` has the
figures. Effects of authorities over a common slope sum to zero, so that the national path belongs
to the years alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from models.priors import Prior, draw_from
from models.yearly_steps import by_figures, path_of_steps


def year_walk(
    priors: Mapping[str, Prior],
    years: Sequence[int],
    centre: Sequence[bool],
    offset: pt.TensorVariable,
    *,
    figures: np.ndarray,
    steps_are_clear: bool,
) -> pt.TensorVariable:
    """A random walk over ``years`` plus ``offset``: the path as printed; both of shape (year,).

    Steps are wider where a year is missing between two. They are drawn for the printed path, around
    the offset's own steps, because that is what data can see: a change of definition and a movement
    of the same year cannot be told apart. The path's mean over the years marked in ``centre`` is
    zero, which makes the national level nearly independent of the steps.

    Steps are drawn on their own scale where many authorities show them clearly, rotated by how many
    ``figures`` (year,) do, and as standard scores where few do; the density is the same.
    """
    gaps = np.diff(np.asarray(years, float))
    path = path_of_steps(len(gaps), np.asarray(centre, float))
    step_sd = draw_from(priors["trend_step_sd"])
    if steps_are_clear:
        step = pm.Normal(
            "trend_step",
            pt.diff(offset),
            step_sd * np.sqrt(gaps),
            dims="step",
            default_transform=by_figures(path, figures, gaps),
        )
    else:
        score = pm.Normal("trend_step_z", 0, 1, dims="step")
        step = pt.diff(offset) + step_sd * np.sqrt(gaps) * score
    return pt.dot(path, step)


def correlated_level_and_slope(
    priors: Mapping[str, Prior],
    *,
    mean: pt.TensorVariable,
    slopes_are_clear: bool,
) -> tuple[pt.TensorVariable, pt.TensorVariable]:
    """Level and slope of each authority, bivariate normal; two tensors of shape (la,).

    Levels are drawn around ``mean`` (hierarchical centring). The density of slopes and of levels
    around their mean is factored in one of two ways: slopes drawn on their own scale where the data
    show them clearly, and as standard scores where they do not, for then their scale may be near
    zero and the posterior would narrow to a funnel. The two differ only in how far the
    authorities' mean level may lie from ``mean``, by the factor ``sqrt(1 - correlation**2)``.
    """
    level_sd = draw_from(priors["la_level_sd"])
    slope_sd = draw_from(priors["la_slope_sd"])
    correlation = draw_from(priors["la_level_slope_correlation"])
    residual = pt.sqrt(1 - correlation**2)
    if slopes_are_clear:
        slope = pm.ZeroSumNormal("la_slope", slope_sd, dims="la")
        around = mean + correlation * level_sd / slope_sd * slope
        level = pm.Normal("la_level", around, level_sd * residual, dims="la")
        return level, slope
    level = pm.Normal("la_level", mean, level_sd, dims="la")
    score = pm.ZeroSumNormal("la_slope_z", 1, dims="la")
    slope = slope_sd * (correlation * (level - level.mean()) / level_sd + residual * score)
    return level, pm.Deterministic("la_slope", slope, dims="la")


def slopes_are_clear(log_rates: pd.DataFrame) -> bool:
    """Whether slopes of authorities vary by more than chance scatter alone would make them.

    ``log_rates`` is (la, year), NaN where unknown. Compares the variance of least-squares slopes
    with their mean sampling variance; only the choice of parameterisation hangs on it.
    """
    centred = log_rates.sub(log_rates.mean(axis=0), axis=1)
    complete = centred[centred.notna().sum(axis=1) >= 3]
    if len(complete) < 3:
        return False
    known = complete.notna()
    years = known.mul(np.asarray(complete.columns, float), axis=1).where(known)
    distance = years.sub(years.mean(axis=1), axis=0)
    spread = (distance**2).sum(axis=1)
    slope = (distance * complete).sum(axis=1) / spread
    fitted = distance.mul(slope, axis=0).add(complete.mean(axis=1), axis=0)
    residual = ((complete - fitted) ** 2).sum(axis=1) / (known.sum(axis=1) - 2)
    sampling = (residual / spread).mean()
    return bool(slope.var() > 2 * sampling)


def authority_scatter(
    priors: Mapping[str, Prior], common: pt.TensorVariable, *, dims: str | tuple[str, str]
) -> pt.TensorVariable:
    """Scatter of each authority around the ``common`` one, log-normal; along ``dims``.

    A few years show an authority's own scatter poorly, so it is drawn as standard scores.
    """
    spread = draw_from(priors["scatter_spread"])
    return common * pt.exp(spread * pm.Normal("la_scatter_z", 0, 1, dims=dims))


def scatter_spread_prior() -> Prior:
    """How unequally authorities may scatter; the same wherever a model lets them."""
    return Prior(
        "scatter_spread",
        "HalfNormal",
        {"sigma": 0.5},
        "an authority one sd up scatters up to 2.7 times as much as the usual one (95 %)",
        "scatter of each authority only; unequal size of returns and changes of recording in some "
        "authorities make a factor of 2 likely and one of 10 not",
    )
