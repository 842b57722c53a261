"""What figures show of levels and slopes: as precisely as is said, nothing without figures."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest

from models.replaceable import replaceable_data
from models.trends_shown import _shown, shown_trends

LAS, YEARS, MIDDLE = 300, np.arange(2010, 2018), 2013.5


def cells_of(rng: np.random.Generator, level: np.ndarray, slope: np.ndarray) -> pd.DataFrame:
    """Poisson counts; the nation moves from year to year."""
    path = rng.normal(0, 0.1, YEARS.size)
    path -= path.mean()
    log_rate = level[:, None] + slope[:, None] * (YEARS - MIDDLE) + path
    count = rng.poisson(20_000 * np.exp(log_rate)).astype(float).ravel()
    la, year = np.repeat(np.arange(LAS), YEARS.size), np.tile(YEARS, LAS)
    table = {"la": la, "year": year, "lower": count, "upper": count, "exposure": 20_000.0}
    return pd.DataFrame(table)


@pytest.fixture(scope="module")
def truth() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    slope = rng.normal(0, 0.04, LAS)
    return rng.normal(-4.5, 0.3, LAS), slope - slope.mean()


def test_both_are_found_as_precisely_as_is_said(truth: tuple[np.ndarray, np.ndarray]) -> None:
    rng, departures = np.random.default_rng(2), []
    for _ in range(10):
        cells = cells_of(rng, *truth)
        shown = shown_trends("x", cells, pd.RangeIndex(LAS), MIDDLE, np.float64(0.0))
        both = zip(shown, truth, strict=True)
        departures.append([(part.mean - true) * np.sqrt(part.precision) for part, true in both])
    # How levels are explored hangs on it, not what they are: a third either way costs little.
    assert np.std(departures, axis=(0, 2)) == pytest.approx([1, 1], rel=0.33)


def test_a_suppressed_year_and_an_authority_without_figures(
    truth: tuple[np.ndarray, np.ndarray],
) -> None:
    cells = cells_of(np.random.default_rng(3), *truth)
    rest = cells[(cells["la"] != 0) & ~((cells["la"] == 1) & (cells["year"] > 2010))]
    (level, slope) = shown_trends("x", rest, pd.RangeIndex(LAS), MIDDLE, np.float64(0.01))
    for shown in (level, slope):
        assert np.isfinite(shown.mean).all()
        assert shown.precision[0] == 0
    assert slope.mean[1] == slope.precision[1] == 0, "one year shows no slope"
    assert level.precision[1] < level.precision[2]


def test_cells_of_one_outcome_count_alone(truth: tuple[np.ndarray, np.ndarray]) -> None:
    cells = cells_of(np.random.default_rng(4), *truth)
    both = pd.concat([cells, cells.assign(lower=1.0, upper=1.0)], ignore_index=True)
    own = np.arange(len(both)) < len(cells)
    arguments = (pd.RangeIndex(LAS), MIDDLE, np.float64(0.01))
    alone, of_two = (
        shown_trends("x", cells, *arguments),
        shown_trends("x", both, *arguments, of=own),
    )
    for one, other in zip(alone, of_two, strict=True):
        assert one.mean == pytest.approx(other.mean)


def test_a_study_takes_them_from_each_data_set(truth: tuple[np.ndarray, np.ndarray]) -> None:
    cells = cells_of(np.random.default_rng(5), *truth)
    with replaceable_data() as exchange, pm.Model():
        shown = shown_trends("x", cells, pd.RangeIndex(LAS), MIDDLE, pt.as_tensor(0.01))
        assert all((part.precision.eval() == 0).all() for part in shown)
    counts = cells["lower"].to_numpy()
    expected = _shown(cells.assign(count=counts), pd.RangeIndex(LAS), MIDDLE)
    assert exchange.derived["x"]({"y": counts}) == pytest.approx(expected)
