"""Terms that several models share: paths over years and effects of local authorities.

Each term is parameterised as measured, not as a textbook writes it; `docs/decisions/` has the
figures. Effects of authorities over a common slope sum to zero, so that the national path belongs
to the years alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models.around_data import Shown, score_given_figures
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
    shown: tuple[Shown, Shown],
) -> tuple[pt.TensorVariable, pt.TensorVariable]:
    """Level and slope of each authority, bivariate normal, slopes less their mean; two tensors of
    shape (la,). ``mean`` is what levels lie around, ``shown`` what figures show of both.

    The slope is conditioned on figures given the level, the level with the slope integrated out:
    what `correlated_around_data` does for any number, but that figures do not show the mean slope.
    """
    level_sd = draw_from(priors["la_level_sd"])
    slope_sd = draw_from(priors["la_slope_sd"], may_vanish=True)
    correlation = draw_from(priors["la_level_slope_correlation"])
    shared, own = slope_sd * correlation, slope_sd * pt.sqrt(1 - correlation**2)
    of_level, of_slope = shown
    precision = 1 + of_slope.precision * own**2
    through_slope = shared * of_slope.precision / precision
    level_score = score_given_figures(
        "la_level",
        1 + of_level.precision * level_sd**2 + through_slope * shared,
        level_sd * of_level.precision * (of_level.mean - mean) + through_slope * of_slope.mean,
    )
    pull = own * of_slope.precision * (of_slope.mean - shared * level_score)
    slope_score = score_given_figures("la_slope", precision, pull, balanced=True)
    level = pm.Deterministic("la_level", mean + level_sd * level_score, dims="la")
    slope = shared * level_score + own * slope_score
    return level, pm.Deterministic("la_slope", slope - slope.mean(), dims="la")


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
