"""Aftermath where the truth is known: bad years before judgements, and a closed form.

Seeds are fixed, so that nothing here depends on luck. `make aftermath-study` measures coverage.
"""

import numpy as np
import pandas as pd
import pymc as pm
import pytest

from experiments import sampling
from experiments.aftermath_study import COHORTS, FIRST_YEAR, JUDGED, WORLDS, Study, draw_world
from experiments.config import SamplerConfig
from models.aftermath import SPEC, AftermathOptions, effect_cells
from models.latent_years import stationary_sd

SAMPLER = SamplerConfig(draws=300, tune=300, chains=2)
BAD_YEAR, WITH_EFFECT = WORLDS[3], WORLDS[4]


@pytest.fixture(scope="module")
def study() -> Study:
    """At default options, under which judgement on figures can be ignored."""
    return Study(AftermathOptions())


@pytest.fixture(scope="module")
def fitted(study: Study) -> pd.DataFrame:
    """Six worlds whose judgements follow bad years and do nothing, and three where they act."""
    tables = [study.replicate(BAD_YEAR, number, SAMPLER) for number in range(6)]
    tables += [study.replicate(WITH_EFFECT, number, SAMPLER) for number in range(3)]
    return pd.concat(tables, ignore_index=True)


def test_the_judged_had_a_bad_year_before(study: Study) -> None:
    rng = np.random.default_rng(1)
    observations = study.observations
    assert [len(stack.judged) for stack in observations.stacks] == list(JUDGED)
    assert observations.members["cell"].duplicated().any(), "some figures serve several stacks"
    codes = list(observations.las.index)
    bad, after = [], []
    for _ in range(20):
        _, change, departure = draw_world(observations, BAD_YEAR, rng)
        assert (change == 0).all()
        for stack in observations.stacks:
            own = [codes.index(la) for la in stack.judged]
            bad.append(departure[own, stack.cohort - 1 - FIRST_YEAR].mean())
            after.append(departure[own, stack.cohort + 1 - FIRST_YEAR].mean())
    assert np.mean(bad) > 0.1
    assert np.mean(after) < 0.6 * np.mean(bad)


def test_a_bad_year_that_passes_is_no_effect(fitted: pd.DataFrame) -> None:
    mine = fitted[(fitted["world"] == BAD_YEAR.name) & (fitted["event_time"] == 1)]
    change = mine[mine["quantity"] == "change"]
    path = mine[mine["quantity"] == "event_path"]
    assert abs((change["mean"] / change["sd"]).mean()) < 3 / np.sqrt(len(change))
    # The same figures, reckoned from the year before, do show its passing.
    assert path["mean"].mean() < change["mean"].mean() - 0.02


def test_an_effect_is_recovered(fitted: pd.DataFrame) -> None:
    mine = fitted[(fitted["world"] == WITH_EFFECT.name) & (fitted["quantity"] == "change")]
    z = (mine["mean"] - mine["truth"]) / mine["sd"]
    assert (z.abs() < 4).all()
    assert abs(z.mean()) < 1.7


@pytest.mark.parametrize("levels", ["common_mean", "own_mean"])
def test_effects_agree_with_generalised_least_squares(study: Study, levels: str) -> None:
    """With scales known and counts without chance the posterior is a normal in closed form."""
    observations = study.observations
    options = AftermathOptions.model_validate({"judged_levels": levels})
    scales = {"la_level_sd": 0.3, "stack_sd": 0.05, "effect_sd": 0.04}
    sd, persistence = 0.15, 0.6
    counts, _, _ = draw_world(observations, WITH_EFFECT, np.random.default_rng(3))
    many = counts * 10_000
    cells = observations.cells.assign(
        lower=many, upper=many, exposure=observations.cells["exposure"] * 10_000
    )
    given = type(observations)(**{**vars(observations), "cells": cells})
    model = pm.do(
        SPEC.build(given, options, SPEC.priors),
        {**scales, "yearly_sd": sd, "persistence": persistence},
    )
    compiled = sampling.compile_model(model)
    posterior, _ = sampling.sample(compiled, SAMPLER.model_copy(update={"draws": 600}), 1, 2)

    # The same posterior from matrices, built here from the definition.
    la = pd.Categorical(cells["la"]).codes
    year, members = cells["year"].to_numpy(), observations.members
    dummies = np.eye(la.max() + 1)[la]
    ever = np.isin(np.arange(len(cells)), members.loc[members["judged"], "cell"])
    ever = pd.Series(ever).groupby(cells["la"]).transform("any").to_numpy(float)
    years = np.eye(np.ptp(year) + 1)[year - year.min()]
    # Effects of years sum to zero: their covariance is that of centred normals.
    centring = np.eye(years.shape[1]) - 1 / years.shape[1]
    which = effect_cells(observations, options)
    in_effect = np.zeros((len(cells), len(which)))
    in_stack = {}
    for row in members.itertuples():
        in_stack.setdefault((row.cohort, row.event_time), np.zeros(len(cells)))[row.cell] = 1
        if row.judged and row.event_time >= 0:
            at = (which["cohort"] == row.cohort) & (which["event_time"] == row.event_time)
            in_effect[row.cell, np.flatnonzero(at)[0]] = 1
    stacks = np.stack(list(in_stack.values()), axis=1)
    same_event = which["event_time"].to_numpy()[:, None] == which["event_time"].to_numpy()[None]
    effects = 0.25**2 * same_event + scales["effect_sd"] ** 2 * np.eye(len(which))
    apart = np.abs(year[:, None] - year[None, :])
    variance = (
        1.5**2 * np.ones((len(cells), len(cells)))
        + (levels == "own_mean") * 0.3**2 * np.outer(ever, ever)
        + scales["la_level_sd"] ** 2 * dummies @ dummies.T
        + 0.3**2 * years @ centring @ years.T
        + scales["stack_sd"] ** 2 * stacks @ stacks.T
        + in_effect @ effects @ in_effect.T
        + stationary_sd(sd, persistence) ** 2 * persistence**apart * (la[:, None] == la[None, :])
    )
    gain = effects @ in_effect.T @ np.linalg.inv(variance)
    mean = gain @ (np.log(many / cells["exposure"].to_numpy()) + 4.6)
    covariance = effects - gain @ in_effect @ effects
    drawn = posterior["cohort_effect"].stack(sample=("chain", "draw")).transpose("effect_cell", ...)
    theirs = np.sqrt(np.diag(covariance))
    error = np.abs(drawn.mean("sample").to_numpy() - mean) / theirs
    assert error.max() < 0.25
    assert error.mean() < 0.08
    assert np.allclose(drawn.std("sample").to_numpy(), theirs, rtol=0.15)
    assert len(COHORTS) == len(observations.stacks)
