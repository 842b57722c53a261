"""Indicators of a cube as series: the number where there is one, bounds where there are some."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from data_prep.indicators import MEASURES, Indicator, Regime
from data_prep.schema import STATUSES

# What stands in place of a status where both counts are known and the denominator is 0.
NOTHING_TO_DIVIDE_BY = "nothing to divide by"


@dataclass(frozen=True)
class Rates:
    """An indicator's values with bounds, (la, year) or (year,); ``reason`` names why a cell has
    none.

    ``value`` is NaN where no single number was published; bounds are NaN where nothing is known.
    """

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    reason: np.ndarray

    @property
    def is_hidden(self) -> np.ndarray:
        """Known within bounds, and no number."""
        return np.isfinite(self.upper) & ~np.isfinite(self.value)

    @property
    def is_missing(self) -> np.ndarray:
        return ~np.isfinite(self.upper) & ~np.isfinite(self.value)

    @property
    def middle(self) -> np.ndarray:
        """The number, or the middle of the bounds."""
        return np.where(np.isfinite(self.value), self.value, (self.lower + self.upper) / 2)

    def at(self, index: int) -> "Rates":
        """The series of one authority."""
        return Rates(self.value[index], self.lower[index], self.upper[index], self.reason[index])


def derive_rates(dataset: xr.Dataset, indicator: Indicator) -> Rates | None:
    """The indicator by authority and year, or by year for England.

    The bounds hold whatever both counts are within their own bounds; a share is no more than
    ``per``. Where the lower bound of the denominator is 0 a rate has no upper bound and counts as
    unknown.

    Parameters
    ----------
    dataset
        ``/cube`` or ``/national``.
    indicator
        One whose measures the dataset may lack.

    Returns
    -------
    Rates or None
        None where the dataset lacks one of the two measures.
    """
    if not {indicator.numerator, indicator.denominator} <= set(dataset.data_vars):
        return None

    def parts(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        value, lower, upper = (dataset[f"{name}{end}"].values for end in ("", "_lower", "_upper"))
        return value, lower, upper

    top, top_lower, top_upper = parts(indicator.numerator)
    base, base_lower, base_upper = parts(indicator.denominator)
    per = indicator.per
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(base > 0, per * top / base, np.nan)
        lower = np.where(base_upper > 0, per * top_lower / base_upper, np.nan)
        upper = np.where(base_lower > 0, per * top_upper / base_lower, np.nan)
    if indicator.is_share:
        # Not below the lower bound, should a part exceed its whole after all.
        upper = np.where(np.isfinite(lower), np.fmax(lower, np.fmin(upper, per)), np.nan)
    lower = np.where(np.isfinite(upper), lower, np.nan)
    known = np.isfinite(top_upper) & np.isfinite(base_upper)
    names = np.array(STATUSES, object)
    statuses = [
        names[dataset[f"{measure}_status"].values.astype(int)]
        for measure in (indicator.numerator, indicator.denominator)
    ]
    reason = np.where(np.isfinite(top_upper), statuses[1], statuses[0])
    reason = np.where(known & ~np.isfinite(upper), NOTHING_TO_DIVIDE_BY, reason)
    return Rates(value, lower, upper, reason)


def regimes_of(indicator: Indicator) -> tuple[Regime, ...]:
    """Regimes of the numerator, then those of the denominator that differ."""
    both = (*MEASURES[indicator.numerator].regimes, *MEASURES[indicator.denominator].regimes)
    return tuple(dict.fromkeys(both))
