"""Levels explored around what figures show: the same levels, whatever that is."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pymc import draw

from models.around_data import (
    Shown,
    correlated_around_data,
    drawn_around_data,
    score_given_figures,
)

LAS = 3000
FACTOR = np.linalg.cholesky(np.array([[0.25, 0.7], [0.7, 4.0]]))
SEEN = np.stack([np.linspace(-1, 1, LAS)] * 2)
SHOWN = {
    "nothing": Shown(np.zeros((2, LAS)), np.zeros((2, LAS))),
    "little": Shown(SEEN, np.full((2, LAS), 0.5)),
    "much": Shown(SEEN, np.full((2, LAS), 500.0)),
    "a sum": Shown(SEEN, np.full((2, LAS), 5.0), np.array([[1.0, 0.0], [0.6, 1.0]])),
    "one outcome alone": Shown(SEEN, np.stack([np.zeros(LAS), np.full(LAS, 50.0)])),
}


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN.keys())
def test_levels_are_the_same_whatever_figures_show(shown: Shown) -> None:
    """Forward draws have the means, spreads and correlation of the prior."""
    with pm.Model(coords={"la": list(range(LAS))}):
        mean = pt.as_tensor(np.stack([np.ones(LAS), np.zeros(LAS)]))
        levels = correlated_around_data(["a", "b"], mean, pt.as_tensor(FACTOR), shown)
        values = draw(pt.stack(levels, axis=1), draws=1).reshape(LAS, 2)
    assert values.mean(axis=0) == pytest.approx([1, 0], abs=0.12)
    assert values.std(axis=0) == pytest.approx([0.5, 2], rel=0.06)
    assert np.corrcoef(values.T)[0, 1] == pytest.approx(0.7, abs=0.05)


def test_areas_with_a_structured_part_keep_their_variance() -> None:
    """What their mean already takes of the variance is left out of the spread."""
    share = np.repeat([0.0, 0.7], LAS // 2)
    structured = np.sqrt(share) * (FACTOR @ np.random.default_rng(2).normal(size=(2, LAS)))
    with pm.Model(coords={"la": list(range(LAS))}):
        levels = correlated_around_data(
            ["a", "b"],
            pt.as_tensor(structured),
            pt.as_tensor(FACTOR),
            SHOWN["much"],
            np.sqrt(1 - share),
        )
        values = draw(pt.stack(levels, axis=1), draws=1).reshape(LAS, 2)
    for part in (values[: LAS // 2], values[LAS // 2 :]):
        assert part.std(axis=0) == pytest.approx([0.5, 2], rel=0.08)
        assert np.corrcoef(part.T)[0, 1] == pytest.approx(0.7, abs=0.06)


@pytest.mark.parametrize("spread", [1.0, np.linspace(0.2, 1.0, 20)], ids=["alike", "by area"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 10.0])
def test_scores_are_standard_normal_given_normal_figures(
    size: float, spread: float | np.ndarray
) -> None:
    """Scales and levels are explored apart: scores do not hang on scales where figures are normal,
    also where an outcome's figures show the sum of two levels, or none at all.
    """
    rng = np.random.default_rng(5)
    seen, precision = rng.normal(size=(2, 20)), rng.uniform(0.1, 9, (2, 20))
    precision[1, :3] = 0
    of = np.array([[1.0, 0.0], [0.6, 1.0]])
    with pm.Model(coords={"la": list(range(20))}) as model:
        levels = correlated_around_data(
            ["a", "b"],
            pt.as_tensor(rng.normal(size=(2, 20))),
            pt.as_tensor(size * FACTOR),
            Shown(seen, precision, of),
            spread,
        )
        error = seen - pt.dot(of, pt.stack(levels))
        pm.Potential("figures", -0.5 * precision * error**2)
    density = model.compile_logp(sum=True, mode="FAST_COMPILE")
    at_zero = density({"a_raw": np.zeros(20), "b_raw": np.zeros(20)})
    for _ in range(3):
        a, b = rng.normal(size=(2, 20))
        drop = at_zero - density({"a_raw": a, "b_raw": b})
        assert drop == pytest.approx(0.5 * ((a**2).sum() + (b**2).sum()), rel=1e-6)


def balanced_model(precision: np.ndarray) -> pm.Model:
    """Effects of 20 authorities, less their mean, with normal figures."""
    seen = np.random.default_rng(6).normal(size=20)
    seen -= seen.mean()
    with pm.Model(coords={"la": list(range(20))}) as model:
        of_scores, pull = 1 + 4.0 * precision, 2.0 * precision * seen
        score = score_given_figures("b", pt.as_tensor(of_scores), pull, balanced=True)
        effect = pm.Deterministic("b", 2.0 * (score - score.mean()), dims="la")
        pm.Potential("figures", -0.5 * precision * (seen - effect) ** 2)
    return model


def test_what_is_balanced_keeps_its_spread() -> None:
    values = draw(balanced_model(np.full(20, 30.0))["b"], draws=400, random_seed=1)
    assert values.std() == pytest.approx(2 * np.sqrt(19 / 20), rel=0.03)


def test_scores_of_what_is_balanced_are_standard_normal_too() -> None:
    """Their mean, which figures do not show, is as wide as the others."""
    model = balanced_model(np.full(20, 30.0))
    density = model.compile_logp(sum=True, mode="FAST_COMPILE")
    at_zero = density({"b_raw_free_mean__": np.zeros(20)})
    rng = np.random.default_rng(8)
    for b in (np.ones(20), *rng.normal(size=(2, 20))):
        drop = at_zero - density({"b_raw_free_mean__": b})
        assert drop == pytest.approx(0.5 * (b**2).sum(), rel=1e-6)


def test_the_stretched_mean_keeps_the_density() -> None:
    model = balanced_model(np.random.default_rng(7).uniform(0, 50, 20))
    root = np.random.default_rng(9).uniform(1, 9, 20)
    transform = model.rvs_to_transforms[model["b_raw"]]
    by_column = np.stack([transform.backward(unit, root).eval() for unit in np.eye(20)], axis=1)
    assert transform.log_jac_det(root, root).eval() == pytest.approx(
        np.linalg.slogdet(by_column)[1]
    )
    value = np.linspace(-2, 3, 20)
    there = transform.backward(value, root)
    assert transform.forward(there, root).eval() == pytest.approx(value)


def test_one_outcome_alone() -> None:
    """Its mean may be one for all."""
    with pm.Model(coords={"la": list(range(LAS))}):
        shown = Shown(SEEN[0], np.full(LAS, 2.0))
        level = drawn_around_data("level", pt.as_tensor(1.0), pt.as_tensor(0.5), shown)
        values = draw(level)
    assert (values.mean(), values.std()) == pytest.approx((1, 0.5), rel=0.06)
