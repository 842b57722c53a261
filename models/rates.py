"""Quantities that readers ask of local-authority rates; the same code for draws and for truth.

Rates are arrays with the dimensions ``la`` and ``year``, and ``chain, draw`` where they are draws.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
import xarray as xr

# Draws of each chain that are worked on at once.
_BLOCK = 125
# Standard normal quantile of 0.9, for the ratio of the 90th to the 10th percentile authority.
_Z90 = 1.2815515655446004


def weighted_mean(rate: xr.DataArray, weights: xr.DataArray) -> xr.DataArray:
    """Mean rate over authorities, by exposure (la, year); unknown exposure weighs nothing."""
    known = weights.fillna(0)
    # As one product: sums over a hundred thousand draws that look for NaN take ten times as long.
    return xr.dot(rate, known / known.sum("la"), dim="la")


def spread(rate: xr.DataArray) -> xr.DataArray:
    """Standard deviation over authorities of the log rate."""
    logs = cast(xr.DataArray, np.log(rate))
    return logs.std("la", ddof=1, skipna=False)


def in_blocks(
    work: Callable[[xr.Dataset], Mapping[str, xr.DataArray]], posterior: xr.Dataset
) -> dict[str, xr.DataArray]:
    """What ``work`` makes of a posterior, draw by draw, from one block of draws after another.

    Rates of every authority, year and draw are a hundred million bytes, at which each step of the
    work waits for memory; those of a block stay in the processor's cache.
    """
    draws = posterior.sizes["draw"]
    whole: dict[str, xr.DataArray] = {}
    for start in range(0, draws, _BLOCK):
        block = {"draw": slice(start, start + _BLOCK)}
        for name, part in work(posterior.isel(block)).items():
            if name not in whole:
                shape = [draws if dim == "draw" else size for dim, size in part.sizes.items()]
                coords = {**part.drop_vars("draw").coords, "draw": posterior["draw"]}
                whole[name] = xr.DataArray(np.empty(shape), coords=coords, dims=part.dims)
            whole[name][block] = part.to_numpy()
    return whole


def ratio_90_10(spread_of_logs: xr.DataArray) -> xr.DataArray:
    """Rate at the 90th over that at the 10th percentile of a lognormal with this spread."""
    return cast(xr.DataArray, np.exp(2 * _Z90 * spread_of_logs))


def percent_changes(rate: xr.DataArray, pairs: Sequence[tuple[int, int]]) -> xr.DataArray:
    """Per cent change for each pair (from, to), along ``change``, both years as coordinates."""
    changes = [percent_change(rate, start, to) for start, to in pairs]
    return xr.concat(changes, "change").assign_coords(
        year_from=("change", [start for start, _ in pairs]),
        year=("change", [to for _, to in pairs]),
    )


def percent_change(rate: xr.DataArray, start: int, to: int) -> xr.DataArray:
    """Per cent change of a rate from one year to another."""
    return 100 * (rate.sel(year=to, drop=True) / rate.sel(year=start, drop=True) - 1)


def annual_growth(rate: xr.DataArray, first: int, last: int) -> xr.DataArray:
    """Constant growth, per cent a year, that leads from the first to the last year's rate."""
    ratio = rate.sel(year=last, drop=True) / rate.sel(year=first, drop=True)
    return 100 * (ratio ** (1 / (last - first)) - 1)


def ranks(rate: xr.DataArray) -> xr.DataArray:
    """Position of each authority, 1 for the highest rate."""
    return xr.apply_ufunc(
        lambda x: (-x).argsort(axis=-1).argsort(axis=-1) + 1.0,
        rate,
        input_core_dims=[["la"]],
        output_core_dims=[["la"]],
    )


def share_in_top_fifth(rank: xr.DataArray) -> xr.DataArray:
    """Share of draws in which an authority is among the highest fifth; 0 or 1 for a known truth."""
    in_top = (rank <= np.ceil(rank.sizes["la"] / 5)).astype(float)
    return in_top.mean([dim for dim in ("chain", "draw") if dim in in_top.dims])


def spans(years: Sequence[int]) -> str:
    """A sorted list of years in words: ``2001-2003, 2005``."""
    runs: list[list[int]] = []
    for year in years:
        if runs and year == runs[-1][-1] + 1:
            runs[-1].append(year)
        else:
            runs.append([year])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def three_figures(value: float) -> str:
    """Three significant figures, trailing zeros kept and no exponent: 25.0, 2.30, −1,230."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    text = f"{round(abs(value), 2 - int(np.floor(np.log10(abs(value))))):,.{decimals}f}"
    return f"−{text}" if value < 0 else text
