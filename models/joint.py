"""Terms of several outcomes at once: their correlation, a path for each, and what they share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from models.around_data import Shown, drawn_around_data
from models.priors import Prior, draw_from
from models.spatial import SpatialBasis
from models.yearly_steps import by_figures, path_of_steps


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every two of ``names``, in the order of a correlation matrix's lower triangle."""
    return [(names[i], names[j]) for i in range(len(names)) for j in range(i)]


def correlation_factor(prior: Prior, size: int, *, dims: str) -> pt.TensorVariable:
    """Lower Cholesky factor (outcome, outcome) of a correlation matrix under an LKJ prior.

    Built from canonical partial correlations, which under that prior are independent scaled betas
    (Lewandowski, Kurowicka and Joe, 2009); any draw of them is a correlation matrix. The
    correlations themselves stand in the model under the prior's name, along ``dims``, as `pairs`.
    """
    eta = prior.parameters["eta"]
    places = [(row, column) for row in range(size) for column in range(row)]
    shape = np.array([eta + (size - 2 - column) / 2 for _, column in places])
    # Partial correlations are not those of pairs, so that `dims` would name them wrongly.
    drawn = f"{prior.name}_partial"
    pm.modelcontext(None).add_coord(drawn, list(range(len(places))))
    partial = 2 * pm.Beta(f"{prior.name}_raw", shape, shape, dims=drawn) - 1
    # Row by row: a partial correlation times what the columns before it leave of the unit length.
    spots = np.zeros((len(places), size * size))
    spots[np.arange(len(places)), [row * size + column for row, column in places]] = 1
    below = pt.dot(partial, spots).reshape((size, size))
    before = np.triu(np.ones((size, size)), 1)
    factor = (below + np.eye(size)) * pt.exp(pt.dot(0.5 * pt.log1p(-(below**2)), before))
    correlation = factor @ factor.T
    pm.Deterministic(prior.name, pt.stack([correlation[a, b] for a, b in places]), dims=dims)
    return factor


def smooth_scores(
    basis: SpatialBasis, share: pt.TensorVariable, *, dims: tuple[str, str]
) -> tuple[pt.TensorVariable, pt.TensorVariable]:
    """Scores of a smooth map, (la, outcome), and each authority's own share of variance, (la,).

    ``share`` of the variance is smooth where an authority has neighbours, nothing elsewhere.
    """
    z = pm.Normal("smooth_z", 0, 1, dims=dims)
    smooth = np.asarray(basis.vectors) @ z
    return pt.sqrt(share) * smooth, 1 - share * basis.has_neighbours.astype(float)


def figures_by_year(
    cells: pd.DataFrame, outcomes: Sequence[str], years: Sequence[int]
) -> np.ndarray:
    """How many authorities have a figure, (outcome, year)."""
    count = cells.groupby(["outcome", "year"]).size().unstack(fill_value=0)
    return count.reindex(index=list(outcomes), columns=list(years), fill_value=0).to_numpy(float)


def centred_paths(
    prior: Prior, years: Sequence[int], figures: np.ndarray, *, dims: tuple[str, str]
) -> pt.TensorVariable:
    """A path over ``years`` for each outcome, (outcome, year), as yearly steps of the prior's size.

    Its mean over the years in which the outcome has ``figures`` (how many; outcome, year) is zero:
    the level then is the average of those years, whichever they are. Steps are wider where a year
    is missing between two.
    """
    known = (figures > 0).astype(float)
    if len(years) < 2:
        return pt.zeros(known.shape)
    path = path_of_steps(len(years) - 1, known) * np.sqrt(np.diff(np.asarray(years, float)))
    step = draw_from(prior, dims=dims, default_transform=by_figures(path, figures))
    return (path * step[:, None, :]).sum(axis=-1)


def pooled_slopes(
    priors: Mapping[str, Prior], *, pooled: bool, shown: Shown, dims: str
) -> pt.TensorVariable:
    """Deprivation slope of each outcome, drawn around a common mean or each on its own; ``shown``
    of them by the figures.
    """
    if not pooled:
        return draw_from(priors["deprivation_slope"], dims=dims)
    mean = draw_from(priors["slope_mean"])
    spread = draw_from(priors["slope_spread"])
    return drawn_around_data("deprivation_slope", mean, spread, shown, dims)


def shared_scatter(
    priors: Mapping[str, Prior], *, dims: tuple[str, str]
) -> tuple[pt.TensorVariable, pt.TensorVariable]:
    """What a busy year of an authority adds to the log rate of each outcome, (la, year, outcome),
    and the sd of it by outcome.

    ``dims`` are those of authority and year. One factor for all outcomes of an authority's year,
    with a positive loading of each outcome (`shared_scatter_sd`): a busy year is busy all along.
    """
    loading = draw_from(priors["shared_scatter_sd"], dims="outcome")
    busy = pm.Normal("la_year_z", 0, 1, dims=dims)
    return busy[:, :, None] * loading[None, None, :], loading
