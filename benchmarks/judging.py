"""What a fit was worth: convergence, effective draws a second, and agreement of means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm

from benchmarks.running import OTHER_DENSITY, Fit
from benchmarks.tasks import Task
from experiments.diagnostics import convergence
from experiments.fit import Prepared

# Above this R-hat a mean is not known well enough to be compared.
CONVERGED = 1.05
# Probability that tools which agree are said to differ, over all means of one comparison.
FALSE_ALARM = 0.001


@dataclass(frozen=True)
class Judged:
    """One fit, judged. ``means`` and ``errors`` hold every compared scalar by its place."""

    least_ess: float
    least_ess_at: str
    most_r_hat: float
    least_ess_headline: float
    means: Mapping[str, float]
    errors: Mapping[str, float]


def judge(fit: Fit, task: Task, prepared: Prepared | None) -> Judged:
    """Convergence of all parameters, and of headline estimands where ``prepared`` is given."""
    places, draws = flatten(fit.draws)
    found = convergence(draws)
    # A quantity that never moves has no effective draws.
    ess, r_hat = np.nan_to_num(found["ess_bulk"]), np.nan_to_num(found["r_hat"], nan=np.inf)
    compared = [i for i, place in enumerate(places) if place.partition("[")[0] in task.compared]
    means = draws.mean(axis=(1, 2))
    headline = float("nan")
    if prepared is not None and fit.tool not in OTHER_DENSITY:
        headline = float(np.nan_to_num(headline_ess(fit.draws, prepared)).min())
    worst = int(ess.argmin())
    return Judged(
        least_ess=float(ess[worst]),
        least_ess_at=places[worst],
        most_r_hat=float(r_hat.max()),
        least_ess_headline=headline,
        means={places[i]: float(means[i]) for i in compared},
        errors={places[i]: float(found["mcse_mean"][i]) for i in compared},
    )


def flatten(draws: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """Names of scalars, ``la_level[3]``, and their draws (scalar, chain, draw)."""
    places: list[str] = []
    parts = []
    for name, values in draws.items():
        shape = values.shape[2:]
        places += [
            f"{name}[{', '.join(map(str, index))}]" if shape else name
            for index in np.ndindex(*shape)
        ]
        parts.append(np.moveaxis(values.reshape(*values.shape[:2], -1), 2, 0))
    return places, np.concatenate(parts)


def headline_ess(draws: Mapping[str, np.ndarray], prepared: Prepared) -> np.ndarray:
    """Bulk ESS of every scalar of the model's headline estimands that has draws."""
    experiment, observations = prepared.experiment, prepared.observations
    spec, options = experiment.spec, experiment.options
    posterior = as_posterior(draws, prepared)
    answer = spec.estimands(posterior, observations, options, experiment.priors)
    headline = {item.name for item in spec.declared_estimands(options) if item.headline}
    found = [
        convergence(flatten({name: values.transpose("chain", "draw", ...).to_numpy()})[1])
        for name, values in answer.values.items()
        if name in headline and "draw" in values.dims
    ]
    return np.concatenate([part["ess_bulk"] for part in found])


def as_posterior(draws: Mapping[str, np.ndarray], prepared: Prepared) -> xr.Dataset:
    """Any tool's draws with the dimensions and coordinates of the project's posterior."""
    coords = prepared.experiment.spec.coords(prepared.observations, prepared.experiment.options)
    first = next(iter(draws.values()))
    known = {
        "chain": range(first.shape[0]),
        "draw": range(first.shape[1]),
        **{dim: coords[dim] for dim in DIMS.values() if dim in coords},
    }
    variables = {
        name: (("chain", "draw", *([DIMS[name]] if values.ndim == 3 else [])), values)
        for name, values in draws.items()
    }
    return xr.Dataset(variables, coords=known)


DIMS = {
    "trend": "year",
    "la_level": "la",
    "la_slope": "la",
    "la_within_effect": "la",
    "year_effect": "year",
    "framework_effect": "framework",
    "predictor_effect": "predictor",
    "local_scale": "predictor",
}


def compare_means(fits: Sequence[tuple[Fit, Judged]]) -> pd.DataFrame:
    """Every tool's means against ours, each tool's repeats pooled.

    Returns
    -------
    ``task, tool, status, scalars, largest, limit, where, posterior_sds``: the largest difference in
    Monte Carlo standard errors, the limit that all differences together keep with probability 0.999
    when means agree, and the largest difference in posterior standard deviations of ours. Status
    is ``agrees``, ``differs``, ``not converged`` or, for another density, ``other density``.
    """
    rows = []
    for task in dict.fromkeys(fit.task for fit, _ in fits):
        mine = _pooled([pair for pair in fits if pair[0].task == task and pair[0].tool == "ours"])
        for tool in dict.fromkeys(f.tool for f, _ in fits if f.task == task and f.tool != "ours"):
            own = [pair for pair in fits if pair[0].task == task and pair[0].tool == tool]
            rows.append({"task": task, "tool": tool, **_difference(tool, mine, _pooled(own))})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Pooled:
    means: pd.Series
    errors: pd.Series
    sds: pd.Series
    converged: bool


def _pooled(pairs: Sequence[tuple[Fit, Judged]]) -> _Pooled:
    means = pd.DataFrame([judged.means for _, judged in pairs])
    errors = pd.DataFrame([judged.errors for _, judged in pairs])
    places, draws = flatten(pairs[0][0].draws)
    return _Pooled(
        means.mean(),
        np.sqrt((errors**2).sum()) / len(pairs),
        pd.Series(draws.std(axis=(1, 2)), places),
        all(judged.most_r_hat <= CONVERGED for _, judged in pairs),
    )


def _difference(tool: str, mine: _Pooled, own: _Pooled) -> dict[str, object]:
    if tool in OTHER_DENSITY:
        return {"status": "other density"}
    if set(mine.means.index) != set(own.means.index):
        raise ValueError(f"{tool} and ours do not give the same quantities")
    gap = (own.means - mine.means).abs()
    scores: pd.Series = gap / np.sqrt(mine.errors**2 + own.errors**2)
    limit = float(norm.isf(FALSE_ALARM / (2 * len(scores))))
    largest = float(scores.max())
    status = "agrees" if largest <= limit else "differs"
    if not (mine.converged and own.converged):
        status = "not converged"
    return {
        "status": status,
        "scalars": len(scores),
        "largest": largest,
        "limit": limit,
        "where": str(scores.idxmax()),
        "posterior_sds": float((gap / mine.sds[gap.index]).max()),
    }
