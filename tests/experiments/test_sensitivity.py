"""Sensitivity: strong priors and odd authorities are found, weak and usual ones are not."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import sensitivity, store
from experiments.__main__ import REPORTABLE, main
from experiments.holdout import Fold, Refit
from experiments.sensitivity import (
    headline_draws,
    influence_by_weights,
    power_scaling,
    refit_untrusted,
)
from models.spec import Answer, Estimand

MEAN = Estimand("mean", "Mean", "points", "the mean", "here", (), headline=True)
SHAPE = (4, 1000)
D = ("chain", "draw")


def dataset(**arrays: np.ndarray) -> xr.Dataset:
    coords = {"chain": np.arange(SHAPE[0]), "draw": np.arange(SHAPE[1])}
    return xr.Dataset({name: (D, values) for name, values in arrays.items()}, coords)


def test_a_prior_that_decides_is_found_and_one_that_does_not_is_not() -> None:
    """Normal mean: the posterior under a tight prior leans on it, under a wide one on the data."""
    rng = np.random.default_rng(1)
    draws = rng.normal(0.5, 0.3, SHAPE)
    log_prior = dataset(tight=norm(2, 0.35).logpdf(draws), wide_raw=norm(0, 50).logpdf(draws))
    found = {row.hyperprior: row for row in power_scaling([(MEAN, "", draws)], log_prior)}
    assert set(found) == {"tight", "wide"}
    assert found["tight"].moves
    assert found["tight"].value > 0.2
    assert not found["wide"].moves
    assert found["wide"].value < 0.01


def test_weights_give_the_mean_without_an_authority() -> None:
    """Normal mean, known variance, flat prior: without an authority it is the mean of the rest."""
    rng = np.random.default_rng(2)
    la = np.repeat(["a", "b", "c", "odd"], 25)
    y = rng.normal(0, 1, 100) + np.where(la == "odd", 0.5, 0)
    draws = rng.normal(y.mean(), 0.1, SHAPE)
    log_likelihood = xr.DataArray(norm(draws[..., None], 1).logpdf(y), dims=(*D, "obs"))
    rows = influence_by_weights([(MEAN, "", draws)], log_likelihood, la)
    assert [row.la for row in rows] == ["a", "b", "c", "odd"]
    for row in rows:
        assert row.how == "weights"
        assert row.without == pytest.approx(y[la != row.la].mean(), abs=0.02)
    largest = max(rows, key=lambda row: abs(row.shift or 0))
    assert largest.la == "odd"
    assert largest.shift is not None
    assert largest.shift < -0.5


def test_weights_that_cannot_be_trusted_are_refitted_or_left_unsaid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    la = np.array(["a", "b", "c"])
    draws = rng.normal(0, 1, SHAPE)
    # One cell of each pins the draws down so tightly that nothing is known without it.
    log_likelihood = xr.DataArray(
        np.stack([norm(c, 0.05).logpdf(draws) for c in (0.0, 0.1, 3.0)], -1), dims=(*D, "obs")
    )
    scalars = [(MEAN, "", draws)]
    rows = influence_by_weights(scalars, log_likelihood, la)
    assert {row.how for row in rows} == {"not assessed"}
    asked: list[Fold] = []

    def refits(prepared: Any, folds: list[Fold]) -> Any:
        for fold in folds:
            asked.append(fold)
            yield Refit(fold, dataset(mean=np.full(SHAPE, 2.0)), 0, 1.0)

    monkeypatch.setattr(sensitivity, "refit_folds", refits)
    spec = SimpleNamespace(
        estimands=lambda posterior, *_: Answer({"mean": posterior["mean"]}),
        declared_estimands=lambda options: (MEAN,),
    )
    prepared: Any = SimpleNamespace(
        observations=SimpleNamespace(las=pd.DataFrame({"name": list("ABC")}, index=list("abc"))),
        experiment=SimpleNamespace(spec=spec, options=None, priors=None),
    )
    found = {row.la: row for row in refit_untrusted(prepared, rows, scalars, la, 1)}
    (fold,) = asked
    (refitted,) = [row for row in found.values() if row.how == "refit"]
    assert la[fold.hidden].tolist() == [refitted.la]
    assert refitted.shift == pytest.approx((2 - draws.mean()) / draws.std(ddof=1), abs=1e-3)
    others = [row for row in found.values() if row is not refitted]
    assert [(row.how, row.shift, row.without) for row in others] == [
        ("not assessed", None, None)
    ] * 2


def test_headlines_come_one_scalar_at_a_time_and_without_authorities() -> None:
    two = Estimand("two", "Two", "x", "d", "a", ("outcome",), headline=True)
    by_la = Estimand("by_la", "LA", "x", "d", "a", ("la",), headline=True)
    minor = Estimand("minor", "Minor", "x", "d", "a", ())
    array = xr.DataArray(
        np.zeros((2, *SHAPE)), dims=("outcome", *D), coords={"outcome": ["p", "q"]}
    )
    values = {"two": array, "by_la": array.rename(outcome="la"), "minor": array[0]}
    values["share"] = xr.DataArray(0.5)
    share = Estimand("share", "Share", "x", "d", "a", (), headline=True)
    found = list(headline_draws(values, [two, by_la, minor, share]))
    assert [(estimand.name, at, draws.shape) for estimand, at, draws in found] == [
        ("two", "p", SHAPE),
        ("two", "q", SHAPE),
    ]


@pytest.mark.skipif(not os.environ.get("CSC_SLOW_TESTS"), reason="slow: `make test-slow` runs it")
def test_a_run_gains_its_sensitivity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = build_simulated(SimulationOptions(name="small", las=16, first_year=2010, seed=3))
    save_cube(tree, tmp_path / "cubes" / "small.nc")
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    sets = ("options.outcomes=section47", "sampler.draws=300", "sampler.tune=300")
    words = ["sensitivity", "--model", "deprivation", "--cube", "small", "--workers", "1"]
    words += [word for text in sets for word in ("--set", text)]
    assert main([*words, "--refits", "2"]) == REPORTABLE
    (run,) = (tmp_path / "runs" / "deprivation").iterdir()
    found = sensitivity.read_sensitivity(run)
    assert {row["hyperprior"] for row in found["hyperpriors"]} == {
        "deprivation_slope",
        "la_level_sd",
        "scatter_sd",
    }
    assert {row["la"] for row in found["influence"]} == set(
        json.loads((run / "spec.json").read_text())["las"]
    )
    assert sum(row["how"] == "refit" for row in found["influence"]) in (0, 4, 8)
    assert "figure-influence" in (run / "report.html").read_text(encoding="utf-8")
