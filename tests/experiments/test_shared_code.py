"""Fits of one graph share compiled code, fits of another never do; draws are the same."""

import os

import numpy as np
import pytest
import xarray as xr

from data_prep.simulated import SimulationOptions, build_simulated
from experiments import sampling
from experiments.config import SamplerConfig, load_experiment
from models.replaceable import exchangeable_covariates

SAMPLER = SamplerConfig(draws=100, tune=100, chains=2)


@pytest.fixture(scope="module")
def cube() -> xr.DataTree:
    tree = build_simulated(SimulationOptions(las=24, first_year=2010, seed=3))
    tree.attrs["cube_hash"] = "h"
    return tree


def build(cube: xr.DataTree, *sets: str) -> object:
    experiment = load_experiment("deprivation", sets=["options.outcomes=section47", *sets])
    data = experiment.config.data
    observations = experiment.spec.observe(cube, experiment.options, years=data.years)
    with exchangeable_covariates():
        return experiment.spec.build(observations, experiment.options, experiment.priors)


def test_another_score_is_the_same_graph_and_anything_else_is_not(cube: xr.DataTree) -> None:
    first = build(cube)
    assert sampling.is_same_graph(first, build(cube))
    assert sampling.is_same_graph(first, build(cube, "options.edition=2015"))
    idaci = build(cube, "options.deprivation=idaci", "options.edition=2015")
    assert sampling.is_same_graph(first, idaci)
    for other in (
        "options.denominator=referrals",
        "options.outcomes=icpc",
        "options.curvature=true",
        "data.years=2010-2012",
        "priors.la_level_sd.parameters.sigma=0.4",
    ):
        assert not sampling.is_same_graph(first, build(cube, other)), other


def test_a_model_whose_areas_are_others_is_another_graph(cube: xr.DataTree) -> None:
    """Same shapes, other labels: draws would be named wrongly."""
    las = cube["cube"]["la"].values
    experiment = load_experiment("deprivation", sets=["options.outcomes=cpp_starts"])
    models = []
    for excluded in (las[0], las[1]):
        observations = experiment.spec.observe(
            cube, experiment.options, years=(2010, 2014), exclude=(str(excluded),)
        )
        with exchangeable_covariates():
            models.append(
                experiment.spec.build(observations, experiment.options, experiment.priors)
            )
    assert not sampling.is_same_graph(*models)


def test_the_density_is_the_same_with_covariates_as_data(cube: xr.DataTree) -> None:
    experiment = load_experiment("deprivation", sets=["options.curvature=true"])
    observations = experiment.spec.observe(cube, experiment.options, years=(2010, 2014))
    plain = experiment.spec.build(observations, experiment.options, experiment.priors)
    with exchangeable_covariates():
        data = experiment.spec.build(observations, experiment.options, experiment.priors)
    assert {v.name for v in data.data_vars} == {"deprivation_score", "deprivation_bend"}
    assert not plain.data_vars
    at = plain.initial_point(0)
    values = [model.compile_logp(mode="FAST_COMPILE")(at) for model in (plain, data)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)


@pytest.mark.skipif(not os.environ.get("CSC_SLOW_TESTS"), reason="slow: `make test-slow` runs it")
def test_draws_do_not_depend_on_whose_code_it_was(cube: xr.DataTree) -> None:
    sampling._shared.clear()
    second = build(cube, "options.edition=2015")
    own, _ = sampling.sample(sampling.compile_shared(second), SAMPLER, 1, 2)
    sampling._shared.clear()
    sampling.compile_shared(build(cube))
    lent, _ = sampling.sample(sampling.compile_shared(second), SAMPLER, 1, 2)
    xr.testing.assert_equal(own, lent)
    assert own["la_level_section47"].dims == ("chain", "draw", "la")
