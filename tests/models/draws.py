"""Draws that cost no sampling."""

import pymc as pm
import xarray as xr


def posterior_like(model: pm.Model, draws: int = 40, *, outcomes: bool = True) -> xr.Dataset:
    """Prior draws in the shape of a posterior: two chains.

    Outcomes are drawn along with them and thrown away, but not where priors are so wide that a
    random generator would refuse: ``outcomes=False``.
    """
    names = None if outcomes else [rv.name for rv in (*model.free_RVs, *model.deterministics)]
    prior = pm.sample_prior_predictive(
        draws,
        model=model,
        var_names=names,
        random_seed=1,
        compile_kwargs={"mode": "FAST_COMPILE"},
    )["prior"].to_dataset()
    half = draws // 2
    chains = [prior.isel(chain=0, draw=slice(i * half, (i + 1) * half)) for i in range(2)]
    chains = [c.assign_coords(draw=range(half), chain=i) for i, c in enumerate(chains)]
    return xr.concat(chains, "chain")
