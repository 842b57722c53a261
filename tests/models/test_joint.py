"""Correlated terms: the LKJ prior from partial correlations, and paths."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.stats import beta, kstest

from models.joint import (
    centred_paths,
    correlation_factor,
    pairs,
)
from models.priors import Prior

ETA = Prior("level_correlation", "Correlation", {"eta": 2.0}, "", "")
STEP = Prior("year_step", "Normal", {"mu": 0.0, "sigma": 0.1}, "", "")


def draw(variable: pt.TensorVariable, draws: int = 1500) -> np.ndarray:
    return np.asarray(pm.draw(variable, draws=draws, random_seed=3, mode="FAST_COMPILE"))


@pytest.mark.parametrize("size", [2, 3, 5])
def test_correlations_have_the_margins_of_the_lkj_prior(size: int) -> None:
    names = [str(i) for i in range(size)]
    with pm.Model(coords={"pair": [f"{a} and {b}" for a, b in pairs(names)]}) as model:
        factor = correlation_factor(ETA, size, dims="pair")
        drawn, factors = (draw(v) for v in (model["level_correlation"], factor))
    # Each correlation of an LKJ(eta) matrix is 2 Beta(a, a) - 1 with a = eta + (size - 2) / 2.
    shape = 2 + (size - 2) / 2
    for column in drawn.T:
        assert kstest((column + 1) / 2, beta(shape, shape).cdf).pvalue > 1e-3
    assert np.square(factors).sum(axis=2) == pytest.approx(1)
    assert (np.diagonal(factors, axis1=1, axis2=2) > 0).all()


def test_correlations_are_named_by_outcome() -> None:
    with pm.Model(coords={"pair": ["b and a", "c and a", "c and b"]}) as model:
        factor = correlation_factor(ETA, 3, dims="pair")
        named, factors = pm.draw(
            [model["level_correlation"], factor], 50, random_seed=3, mode="FAST_COMPILE"
        )
    drawn = factors @ factors.transpose(0, 2, 1)
    for column, (a, b) in enumerate([(1, 0), (2, 0), (2, 1)]):
        assert named[:, column] == pytest.approx(drawn[:, a, b])


def test_paths_have_mean_zero_over_the_years_with_figures() -> None:
    years = [2010, 2011, 2013, 2014]
    known = np.array([[True] * 4, [False, True, True, False]])
    coords = {"outcome": ["a", "b"], "step": years[1:]}
    with pm.Model(coords=coords):
        path = draw(centred_paths(STEP, years, known, dims=("outcome", "step")))
    assert path.shape[1:] == (2, 4)
    assert path[:, 0].mean(axis=1) == pytest.approx(0)
    assert path[:, 1, 1:3].mean(axis=1) == pytest.approx(0)
    steps = np.diff(path[:, 0], axis=1).std(axis=0)
    assert steps == pytest.approx([0.1, 0.1 * np.sqrt(2), 0.1], rel=0.1)


def test_one_year_has_no_path() -> None:
    with pm.Model(coords={"outcome": ["a"], "step": []}):
        path = centred_paths(STEP, [2012], np.array([[True]]), dims=("outcome", "step"))
    assert path.eval().tolist() == [[0.0]]
