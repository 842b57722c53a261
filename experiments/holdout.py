"""Predicting what a fit has not seen: the same model with cells of weight nought, compiled once.

A potential takes the log likelihood of left-out cells out again, so that one compiled model serves
every fold and no observation need be touched: parameters keep their names and places, and those of
a left-out authority or year follow from their priors given the rest.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from experiments import store
from experiments.fit import Prepared

log = logging.getLogger("experiments")

Unit = Literal["la", "year", "cell", "inspection"]
WEIGHT = "holdout_weight"
# Years predicted one step ahead, at most this many, and years that must remain to learn from.
FUTURE_YEARS, LEAST_YEARS = 3, 2


@dataclass(frozen=True)
class Fold:
    """Positions that are predicted, and all that are hidden from the fit that predicts them."""

    label: str
    predicted: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """What the fit without them said of the predicted cells.

    ``density`` (cell,) log predictive density of each of ``positions``; ``r_hat`` the largest of
    the hyperparameters of that fit.
    """

    label: str
    positions: np.ndarray
    density: np.ndarray
    divergences: int
    r_hat: float


def folds_of(unit: Unit, la: np.ndarray, year: np.ndarray, count: int, seed: int = 0) -> list[Fold]:
    """Folds by the unit that a question is about.

    Parameters
    ----------
    unit
        ``la`` leaves out whole authorities, ``count`` groups of them drawn at random; ``cell``
        groups of cells, which are ``inspection``s where a model is of those; ``year`` predicts each
        of the last years from the years before it.
    la, year : (obs,)
        Of each observation.

    Raises
    ------
    ValueError
        When there are too few years, or fewer units than folds.
    """
    if unit == "year":
        years = np.unique(year)
        ahead = years[max(LEAST_YEARS, len(years) - FUTURE_YEARS) :]
        if not len(ahead):
            raise ValueError(f"{len(years)} years leave none to predict from the years before")
        return [
            Fold(
                f"{y} from the years before", *(np.flatnonzero(at) for at in (year == y, year >= y))
            )
            for y in ahead
        ]
    units = la if unit == "la" else np.arange(len(la))
    distinct = np.unique(units)
    if len(distinct) < count:
        raise ValueError(f"{len(distinct)} units cannot make {count} folds")
    shuffled = np.random.default_rng(seed).permutation(distinct)
    groups = [np.flatnonzero(np.isin(units, part)) for part in np.array_split(shuffled, count)]
    return [Fold(f"fold {i}", group, group) for i, group in enumerate(groups, 1)]


@dataclass(frozen=True)
class Refit:
    """A fit without the hidden cells: its draws, divergences and largest R-hat of the
    hyperparameters, or of all parameters where it has none.
    """

    fold: Fold
    posterior: xr.Dataset
    divergences: int
    r_hat: float


def refit_folds(prepared: Prepared, folds: Sequence[Fold]) -> Iterator[Refit]:
    """Fit the model of a run once for each fold, from one compilation."""
    from experiments import sampling
    from experiments.diagnostics import convergence

    experiment, spec = prepared.experiment, prepared.experiment.spec
    model = spec.build(prepared.observations, experiment.options, experiment.priors)
    free = [rv.name for rv in model.free_RVs]
    # A model without hyperparameters is judged by all that it has.
    watched = [name for name in free if _is_hyper(name, spec)] or free
    compiled = sampling.compile_model(weighted_model(model))
    cells = model[WEIGHT].get_value().shape[0]
    config = experiment.config.sampler
    for number, fold in enumerate(folds, 1):
        log.info("%s: refit %d of %d (%s)", experiment.name, number, len(folds), fold.label)
        weights = np.ones(cells)
        weights[fold.hidden] = 0
        posterior, statistics = sampling.sample(
            compiled.with_data(**{WEIGHT: weights}),
            config,
            _seed(config.seed, fold),
            os.cpu_count() or 1,
        )
        draws = np.concatenate([_flat(posterior[name]) for name in watched])
        yield Refit(
            fold,
            posterior,
            int(statistics["diverging"].sum()),
            float(np.nanmax(convergence(draws)["r_hat"])),
        )


def predict_folds(prepared: Prepared, folds: Sequence[Fold], kept: Path) -> list[Prediction]:
    """What a fit without each fold says of the cells to be predicted.

    Predictions are kept in the folder ``kept``, which must be the run's own: nothing but the run
    and the fold decides them, and a fold that is there is not fitted again.
    """
    stored = {fold.label: _read(kept, fold) for fold in folds}
    missing = [fold for fold in folds if stored[fold.label] is None]
    for fold, prediction in zip(missing, _fit_folds(prepared, missing), strict=True):
        _keep(kept, fold, prediction)
        stored[fold.label] = prediction
    return [found for fold in folds if (found := stored[fold.label]) is not None]


def _path(kept: Path, fold: Fold) -> Path:
    digest = hashlib.sha256()
    for places in (fold.predicted, fold.hidden):
        digest.update(np.ascontiguousarray(places, "int64").tobytes() + b"|")
    return kept / f"{digest.hexdigest()[:16]}.json"


def _keep(kept: Path, fold: Fold, prediction: Prediction) -> None:
    document = {
        "density": prediction.density.tolist(),
        "divergences": prediction.divergences,
        "r_hat": prediction.r_hat,
    }
    with store.whole(_path(kept, fold)) as path:
        store.write_json(path, document)


def _read(kept: Path, fold: Fold) -> Prediction | None:
    path = _path(kept, fold)
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return Prediction(
        label=fold.label,
        positions=fold.predicted,
        density=np.array(found["density"]),
        divergences=found["divergences"],
        r_hat=found["r_hat"],
    )


def _fit_folds(prepared: Prepared, folds: Sequence[Fold]) -> Iterator[Prediction]:
    from experiments import sampling

    if not folds:
        return
    experiment = prepared.experiment
    natural = experiment.spec.build(prepared.observations, experiment.options, experiment.priors)
    names = sampling.cell_variables(natural)
    density_of = sampling.LogDensity(natural, names)
    for refit in refit_folds(prepared, folds):
        places = refit.fold.predicted
        values = sampling.as_one(density_of(refit.posterior), names)["y"].isel(obs=places)
        flat = values.transpose("chain", "draw", "obs").to_numpy().astype(float)
        flat = flat.reshape(-1, len(places))
        yield Prediction(
            label=refit.fold.label,
            positions=places,
            density=logsumexp(flat, axis=0) - np.log(len(flat)),
            divergences=refit.divergences,
            r_hat=refit.r_hat,
        )


def weighted_model(model: Any) -> Any:
    """``model`` with the weight of each cell as data, ones to begin with; cells of several
    likelihoods stand one after the other, as `experiments.sampling.as_one` joins them.
    """
    import pymc as pm
    import pytensor.tensor as pt

    from experiments.sampling import cell_variables

    likelihoods = [model[name] for name in cell_variables(model)]
    values = [model.rvs_to_values[y] for y in likelihoods]
    with model:
        weight = pm.Data(WEIGHT, np.ones(sum(value.data.shape[0] for value in values)))
        density = pt.concatenate(
            [pm.logp(y, value) for y, value in zip(likelihoods, values, strict=True)]
        )
        pm.Potential("holdout", ((weight - 1) * density).sum())
    return model


def _is_hyper(name: str, spec: Any) -> bool:
    return name.removesuffix("_raw") in spec.hyperparameters


def _flat(draws: xr.DataArray) -> np.ndarray:
    """Draws as (quantity, chain, draw)."""
    values = draws.transpose(..., "chain", "draw").to_numpy()
    return np.asarray(values.reshape(-1, *values.shape[-2:]))


def _seed(root: int, fold: Fold) -> int:
    """Of the run's seed and what is hidden: a fold gives the same draws wherever it runs."""
    digest = hashlib.sha256(np.ascontiguousarray(fold.hidden, "int64").tobytes()).digest()
    sequence = np.random.SeedSequence([root, *np.frombuffer(digest[:16], "uint32").tolist()])
    return int(sequence.generate_state(1)[0])
