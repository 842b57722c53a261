"""Formulas from cube to report, with draws from the prior in place of sampling."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import sampling, store
from experiments.__main__ import BAD_INPUT, NOT_REPORTABLE, REPORTABLE, main
from reports.run_report import render_run
from tests.factories import edit_json

DRAWS, CHAINS = 40, 2


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Give the test runner its log handlers back."""
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    yield
    root.handlers, root.level = kept, level


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A results folder with a small cube, and prior draws where a sampler would stand."""
    folder = tmp_path_factory.mktemp("results")
    cube = build_simulated(SimulationOptions(name="small", las=15, first_year=2010, seed=3))
    save_cube(cube, folder / "cubes" / "small.nc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "RESULTS", folder)
        patch.setattr(sampling, "compile_model", lambda model: model)
        patch.setattr(sampling, "sample", prior_draws)
        yield folder


@pytest.fixture(scope="module")
def shares(results: Path) -> Path:
    """The run of the base config."""
    return fit(results)


def prior_draws(model: Any, *_: Any) -> tuple[xr.Dataset, xr.Dataset]:
    """Posterior and statistics as a sampler would give them, drawn from the prior instead."""
    import pymc as pm

    # Near their centre, so that every count can be drawn.
    tree = pm.sample_prior_predictive(
        DRAWS * CHAINS,
        model=model,
        var_names=[v.name for v in (*model.free_RVs, *model.deterministics)],
        random_seed=5,
        compile_kwargs={"mode": "FAST_COMPILE"},
    )
    prior = 0.2 * tree["prior"].to_dataset()
    parts = [
        prior.isel(chain=0, draw=slice(c * DRAWS, (c + 1) * DRAWS)).assign_coords(
            chain=c, draw=range(DRAWS)
        )
        for c in range(CHAINS)
    ]
    shape, rng = (CHAINS, DRAWS), np.random.default_rng(1)
    statistics = {
        "diverging": np.zeros(shape, bool),
        "reached_max_treedepth": np.zeros(shape, bool),
        "energy": rng.normal(size=shape),
        "n_steps": np.full(shape, 7),
        "tree_depth": np.full(shape, 3),
        "acceptance_rate": np.full(shape, 0.8),
        "step_size": np.full(shape, 0.3),
    }
    stats = xr.Dataset({name: (("chain", "draw"), v) for name, v in statistics.items()})
    return xr.concat(parts, "chain"), stats


def fit(results: Path, *sets: str, variant: str | None = None) -> Path:
    arguments = ["fit", "--model", "formula", "--cube", "small"]
    arguments += ["--variant", variant] if variant else []
    arguments += [word for text in sets for word in ("--set", text)]
    assert main(arguments) in (REPORTABLE, NOT_REPORTABLE)
    name = f"formula--{variant}" if variant else "formula"
    (run,) = (results / "runs" / name).iterdir()
    return run


def read(run: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / name).read_text())
    return found


def test_shares_from_cube_to_report(shares: Path) -> None:
    run = shares
    spec = read(run, "spec.json")
    names = ["intercept", "scale_timeliness", "year_factor", "la_level_sd", "dispersion"]
    assert [prior["name"] for prior in spec["priors"]] == names
    assert all(prior["overridden"] for prior in spec["priors"])
    assert spec["hyperparameters"] == names
    assert spec["exposure"]["outcome"] == "counts"
    with xr.open_datatree(run / "trace.nc", engine="netcdf4") as trace:
        assert trace["posterior"]["la_level"].dims == ("chain", "draw", "la")
        assert "mu" not in trace["posterior"]
        assert trace["posterior_predictive"]["y"].dims[-1] == "obs"
        assert set(trace["log_prior"].data_vars) == set(names)
    checks = read(run, "verdict.json")["predictive_checks"]
    assert {check["name"] for check in checks} >= {"region_departure", "year_departure"}
    table = pd.read_csv(run / "estimands.csv")
    assert (
        table[table["estimand"] == "effect"]["step"].str.startswith(("1 sd more", "against")).all()
    )
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "What goes with each term" in page
    assert "LA-years are left out" in page
    assert "not assessed: a formula has no declared truth" in page


def test_values_are_checked_as_they_are(results: Path) -> None:
    run = fit(results, variant="log_rate")
    assert read(run, "spec.json")["exposure"]["outcome"] == "values"
    checks = read(run, "verdict.json")["predictive_checks"]
    assert not any("log rate" in check["statistic"] for check in checks)
    assert "not assessed" not in {check["status"] for check in checks}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Lowest cell" in page or "Before the data the prior lets the mean lie" in page
    assert "Denominator.</b> None" in page


def test_hostile_texts_in_a_run_are_shown_and_not_run(shares: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(shares, tmp_path / "run"))
    spec = read(run, "spec.json")
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    for option in spec["options"]:
        option["value"] = hostile
    edit_json(run / "spec.json", options=spec["options"], equations=[hostile], notes=[hostile])
    table = pd.read_csv(run / "estimands.csv")
    table["term"] = table["term"].mask(table["term"].notna(), hostile)
    table.to_csv(run / "estimands.csv", index=False)
    render_run(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cpp_starts ~ __import__(imd)", "not a formula"),
        ("cpp_starts ~ os.system(imd)", "has a dot"),
        ("cpp_starts ~ timelines", "did you mean timeliness"),
    ],
)
def test_bad_formulas_end_in_a_fault_and_leave_nothing(
    results: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    code = main(
        ["fit", "--model", "formula", "--cube", "small", "--set", f"options.formula={text}"]
    )
    assert code == BAD_INPUT
    told = capsys.readouterr().err
    assert words in told
    assert "--set, column 'options.formula'" in told
    assert "Traceback" not in told
    assert not list((results / "runs" / "formula").glob(".tmp-*"))
