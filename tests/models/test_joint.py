"""Correlated terms: the LKJ prior from partial correlations, levels, paths."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.stats import beta, kstest

from models.joint import (
    centred_paths,
    clear_first,
    correlated_levels,
    correlation_factor,
    levels_are_clear,
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
        factor = correlation_factor(ETA, range(size), dims="pair")
        drawn, factors = (draw(v) for v in (model["level_correlation"], factor))
    # Each correlation of an LKJ(eta) matrix is 2 Beta(a, a) - 1 with a = eta + (size - 2) / 2.
    shape = 2 + (size - 2) / 2
    for column in drawn.T:
        assert kstest((column + 1) / 2, beta(shape, shape).cdf).pvalue > 1e-3
    assert np.square(factors).sum(axis=2) == pytest.approx(1)
    assert (np.diagonal(factors, axis1=1, axis2=2) > 0).all()


def test_correlations_are_named_by_outcome_whatever_the_order_of_drawing() -> None:
    order = [2, 0, 1]
    with pm.Model(coords={"pair": ["b and a", "c and a", "c and b"]}) as model:
        factor = correlation_factor(ETA, order, dims="pair")
        named, factors = pm.draw(
            [model["level_correlation"], factor], 50, random_seed=3, mode="FAST_COMPILE"
        )
    drawn = factors @ factors.transpose(0, 2, 1)
    for column, (a, b) in enumerate([(1, 0), (2, 0), (2, 1)]):
        expected = drawn[:, order.index(a), order.index(b)]
        assert named[:, column] == pytest.approx(expected)


def test_levels_have_the_covariance_asked_for() -> None:
    correlation = np.array([[1, 0.6, -0.3], [0.6, 1, 0.2], [-0.3, 0.2, 1]])
    sd = np.array([0.3, 1.0, 2.0])
    mean = [pt.as_tensor(np.full(2000, value)) for value in (5.0, -1.0, 0.0)]
    with pm.Model(coords={"la": list(range(2000))}):
        levels = correlated_levels(
            ["a", "b", "c"],
            mean=mean,
            sd=pt.as_tensor(sd),
            factor=pt.as_tensor(np.linalg.cholesky(correlation)),
        )
        values = draw(pt.stack(levels, axis=1), draws=1)
    values = values.reshape(2000, 3)
    assert values.mean(axis=0) == pytest.approx([5, -1, 0], abs=0.15)
    assert np.corrcoef(values.T) == pytest.approx(correlation, abs=0.06)
    assert values.std(axis=0) == pytest.approx(sd, rel=0.06)


def test_density_of_levels_is_that_of_a_multivariate_normal() -> None:
    correlation = np.array([[1, 0.6, -0.3], [0.6, 1, 0.2], [-0.3, 0.2, 1]])
    sd, mean = np.array([0.3, 1.0, 2.0]), np.array([5.0, -1.0, 0.0])
    value = np.array([[5.2, -0.4, 1.0], [4.9, -2.0, -1.0]])
    with pm.Model(coords={"la": [0, 1]}) as model:
        correlated_levels(
            ["a", "b", "c"],
            mean=[pt.as_tensor(np.full(2, m)) for m in mean],
            sd=pt.as_tensor(sd),
            factor=pt.as_tensor(np.linalg.cholesky(correlation)),
        )
    ours = model.compile_logp(mode="FAST_COMPILE")(
        {f"la_level_{name}": value[:, k] for k, name in enumerate("abc")}
    )
    from scipy.stats import multivariate_normal

    covariance = correlation * np.outer(sd, sd)
    assert float(ours) == pytest.approx(multivariate_normal(mean, covariance).logpdf(value).sum())


def test_areas_with_a_structured_part_keep_their_variance() -> None:
    share = np.repeat([0.0, 0.7], 1500)
    rng = np.random.default_rng(2)
    structured = np.sqrt(share)[:, None] * rng.standard_normal((3000, 2))
    correlation = np.array([[1, 0.5], [0.5, 1]])
    with pm.Model(coords={"la": list(range(3000))}):
        levels = correlated_levels(
            ["a", "b"],
            mean=[pt.zeros(3000), pt.zeros(3000)],
            sd=pt.as_tensor(np.array([1.0, 2.0])),
            factor=pt.as_tensor(np.linalg.cholesky(correlation)),
            structured=pt.as_tensor(structured),
            own_share=pt.as_tensor(1 - share),
        )
        values = draw(pt.stack(levels, axis=1), draws=1).reshape(3000, 2)
    for part in (values[:1500], values[1500:]):
        assert part.std(axis=0) == pytest.approx([1, 2], rel=0.08)
        assert np.corrcoef(part.T)[0, 1] == pytest.approx(0.5, abs=0.08)


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


def two_levels(**how: Any) -> np.ndarray:
    """Levels (la, 2) drawn with means 1 and 0, sd .5 and 2 and a correlation of .7."""
    factor = np.linalg.cholesky(np.array([[1, 0.7], [0.7, 1]]))
    with pm.Model(coords={"la": list(range(3000))}) as model:
        correlated_levels(
            ["a", "b"],
            mean=[pt.ones(3000), pt.zeros(3000)],
            sd=pt.as_tensor(np.array([0.5, 2.0])),
            factor=pt.as_tensor(factor),
            **how,
        )
        levels = pt.stack([model["la_level_a"], model["la_level_b"]], axis=1)
        return draw(levels, draws=1).reshape(3000, 2)


def test_standard_scores_give_the_same_levels() -> None:
    """Drawn either way, two levels have the covariance asked for."""
    for clear in ([False, False], [True, False], [False, True]):
        values = two_levels(are_clear=clear)
        assert values.std(axis=0) == pytest.approx([0.5, 2], rel=0.06)
        assert np.corrcoef(values.T)[0, 1] == pytest.approx(0.7, abs=0.05)


def test_levels_are_clear_only_when_many_authorities_differ() -> None:
    rng = np.random.default_rng(6)
    index = [f"E{i}" for i in range(60)]
    score = pd.Series(rng.normal(size=60), index=index)
    noise = pd.DataFrame(0.2 * rng.normal(size=(60, 5)), index=index)
    gradient = noise.add(0.5 * score, axis=0)
    assert not levels_are_clear(gradient, score), "the gradient alone makes no levels"
    apart = gradient.add(pd.Series(0.3 * rng.normal(size=60), index=index), axis=0)
    assert levels_are_clear(apart, score)
    assert not levels_are_clear(apart.iloc[:12], score)
    holes = apart.mask(rng.uniform(size=apart.shape) < 0.4)
    assert levels_are_clear(holes, score)


def test_levels_that_follow_another_outcome_are_not_clear_beside_it() -> None:
    """Plans per referral nearly repeat conferences per referral: alone they differ clearly."""
    rng = np.random.default_rng(6)
    index = [f"E{i}" for i in range(100)]
    score = pd.Series(rng.normal(size=100), index=index)

    def table(levels: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(levels[:, None] + 0.1 * rng.normal(size=(100, 5)), index=index)

    first = 0.3 * rng.normal(size=100)
    conferences, plans = table(first), table(first + 0.02 * rng.normal(size=100))
    unrelated = table(0.3 * rng.normal(size=100))
    assert levels_are_clear(plans, score)
    assert not levels_are_clear(plans, score, [conferences])
    assert levels_are_clear(unrelated, score, [conferences])
    tables = {"conferences": conferences, "plans": plans, "unrelated": unrelated}
    found = clear_first({name: lambda t=t: t for name, t in tables.items()}, score)  # type: ignore[misc]
    assert found == {"conferences": True, "unrelated": True, "plans": False}
    assert list(found) == ["conferences", "unrelated", "plans"]
