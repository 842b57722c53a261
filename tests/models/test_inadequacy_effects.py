"""What judgements show of effects: where a logistic regression puts them, also at the extremes."""

import numpy as np
import pytest

from models.inadequacy_effects import _precision_and_pull


def world(rows: int, effect: np.ndarray, seed: int = 2) -> tuple[np.ndarray, ...]:
    """Levels of two frameworks (row, 2), correlated figures (row, predictor), and judgements."""
    rng = np.random.default_rng(seed)
    levels = np.eye(2)[np.arange(rows) % 2]
    common = rng.normal(size=(rows, 1))
    figures = 0.6 * common + 0.8 * rng.normal(size=(rows, len(effect)))
    odds = np.exp(levels @ [-1.0, -2.0] + figures @ effect)
    return levels, figures, rng.uniform(size=rows) < odds / (1 + odds)


def test_precision_and_pull_give_effects_as_precisely_as_they_say() -> None:
    effect = np.array([0.5, -0.3, 0.0])
    departures = []
    for seed in range(60):
        found = _precision_and_pull(*world(800, effect, seed))
        precision, pull = found[:, :3], found[:, 3]
        root = np.linalg.cholesky(precision)
        departures.append(root.T @ (np.linalg.solve(precision, pull) - effect))
    assert np.std(departures) == pytest.approx(1.0, rel=0.15)
    assert np.abs(np.mean(departures, axis=0)).max() < 0.5


def test_precision_stays_finite_and_positive_at_the_extremes() -> None:
    levels, figures, _ = world(200, np.array([0.2, 0.2]))
    worlds = {
        "separated": figures[:, 0] > 1.0,
        "none inadequate": np.zeros(200, bool),
        "all inadequate": np.ones(200, bool),
    }
    for name, judged in worlds.items():
        found = _precision_and_pull(levels, figures, judged)
        assert np.isfinite(found).all(), name
        assert (np.linalg.eigvalsh(found[:, :2]) > 0).all(), name
    nothing = _precision_and_pull(levels, figures[:, :0], worlds["separated"])
    assert nothing.shape == (0, 1)
