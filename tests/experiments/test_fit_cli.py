"""`python -m experiments` from end to end: the run's contract, exit codes, kills and bad input."""

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import store
from experiments.__main__ import BAD_INPUT, INTERRUPTED, NOT_REPORTABLE, REPORTABLE, main
from experiments.config import load_experiment
from experiments.diagnostics import DIAGNOSTIC_COLUMNS, SUMMARY_COLUMNS
from experiments.runtime import ROOT
from tests.factories import SMALLEST_FIT
from tests.processes import printed_by

LAS, YEARS = 12, list(range(2010, 2015))
FILES = {
    "config.toml",
    "spec.json",
    "provenance.json",
    "trace.nc",
    "diagnostics.csv",
    "estimands.csv",
    "ranks.csv",
    "places.json",
    "verdict.json",
    "log.txt",
    "report.html",
}


def arguments(command: str, *more: str, sets: list[str] = SMALLEST_FIT) -> list[str]:
    chosen = [word for text in sets for word in ("--set", text)]
    return [command, "--model", "national_trend", "--cube", "small", *chosen, *more]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A results folder of its own that holds the cube `small`."""
    folder = tmp_path_factory.mktemp("results")
    cube = build_simulated(
        SimulationOptions(name="small", las=LAS, first_year=YEARS[0], last_year=YEARS[-1], seed=3)
    )
    save_cube(cube, folder / "cubes" / "small.nc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "RESULTS", folder)
        yield folder


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Give the test runner its log handlers back."""
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    yield
    root.handlers, root.level = kept, level


@dataclass
class Fitted:
    """What three calls of `fit` said and left behind."""

    codes: list[int]
    said: list[str]
    run: Path
    forced: Path


@pytest.fixture(scope="module")
def fitted(results: Path) -> Fitted:
    """Fit, ask for the same again, and fit again by force."""
    codes, said = [], []
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    for more in ([], [], ["--force"]):
        with contextlib.redirect_stdout(io.StringIO()) as text:
            codes.append(main(arguments("fit", *more)))
        said.append(text.getvalue())
    root.handlers, root.level = kept, level
    runs = results / "runs" / "national_trend"
    (run,) = [path for path in runs.iterdir() if "." not in path.name]
    assert {path.name for path in runs.iterdir()} == {run.name, f"{run.name}.2"}
    return Fitted(codes, said, run, runs / f"{run.name}.2")


def read(run: Path, name: str) -> dict:
    return json.loads((run / name).read_text())


# ------------------------------------------------------------------------- what a run holds


def test_a_run_holds_exactly_the_files_of_the_contract(fitted: Fitted) -> None:
    for run in (fitted.run, fitted.forced):
        assert {path.name for path in run.iterdir()} == FILES


def test_short_chains_complete_but_are_not_reportable(fitted: Fitted) -> None:
    assert fitted.codes == [NOT_REPORTABLE] * 3
    verdict = read(fitted.run, "verdict.json")
    assert verdict["completed"] is True
    assert verdict["reportable"] is False
    assert verdict["loosened"] == []
    assert "NOT REPORTABLE" in fitted.said[0]
    failed = [gate for gate in verdict["gates"] if gate["status"] == "fail"]
    assert failed
    assert all(gate["where"] in fitted.said[0] for gate in failed)


def test_the_same_again_is_reused_and_force_makes_a_second_of_it(fitted: Fitted) -> None:
    assert "Already fitted" in fitted.said[1]
    assert fitted.run.name in fitted.said[1]
    assert "Already fitted" not in fitted.said[2]
    assert f"{fitted.forced.name}/report.html" in fitted.said[2]


def test_draws_of_the_same_seed_are_bit_identical(fitted: Fitted) -> None:
    with (
        xr.open_datatree(fitted.run / "trace.nc", engine="netcdf4") as first,
        xr.open_datatree(fitted.forced / "trace.nc", engine="netcdf4") as second,
    ):
        for group in first.children:
            assert first[group].to_dataset().equals(second[group].to_dataset()), group
    for name in ("diagnostics.csv", "estimands.csv", "spec.json", "config.toml"):
        assert (fitted.run / name).read_bytes() == (fitted.forced / name).read_bytes()


def test_the_stored_config_resolves_to_the_run_s_own(fitted: Fitted) -> None:
    stored = tomllib.loads((fitted.run / "config.toml").read_text())
    assert stored == load_experiment("national_trend", sets=SMALLEST_FIT, cube="small").resolved()


def test_trace_groups_variables_and_dimensions(fitted: Fitted) -> None:
    cells = read(fitted.run, "spec.json")["data"]["used"]
    d = ("chain", "draw")
    with xr.open_datatree(fitted.run / "trace.nc", engine="netcdf4") as tree:
        assert set(tree.children) == {
            *("posterior", "sample_stats", "log_likelihood", "log_prior", "observed_data"),
            *("constant_data", "prior", "prior_predictive", "posterior_predictive", "criticism"),
        }
        posterior = tree["posterior"]
        assert dict(posterior.sizes) == {"chain": 2, "draw": 200, "la": LAS, "year": len(YEARS)}
        assert list(posterior["year"].values) == YEARS
        assert posterior["la_level"].dims == (*d, "la")
        assert posterior["trend"].dims == (*d, "year")
        assert set(tree["sample_stats"].data_vars) == {
            *("tree_depth", "reached_max_treedepth", "acceptance_rate", "lp", "energy"),
            *("diverging", "step_size", "n_steps"),
        }
        assert all(values.dims == d for values in tree["sample_stats"].data_vars.values())
        for group in ("log_likelihood", "posterior_predictive", "prior_predictive"):
            assert tree[group]["y"].dims == (*d, "obs"), group
            assert np.isfinite(tree[group]["y"]).all()
        assert tree["observed_data"]["y"].dims == ("obs",)
        assert set(tree["log_prior"].data_vars) <= set(posterior.data_vars)
        assert tree["prior_predictive"]["y"].sizes["draw"] == 500
        predicted = tree["posterior_predictive"]["y"]
        assert predicted["draw"].isin(posterior["draw"]).all()
        assert set(tree["constant_data"].data_vars) == {
            *("la", "year", "y_lower", "y_upper", "exposure", "status")
        }
        assert all(v.dims == ("obs",) for v in tree["constant_data"].data_vars.values())
        assert set(tree["criticism"].data_vars) == {"pareto_k", "elpd", "loo_pit", "residual"}
        assert set(tree["criticism"].attrs) == {"elpd_loo", "elpd_se", "p_loo", "good_k"}
        assert {tree[g].sizes["obs"] for g in ("observed_data", "criticism")} == {cells}


def test_tables_have_the_columns_of_the_contract(fitted: Fitted) -> None:
    diagnostics = pd.read_csv(fitted.run / "diagnostics.csv")
    assert tuple(diagnostics.columns) == DIAGNOSTIC_COLUMNS
    with xr.open_datatree(fitted.run / "trace.nc", engine="netcdf4") as tree:
        posterior = tree["posterior"].to_dataset().load()
    free = set(diagnostics["variable"])
    assert free <= set(posterior.data_vars)
    assert len(diagnostics) == sum(posterior[name][0, 0].size for name in free)
    assert "other" not in set(diagnostics["block"])
    estimands = pd.read_csv(fitted.run / "estimands.csv", dtype=str, keep_default_na=False)
    assert tuple(estimands.columns) == (*SUMMARY_COLUMNS, "la", "year", "year_from")
    assert set(estimands["year"]) == {"", *map(str, YEARS)}
    rates = estimands[estimands["estimand"] == "la_rate"]
    assert len(rates) == LAS * len(YEARS)
    declared = {item["name"] for item in read(fitted.run, "spec.json")["estimands"]}
    assert set(estimands["estimand"]) == declared


def test_the_headline_estimand_is_that_of_the_draws(fitted: Fitted) -> None:
    """The national rate recomputed from the trace and the cube alone."""
    with (
        xr.open_datatree(fitted.run / "trace.nc", engine="netcdf4") as tree,
        xr.open_datatree(store.cube_path("small"), engine="netcdf4") as cube,
    ):
        posterior = tree["posterior"].to_dataset().load()
        children = cube["cube"]["population_0_17"].sel(la=posterior["la"], year=YEARS).load()
    rate = np.exp(posterior["la_level"] + posterior["trend"])
    national = 10_000 * (rate * children).sum("la") / children.sum("la")
    table = pd.read_csv(fitted.run / "estimands.csv")
    rows = table[table["estimand"] == "national_rate"].set_index("year")
    np.testing.assert_allclose(rows["mean"], national.mean(("chain", "draw")), rtol=1e-5)
    upper = national.quantile(0.95, ("chain", "draw"))
    np.testing.assert_allclose(rows["upper"], upper, rtol=1e-5)


def test_spec_verdict_and_provenance_have_the_keys_of_the_contract(fitted: Fitted) -> None:
    spec = read(fitted.run, "spec.json")
    assert set(spec) == {
        *("schema", "model", "title", "question", "answer", "outcome", "exposure", "equations"),
        "outcomes",
        *("assumptions", "cannot_say", "options", "priors", "blocks", "hyperparameters"),
        *("estimands", "not_estimable", "notes", "data", "regimes", "knot", "figures"),
        *("national_series", "regime_sensitivity", "las"),
    }
    assert set(spec["outcome"]) == {"name", "label", "units", "definition"}
    assert spec["outcomes"] == [spec["outcome"]]
    assert set(spec["exposure"]) == {"name", "label", "per", "unit"}
    keys = {
        "options": {"name", "value", "choices", "meaning"},
        "priors": {"name", "distribution", "parameters", "meaning", "reason", "overridden"},
        "blocks": {"name", "variables"},
        "estimands": {*("name", "label", "unit", "definition", "about", "coordinates", "headline")},
        "regimes": {"name", "first_year", "last_year"},
    }
    for section, expected in keys.items():
        assert spec[section], section
        assert all(set(item) == expected for item in spec[section]), section
    data = spec["data"]
    assert data["used"] == data["exact"] + data["interval"]
    assert data["cells"] == LAS * len(YEARS)
    assert data["used"] + sum(item["cells"] for item in data["dropped"]) == data["cells"]
    assert len(spec["las"]) == LAS
    documented = (ROOT / "docs" / "artefacts.md").read_text()
    assert all(f'"{key}"' in documented for key in spec)
    verdict = read(fitted.run, "verdict.json")
    documented_keys = {
        *("schema", "completed", "reportable", "loosened", "gates"),
        *("predictive_checks", "advisory"),
    }
    assert set(verdict) == documented_keys
    for gate in verdict["gates"]:
        assert {"name", "status", "value", "limit", "where", "blocking"} <= set(gate)
    provenance = read(fitted.forced, "provenance.json")
    assert provenance["run_id"] == fitted.run.name
    assert provenance["command"].startswith("make fit MODEL=national_trend CUBE=small SET=")
    assert provenance["cube"]["hash"] == data["cube_hash"]
    assert provenance["seconds"]["compiling"] > 0


def test_the_log_says_what_was_done_when(fitted: Fitted) -> None:
    log = (fitted.run / "log.txt").read_text()
    for stage in (
        "building the model",
        "compiling",
        "sampling 2 chains",
        "judging predictions",
        "writing",
    ):
        assert stage in log
    assert fitted.run.name in log


def test_the_report_is_one_file_and_can_be_made_again(
    fitted: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    report = fitted.run / "report.html"
    assert 'src="http' not in report.read_text()
    report.unlink()
    assert main(["report", "--run", str(fitted.run)]) == NOT_REPORTABLE
    assert report.is_file()
    assert f"Report: {report}" in capsys.readouterr().out


def test_a_variable_of_the_environment_moves_the_results(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from experiments.runtime import RESULTS; print(RESULTS)"],
        cwd=ROOT,
        env={**os.environ, "CSC_RESULTS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(said.stdout.strip()) == tmp_path.resolve()


# -------------------------------------------------------------------- checks and exit codes


def test_check_says_what_would_be_fitted_and_writes_nothing(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(results.rglob("*"))
    assert main(arguments("check")) == REPORTABLE
    said = capsys.readouterr().out
    assert "config and cube agree" in said
    assert f"of {LAS * len(YEARS)} used" in said
    assert sorted(results.rglob("*")) == before


def test_a_reportable_run_ends_with_zero_and_names_what_was_loosened(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.__main__._render", lambda *_: None)
    path = fitted.forced / "verdict.json"
    kept = path.read_text()
    store.write_json(path, json.loads(kept) | {"reportable": True, "loosened": ["r_hat"]})
    assert main(["report", "--run", fitted.forced.name]) == REPORTABLE
    assert "limits loosened by the config: r_hat" in capsys.readouterr().out
    path.write_text(kept)


def test_data_too_large_for_the_machine_are_refused_before_compiling(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fitted.run.parent
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**20))
    monkeypatch.setattr(
        "experiments.sampling.compile_model", lambda *_: pytest.fail("began to compile")
    )
    assert main(arguments("fit", "--force")) == BAD_INPUT
    said = capsys.readouterr().err
    assert "the data are too large for this machine" in said
    assert "Remedy: fit fewer years, authorities or outcomes" in said
    assert sorted(folder.rglob("*")) == before


def truncated(path: Path) -> None:
    path.write_bytes((store.cube_path("small")).read_bytes()[:20_000])


def text_file(path: Path) -> None:
    path.write_text("la,year\n")


def another_netcdf(path: Path) -> None:
    xr.Dataset({"x": ("y", [1.0, 2.0])}).to_netcdf(path, engine="netcdf4")


def changed_cube(path: Path) -> None:
    with xr.open_datatree(store.cube_path("small"), engine="netcdf4") as opened:
        tree = opened.load()
    tree["cube"]["cpp_starts"][0, 0] += 1
    tree.to_netcdf(path, engine="netcdf4")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (None, "no such cube"),
        (truncated, "not a readable netCDF file"),
        (text_file, "not a readable netCDF file"),
        (another_netcdf, "reads cubes of schema"),
        (changed_cube, "contents do not match the stored hash"),
    ],
)
@pytest.mark.usefixtures("results")
def test_a_cube_that_is_none_is_bad_input(
    make: Callable[[Path], None] | None,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "odd.nc"
    if make:
        make(path)
    assert main(["fit", "--model", "national_trend", "--cube", str(path)]) == BAD_INPUT
    said = capsys.readouterr()
    assert words in said.err
    assert str(path) in said.err
    assert "Remedy: " in said.err
    assert "Traceback" not in said.err + said.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fit"], "which model?"),
        (["fit", "--model", "nobody"], "no model called 'nobody'"),
        (["check", "--model", "nobody"], "no such model"),
        (["fit", "--model", "national_trend", "--variant", "none"], "no variant 'none'"),
        (arguments("fit", sets=["options.trend=wavy", "sampler.draws=1"]), "2 faults"),
        (arguments("fit", sets=["options.outcome=hats"]), "unknown count measure 'hats'"),
        (arguments("fit", sets=["data.exclude=E99999999"]), "no such local authority"),
        (arguments("fit", sets=["data.years=1990-1991"]), "use years from 2010 to 2014"),
        (arguments("fit", sets=["options.trend=break", "options.knot=2020"]), "2010 to 2013"),
        (["report", "--run", "zzz"], "no such run"),
        ([], ""),
    ],
)
@pytest.mark.usefixtures("results")
def test_bad_input_is_told_without_a_traceback(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == BAD_INPUT
    said = capsys.readouterr()
    assert expected in said.err
    assert "Traceback" not in said.err + said.out


def test_a_fault_of_the_program_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("experiments.config.load_experiment", broken)
    assert main(arguments("check")) == 1
    said = capsys.readouterr().err
    assert "broken on purpose" in said
    assert "a fault of the program, not of your input" in said


@pytest.mark.parametrize("words", [["list"], ["--help"], ["fit", "--help"], ["fit"]])
def test_listing_and_help_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom experiments.__main__ import main\n"
        f"try:\n    main({words})\nexcept SystemExit:\n    pass\n"
        "heavy = {'pymc', 'pytensor', 'nutpie', 'arviz', 'matplotlib', 'xarray', 'numba'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    said = printed_by(code)
    assert said[-1] == "HEAVY []"
    if words == ["list"]:
        assert "national_trend" in "\n".join(said)


def test_an_interrupt_while_sampling_ends_soon_and_keeps_nothing(results: Path) -> None:
    sets = [*SMALLEST_FIT[:3], "sampler.draws=100000", "sampler.chains=2"]
    words = [*arguments("fit", sets=sets)]
    # A shell that starts tests in the background makes its children deaf to interrupts.
    code = (
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from experiments.__main__ import main\nsys.exit(main({words}))"
    )
    before = sorted(results.rglob("*"))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "CSC_RESULTS": str(results)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "sampling 2 chains" in line:
            break
    else:
        pytest.fail("sampling never began:\n" + "".join(said))
    time.sleep(1)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert time.monotonic() - start < 10
    assert process.returncode == INTERRUPTED, rest
    assert "nothing of this run is kept" in rest
    assert "Traceback" not in rest
    assert sorted(results.rglob("*")) == before
