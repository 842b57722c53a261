"""Recovery of known effects of timeliness over several seeds, and agreement with bambi.

Seeds are fixed, so that nothing here depends on luck.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from data_prep.simulated import SimulationOptions, build_simulated
from experiments.config import SamplerConfig
from experiments.recovery import recover
from models.timeliness import SPEC, TimelinessOptions

SAMPLER = SamplerConfig(draws=400, tune=400, chains=2)
WORLD = {"las": 50, "first_year": 2008, "regime_scale": 0, "timeliness_within_sd": 0.03}
EFFECTS = ("within_change", "between_change", "deprivation_change")


@pytest.fixture(scope="module")
def recovered() -> pd.DataFrame:
    """Six simulated Englands with the default effects, and two each with none and a huge one."""
    worlds = [
        (range(1, 7), {}),
        (range(21, 23), {"timeliness_within": 0.0, "timeliness_between": 0.0}),
        (range(31, 33), {"timeliness_within": -0.2, "timeliness_between": 0.3}),
    ]
    return pd.concat(
        [
            recover("timeliness", seeds=seeds, simulation={**WORLD, **more}, sampler=SAMPLER)
            for seeds, more in worlds
        ],
        ignore_index=True,
    )


@pytest.mark.parametrize("estimand", EFFECTS)
def test_effects_are_recovered(recovered: pd.DataFrame, estimand: str) -> None:
    z = recovered.loc[recovered["estimand"] == estimand, "z"]
    # Worlds are independent: five standard errors of their mean error are the room.
    assert abs(z.mean()) < 5 / np.sqrt(len(z))
    assert z.std() < 1.8
    assert (z.abs() < 4).all()


def test_authorities_effects_are_covered(recovered: pd.DataFrame) -> None:
    table = recovered[recovered["estimand"] == "la_within_change"]
    hits, trials = int(table["covered"].sum()), len(table)
    # Authorities of one world share its mean effect, so they count as a tenth each.
    assert binom.cdf(hits // 10, trials // 10, 0.9) > 1e-3


# formulae asks pandas for columns in a way that pandas 3 deprecates.
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_agrees_with_bambi_on_observed_means() -> None:
    """Same likelihood and priors on exact cells, another program and parameterisation."""
    import bambi as bmb
    from pymc import sample

    from experiments import sampling

    cube = build_simulated(
        SimulationOptions(seed=4, las=40, first_year=2010, suppression=False, tiny_las=0)
    )
    options = TimelinessOptions(la_means="observed", within_slope="common")
    observations = SPEC.observe(cube, options)
    cells = observations.cells
    assert (cells["lower"] == cells["upper"]).all()
    model = SPEC.build(observations, options, SPEC.priors)
    ours, _ = sampling.sample(sampling.compile_model(model), SamplerConfig(), 1, cores=2)
    # The predictors, reckoned here by least squares on dummies, apart from the model's own code.
    timely = observations.timely
    dummies = pd.get_dummies(timely["la"]).astype(float)
    years = pd.get_dummies(timely["year"], drop_first=True).astype(float)
    design = np.hstack([dummies, years - years.mean()])
    fitted, *_ = np.linalg.lstsq(design, timely["steps"], rcond=None)
    mean = pd.Series(fitted[: dummies.shape[1]], dummies.columns)
    timely = timely.assign(departure=timely["steps"] - design @ fitted)
    data = cells.merge(timely[["la", "year", "departure"]], on=["la", "year"]).assign(
        rest=lambda rows: rows["exposure"] - rows["lower"],
        mean=lambda rows: rows["la"].map(mean) - observations.timely["steps"].mean(),
        deprivation=lambda rows: rows["la"].map(observations.deprivation),
        year=lambda rows: rows["year"].astype(str),
    )
    data = data.rename(columns={"lower": "y", "exposure": "n"})
    bmb.config["UNUSED_PRIORS"] = "error"
    normal = {
        name: bmb.Prior("Normal", mu=0, sigma=sd)
        for name, sd in (("departure", 0.1), ("mean", 0.15), ("deprivation", 0.2))
    }
    theirs = bmb.Model(
        "p(y, n) ~ departure + mean + deprivation + (1|year) + (1|la)",
        data,
        family="beta_binomial",
        center_predictors=False,
        priors=normal
        | {
            "Intercept": bmb.Prior("Normal", mu=-1.2, sigma=0.5),
            "1|la": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=0.5)),
            "1|year": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=0.2)),
            # If scatter is half-normal with sd .2, its inverse square is inverse-gamma.
            "kappa": bmb.Prior("InverseGamma", alpha=0.5, beta=1 / (2 * 0.2**2)),
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
            target_accept=0.9,
            progressbar=False,
        )
    other = trace["posterior"].to_dataset()
    pairs = {
        "within": (ours["within_effect"], other["departure"]),
        "between": (ours["between_effect"], other["mean"]),
        "deprivation": (ours["deprivation_effect"], other["deprivation"]),
        "spread": (ours["la_level_sd"], other["1|la_sigma"]),
        "scatter": (ours["scatter_sd"], other["kappa"] ** -0.5),
    }
    for name, (a, b) in pairs.items():
        sd = float(b.std())
        assert abs(float(a.mean() - b.mean())) < 0.12 * sd, name
        assert float(a.std()) == pytest.approx(sd, rel=0.12), name
