"""Recovery of known gradients over several worlds, and agreement with an independent fit."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from data_prep.simulated import SimulationOptions, build_simulated
from experiments import sampling
from experiments.config import SamplerConfig
from experiments.recovery import recover, summarise_recovery
from models.deprivation import SPEC, DeprivationOptions

SAMPLER = SamplerConfig(draws=400, tune=400, chains=2)
# What no part of this model speaks of is left out: smooth maps, changes of growth, aftermath.
PLAIN = {
    "las": 40,
    "first_year": 2010,
    "regime_scale": 0,
    "spatial_share": 0,
    "aftermath_percent": (0, 0, 0),
}


@pytest.fixture(scope="module")
def recovered() -> pd.DataFrame:
    """Six simulated Englands, two outcomes."""
    return recover(
        "deprivation",
        seeds=range(1, 7),
        sets=["options.outcomes=referrals,cpp_starts"],
        simulation=PLAIN,
        sampler=SAMPLER,
    )


@pytest.mark.parametrize(
    "estimand", ["ratio_per_sd", "fifth_ratio", "slope_index", "share_explained", "la_rate"]
)
def test_bias_is_small_against_the_posterior_sd(recovered: pd.DataFrame, estimand: str) -> None:
    summary = summarise_recovery(recovered[recovered["estimand"] == estimand]).iloc[0]
    # Errors of one world go together: the worlds are the trials, and five standard errors the room.
    room = max(5 * summary["bias_standard_error"], 0.3)
    assert abs(summary["bias_over_sd"]) < room
    assert summary["sd_of_z"] < 1.7


def test_rates_of_authorities_are_covered_at_their_rate(recovered: pd.DataFrame) -> None:
    table = recovered[recovered["estimand"] == "la_rate"]
    hits, trials = int(table["covered"].sum()), len(table)
    assert 1e-3 < binom.cdf(hits, trials, 0.9) < 1 - 1e-3


def test_gradients_are_covered(recovered: pd.DataFrame) -> None:
    table = recovered[recovered["estimand"] == "ratio_per_sd"]
    assert binom.cdf(int(table["covered"].sum()), len(table), 0.9) > 1e-3


# formulae asks pandas for columns in a way that pandas 3 deprecates.
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_agrees_with_bambi_on_one_outcome() -> None:
    """Same likelihood and priors, other parameterisation of levels and years."""
    import bambi as bmb
    from pymc import sample

    cube = build_simulated(SimulationOptions(seed=4, **PLAIN))
    options = DeprivationOptions(outcomes=("referrals",))
    observations = SPEC.observe(cube, options)
    cells = observations.cells
    cells = cells[cells["lower"] == cells["upper"]].reset_index(drop=True)
    object.__setattr__(observations, "cells", cells)
    model = SPEC.build(observations, options, SPEC.priors)
    ours, _ = sampling.sample(sampling.compile_model(model), SamplerConfig(), 1, cores=2)
    data = pd.DataFrame(
        {
            "y": cells["lower"],
            "x": observations.deprivation.loc[cells["la"]].to_numpy(),
            "la": cells["la"],
            # Years as free deviations: five of them leave nothing of their prior.
            "year": cells["year"].astype(str),
            "log_exposure": np.log(cells["exposure"]),
        }
    )
    bmb.config["UNUSED_PRIORS"] = "error"
    theirs = bmb.Model(
        "y ~ x + year + offset(log_exposure) + (1|la)",
        data,
        family="negativebinomial",
        center_predictors=False,
        noncentered=True,
        priors={
            "Intercept": bmb.Prior("Normal", mu=-4.6, sigma=1.5),
            "x": bmb.Prior("Normal", mu=0, sigma=0.3),
            "year": bmb.Prior("Normal", mu=0, sigma=0.3),
            "1|la": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=0.5)),
            # If scatter is half-normal with sd .3, its inverse square is inverse-gamma.
            "alpha": bmb.Prior("InverseGamma", alpha=0.5, beta=1 / (2 * 0.3**2)),
        },
    )
    theirs.build()
    with theirs.backend.model:
        trace = sample(
            draws=1500,
            tune=1000,
            chains=4,
            cores=2,
            random_seed=1,
            nuts_sampler="nutpie",
            progressbar=False,
        )
    other = trace["posterior"].to_dataset()
    pairs = {
        "slope": (ours["deprivation_slope"].squeeze("outcome"), other["x"]),
        "spread": (ours["la_level_sd"].squeeze("outcome"), other["1|la_sigma"]),
        "scatter": (ours["scatter_sd"].squeeze("outcome"), other["alpha"] ** -0.5),
    }
    for name, (a, b) in pairs.items():
        sd = float(b.std())
        # Their slope has fewer effective draws: a fifth of an sd is what they can tell.
        assert abs(float(a.mean() - b.mean())) < 0.2 * sd, name
        assert float(a.std()) == pytest.approx(sd, rel=0.15), name
