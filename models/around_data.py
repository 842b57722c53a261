"""Levels and effects explored around what figures show of them.

A level that figures show clearly is best drawn on its own scale, one that they hardly show as a
score around its prior. Here scores stand around what prior and figures together lead one to expect,
at every value of the scales: nearly standard normal wherever a level lies between the two. The
density of the levels is that of their prior; only how fast they are explored hangs on the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from pytensor.tensor.linalg import cholesky, solve_triangular
from pytensor.tensor.variable import TensorVariable

from models.replaceable import drawn_in_place_of

# No year tells a log rate, or log odds, closer than to a thousandth.
LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Shown:
    """What figures show of levels, roughly: only the speed of sampling hangs on it.

    Attributes
    ----------
    mean, precision : (outcome, la), or (la,) of one outcome
        Estimates that the figures give, and their precision; 0 where an authority has no figures.
    of : (outcome, outcome), optional
        Each row's weights of the levels of which the figures show the sum; without it each shows
        its own level.
    """

    mean: TensorVariable | np.ndarray
    precision: TensorVariable | np.ndarray
    of: TensorVariable | np.ndarray | None = None


def clear_of_years(table: pd.DataFrame) -> pd.DataFrame:
    """Figures (la, year), NaN where unknown, less what moves the nation from year to year."""
    return table - table.mean() + table.stack().mean()


def shown_rates(cells: pd.DataFrame, las: pd.Index) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Log rates of ``cells`` (``la, year, count, exposure``), clear of what moves the nation, and
    the variance that counting alone gives each; (la, year), NaN where unknown.
    """
    count = cells["count"]
    cells = cells.assign(log_rate=np.log((count + 0.5) / cells["exposure"]), chance=1 / (count + 1))
    log_rate, chance = (
        cells.pivot(index="la", columns="year", values=column).reindex(las)
        for column in ("log_rate", "chance")
    )
    return clear_of_years(log_rate), chance


def drawn_around_data(
    name: str, centre: TensorVariable, scale: TensorVariable, shown: Shown, dims: str = "la"
) -> TensorVariable:
    """Levels called ``name``, along ``dims``, under Normal(centre, scale)."""
    mean = centre + pt.zeros((1, shown.mean.shape[-1]))
    (level,) = correlated_around_data([name], mean, scale.reshape((1, 1)), shown, dims=dims)
    return level


def correlated_around_data(
    names: Sequence[str],
    mean: TensorVariable,
    factor: TensorVariable,
    shown: Shown,
    spread: TensorVariable | float = 1.0,
    dims: str = "la",
) -> list[TensorVariable]:
    """Levels of several outcomes called ``names``, each (la,), under one multivariate normal.

    Parameters
    ----------
    mean : (outcome, la)
        What the levels lie around.
    factor : (outcome, outcome)
        Lower Cholesky factor of their covariance.
    spread : (la,) or 1
        How far an authority's levels lie from their mean, in units of that covariance.

    Levels are ``mean + spread factor u`` with u standard normal. Given figures of normal error u is
    normal too; going backwards its elements are conditioned one after the other on those before
    them, which gives each the centre and width around which it is drawn.
    """
    size = len(names)
    seen = pt.atleast_2d(pt.as_tensor(shown.mean)), pt.atleast_2d(pt.as_tensor(shown.precision))
    of = np.eye(size) if shown.of is None else shown.of
    weight = pt.dot(of, factor)
    known = seen[1] * spread**2
    products = (weight[:, :, None] * weight[:, None, :]).reshape((size, size * size))
    precision = pt.dot(products.T, known).reshape((size, size, -1)) + np.eye(size)[:, :, None]
    pull = pt.dot(weight.T, seen[1] * spread * (seen[0] - pt.dot(of, mean)))
    given_before = []
    for k in reversed(range(size)):
        own, before = precision[k, k], precision[k, :k]
        given_before.append((own, before, pull[k]))
        rest = before / own
        pull = pull[:k] - rest * pull[k]
        precision = precision[:k, :k] - rest[:, None, :] * before[None, :, :]
    scores: list[TensorVariable] = []
    for name, (own, before, pull_k) in zip(names, reversed(given_before), strict=True):
        pulled = pull_k - (before * pt.stack(scores)).sum(axis=0) if scores else pull_k
        scores.append(score_given_figures(name, own, pulled, dims=dims))
    levels = mean + spread * pt.dot(factor, pt.stack(scores))
    return [pm.Deterministic(name, levels[k], dims=dims) for k, name in enumerate(names)]


def score_given_figures(
    name: str,
    precision: TensorVariable,
    pull: TensorVariable,
    *,
    dims: str = "la",
    balanced: bool = False,
) -> TensorVariable:
    """Standard scores (la,) of what is called ``name``, explored around what figures show of them.

    Parameters
    ----------
    precision, pull : (la,)
        Precision of each score given prior and figures, and that times where they lead it.
    balanced
        Whether effects are scores less their mean over authorities, which figures then do not show.
    """
    root = pt.sqrt(precision)
    centre = -pull / root
    transform = _FreeMean() if balanced else None
    raw = pm.Normal(f"{name}_raw", centre, root, dims=dims, default_transform=transform)
    drawn_in_place_of(name)
    # Written as the density of `raw` writes it, so that it is worked out once.
    return (raw - centre) / root


def scores_around_data(
    name: str, precision: TensorVariable | np.ndarray, pull: TensorVariable | np.ndarray, dims: str
) -> TensorVariable:
    """Standard scores called ``name``, (k,), explored together around what figures show of them.

    Parameters
    ----------
    precision : (k, k)
        What normal figures would add to the precision of the scores, which is one by itself.
    pull : (k,)
        That precision times the scores which the figures alone would give.
    """

    def density(value: TensorVariable, *_: Any) -> TensorVariable:
        return pm.logp(pm.Normal.dist(), value).sum()

    def forward(root: np.ndarray, *_: Any, rng: np.random.Generator, size: Any) -> np.ndarray:
        return rng.normal(size=root.shape[:-1])

    root = cholesky(precision + pt.eye(len(pm.modelcontext(None).coords[dims])))
    return pm.CustomDist(
        name,
        root,
        solve_triangular(root, pull, lower=True),
        logp=density,
        random=forward,
        signature="(k,k),(k)->(k)",
        dims=dims,
        default_transform=_Conditioned(),
    )


class _FreeMean(Transform):
    """What is left of scores after figures that show all but their mean, with the mean as wide as
    its prior makes it. Its last input is by how much figures narrow each score.
    """

    name = "free_mean"
    ndim_supp = 1

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The free values."""
        root = inputs[-1]
        return _along(root, value, 1 / _stretch(root))

    def backward(self, value: Any, *inputs: Any) -> Any:
        """What is left of the scores."""
        root = inputs[-1]
        return _along(root, value, _stretch(root))

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log of the determinant of `backward`."""
        return pt.log(_stretch(inputs[-1]))


def _stretch(root: TensorVariable) -> TensorVariable:
    return pt.sqrt((root**2).mean(axis=-1))


def _along(root: TensorVariable, value: Any, factor: TensorVariable) -> TensorVariable:
    """``value`` with the direction that moves all scores alike stretched by ``factor``."""
    part = (root * value).sum(axis=-1) / (root**2).sum(axis=-1)
    return value + ((factor - 1) * part)[..., None] * root


class _Conditioned(Transform):
    """Scores by how far they lie from where figures pull them, in units of what is left open.

    Its inputs are those of the scores: the lower Cholesky factor of their precision given the
    figures, and the pull divided by it.
    """

    name = "conditioned"
    ndim_supp = 1

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The free values."""
        root, pull = inputs[-2:]
        return pt.dot(root.T, value) - pull

    def backward(self, value: Any, *inputs: Any) -> Any:
        """The scores."""
        root, pull = inputs[-2:]
        return solve_triangular(root.T, value + pull, lower=False)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log of the determinant of `backward`."""
        return -pt.log(pt.diagonal(inputs[-2])).sum()
