"""What an answer leans on: the priors of hyperparameters, and single authorities.

Power-scaling asks how an estimand moves when one hyperprior is made a little stronger or weaker.
Influence asks how it moves when one authority is left out: from importance weights where they can
be trusted, from a refit where they cannot, and not assessed where neither was made.

References
----------
Kallioinen, Paananen, Bürkner and Vehtari (2024), Detecting and diagnosing prior and likelihood
sensitivity with power-scaling, Statistics and Computing 34. Vehtari, Simpson, Gelman, Yao and Gabry
(2024), Pareto smoothed importance sampling, JMLR 25.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import xarray as xr

from experiments import store
from experiments.fit import Prepared
from experiments.holdout import Fold, refit_folds
from experiments.pareto_smoothing import pareto_smoothed
from models.spec import Estimand

# Above this a hyperprior moves an estimand (Kallioinen and others, the authors' own limit).
MOVES = 0.05
LARGEST_K = 0.7
# An authority whose absence moves an estimand by this many posterior sds is named.
SHIFT = 0.5
FILE = "sensitivity.json"


@dataclass(frozen=True)
class Scaling:
    """How far power-scaling ``hyperprior`` moves an estimand; ``at`` names its coordinates."""

    hyperprior: str
    estimand: str
    label: str
    at: str
    value: float
    moves: bool


@dataclass(frozen=True)
class Influence:
    """How far an estimand's mean moves when an authority is left out, in posterior sds.

    ``how`` says from what it is known: ``weights``, ``refit``, or ``not assessed``, for which
    ``shift`` is None.
    """

    la: str
    estimand: str
    label: str
    at: str
    shift: float | None
    without: float | None
    pareto_k: float
    how: str


def headline_draws(
    values: Mapping[str, xr.DataArray], declared: Sequence[Estimand]
) -> Iterator[tuple[Estimand, str, np.ndarray]]:
    """Each scalar of the headline estimands that is not of one authority: its coordinates in words
    and its draws (chain, draw).
    """
    for estimand in declared:
        array = values.get(estimand.name)
        if not estimand.headline or array is None or "draw" not in array.dims or "la" in array.dims:
            continue
        other = [dim for dim in array.dims if dim not in ("chain", "draw")]
        stacked = array.transpose(*other, "chain", "draw")
        for place in np.ndindex(*(stacked.sizes[dim] for dim in other)):
            one = stacked[place]
            at = ", ".join(str(one[c].item()) for c in estimand.coordinates if c in one.coords)
            yield estimand, at, one.to_numpy()


def power_scaling(
    scalars: Sequence[tuple[Estimand, str, np.ndarray]], log_prior: xr.Dataset
) -> list[Scaling]:
    """Every declared hyperprior against every headline estimand."""
    coords = {"chain": log_prior["chain"], "draw": log_prior["draw"]}
    posterior = xr.Dataset(
        {f"e{i}": (("chain", "draw"), draws) for i, (_, _, draws) in enumerate(scalars)}, coords
    )
    found = []
    for name in map(str, log_prior.data_vars):
        tree = xr.DataTree.from_dict({"posterior": posterior, "log_prior": log_prior[[name]]})
        measured = az.psense(tree, group="prior")
        for i, (estimand, at, _) in enumerate(scalars):
            value = float(measured[f"e{i}"])
            hyperprior = name.removesuffix("_raw")
            found.append(
                Scaling(
                    hyperprior, estimand.name, estimand.label, at, round(value, 4), value > MOVES
                )
            )
    return found


def influence_by_weights(
    scalars: Sequence[tuple[Estimand, str, np.ndarray]],
    log_likelihood: xr.DataArray,
    la_of_cell: np.ndarray,
) -> list[Influence]:
    """Each authority left out by importance weights; ``log_likelihood`` is (chain, draw, obs)."""
    values = log_likelihood.transpose("obs", "chain", "draw").to_numpy().astype(float)
    values = values.reshape(len(values), -1)
    found = []
    for la in np.unique(la_of_cell):
        total = values[la_of_cell == la].sum(axis=0)
        log_weights, pareto_k = pareto_smoothed(-total[None])
        weights = np.exp(log_weights[0])
        trusted = float(pareto_k[0]) <= LARGEST_K
        for estimand, at, draws in scalars:
            flat = draws.ravel()
            without = float(weights @ flat)
            shift = (without - flat.mean()) / flat.std(ddof=1)
            found.append(
                Influence(
                    str(la),
                    estimand.name,
                    estimand.label,
                    at,
                    round(float(shift), 4),
                    without,
                    round(float(pareto_k[0]), 3),
                    "weights" if trusted else "not assessed",
                )
            )
    return found


def refit_untrusted(
    prepared: Prepared,
    rows: Sequence[Influence],
    scalars: Sequence[tuple[Estimand, str, np.ndarray]],
    la_of_cell: np.ndarray,
    most: int,
) -> list[Influence]:
    """The same with up to ``most`` authorities refitted whose weights cannot be trusted.

    Those with the largest shift by their weights, rough as it is, come first; the rest is left not
    assessed.
    """
    rough: dict[str, float] = {}
    for row in rows:
        if row.how == "not assessed" and row.shift is not None:
            rough[row.la] = max(rough.get(row.la, 0.0), abs(row.shift))
    chosen = sorted(rough, key=lambda la: -rough[la])[:most]
    places = [np.flatnonzero(la_of_cell == la) for la in chosen]
    folds = [
        Fold(f"without {prepared.observations.las.loc[la, 'name']}", place, place)
        for la, place in zip(chosen, places, strict=True)
    ]
    by_key = {(row.la, row.estimand, row.at): row for row in rows}
    experiment = prepared.experiment
    arguments = (prepared.observations, experiment.options, experiment.priors)
    whole = {(estimand.name, at): draws for estimand, at, draws in scalars}
    for la, refit in zip(chosen, refit_folds(prepared, folds) if folds else (), strict=True):
        answer = experiment.spec.estimands(refit.posterior, *arguments)
        declared = experiment.spec.declared_estimands(experiment.options)
        for estimand, at, draws in headline_draws(answer.values, declared):
            key = (la, estimand.name, at)
            before = whole[estimand.name, at]
            shift = (draws.mean() - before.mean()) / before.std(ddof=1)
            by_key[key] = Influence(
                **{
                    **asdict(by_key[key]),
                    "without": float(draws.mean()),
                    "shift": round(float(shift), 4),
                    "how": "refit",
                }
            )
    unknown: dict[str, Any] = {"shift": None, "without": None}
    return [
        Influence(**{**asdict(row), **unknown}) if row.how == "not assessed" else row
        for row in by_key.values()
    ]


def assess(run: Path, prepared: Prepared, most_refits: int) -> Path:
    """Compute the sensitivity of a stored run and write it beside its other files."""
    with xr.open_datatree(run / "trace.nc", engine="netcdf4") as opened:
        tree = opened.load()
    experiment = prepared.experiment
    posterior = tree["posterior"].to_dataset()
    answer = experiment.spec.estimands(
        posterior, prepared.observations, experiment.options, experiment.priors
    )
    declared = experiment.spec.declared_estimands(experiment.options)
    scalars = list(headline_draws(answer.values, declared))
    la_index = tree["constant_data"]["la"].to_numpy().astype(int)
    la_of_cell = np.array(list(prepared.observations.las.index))[la_index]
    log_likelihood = tree["log_likelihood"].to_dataset()["y"]
    rows = influence_by_weights(scalars, log_likelihood, la_of_cell)
    rows = refit_untrusted(prepared, rows, scalars, la_of_cell, most_refits)
    document = {
        "schema": 1,
        "limits": {"moves": MOVES, "shift": SHIFT, "pareto_k": LARGEST_K},
        "hyperpriors": [
            asdict(row) for row in power_scaling(scalars, tree["log_prior"].to_dataset())
        ],
        "influence": [asdict(row) for row in rows],
    }
    path = run / FILE
    with store.whole(path) as partial:
        store.write_json(partial, document)
    return path


def read_sensitivity(run: Path) -> dict[str, Any]:
    """What `assess` wrote."""
    return dict(json.loads((run / FILE).read_text(encoding="utf-8")))
