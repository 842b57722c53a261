"""Random numbers for estimands that draw something besides the parameters."""

import hashlib

import numpy as np
import xarray as xr


def generator_for(draws: xr.DataArray, seed: int) -> np.random.Generator:
    """A generator of its own for every set of ``draws``, the same for the same.

    With one stream for all, the data sets of a calibration would share their chance, and ranks
    would not be independent of each other.
    """
    digest = hashlib.sha256(np.ascontiguousarray(draws.to_numpy()).tobytes()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], "uint32").tolist()])
