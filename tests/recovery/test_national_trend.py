"""Recovery of known truth over several seeds, and agreement with bambi.

Seeds are fixed, so that nothing here depends on luck; the long study is `make recovery`.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import binom

from data_prep.simulated import SimulationOptions, build_simulated
from experiments.config import SamplerConfig
from experiments.recovery import recover, summarise_recovery
from models.national_trend import SPEC, TrendOptions

SAMPLER = SamplerConfig(draws=400, tune=400, chains=2)
# No year carries two definitions, so the offset of an earlier one is known from its prior alone:
# recovery is asked where definitions do not matter. Aftermath is no part of this model.
PLAIN = {"las": 30, "regime_scale": 0, "aftermath_percent": (0, 0, 0)}


@pytest.fixture(scope="module")
def recovered() -> pd.DataFrame:
    """Four simulated Englands with LA figures throughout, and four with England totals first."""
    throughout = recover(
        "national_trend",
        seeds=range(1, 5),
        simulation={**PLAIN, "first_year": 2005},
        sampler=SAMPLER,
    )
    totals_first = recover(
        "national_trend",
        seeds=range(11, 15),
        simulation={**PLAIN, "first_year": 2010, "national_years": tuple(range(2003, 2010))},
        sampler=SAMPLER,
    )
    return pd.concat([throughout, totals_first])


def test_authority_rates_are_covered_at_their_rate(recovered: pd.DataFrame) -> None:
    table = recovered[recovered["estimand"] == "la_growth"]
    hits, trials = int(table["covered"].sum()), len(table)
    assert 1e-3 < binom.cdf(hits, trials, 0.9) < 1 - 1e-3
    assert table["z"].std() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    "estimand", ["national_rate", "annual_growth", "slope_change", "between_la_sd", "la_rate"]
)
def test_bias_is_small_against_the_posterior_sd(recovered: pd.DataFrame, estimand: str) -> None:
    summary = summarise_recovery(recovered[recovered["estimand"] == estimand]).iloc[0]
    # Errors of one world go together: the worlds are the trials, and five standard errors the room.
    room = max(5 * summary["bias_standard_error"], 0.3)
    assert abs(summary["bias_over_sd"]) < room
    assert summary["sd_of_z"] < 1.6


def test_national_rate_is_covered(recovered: pd.DataFrame) -> None:
    last = recovered[(recovered["estimand"] == "annual_growth")]
    hits = int(last["covered"].sum())
    assert binom.cdf(hits, len(last), 0.9) > 1e-3


# formulae asks pandas for columns in a way that pandas 3 deprecates.
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_agrees_with_bambi_on_the_linear_variant() -> None:
    """Same likelihood and priors, other parameterisation, other sampler path."""
    import bambi as bmb
    from pymc import sample

    from experiments import sampling

    cube = build_simulated(
        SimulationOptions(
            seed=4, las=40, first_year=2008, **{"regime_scale": 0, "aftermath_percent": (0, 0, 0)}
        )
    )
    options = TrendOptions(trend="linear", la_effect="level", regime_offsets="none")
    observations = SPEC.observe(cube, options)
    cells = observations.cells
    cells = cells[cells["lower"] == cells["upper"]].reset_index(drop=True)
    object.__setattr__(observations, "cells", cells)
    model = SPEC.build(observations, options, SPEC.priors)
    ours, _ = sampling.sample(sampling.compile_model(model), SamplerConfig(), 1, cores=2)
    data = pd.DataFrame(
        {
            "y": cells["lower"],
            "time": cells["year"] - np.mean(observations.la_years),
            "la": cells["la"],
            "log_exposure": np.log(cells["exposure"]),
        }
    )
    bmb.config["UNUSED_PRIORS"] = "error"
    theirs = bmb.Model(
        "y ~ time + offset(log_exposure) + (1|la)",
        data,
        family="negativebinomial",
        center_predictors=False,
        noncentered=True,
        priors={
            "Intercept": bmb.Prior("Normal", mu=-4.6, sigma=1.5),
            "time": bmb.Prior("Normal", mu=0, sigma=0.1),
            "1|la": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=0.5)),
            # If scatter is half-normal with sd .3, its inverse square is inverse-gamma.
            "alpha": bmb.Prior("InverseGamma", alpha=0.5, beta=1 / (2 * 0.3**2)),
        },
    )
    theirs.build()
    with theirs.backend.model:
        trace = sample(
            draws=1000,
            tune=1000,
            chains=4,
            cores=2,
            random_seed=1,
            nuts_sampler="nutpie",
            progressbar=False,
        )
    other = trace["posterior"].to_dataset()
    pairs: dict[str, tuple[xr.DataArray, xr.DataArray]] = {
        "growth": (ours["trend_slope"], other["time"]),
        "spread": (ours["la_level_sd"], other["1|la_sigma"]),
        "scatter": (ours["scatter_sd"], other["alpha"] ** -0.5),
    }
    for name, (a, b) in pairs.items():
        sd = float(b.std())
        assert abs(float(a.mean() - b.mean())) < 0.1 * sd, name
        assert float(a.std()) == pytest.approx(sd, rel=0.1), name
