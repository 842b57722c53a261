"""Recovery of known truth: fit many simulated Englands and hold estimands against `/truth`.

Each replicate is an England of its own: national parameters are those of the simulation's options,
authorities and data are drawn anew. They do not come from the model's priors, so coverage need not
be exact; calibration, where they do, is where exactness is claimed. No replicate is discarded.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import beta

from data_prep.simulated import SimulationOptions, build_simulated
from experiments.config import SamplerConfig, load_experiment
from experiments.diagnostics import INTERVAL_WIDTH, convergence

log = logging.getLogger("experiments")


def recover(
    model: str,
    *,
    seeds: Sequence[int],
    sets: Sequence[str] = (),
    simulation: Mapping[str, Any] | None = None,
    sampler: SamplerConfig | None = None,
) -> pd.DataFrame:
    """Fit ``model`` to one simulated England for each seed.

    Returns
    -------
    DataFrame
        One row per seed, estimand and coordinate: ``truth, mean, sd, z, covered, r_hat, ess_bulk``,
        where ``z`` is the error over the posterior sd and ``covered`` says whether the house
        interval holds the truth.
    """
    from experiments import sampling

    experiment = load_experiment(model, sets=sets)
    spec, options = experiment.spec, experiment.options
    config = sampler or experiment.config.sampler
    tables = []
    for number, seed in enumerate(seeds, 1):
        cube = build_simulated(SimulationOptions(seed=seed, **(simulation or {})))
        data = experiment.config.data
        observations = spec.observe(cube, options, years=data.years, exclude=data.exclude)
        built = spec.build(observations, options, experiment.priors)
        compiled = sampling.compile_model(built)
        posterior, statistics = sampling.sample(compiled, config, seed, cores=2)
        answer = spec.estimands(posterior, observations, options, experiment.priors)
        truth = spec.true_estimands(cube, observations, options)
        rows = [
            row
            for name, draws in answer.values.items()
            if "draw" in draws.dims
            for row in _rows(name, draws, truth[name])
        ]
        divergences = int(statistics["diverging"].sum())
        tables.append(pd.DataFrame(rows).assign(seed=seed, divergences=divergences))
        log.info("recovery of %s: %d of %d", model, number, len(seeds))
    return pd.concat(tables, ignore_index=True)


def _rows(name: str, draws: xr.DataArray, truth: xr.DataArray) -> Iterator[dict[str, Any]]:
    dims = [dim for dim in draws.dims if dim not in ("chain", "draw")]
    values = draws.transpose(*dims, "chain", "draw").to_numpy()
    values = values.reshape(-1, *values.shape[-2:])
    expected = truth.transpose(*dims).to_numpy().ravel()
    found = convergence(values)
    flat = values.reshape(len(values), -1)
    tail = (1 - INTERVAL_WIDTH) / 2
    lower, upper = np.quantile(flat, [tail, 1 - tail], axis=1)
    mean, sd = flat.mean(axis=1), flat.std(axis=1, ddof=1)
    for index in range(len(flat)):
        yield {
            "estimand": name,
            "index": index,
            "truth": expected[index],
            "mean": mean[index],
            "sd": sd[index],
            "z": (mean[index] - expected[index]) / sd[index] if sd[index] > 0 else 0.0,
            "covered": bool(lower[index] <= expected[index] <= upper[index]),
            "r_hat": found["r_hat"][index],
            "ess_bulk": found["ess_bulk"][index],
        }


def summarise_recovery(table: pd.DataFrame) -> pd.DataFrame:
    """Bias over posterior sd and coverage with its 95 % binomial interval, a row per estimand.

    Coordinates of one seed share its data, so each seed is worth ``1`` trial for an estimand of a
    few coordinates; authorities are independent enough to count one by one, and say so in
    ``trials``.
    """
    rows = []
    for name, group in table.groupby("estimand", sort=False):
        seeds = group["seed"].nunique()
        trials = len(group) if str(name).startswith("la_r") or name == "la_growth" else seeds
        trials = seeds if name == "la_ratio_90_10" else trials
        coverage = group["covered"].mean()
        hits = coverage * trials
        rows.append(
            {
                "estimand": name,
                "seeds": seeds,
                "values": len(group),
                "bias_over_sd": group["z"].mean(),
                "bias_standard_error": group.groupby("seed")["z"].mean().std(ddof=1)
                / np.sqrt(seeds),
                "sd_of_z": group["z"].std(ddof=1),
                "coverage": coverage,
                "coverage_lower": beta.ppf(0.025, hits, trials - hits + 1) if hits > 0 else 0.0,
                "coverage_upper": beta.ppf(0.975, hits + 1, trials - hits)
                if hits < trials
                else 1.0,
                "trials": trials,
                "nominal": INTERVAL_WIDTH,
                "worst_r_hat": group["r_hat"].max(),
                "least_ess": group["ess_bulk"].min(),
            }
        )
    return pd.DataFrame(rows)


def write_recovery(table: pd.DataFrame, path: Path) -> None:
    """The committed copy of a recovery study."""
    path.parent.mkdir(parents=True, exist_ok=True)
    summarise_recovery(table).to_csv(path, index=False, float_format="%.4g")
