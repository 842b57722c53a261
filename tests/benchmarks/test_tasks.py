"""What peers are given is what the project fits: data, priors and likelihood, and real fits."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.__main__ import main
from benchmarks.running import PEERS
from benchmarks.tasks import TASKS, Task, build_cube
from data_prep.schema import load_cube
from experiments import sampling
from experiments.config import load_experiment
from experiments.fit import Prepared, prepare


@pytest.fixture(scope="module")
def cube_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cube")
    return build_cube(folder / "benchmark.nc", las=24)


def prepared_for(task: Task, path: Path) -> Prepared:
    return prepare(load_experiment(task.model, None, task.sets, str(path)), load_cube(path))


def log_mass(name: str, data: dict[str, Any], draw: Any) -> np.ndarray:
    """Log mass of every cell, from the arrays that peers get."""
    if name == "horseshoe":
        log_odds = (
            draw["level"]
            + draw["framework_effect"][data["framework"] - 1]
            + data["x"] @ draw["predictor_effect"]
        )
        return np.asarray(stats.bernoulli.logpmf(data["y"], 1 / (1 + np.exp(-log_odds))))
    la, year = data["la"] - 1, data["year"] - 1
    dispersion = 1 / (draw["scatter_sd"] ** 2 + 1e-6)
    if name == "trend":
        mean = np.exp(
            data["log_exposure"]
            + draw["la_level"][la]
            + draw["trend"][year]
            + draw["la_slope"][la] * data["time"][year]
        )
        return np.asarray(
            stats.nbinom.logpmf(data["y"], dispersion, dispersion / (dispersion + mean))
        )
    log_odds = draw["la_level"][la] + draw["year_effect"][year]
    log_odds += draw["la_within_effect"][la] * data["within"]
    share = 1 / (1 + np.exp(-log_odds))
    shapes = dispersion * share, dispersion * (1 - share)
    return np.asarray(stats.betabinom.logpmf(data["y"], data["total"], *shapes))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_arrays_hold_the_likelihood_of_the_project_s_model(task: Task, cube_path: Path) -> None:
    prepared = prepared_for(task, cube_path)
    experiment = prepared.experiment
    model = experiment.spec.build(prepared.observations, experiment.options, experiment.priors)
    prior, _ = sampling.draw_prior(model, seed=3)
    few = prior.isel(draw=slice(5))
    found = sampling.pointwise_log_density(model, few, ["y"])["y"].to_numpy()[0]
    data = task.arrays(prepared)
    for i in range(5):
        one = {name: few[name].to_numpy()[0, i] for name in few.data_vars}
        # Stored in single precision.
        np.testing.assert_allclose(found[i], log_mass(task.name, data, one), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_stan_is_given_every_number_that_it_asks_for(task: Task, cube_path: Path) -> None:
    program = (PEERS / f"{task.name}.stan").read_text()
    block = re.search(r"\ndata \{(.*?)\n\}", program, re.S)
    assert block is not None
    asked = set(re.findall(r"(\w+);", block[1]))
    assert asked == set(task.arrays(prepared_for(task, cube_path)))
    for name in (*task.compared, *task.other):
        assert re.search(rf"\b{name}\b", program), name


@pytest.mark.skipif(not os.environ.get("CSC_SLOW_TESTS"), reason="slow: `make test-slow` runs it")
def test_a_quick_benchmark_from_cube_to_page(tmp_path: Path) -> None:
    words = ["--quick", "--tasks", "horseshoe", "--tools", "ours", "pymc", "--repeats", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    page = (tmp_path / "benchmarks.md").read_text()
    assert "quick run" in page
    assert "this project" in page
