"""Quantities that readers ask of a gradient over deprivation; the same for draws and for truth.

Rates are arrays with the dimension ``la`` (and ``outcome``), and ``chain, draw`` where they are
draws; ``deprivation`` is a score by LA, higher is more deprived.
"""

from typing import cast

import numpy as np
import xarray as xr

# Places of the deprivation scale at which a fitted gradient is printed, in per cent of authorities.
PERCENTILES = tuple(range(0, 101, 5))


def fifths(deprivation: np.ndarray) -> np.ndarray:
    """Fifth of each LA (la,), 1 the least and 5 the most deprived; ties by position."""
    rank = np.argsort(np.argsort(deprivation, kind="stable"), kind="stable")
    return np.asarray(rank * 5 // len(deprivation) + 1)


def weighted_by_fifth(rate: xr.DataArray, weights: xr.DataArray, fifth: np.ndarray) -> xr.DataArray:
    """Mean rate of each fifth's LAs, weighted by exposure; ``la`` gives way to ``fifth``."""
    means = []
    for number in range(1, 6):
        own = np.flatnonzero(fifth == number)
        share, part = weights.isel(la=own), rate.isel(la=own)
        means.append((part * share).sum("la") / share.sum("la"))
    return xr.concat(means, "fifth").assign_coords(fifth=list(range(1, 6)))


def slope_index(rate: xr.DataArray, weights: xr.DataArray, deprivation: np.ndarray) -> xr.DataArray:
    """Slope index of inequality: the rate at the most deprived end less that at the least deprived.

    The slope of LA rates over the share of all exposure that lives in less deprived places, by
    least squares weighted by exposure (Pamuk, 1985).
    """
    order = np.argsort(deprivation, kind="stable")
    back = np.argsort(order, kind="stable")
    share = weights / weights.sum("la")
    ordered = share.isel(la=order)
    place = (ordered.cumsum("la") - ordered / 2).isel(la=back)
    from_middle = place - (place * share).sum("la")
    return (share * from_middle * rate).sum("la") / (share * from_middle**2).sum("la")


def observed_ratio(level: xr.DataArray, expected: xr.DataArray) -> xr.DataArray:
    """Rate of an LA over what is expected of it, from logs."""
    return cast(xr.DataArray, np.exp(level - expected))
