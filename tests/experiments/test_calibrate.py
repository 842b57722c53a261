"""A study finds a sound fit sound and a broken one broken, and goes on where it stopped."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from experiments import calibrate, sampling
from experiments.__main__ import INTERRUPTED, NOT_REPORTABLE, REPORTABLE, main
from experiments.calibrate import Plan, Study, plan_study, replicate_path, run_study
from experiments.calibration_summary import (
    read_replicates,
    summarise_study,
    verdict,
    write_summary,
)
from experiments.config import SamplerConfig, load_experiment
from models.national_trend import SPEC
from models.priors import Prior, draw_from
from models.replaceable import observed_values, publishes
from models.spec import Answer, Block

CELLS = 3


def build_normal(observations: Any, options: Any, priors: Any) -> pm.Model:
    """Three values around an unknown mean, sd 1: the posterior is known in closed form."""
    with pm.Model(coords={"obs": range(CELLS)}) as model:
        mean = draw_from(priors["mean"])
        if options.registered:
            publishes("y", "as drawn", lambda drawn: {"y_data": drawn})
        observed = observed_values("y_data", np.full(CELLS, 7.0))
        pm.Normal("y", mean, 1.0, observed=observed, dims="obs")
    return model


PRIOR = Prior("mean", "Normal", {"mu": 0.0, "sigma": 1.0}, "", "")
NARROW = dataclasses.replace(PRIOR, parameters={"mu": 0.0, "sigma": 0.5})
NORMAL = dataclasses.replace(
    SPEC,
    name="normal",
    build=build_normal,
    priors={"mean": PRIOR},
    estimands=lambda draws, *_: Answer({"square": draws["mean"] ** 2}),
    blocks=lambda _: (Block("mean", ("mean",)),),
)


def make_plan(folder: Path, *, fit_prior: Prior = PRIOR, **options: bool) -> Plan:
    return Plan(
        name="normal",
        spec=NORMAL,
        options=SimpleNamespace(**{"registered": True} | options),
        priors={"mean": PRIOR},
        observations=None,
        sampler=SamplerConfig(chains=2, draws=300, tune=200),
        folder=folder,
        document={"study_id": "test"},
        fit_priors={"mean": fit_prior},
    )


def study(folder: Path, replicates: int, **changes: Any) -> pd.DataFrame:
    plan = make_plan(folder, **changes)
    run_study(plan, replicates)
    return write_summary(plan, replicates).set_index("quantity")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("sound")
    return folder, study(folder, 120)


def test_a_known_model_is_calibrated(sound: tuple[Path, pd.DataFrame]) -> None:
    _, summary = sound
    assert list(summary.index) == ["mean", "square", "log_likelihood"]
    assert (summary["p"] > 0.01).all()
    for percent in (50, 90):
        assert (summary[f"coverage_{percent}_lower"] <= percent / 100).all()
        assert (summary[f"coverage_{percent}_upper"] >= percent / 100).all()
    assert (summary["replicates"] == 120).all()
    assert verdict(summary.reset_index())[0]


def test_posteriors_are_those_of_the_closed_form(sound: tuple[Path, pd.DataFrame]) -> None:
    """Each posterior mean is three quarters of its own replicate's mean: data do change."""
    folder, _ = sound
    built = Study(make_plan(folder))
    _, drawn, _ = built._batch(0)
    for result in read_replicates(folder, 5):
        world = drawn["y"].isel(chain=0, draw=result["replicate"] - 1)
        (row,) = [row for row in result["values"] if row["quantity"] == "mean"]
        assert row["mean"] == pytest.approx(float(world.mean()) * CELLS / (CELLS + 1), abs=0.12)
        assert row["sd"] == pytest.approx(0.5, abs=0.08)


def test_a_prior_half_as_wide_in_the_fit_is_found(tmp_path: Path) -> None:
    summary = study(tmp_path, 80, fit_prior=NARROW)
    assert summary.loc["mean", "band"] == "outside"
    assert summary.loc["mean", "p"] < 0.01
    assert not verdict(summary.reset_index())[0]


def test_a_fit_that_ignores_its_data_is_found_by_the_log_likelihood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)

    def from_the_prior(_: Any, config: SamplerConfig, *rest: Any) -> Any:
        shape, dims = (config.chains, config.draws), ("chain", "draw")
        coords = {"chain": range(shape[0]), "draw": range(shape[1])}
        nothing = (dims, np.zeros(shape, int))
        names = ("diverging", "reached_max_treedepth", "n_steps")
        return (
            xr.Dataset({"mean": (dims, rng.normal(size=shape))}, coords=coords),
            xr.Dataset(dict.fromkeys(names, nothing), coords=coords),
        )

    monkeypatch.setattr(sampling, "sample", from_the_prior)
    summary = study(tmp_path, 60)
    # Where the posterior is the prior its ranks are uniform: only what sees the data can tell.
    assert summary.loc["mean", "p"] > 0.01
    assert summary.loc["log_likelihood", "p"] < 0.001


def test_a_killed_study_goes_on_and_gives_what_it_would_have(
    sound: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    whole, _ = sound
    plan = make_plan(tmp_path)
    run_study(plan, 6, at_most=2)
    half = write_summary(plan, 6)
    assert set(half["status"]) == {"unfinished"}
    assert "2 of 6 replicates (unfinished)" in verdict(half)[1]
    assert not verdict(half)[0]
    # A kill leaves at most a temporary file of the replicate in hand.
    (replicate_path(tmp_path, 3).parent / ".tmp-00003-1").write_text("{")
    kept = replicate_path(tmp_path, 1).stat().st_mtime_ns
    run_study(plan, 6)
    assert replicate_path(tmp_path, 1).stat().st_mtime_ns == kept
    for mine, theirs in zip(read_replicates(tmp_path, 6), read_replicates(whole, 6), strict=True):
        assert mine["values"] == theirs["values"]


def test_a_failed_replicate_is_counted_and_never_called_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, calls, real = make_plan(tmp_path), [], sampling.sample

    def sometimes(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no place to start")
        return real(*arguments)

    monkeypatch.setattr(sampling, "sample", sometimes)
    run_study(plan, 20)
    summary = write_summary(plan, 20)
    assert set(summary["failed"]) == {1}
    assert set(summary["replicates"]) == {19}
    sound, text = verdict(summary)
    assert not sound
    assert "1 failed" in text
    table = pd.read_csv(tmp_path / "replicates.csv")
    assert table.loc[1, "failed"] == "no place to start"


def test_too_few_effective_draws_are_sampled_longer_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, real, lengths = make_plan(tmp_path), sampling.sample, []

    def sticky(compiled: Any, config: SamplerConfig, *rest: Any) -> Any:
        posterior, statistics = real(compiled, config, *rest)
        lengths.append(config.draws)
        if len(lengths) == 1:
            # Each draw forty times over.
            slow = np.repeat(posterior["mean"].to_numpy(), 40, axis=1)[:, : config.draws]
            posterior = posterior.assign(mean=(("chain", "draw"), slow))
        return posterior, statistics

    monkeypatch.setattr(sampling, "sample", sticky)
    run_study(plan, 1)
    (result,) = read_replicates(tmp_path, 1)
    assert lengths == [300, 300 * calibrate.LONGER]
    assert result["first_least_ess"] < calibrate.RANKED_DRAWS <= result["least_ess"]
    assert set(summarise_study([result], 1)["lengthened"]) == {1}


def test_a_likelihood_that_cannot_exchange_its_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not say how it is published"):
        Study(make_plan(tmp_path, registered=False))


def test_followed_scalars_are_first_middle_and_last() -> None:
    draws = xr.DataArray(
        np.zeros((2, 3, 5, 4)),
        dims=("chain", "draw", "la", "year"),
        coords={"la": list("abcde"), "year": [1, 2, 3, 4]},
    )
    found = [c for _, c, *_ in calibrate._scalars("x", draws.isel(chain=[0], draw=[0]), draws)]
    assert found == ["la=a, year=1", "la=c, year=2", "la=e, year=4"]


def test_ranked_draws_are_evenly_spaced_within_each_chain() -> None:
    places = calibrate._thinned(2, 750)
    assert len(places) == calibrate.RANKED_DRAWS // 2
    assert set(np.diff(places)) == {30}
    assert places[-1] == 749


def test_the_skeleton_takes_authorities_from_the_whole_list(tmp_path: Path) -> None:
    from data_prep.schema import save_cube
    from data_prep.simulated import SimulationOptions, build_simulated

    path = tmp_path / "world.nc"
    save_cube(build_simulated(SimulationOptions(seed=1, las=24, first_year=2008)), path)
    experiment = load_experiment("national_trend", cube=str(path))
    plan = plan_study(experiment, las=10)
    codes = list(plan.observations.las.index)
    assert len(codes) == 10 == len(plan.document["las"])
    assert codes[0].endswith("001")
    assert codes[-1].endswith("024")
    assert plan_study(experiment, las=11).folder != plan.folder


# ------------------------------------------------------------------------------ command line


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`calibrate` studies the known model, in a folder of its own."""
    monkeypatch.setattr(calibrate, "plan_study", lambda *_, **__: make_plan(tmp_path))
    return tmp_path


# A value set by hand keeps the committed copy as it is.
ARGUMENTS = ["calibrate", "--set", "sampler.seed=1", "--replicates", "4"]


def test_the_command_says_unfinished_and_then_finishes(
    command: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ARGUMENTS, "--at-most", "1"]) == NOT_REPORTABLE
    assert "1 of 4 replicates (unfinished)" in capsys.readouterr().out
    assert main(ARGUMENTS) == REPORTABLE
    assert "4 of 4 replicates (finished)" in capsys.readouterr().out
    assert (command / "calibration.png").read_bytes().startswith(b"\x89PNG")
    assert "copied" not in capsys.readouterr().out


def test_an_interrupted_command_says_what_is_kept(
    command: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrate, "run_study", interrupted)
    assert main(ARGUMENTS) == INTERRUPTED
    assert "finished replicates are kept" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--replicates", "0"], ["--las", "none"]])
def test_impossible_arguments_are_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["calibrate", *wrong])
