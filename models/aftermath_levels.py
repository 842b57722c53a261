"""What figures show of authorities' levels in `aftermath`, roughly.

Levels are explored around it (`models/around_data.py`); the density of the model does not change by
it, only how fast it is explored.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.aftermath_data import AftermathObservations, prior_values
from models.around_data import Shown, clear_of_years
from models.replaceable import worked_out

# Correlation of neighbouring years goes no higher: beyond, a few years do not tell a level from
# departures that last.
_HIGHEST = 0.9
_LEAST_VARIANCE = 1e-4
_ROUNDS = 50


def shown_levels(observations: AftermathObservations) -> Shown:
    """Each authority's mean log rate or log odds, clear of the nation's years, and its precision
    with departures that carry over; from the data, or in a study from each data set.
    """

    def of(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        table = prior_values(observations, None if drawn is None else drawn["y"])
        return _mean_and_precision(table.reindex(observations.las.index))

    shown = worked_out("levels_shown", (2, len(observations.las)), of)
    return Shown(shown[0], shown[1])


def _mean_and_precision(table: pd.DataFrame) -> np.ndarray:
    """Of the rows of ``table`` (la, year), NaN where unknown: an array (2, la)."""
    clear = clear_of_years(table)
    mean, years = clear.mean(axis=1), clear.notna().sum(axis=1)
    rest = clear.sub(mean, axis=0)[years > 1].to_numpy()
    if not len(rest):
        return np.stack([mean.fillna(0.0), np.zeros(len(mean))])
    seen = float(np.nanmean(rest**2))
    product = rest[:, 1:] * rest[:, :-1]
    together = float(np.nanmean(product)) if np.isfinite(product).any() else 0.0
    # Years around their own mean vary less, and hang together less, than around the level: both by
    # the variance of that mean, a share of theirs that follows from the correlation itself.
    typical = round(float(years[years > 1].mean()))
    lasting = hidden = 0.0
    for _ in range(_ROUNDS):
        lasting = float(np.clip(together * (1 - hidden) / max(seen, 1e-9) + hidden, 0.0, _HIGHEST))
        hidden = _share_of_mean(lasting, typical)
    variance = max(seen / (1 - hidden), _LEAST_VARIANCE)
    known = years.where(years > 0, 1).map(lambda n: 1 / (variance * _share_of_mean(lasting, n)))
    precision = known.where(years > 0, 0.0)
    return np.stack([mean.fillna(0.0), precision])


def _share_of_mean(lasting: float, years: int) -> float:
    """Variance of a mean of ``years`` over that of one, with ``lasting`` left of each a year on."""
    apart = np.arange(1, years)
    return float(years + 2 * ((years - apart) * lasting**apart).sum()) / years**2
