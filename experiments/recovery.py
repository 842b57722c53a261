"""Recovery of known truth: fit many simulated Englands and hold estimands against `/truth`.

Each replicate is an England of its own: national parameters are those of the simulation's options,
authorities and data are drawn anew. They do not come from the model's priors, so coverage need not
be exact; calibration, where they do, is where exactness is claimed. No replicate is discarded.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.simulated import SimulationOptions, build_simulated
from experiments.config import SamplerConfig, load_experiment
from experiments.diagnostics import INTERVAL_WIDTH, summarise
from experiments.rank_bands import binomial_interval
from models.spec import Estimand

log = logging.getLogger("experiments")

# A study of bias needs posterior means to a tenth of their sd, which is less than an answer needs.
SAMPLER = {"chains": 2, "draws": 1000}


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
        The rows of `estimands.csv` for each seed, with ``truth, z, covered``: ``z`` is the error
        over the posterior sd, and ``covered`` says whether the house interval holds the truth.
    """
    from experiments import sampling

    experiment = load_experiment(model, sets=sets)
    spec, options = experiment.spec, experiment.options
    spec.check_study()
    config = sampler or experiment.config.sampler.model_copy(update=SAMPLER)
    tables = []
    for number, seed in enumerate(seeds, 1):
        cube = build_simulated(SimulationOptions(seed=seed, **(simulation or {})))
        observations = experiment.observe(cube)
        built = spec.build(observations, options, experiment.priors)
        compiled = sampling.compile_model(built)
        posterior, statistics = sampling.sample(compiled, config, seed, cores=2)
        answer = spec.estimands(posterior, observations, options, experiment.priors)
        truth = spec.true_estimands(cube, observations, options)
        found = compare_with_truth(answer.values, truth, spec.declared_estimands(options))
        divergences = int(statistics["diverging"].sum())
        tables.append(found.assign(seed=seed, divergences=divergences))
        log.info("recovery of %s: %d of %d", model, number, len(seeds))
    return pd.concat(tables, ignore_index=True)


def compare_with_truth(
    values: Mapping[str, xr.DataArray],
    truth: Mapping[str, xr.DataArray],
    declared: Sequence[Estimand],
) -> pd.DataFrame:
    """The summary of every estimand that has draws, with ``truth``, ``z`` and ``covered``."""
    drawn = [e for e in declared if e.name in values and "draw" in values[e.name].dims]
    table = summarise(values, drawn)
    true = []
    for estimand in drawn:
        dims = [dim for dim in values[estimand.name].dims if dim not in ("chain", "draw")]
        true.append(truth[estimand.name].transpose(*dims).to_numpy().ravel())
    table["truth"] = np.concatenate(true)
    error = table["mean"] - table["truth"]
    table["z"] = (error / table["sd"]).where(table["sd"] > 0, 0.0)
    table["covered"] = table["truth"].between(table["lower"], table["upper"])
    return table


def summarise_recovery(table: pd.DataFrame) -> pd.DataFrame:
    """Bias over posterior sd and coverage with its 95 % binomial interval, a row per estimand.

    Coordinates of one seed share its data, so a seed is one trial of an estimand. Authorities are
    independent enough to count one by one where it is declared for each; the years of one are not.
    """
    rows = []
    for name, group in table.groupby("estimand", sort=False):
        seeds = group["seed"].nunique()
        # An estimand that is not declared by authority has no authority in its rows.
        by_authority = "la" in group and group["la"].notna().all()
        trials = seeds * (group["la"].nunique() if by_authority else 1)
        coverage = group["covered"].mean()
        lower, upper = binomial_interval(coverage * trials, trials)
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
                "coverage_lower": lower,
                "coverage_upper": upper,
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
