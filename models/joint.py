"""Terms of several outcomes at once: correlated effects of authorities, and a path for each.

Effects of authorities are drawn one outcome after the other, each around its own mean (hierarchical
centring) and around what the outcomes before it lead one to expect. The joint density is that of a
multivariate normal; every piece is a plain normal, so that forward draws and areas with other
variances than the rest need nothing special.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from models.priors import Prior, draw_from
from models.replaceable import decided_by_data
from models.spatial import SpatialBasis
from models.yearly_steps import by_figures, path_of_steps

# With fewer authorities the correlations between outcomes are known so little that levels given the
# outcomes before may have no spread left.
MANY_LAS = 20


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every two of ``names``, in the order of a correlation matrix's lower triangle."""
    return [(names[i], names[j]) for i in range(len(names)) for j in range(i)]


def correlation_factor(prior: Prior, order: Sequence[int], *, dims: str) -> pt.TensorVariable:
    """Lower Cholesky factor (outcome, outcome) of a correlation matrix under an LKJ prior.

    Built from canonical partial correlations, which under that prior are independent scaled betas
    (Lewandowski, Kurowicka and Joe, 2009); any draw of them is a correlation matrix. Rows are in
    the ``order`` in which outcomes are drawn, given as their positions. The correlations themselves
    stand in the model under the prior's name, along ``dims``, as `pairs` of outcomes by position,
    whatever the order.
    """
    size = len(order)
    eta = prior.parameters["eta"]
    places = [(row, column) for row in range(size) for column in range(row)]
    shape = np.array([eta + (size - 2 - column) / 2 for _, column in places])
    # In the order of drawing, so that `dims` would name them wrongly.
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
    row_of = list(np.argsort(np.asarray(order)))
    pm.Deterministic(
        prior.name, pt.stack([correlation[row_of[a], row_of[b]] for a, b in places]), dims=dims
    )
    return factor


def correlated_levels(
    names: Sequence[str],
    *,
    mean: Sequence[pt.TensorVariable],
    sd: pt.TensorVariable,
    factor: pt.TensorVariable | None,
    structured: pt.TensorVariable | None = None,
    own_share: pt.TensorVariable | float = 1.0,
    are_clear: Sequence[bool] | None = None,
) -> list[pt.TensorVariable]:
    """Level of each authority for each of ``names``; a list of tensors of shape (la,).

    Parameters
    ----------
    mean
        For each outcome what its levels lie around, (la,).
    sd : (outcome,)
        Scale of the levels around their mean.
    factor : (outcome, outcome)
        Cholesky factor of the correlation between outcomes; None for a single outcome.
    structured : (la, outcome), optional
        Scores that are already drawn, such as a smooth map, which take their share of the variance.
    own_share : (la,) or 1
        Share of the variance that is each authority's own.
    are_clear
        For each outcome whether the data show its levels clearly: they are drawn on their own
        scale where they do, and as standard scores where they do not, for then their scale may be
        near zero and the posterior would narrow to a funnel. The density is the same.
    """
    spread = pt.sqrt(own_share)
    own: list[pt.TensorVariable] = []
    levels: list[pt.TensorVariable] = []
    for k, name in enumerate(names):
        row = pt.ones(1) if factor is None else factor[k, : k + 1]
        around = pt.dot(pt.stack(own, axis=1), row[:k]) * spread if own else 0.0
        if structured is not None:
            around = around + pt.dot(structured[:, : k + 1], row)
        centre = mean[k] + sd[k] * around
        scale = sd[k] * row[k] * spread
        if are_clear is None or are_clear[k]:
            levels.append(pm.Normal(f"la_level_{name}", centre, scale, dims="la"))
            own.append((levels[k] - centre) / scale)
        else:
            own.append(pm.Normal(f"la_level_z_{name}", 0, 1, dims="la"))
            level = centre + scale * own[k]
            levels.append(pm.Deterministic(f"la_level_{name}", level, dims="la"))
    return levels


def levels_are_clear(
    log_rates: pd.DataFrame, score: pd.Series, before: Sequence[pd.DataFrame] = ()
) -> bool:
    """Whether many authorities differ by more than chance scatter makes them, beyond a gradient
    and beyond what the outcomes drawn ``before`` lead one to expect.

    ``log_rates`` is (la, year), NaN where unknown, and so is each table of ``before``; ``score`` by
    LA. Compares the variance of what least squares leave of authorities' means with their sampling
    variance, which the means before bring too; only the choice of parameterisation hangs on it.
    """
    (means, sampling), *earlier = (_means(table) for table in (log_rates, *before))
    both = pd.concat([means, score, *(other for other, _ in earlier)], axis=1, join="inner")
    if len(both) < MANY_LAS:
        return False
    y, known = both.iloc[:, 0].to_numpy(), both.iloc[:, 1:].assign(one=1.0).to_numpy()
    weights, *_ = np.linalg.lstsq(known, y, rcond=None)
    chance = sampling + sum(
        weight**2 * theirs for weight, (_, theirs) in zip(weights[1:-1], earlier, strict=True)
    )
    return bool((y - known @ weights).var() > 2 * chance)


def _means(log_rates: pd.DataFrame) -> tuple[pd.Series, float]:
    """Mean of each authority known in two years or more, and their mean sampling variance."""
    centred = log_rates.sub(log_rates.mean(axis=0), axis=1)
    known = centred.notna().sum(axis=1)
    centred, known = centred[known >= 2], known[known >= 2]
    return centred.mean(axis=1), float((centred.var(axis=1) / known).mean())


def clear_first(
    log_rates: Mapping[str, Callable[[], pd.DataFrame]], score: pd.Series
) -> dict[str, bool]:
    """Whether each outcome's levels show clearly, in the order in which levels are drawn: clear
    ones first, for what follows is drawn around them. A study takes none as clear.

    ``log_rates`` gives the table that `levels_are_clear` takes, by outcome.
    """
    clear: dict[str, bool] = {}
    for name, table in log_rates.items():

        def from_data(table: Callable[[], pd.DataFrame] = table) -> bool:
            before = [log_rates[other]() for other, is_clear in clear.items() if is_clear]
            return levels_are_clear(table(), score, before)

        clear[name] = decided_by_data(f"{name}_levels_are_clear", from_data, in_study=False)
    return dict(sorted(clear.items(), key=lambda item: not item[1]))


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


def pooled_slopes(priors: Mapping[str, Prior], *, pooled: bool, dims: str) -> pt.TensorVariable:
    """Deprivation slope of each outcome, drawn around a common mean or each on its own."""
    if not pooled:
        return draw_from(priors["deprivation_slope"], dims=dims)
    mean = draw_from(priors["slope_mean"])
    spread = draw_from(priors["slope_spread"])
    return pm.Normal("deprivation_slope", mean, spread, dims=dims)


def shared_scatter(priors: Mapping[str, Prior], *, dims: tuple[str, str]) -> pt.TensorVariable:
    """What a busy year of an authority adds to the log rate of each outcome, (la, year, outcome).

    ``dims`` are those of authority and year. One factor for all outcomes of an authority's year,
    with a positive loading of each outcome (`shared_scatter_sd`): a busy year is busy all along.
    """
    loading = draw_from(priors["shared_scatter_sd"], dims="outcome")
    busy = pm.Normal("la_year_z", 0, 1, dims=dims)
    return busy[:, :, None] * loading[None, None, :]
