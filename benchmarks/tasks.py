"""What is fitted: three models of the project on simulated England, and their data as plain arrays.

Counts are exact and complete, so that every tool can be given the same likelihood, and priors are
read from the project's own tables, so that every tool is given the same ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments.fit import Prepared
from models import national_trend, timeliness
from models.priors import Prior
from models.timeliness_data import acting

SEED = 20240331
YEARS = (2012, 2024)
CUBE = "benchmark"
_EXACT: dict[str, Any] = {
    "suppression": False,
    "rounding": False,
    "missing_returns_percent": 0,
    "missing_cells_percent": 0,
    "low_reliability_percent": 0,
    "tiny_las": 0,
    "regime_scale": 0,
}
_INDICATORS = (
    "rereferral_share",
    "icpc_15_days_share",
    "second_plan_share",
    "section47_rate",
    "referral_rate",
    "cpp_rate",
    "cin_rate",
    "cla_rate",
)


@dataclass(frozen=True)
class Task:
    """One model to fit. ``compared`` are variables whose means all tools must agree on; ``other``
    are variables without a mean or of no interest, whose draws are judged for convergence alone.
    ``target_accept`` is what peers' forms of the model need, ``own_target_accept`` what ours does.
    """

    name: str
    title: str
    model: str
    sets: tuple[str, ...]
    compared: tuple[str, ...]
    arrays: Callable[[Prepared], dict[str, Any]]
    other: tuple[str, ...] = ()
    target_accept: float = 0.8
    own_target_accept: float = 0.8


def build_cube(path: Path, *, las: int = 150) -> Path:
    """Write the simulated England that all tools fit, to ``path``."""
    options = SimulationOptions(
        name=CUBE, seed=SEED, las=las, first_year=YEARS[0], last_year=YEARS[1], **_EXACT
    )
    return save_cube(build_simulated(options), path)


def _numbers(priors: Mapping[str, Prior], names: tuple[str, ...]) -> dict[str, float]:
    """Parameters of priors as single numbers, ``<prior>_<parameter>``."""
    return {
        f"{name}_{parameter}": float(value)
        for name in names
        for parameter, value in priors[name].parameters.items()
    }


def _cells(prepared: Prepared) -> dict[str, Any]:
    observations = prepared.observations
    cells = observations.cells
    return {
        "y": cells["lower"].to_numpy(),
        "la": observations.las.index.get_indexer(cells["la"]) + 1,
        "year": pd.Index(observations.la_years).get_indexer(cells["year"]) + 1,
        "N": len(cells),
        "A": len(observations.las),
        "T": len(observations.la_years),
    }


def _slopes_are_clear(log_rates: pd.DataFrame) -> bool:
    """Whether slopes of authorities vary by more than chance scatter alone would make them.

    ``log_rates`` is (la, year), NaN where unknown. Compares the variance of least-squares slopes
    with their mean sampling variance: the form that peers are given hangs on it.
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


def _trend_arrays(prepared: Prepared) -> dict[str, Any]:
    observations, priors = prepared.observations, prepared.experiment.priors
    years = np.asarray(observations.la_years, float)
    cells = observations.cells
    log_rate = np.log((cells["lower"] + 0.5) / cells["exposure"])
    table = cells.assign(log_rate=log_rate).pivot(index="la", columns="year", values="log_rate")
    names = (
        "national_level",
        "trend_step_sd",
        "la_level_sd",
        "la_slope_sd",
        "la_level_slope_correlation",
        "scatter_sd",
    )
    return _cells(prepared) | {
        "log_exposure": np.log(cells["exposure"].to_numpy()),
        "time": years - national_trend.slope_year(observations),
        "root_gap": np.sqrt(np.diff(years)),
        "slopes_clear": int(_slopes_are_clear(table)),
        **_numbers(priors, names),
    }


def _timeliness_arrays(prepared: Prepared) -> dict[str, Any]:
    observations, priors = prepared.observations, prepared.experiment.priors
    la_mean, departure = timeliness._observed_timeliness(observations)
    names = (
        "level",
        "within_effect",
        "within_effect_sd",
        "between_effect",
        "la_level_sd",
        "year_effect",
        "scatter_sd",
    )
    return _cells(prepared) | {
        "total": observations.cells["exposure"].to_numpy().astype(int),
        "between": la_mean - timeliness.centre(observations),
        "within": acting(observations, departure.eval()),
        **_numbers(priors, names),
    }


def _inadequacy_arrays(prepared: Prepared) -> dict[str, Any]:
    observations, priors = prepared.observations, prepared.experiment.priors
    figures = observations.figures
    if len(figures.missing) or len(figures.hidden):
        raise ValueError("figures of the benchmark must all be known")
    frameworks = pd.Index(observations.frameworks)
    names = ("level", "framework_effect", "global_scale", "local_scale", "slab_variance")
    return {
        "y": observations.judged,
        "x": figures.values,
        "framework": frameworks.get_indexer(observations.inspections["framework"]) + 1,
        "N": len(observations.judged),
        "K": figures.values.shape[1],
        "F": len(frameworks),
        **_numbers(priors, names),
    }


TASKS = {
    task.name: task
    for task in (
        Task(
            "trend",
            "Negative-binomial trend, level and slope of authorities correlated",
            "national_trend",
            (
                "options.regime_offsets=none",
                "options.national_totals=false",
                "options.knot=2018",
            ),
            (
                "national_level",
                "trend_step_sd",
                "trend",
                "la_level",
                "la_slope",
                "la_level_sd",
                "la_slope_sd",
                "la_level_slope_correlation",
                "scatter_sd",
            ),
            _trend_arrays,
        ),
        Task(
            "shares",
            "Beta-binomial shares, effects within and between authorities",
            "timeliness",
            (
                "options.la_means=observed",
                "options.exposure=conferences_15_days",
                "options.deprivation=none",
            ),
            (
                "level",
                "between_effect",
                "within_effect",
                "within_effect_sd",
                "la_within_effect",
                "la_level",
                "la_level_sd",
                "year_effect",
                "scatter_sd",
            ),
            _timeliness_arrays,
        ),
        Task(
            "horseshoe",
            "Bernoulli judgements, regularised horseshoe",
            "inadequacy",
            (
                f"data.years={YEARS[0] + 2}-{YEARS[1]}",
                "options.frameworks=SIF,ILACS",
                f"options.predictors={','.join(_INDICATORS)}",
                "options.shrinkage=horseshoe",
                "options.deprivation=none",
            ),
            ("level", "framework_effect", "predictor_effect"),
            _inadequacy_arrays,
            # Half-Cauchy scales and the slab have no mean to agree on.
            other=("global_scale", "local_scale", "slab_variance"),
            target_accept=0.99,
            own_target_accept=0.9,
        ),
    )
}


def as_frame(data: Mapping[str, Any]) -> pd.DataFrame:
    """The arrays of a task as one row for each cell, for tools that take a formula."""
    size = len(data["y"])
    columns = {name: v for name, v in data.items() if np.shape(v) == (size,)}
    if "x" in data:
        columns |= {f"x{k}": column for k, column in enumerate(data["x"].T)}
    if "time" in data:
        columns["time"] = data["time"][data["year"] - 1]
    if "between" in data:
        columns["between"] = data["between"][data["la"] - 1]
    return pd.DataFrame(columns)
