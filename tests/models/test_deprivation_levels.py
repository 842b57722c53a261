"""What figures show of levels in several outcomes: means, their precision, gaps."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from models.deprivation_levels import shown_levels, shown_slopes

LAS, YEARS = 200, (2010, 2011, 2012, 2013)
OUTCOMES = ("a", "b")
SCATTER = np.array([0.1, 0.3])


@dataclass
class World:
    """Counts with known levels and scatter, and a national path."""

    cells: pd.DataFrame
    las: pd.DataFrame
    outcomes: tuple[str, ...] = OUTCOMES


def world(level: np.ndarray, seed: int = 4) -> World:
    rng = np.random.default_rng(seed)
    rows = []
    for k, outcome in enumerate(OUTCOMES):
        for year in YEARS:
            log_rate = level[k] + 0.2 * (year - 2011.5) + SCATTER[k] * rng.normal(size=LAS)
            exposure = rng.uniform(2_000, 90_000, LAS)
            count = rng.poisson(exposure * np.exp(log_rate)).astype(float)
            rows.append(
                pd.DataFrame(
                    {
                        "outcome": outcome,
                        "la": [f"L{i}" for i in range(LAS)],
                        "year": year,
                        "exposure": exposure,
                        "lower": count,
                        "upper": count,
                    }
                )
            )
    return World(pd.concat(rows), pd.DataFrame(index=[f"L{i}" for i in range(LAS)]))


def test_levels_are_found_as_precisely_as_is_said() -> None:
    level = np.random.default_rng(1).normal([[-4.0], [-6.0]], 0.3, (2, LAS))
    shown = shown_levels(world(level), SCATTER**2)
    score = (np.asarray(shown.mean) - level) * np.sqrt(np.asarray(shown.precision))
    # How levels are explored hangs on it, not what they are: a third either way costs little.
    assert score.std(axis=1) == pytest.approx([1, 1], rel=0.33)
    assert np.abs(score.mean(axis=1)).max() < 1.0


def test_authorities_with_fewer_figures_are_known_less_and_without_any_not_at_all() -> None:
    full = world(np.full((2, LAS), -5.0))
    cells = full.cells
    fewer = (cells["la"] == "L0") & (cells["year"] > 2010)
    none = (cells["la"] == "L1") & (cells["outcome"] == "b")
    shown = shown_levels(World(cells[~fewer & ~none], full.las), np.zeros((2, LAS)))
    precision = np.asarray(shown.precision)
    assert np.isfinite(np.asarray(shown.mean)).all()
    assert precision[1, 1] == 0
    assert precision[0, 1] > 0
    assert precision[0, 0] < 0.5 * np.median(precision[0])


def test_slopes_are_found_as_precisely_as_is_said() -> None:
    """Levels lie around a line with sd .3; one outcome has figures of few authorities."""
    x = np.random.default_rng(99).normal(size=LAS)
    true, sd = np.array([0.2, -0.1]), np.array([0.3, 0.3])
    scores = []
    for seed in range(12):
        rest = np.random.default_rng(seed).normal(0, 0.3, (2, LAS))
        made = world(np.array([[-4.0], [-5.0]]) + true[:, None] * x + rest, seed)
        few = (made.cells["outcome"] == "b") & (made.cells["la"] > "L13")
        levels = shown_levels(World(made.cells[~few], made.las), SCATTER**2)
        shown = shown_slopes(levels, x, sd)
        mean, precision = (np.asarray(part.eval()) for part in (shown.mean, shown.precision))
        scores.append((mean - true) * np.sqrt(precision))
    assert precision[1] < 0.5 * precision[0]
    assert np.std(scores) == pytest.approx(1.0, rel=0.33)


def test_an_outcome_without_figures_shows_no_slope() -> None:
    made = world(np.full((2, LAS), -5.0))
    none = made.cells["outcome"] == "b"
    levels = shown_levels(World(made.cells[~none], made.las), SCATTER**2)
    shown = shown_slopes(levels, np.linspace(-1, 1, LAS), np.array([0.3, 0.3]))
    assert shown.mean.eval()[1] == 0
    assert shown.precision.eval()[1] == 0
