"""A fit of judgements from end to end: run folder, report, last screen; draws are the prior's."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import sampling, store
from experiments.__main__ import BAD_INPUT, NOT_REPORTABLE, main

SETS = (
    "options.predictors=ia_10_days_share,rereferral_share,agency_share",
    "options.train_until=2012-12-31",
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Give the test runner its log handlers back."""
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    yield
    root.handlers, root.level = kept, level


@pytest.fixture
def unsampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws of the prior in place of a posterior, with one divergence."""

    def sample(model: pm.Model, *_: object) -> tuple[xr.Dataset, xr.Dataset]:
        tree = pm.sample_prior_predictive(
            100, model=model, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"}
        )
        prior = tree["prior"].to_dataset()
        halves = [prior.isel(chain=0, draw=slice(50 * c, 50 * c + 50)) for c in range(2)]
        halves = [h.assign_coords(draw=range(50), chain=c) for c, h in enumerate(halves)]
        noise = np.random.default_rng(1).normal(size=(2, 50))
        diverging = np.zeros((2, 50), int)
        diverging[0, 0] = 1
        statistics = xr.Dataset(
            {
                "diverging": (("chain", "draw"), diverging),
                "reached_max_treedepth": (("chain", "draw"), 0 * diverging),
                "energy": (("chain", "draw"), noise),
                "n_steps": (("chain", "draw"), 1 + 0 * diverging),
            }
        )
        return xr.concat(halves, "chain"), statistics

    monkeypatch.setattr(sampling, "compile_model", lambda model: model)
    monkeypatch.setattr(sampling, "sample", sample)


def run_fit(*sets: str) -> int:
    words = [word for text in sets for word in ("--set", text)]
    return main(["fit", "--model", "inadequacy", "--cube", "small", *words])


@pytest.mark.usefixtures("unsampled")
def test_from_cube_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = build_simulated(SimulationOptions(name="small", las=60, first_year=2008, seed=3))
    save_cube(cube, tmp_path / "cubes" / "small.nc")
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    assert run_fit(*SETS) == NOT_REPORTABLE
    (run,) = (tmp_path / "runs" / "inadequacy").iterdir()
    spec = json.loads((run / "spec.json").read_text())
    assert spec["outcome"]["label"] == "Inadequate judgement"
    assert spec["notes"][0].startswith("Timing: ")
    table = pd.read_csv(run / "estimands.csv")
    ratios = table[table["estimand"] == "odds_ratio"]
    assert ratios["predictor"].str.startswith("Deprivation (IMD").sum() == 1
    assert len(ratios) == 4
    gains = table[table["estimand"] == "log_gain_later"]
    assert set(gains["against"]) == {"deprivation alone", "base rate"}
    checks = json.loads((run / "verdict.json").read_text())["predictive_checks"]
    assert "repeated_events" in {check["name"] for check in checks}
    screen = capsys.readouterr().out
    assert "Gain of log score, out of time base rate" in screen
    page = (run / "report.html").read_text(encoding="utf-8")
    for words in (
        "Odds of an inadequate judgement by figure",
        "Calibration curve of the probabilities",
        "Not for use in deciding about any one authority",
        "per 100 inspections",
    ):
        assert words in page
    # The first thing in the list of what to know is when the figures were taken.
    assert page.index("Know first") < page.index("Timing: ") < page.index('id="answer"')


def test_a_predictor_that_is_not_there_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = build_simulated(
        SimulationOptions(name="small", las=30, first_year=2010, seed=3, collection="as_in_england")
    )
    save_cube(cube, tmp_path / "cubes" / "small.nc")
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    assert run_fit("options.predictors=agency_share") == BAD_INPUT
    said = capsys.readouterr()
    assert "not measurable" in said.out + said.err
