"""Comparisons: refused where runs do not compare, and right where they do."""

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import compare, store
from experiments.__main__ import BAD_INPUT, REPORTABLE, main
from experiments.compare import (
    Scores,
    Side,
    config_differences,
    join_estimands,
    leave_one_out,
    read_side,
    refusals,
    score_table,
    stacking_weights,
    write_comparison,
)
from experiments.config import load_experiment
from experiments.holdout import WEIGHT, Fold, Prediction, folds_of, refit_folds, weighted_model
from experiments.sampling import cell_variables
from models import CATALOGUE
from reports import pages
from reports.comparison_report import render_comparison
from tests.factories import edit_json, make_run
from tests.reports.page import Page


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Side:
    run = make_run(tmp_path_factory.mktemp("trend") / "aaaa00000000", draws=100)
    return read_side(run, "first")


def changed(side: Side, name: str, **changes: Any) -> Side:
    return dataclasses.replace(side, name=name, **changes)


# ------------------------------------------------------------------------------------ refusals


def test_the_same_observations_compare_in_whatever_order_they_stand(side: Side) -> None:
    shuffled = side.cells.sample(frac=1, random_state=1)
    assert refusals([side, changed(side, "second", cells=shuffled)]) == []


def test_other_observations_are_refused_with_what_differs(side: Side) -> None:
    (reason,) = refusals([side, changed(side, "second", cells=side.cells.iloc[3:])])
    assert "3 only in the first, 0 only in the second" in reason


def test_other_rules_for_intervals_are_refused(side: Side) -> None:
    cells = side.cells.copy()
    cells.loc[:1, "upper"] += 4
    (reason,) = refusals([side, changed(side, "second", cells=cells)])
    assert "2 of the same cells under other bounds" in reason
    assert "do not compare" in reason


# --------------------------------------------------------------------------------- predictions


def scores(values: dict[str, list[float]]) -> Scores:
    table = pd.DataFrame(values, index=[f"cell {i}" for i in range(len(values["a"]))])
    return Scores(
        "leave one cell out", table, pd.Series(table.index, table.index), dict.fromkeys(values, "")
    )


def test_scores_are_sums_with_paired_errors() -> None:
    rng = np.random.default_rng(1)
    a, shift = rng.normal(-3, 1, 200), rng.normal(0.2, 0.1, 200)
    table = score_table(scores({"a": a.tolist(), "b": (a - shift).tolist()})).set_index("run")
    assert table.index.tolist() == ["a", "b"]
    np.testing.assert_allclose(table.loc["b", "difference"], -shift.sum())
    # Paired: the error is that of the shifts, not of the values.
    np.testing.assert_allclose(table.loc["b", "difference_se"], np.sqrt(200) * shift.std())
    assert np.isnan(table.loc["a", "difference_se"])


def test_stacking_weights_are_the_optimum() -> None:
    rng = np.random.default_rng(2)
    log_density = rng.normal(-3, 1, (300, 3))
    weights = stacking_weights(log_density)
    np.testing.assert_allclose(weights.sum(), 1)
    density = np.exp(log_density)
    # At the optimum of a concave problem on the simplex no run's gradient exceeds one.
    gradient = (density / (density @ weights)[:, None]).mean(axis=0)
    assert gradient.max() < 1 + 1e-4
    np.testing.assert_allclose(gradient[weights > 1e-3], 1, atol=1e-4)
    np.testing.assert_allclose(stacking_weights(np.zeros((5, 2))), [0.5, 0.5])
    np.testing.assert_allclose(
        stacking_weights(np.stack([np.zeros(9), np.full(9, -50.0)], 1)), [1, 0], atol=1e-6
    )


def test_exact_refits_replace_cells_whose_weights_failed(side: Side) -> None:
    cells = side.cells.astype({"elpd": "float32"})
    cells["pareto_k"] = 0.1
    cells.loc[[2, 5], "pareto_k"] = 0.9
    one = changed(side, "one", cells=cells)
    found = leave_one_out(
        [one], {"one": [Prediction("x", np.array([2]), np.array([-7.5]), 0, 1.0)]}
    )
    key = cells["key"]
    assert found.values.loc[key[2], "one"] == -7.5
    assert found.values.loc[key[5], "one"] == cells["elpd"][5]
    assert "2 of" in found.notes["one"]
    assert "1 predicted by exact refits" in found.notes["one"]
    untrusted = leave_one_out([one], {})
    assert "not to be trusted" in untrusted.notes["one"]
    # There may be no hold-out beside it.
    assert "below" not in untrusted.notes["one"]


# --------------------------------------------------------------------------------------- folds


def test_folds_leave_whole_authorities_out_and_each_once() -> None:
    la = np.repeat([f"E{i}" for i in range(11)], 4)
    year = np.tile(range(2010, 2014), 11)
    folds = folds_of("la", la, year, 3)
    places = np.concatenate([fold.predicted for fold in folds])
    assert sorted(places) == list(range(44))
    for fold in folds:
        np.testing.assert_array_equal(fold.predicted, fold.hidden)
        inside = set(la[fold.hidden])
        assert not inside & set(np.delete(la, fold.hidden))
    assert [len(set(la[f.predicted])) for f in folds] == [4, 4, 3]


def test_inspections_are_left_out_one_by_one_and_named_apart(side: Side) -> None:
    la, year = np.array(["a", "a", "b", "c"]), np.array([2012, 2012, 2012, 2013])
    folds = folds_of("inspection", la, year, 2)
    assert sorted(np.concatenate([fold.hidden for fold in folds])) == [0, 1, 2, 3]
    tree = xr.DataTree.from_dict(
        {
            "constant_data": xr.Dataset(
                {
                    name: ("obs", values)
                    for name, values in {
                        "la": [0, 0, 1],
                        "year": [0, 0, 0],
                        "y_lower": [1, 0, 0],
                        "y_upper": [1, 0, 0],
                    }.items()
                }
            ),
            "posterior": xr.Dataset(coords={"la": ["a", "b"], "year": [2012]}),
            "criticism": xr.Dataset(
                {"elpd": ("obs", np.zeros(3)), "pareto_k": ("obs", np.zeros(3))}
            ),
        }
    )
    spec = {"outcome": {"name": "judgement"}, "las": {}, "data": {"years": [2012]}}
    keys = compare._cells(tree, spec)["key"].tolist()
    assert keys == ["judgement a 2012", "judgement a 2012 (2)", "judgement b 2012"]


def test_later_years_are_predicted_from_earlier_ones_alone() -> None:
    year = np.tile(range(2010, 2014), 3)
    folds = folds_of("year", np.repeat(["a", "b", "c"], 4), year, 5)
    assert [fold.label[:4] for fold in folds] == ["2012", "2013"]
    for fold, first in zip(folds, (2012, 2013), strict=True):
        assert set(year[fold.predicted]) == {first}
        assert set(np.delete(year, fold.hidden)) == set(range(2010, first))
    with pytest.raises(ValueError, match="leave none to predict"):
        folds_of("year", np.array(["a", "b"]), np.array([2010, 2011]), 5)
    with pytest.raises(ValueError, match="2 units cannot make 5 folds"):
        folds_of("la", np.array(["a", "b"]), np.array([2010, 2011]), 5)


@pytest.fixture(scope="module")
def cube() -> xr.DataTree:
    tree = build_simulated(SimulationOptions(las=12, first_year=2010, seed=3))
    tree.attrs["cube_hash"] = "h"
    return tree


@pytest.mark.parametrize("model", CATALOGUE)
def test_cells_of_weight_nought_leave_the_density_and_no_others(
    model: str, cube: xr.DataTree
) -> None:
    experiment = load_experiment(model)
    observations = experiment.observe(cube)
    declare = experiment.spec.declare_priors
    if declare is not None:
        experiment = experiment.with_priors(declare(experiment.options, observations))
    arguments = (observations, experiment.options, experiment.priors)
    plain = experiment.spec.build(*arguments)
    weighted = weighted_model(experiment.spec.build(*arguments))
    at = plain.initial_point(0)
    mode = {"mode": "FAST_COMPILE"}
    terms = plain.compile_logp(sum=False, **mode)(at)
    whole = sum(float(term.sum()) for term in terms)
    names = cell_variables(plain)
    cells = np.concatenate([terms[plain.basic_RVs.index(plain[name])] for name in names])
    logp = weighted.compile_logp(**mode)
    np.testing.assert_allclose(float(logp(at)), whole, rtol=1e-10)
    weights = np.ones(len(cells))
    # An exact cell and the last one, which is an interval wherever there are any.
    hidden = np.array([0, len(cells) - 1])
    weights[hidden] = 0
    weighted.set_data(WEIGHT, weights)
    np.testing.assert_allclose(float(logp(at)), whole - cells[hidden].sum(), rtol=1e-10)


# ------------------------------------------------------------------------- tables, page, command


def test_a_model_without_hyperparameters_is_refitted_too(cube: xr.DataTree) -> None:
    sets = ["sampler.draws=100", "sampler.tune=100", "sampler.chains=2"]
    experiment = load_experiment("inadequacy", "deprivation_only", sets)
    prepared: Any = SimpleNamespace(experiment=experiment, observations=experiment.observe(cube))
    (refit,) = refit_folds(prepared, [Fold("first", np.array([0]), np.array([0]))])
    assert np.isfinite(refit.r_hat)
    assert refit.posterior.sizes["draw"] == 100


def test_configs_differ_by_value_and_not_by_words(side: Side) -> None:
    first = {"question": "a", "options": {"x": 1, "y": [1, 2]}, "priors": {"p": {"reason": "a"}}}
    second = {"question": "b", "options": {"x": 2, "y": [1, 2]}, "priors": {"p": {"reason": "b"}}}
    sides = [changed(side, "one", config=first), changed(side, "two", config=second)]
    assert config_differences(sides).to_dict("records") == [
        {"path": "options.x", "one": "1", "two": "2"}
    ]


def test_estimands_are_shared_only_in_the_same_unit(side: Side) -> None:
    other = side.estimands.copy()
    other.loc[other["estimand"] == "national_rate", "unit"] = "per 100 referrals"
    joined = join_estimands([side, changed(side, "second", estimands=other)])
    assert not joined.loc[joined["estimand"] == "national_rate", "shared"].any()
    assert joined.loc[joined["estimand"] != "national_rate", "shared"].any()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 672, 320))


@pytest.mark.usefixtures("undrawn")
def test_a_page_shows_estimands_predictions_and_differences(side: Side, tmp_path: Path) -> None:
    cells = side.cells.assign(elpd=side.cells["elpd"] - 0.1)
    config = {**side.config, "sampler": {"draws": 7}}
    second = changed(side, "second", cells=cells, config=config)
    sides = [side, second]
    folder = write_comparison(tmp_path / "c", sides, [], [leave_one_out(sides, {})])
    page = render_comparison(folder).read_text(encoding="utf-8")
    read = Page(page)
    assert read.unbalanced == []
    assert "2 runs of the same" in page
    assert "first predicts best. Worse by more than twice the standard error: second." in page
    assert "sampler.draws" in page
    assert all("How to read" in f["text"] and "What it shows" in f["text"] for f in read.figures)
    assert len(read.figures) >= 2


@pytest.mark.usefixtures("undrawn")
def test_a_refused_comparison_shows_why_and_still_the_estimands(
    side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    for number, years in enumerate((range(2005, 2015), range(2006, 2015))):
        run = tmp_path / "runs" / "national_trend" / (str(number) * 12)
        make_run(run, draws=20, years=tuple(years))
        edit_json(run / "verdict.json", reportable=False)
    assert main(["compare", "--run", "0000", "--run", "1111", "--name", "x"]) == REPORTABLE
    said = capsys.readouterr().out
    assert "predictions are not compared" in said
    page = (tmp_path / "comparisons" / "x" / "report.html").read_text(encoding="utf-8")
    assert "predictions are not comparable" in page
    assert "saw different observations" in page
    assert "forest-national_rate" in page
    assert "Not reportable, so not to be quoted" in page
    assert main(["compare", "--run", "0000"]) == BAD_INPUT
    # What was not fitted by this code cannot be refitted.
    twin = tmp_path / "runs" / "national_trend" / "222222222222"
    make_run(twin, draws=20)
    assert main(["compare", "--run", "0000", "--run", "2222", "--unit", "none"]) == REPORTABLE
    assert "leave one cell out" in capsys.readouterr().out


@pytest.mark.skipif(not os.environ.get("CSC_SLOW_TESTS"), reason="slow: `make test-slow` runs it")
def test_two_variants_from_fit_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = build_simulated(SimulationOptions(name="small", las=16, first_year=2010, seed=3))
    save_cube(tree, tmp_path / "cubes" / "small.nc")
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    sets = ("options.outcomes=section47", "sampler.draws=300", "sampler.tune=300")
    words = ["compare", "--model", "deprivation", "--cube", "small", "--workers", "1"]
    words += [w for s in sets for w in ("--set", s)] + [
        "--variant",
        "base",
        "--variant",
        "curvature",
    ]
    assert main([*words, "--folds", "2", "--name", "pair"]) == REPORTABLE
    folder = tmp_path / "comparisons" / "pair"
    table = pd.read_csv(folder / "predictive.csv")
    assert set(table["holdout"]) == {"leave one cell out", "leave authorities out"}
    loo, la = (
        table[table["holdout"] == kind].set_index("run")["elpd"]
        for kind in table["holdout"].unique()
    )
    # A cell of an unseen authority is harder to predict than one of an authority that was seen.
    assert (la < loo).all()
    assert compare.read_side(next((tmp_path / "runs").glob("*/*"))).observations
    # What refits predicted is kept with the run: the same comparison fits nothing again.
    before = (folder / "predictive.csv").read_bytes()
    (folder / "predictive.csv").unlink()
    monkeypatch.setattr("experiments.holdout.refit_folds", lambda *_: pytest.fail("fitted again"))
    assert main([*words, "--folds", "2", "--name", "pair"]) == REPORTABLE
    assert (folder / "predictive.csv").read_bytes() == before
