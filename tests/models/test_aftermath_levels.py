"""What figures show of levels: means and their precision, with departures that carry over."""

import numpy as np
import pandas as pd
import pytest

from models.aftermath_levels import _mean_and_precision


def series(las: int, years: int, persistence: float, seed: int = 3) -> tuple[np.ndarray, float]:
    """Stationary departures of sd .2, (la, year), and the variance of a mean over the years."""
    rng = np.random.default_rng(seed)
    rows = [0.2 * rng.normal(size=las)]
    for _ in range(years - 1):
        fresh = 0.2 * np.sqrt(1 - persistence**2) * rng.normal(size=las)
        rows.append(persistence * rows[-1] + fresh)
    lag = np.abs(np.subtract.outer(np.arange(years), np.arange(years)))
    return np.stack(rows, axis=1), 0.04 * float((persistence**lag).mean())


@pytest.mark.parametrize("persistence", [0.0, 0.4, 0.7])
@pytest.mark.parametrize("years", [6, 14])
def test_precision_is_that_of_a_mean_of_years_that_hang_together(
    persistence: float, years: int
) -> None:
    values, variance = series(400, years, persistence)
    level = np.linspace(-1, 1, 400)
    mean, precision = _mean_and_precision(pd.DataFrame(values + level[:, None]))
    assert mean == pytest.approx(level, abs=5 * variance**0.5)
    assert np.unique(precision).size == 1
    # How levels are explored hangs on it, not what they are: a third either way costs little.
    assert 0.65 < precision[0] * variance < 1.5


def test_authorities_with_fewer_years_are_known_less_and_without_any_not_at_all() -> None:
    values, _ = series(50, 10, 0.4)
    values[0, 4:], values[1] = np.nan, np.nan
    mean, precision = _mean_and_precision(pd.DataFrame(values))
    assert 0.4 < precision[0] / precision[2] < 0.6
    assert precision[1] == 0
    assert np.isfinite(mean).all()


def test_one_year_shows_nothing_of_levels() -> None:
    mean, precision = _mean_and_precision(pd.DataFrame(np.ones((5, 1))))
    assert precision.tolist() == [0.0] * 5
    assert np.isfinite(mean).all()
