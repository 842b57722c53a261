"""What figures show of authorities: levels, effects of timeliness, their precision, gaps."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

from data_prep.simulated import SimulationOptions, build_simulated
from models.replaceable import replaceable_data
from models.timeliness import SPEC, TimelinessOptions
from models.timeliness_data import TimelinessObservations, acting
from models.timeliness_shown import _shares, shown_shares, shown_timeliness


@pytest.fixture(scope="module")
def observations() -> TimelinessObservations:
    cube: xr.DataTree = build_simulated(
        SimulationOptions(seed=5, las=60, first_year=2009, last_year=2016, suppression=False)
    )
    found: TimelinessObservations = SPEC.observe(cube, TimelinessOptions())
    return found


def test_slopes_are_found_as_precisely_as_is_said(observations: TimelinessObservations) -> None:
    """Worlds drawn with known slopes and no scatter beyond counting."""
    rng = np.random.default_rng(7)
    cells = observations.cells
    la = observations.las.index.get_indexer(cells["la"])
    true = rng.normal(0, 0.05, len(observations.las))
    steps = observations.timely["steps"].to_numpy()
    moved = acting(observations, steps)
    moved = moved - pd.Series(moved).groupby(la).transform("mean").to_numpy()
    odds = np.exp(-1.0 + 0.3 * rng.normal(size=len(true))[la] + true[la] * moved)
    total = cells["exposure"].to_numpy().astype(int)
    departures = []
    for _ in range(20):
        drawn = {"y": rng.binomial(total, odds / (1 + odds)).astype(float), "timeliness": steps}
        _, _, slope, squares, counting, _ = _shares(observations, drawn)
        known = squares > 0
        departures.append(((slope - true) * np.sqrt(squares / counting))[known])
    # How effects are explored hangs on it, not what they are: a third either way costs little.
    assert np.concatenate(departures).std() == pytest.approx(1.0, rel=0.33)
    assert np.abs(np.mean(departures, axis=0)).mean() < 1.0


def test_levels_are_found_as_precisely_as_is_said(observations: TimelinessObservations) -> None:
    rng = np.random.default_rng(8)
    cells = observations.cells
    la = observations.las.index.get_indexer(cells["la"])
    true = rng.normal(-1.0, 0.4, len(observations.las))
    share, total = 1 / (1 + np.exp(-true[la])), cells["exposure"].to_numpy().astype(int)
    departures = []
    for _ in range(20):
        level, years, _, _, counting, _ = _shares(
            observations, {"y": rng.binomial(total, share).astype(float)}
        )
        departures.append(((level - true) * np.sqrt(years / counting))[years > 0])
    assert np.concatenate(departures).std() == pytest.approx(1.0, rel=0.33)


def test_mean_timeliness_is_that_of_the_figures_clear_of_years(
    observations: TimelinessObservations,
) -> None:
    timely = observations.timely
    true = np.random.default_rng(9).normal(4, 2, len(observations.las))
    la = observations.las.index.get_indexer(timely["la"])
    moved = timely.assign(steps=true[la] + 0.5 * (timely["year"] - 2012.0))
    moved = moved.assign(steps=moved["steps"] - moved["steps"].mean() + true[la].mean())
    rest = type(observations)(**{**observations.__dict__, "timely": moved})
    shown = shown_timeliness(rest, np.float64(1.0))
    whole = timely.groupby("la").size().reindex(observations.las.index).to_numpy()
    complete = whole == whole.max()
    found = np.asarray(shown.mean)[complete] - true[complete]
    assert np.abs(found - found.mean()).max() < 1e-9
    assert np.asarray(shown.precision)[complete] == pytest.approx(whole.max(), rel=0.05)


def test_scatter_makes_slopes_less_clear(observations: TimelinessObservations) -> None:
    clear, blurred = (
        np.asarray(shown_shares(observations, np.float64(scatter))[1].precision)
        for scatter in (0.0, 0.3)
    )
    known = clear > 0
    assert known.any()
    assert (blurred[known] < clear[known]).all()


def test_a_study_shows_nothing_until_data_are_given(observations: TimelinessObservations) -> None:
    with replaceable_data(), pm.Model():
        sd = pt.as_tensor(0.1)
        for shown in (*shown_shares(observations, sd), shown_timeliness(observations, sd)):
            assert (shown.precision.eval() == 0).all()


def test_authorities_without_figures_or_movement_show_nothing(
    observations: TimelinessObservations,
) -> None:
    first, second = observations.las.index[:2]
    timely = observations.timely.copy()
    national = timely.groupby("year")["steps"].mean()
    still = timely["la"] == first
    timely.loc[still, "steps"] = 5.0 + (timely["year"][still].map(national) - national.mean())
    cells = observations.cells[observations.cells["la"] != second]
    rest = type(observations)(**{**observations.__dict__, "cells": cells, "timely": timely})
    level, shown = shown_shares(rest, np.float64(0.1))
    assert np.asarray(level.mean)[1] == np.asarray(level.precision)[1] == 0
    assert np.isfinite(np.asarray(shown.mean)).all()
    assert np.asarray(shown.mean)[1] == 0
    assert np.asarray(shown.precision)[1] == 0
    assert np.asarray(shown.precision)[0] < 0.05 * np.median(np.asarray(shown.precision))
