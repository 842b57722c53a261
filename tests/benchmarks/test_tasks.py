"""What peers are given is what the project fits: data, priors and likelihood, and real fits."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.__main__ import main
from benchmarks.running import PEERS, Settings, _read_draws_of_r, _write_table, missing
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


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_r_is_given_a_row_for_each_cell(task: Task, cube_path: Path, tmp_path: Path) -> None:
    data = task.arrays(prepared_for(task, cube_path))
    np.savez(tmp_path / "data.npz", **data)
    numbers = _write_table(tmp_path)
    assert numbers == {name: v for name, v in data.items() if not np.shape(v)}
    table = pd.read_csv(tmp_path / "data.csv")
    assert len(table) == len(data["y"])
    script = (PEERS / "brms_run.R").read_text()
    asked = set(re.findall(r"numbers\$(\w+)", script)) if task.name == "horseshoe" else set()
    assert asked <= set(numbers)
    # Every word of the task's formula is a column.
    (formula,) = re.findall(rf"{task.name} = list\(\s*formula = bf\((.*)\),\n", script)
    words = set(re.findall(r"[a-z_]\w+|\by\b", formula))
    other = {"offset", "trials", "reformulate", "predictors", "c"}
    assert words - other <= set(table)


def test_draws_of_r_keep_their_chains(tmp_path: Path) -> None:
    # R writes the first index, draws, fastest.
    draws = np.arange(24.0).reshape(2, 3, 4)
    draws.tofile(tmp_path / "draws.bin")
    (tmp_path / "names.json").write_text(json.dumps(["b_Intercept", "r_la[1,time]"]))
    _read_draws_of_r(tmp_path, Settings(draws=4, chains=3))
    with np.load(tmp_path / "draws.npz") as held:
        np.testing.assert_array_equal(held["b_Intercept"], draws[0])
        np.testing.assert_array_equal(held["r_la[1,time]"], draws[1])


def test_a_tool_that_is_not_here_is_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing("brms", Settings()) == "not installed"
    assert missing("ours", Settings()) == ""


@pytest.mark.skipif(
    not os.environ.get("CSC_SLOW_TESTS") or shutil.which("Rscript") is None,
    reason="slow: `make test-slow` runs it, where R and brms are installed",
)
def test_brms_is_fitted_and_shown(tmp_path: Path) -> None:
    if why := missing("brms", Settings()):
        pytest.skip(f"brms is {why}")
    words = ["--quick", "--tasks", "horseshoe", "--tools", "ours", "brms", "--repeats", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    fits = pd.read_csv(tmp_path / "benchmarks" / "fits.csv").set_index("tool")
    assert fits.loc["brms", "least_ess"] > 0
    assert fits.loc["brms", "compile"] > 5
    assert "brms, its default" in (tmp_path / "benchmarks.md").read_text()


@pytest.mark.skipif(not os.environ.get("CSC_SLOW_TESTS"), reason="slow: `make test-slow` runs it")
def test_a_quick_benchmark_from_cube_to_page(tmp_path: Path) -> None:
    words = ["--quick", "--tasks", "horseshoe", "--tools", "ours", "pymc", "--repeats", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    page = (tmp_path / "benchmarks.md").read_text()
    assert "quick run" in page
    assert "this project" in page
