"""Recovery of known effects on judgements over several seeds, separation, agreement with bambi.

Seeds are fixed, so that nothing here depends on luck.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import binom

from data_prep.simulated import SimulationOptions, build_simulated
from experiments.config import SamplerConfig
from experiments.recovery import recover
from models.inadequacy import SPEC, InadequacyOptions
from models.inadequacy_data import INADEQUATE

SAMPLER = SamplerConfig(draws=500, tune=500, chains=2, target_accept=0.95)
PREDICTORS = ("ia_10_days_share", "rereferral_share", "agency_share")


@pytest.fixture(scope="module")
def recovered() -> pd.DataFrame:
    """Five simulated Englands, 300 LAs each so that judgements are many."""
    sets = [f"options.predictors={','.join(PREDICTORS)}", "data.years=2010-2014"]
    return recover(
        "inadequacy",
        seeds=range(1, 6),
        sets=sets,
        simulation={"las": 300, "first_year": 2008},
        sampler=SAMPLER,
    )


def test_odds_ratios_are_covered_and_nearly_unbiased(recovered: pd.DataFrame) -> None:
    rows = recovered[recovered["estimand"] == "odds_ratio"]
    assert len(rows) == 20
    # The prior draws effects towards nought; by less than their own uncertainty.
    assert abs(rows["z"].mean()) < 3 / np.sqrt(len(rows)) + 0.3
    assert rows["covered"].sum() >= binom.ppf(0.001, len(rows), 0.9)
    strong = rows["truth"].map(lambda ratio: abs(np.log(ratio)) > 0.3)
    right = np.sign(np.log(rows["mean"])) == np.sign(np.log(rows["truth"]))
    assert right[strong].all()


def test_probabilities_of_authorities_are_covered(recovered: pd.DataFrame) -> None:
    rows = recovered[recovered["estimand"] == "p_inadequate"]
    # Authorities of one world share its effects: far fewer trials than rows.
    assert rows["covered"].mean() > 0.7
    assert (recovered.groupby("seed")["divergences"].first() == 0).all()


def fit(cube: xr.DataTree, **options: Any) -> tuple[xr.Dataset, int, Any]:
    from experiments import sampling

    chosen = InadequacyOptions(**options)
    observations = SPEC.observe(cube, chosen, years=(2010, 2014))
    model = SPEC.build(observations, chosen, SPEC.priors)
    posterior, statistics = sampling.sample(sampling.compile_model(model), SAMPLER, 1, cores=2)
    return posterior, int(statistics["diverging"].sum()), observations


def test_perfect_separation_stays_finite_and_is_sampled() -> None:
    """Every inspection with more deprivation than most is inadequate, and no other."""
    cube = build_simulated(SimulationOptions(seed=6, las=60, first_year=2008))
    options = InadequacyOptions(predictors=("rereferral_share",))
    observations = SPEC.observe(cube, options, years=(2010, 2014))
    group = cube["inspections"].to_dataset()
    deprived = observations.figures.values[:, -1] > 1.0
    grade = np.full(group.sizes["inspection"], 2, "int8")
    grade[observations.inspections["position"][deprived]] = INADEQUATE
    group["grade"] = group["grade"].copy(data=grade)
    cube["inspections"] = xr.DataTree(group)
    posterior, divergences, _ = fit(cube, predictors=("rereferral_share",))
    effect = posterior["predictor_effect"].isel(predictor=-1)
    assert divergences == 0
    assert np.isfinite(effect).all()
    assert float((effect > 0).mean()) > 0.99


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_agrees_with_bambi_on_complete_cases() -> None:
    """Same likelihood and priors, another program and parameterisation."""
    import bambi as bmb
    from pymc import sample

    cube = build_simulated(
        SimulationOptions(
            seed=4,
            las=120,
            first_year=2008,
            suppression=False,
            tiny_las=0,
            missing_returns_percent=0,
            missing_cells_percent=0,
        )
    )
    names = ("rereferral_share", "agency_share")
    ours, _, observations = fit(cube, predictors=names, shrinkage="normal")
    assert observations.figures.known.all()
    data = pd.DataFrame(observations.figures.values, columns=[*names, "deprivation"])
    data["inadequate"] = observations.inadequate.astype(int)
    # Each framework its own effect beside the level, as ours has it: one column for each.
    for framework in observations.frameworks:
        own = observations.inspections["framework"] == framework
        data[framework] = own.astype(float)
    bmb.config["UNUSED_PRIORS"] = "error"
    effect = bmb.Prior("Normal", mu=0, sigma=0.5)
    theirs = bmb.Model(
        "inadequate ~ rereferral_share + agency_share + deprivation"
        f" + {' + '.join(observations.frameworks)}",
        data,
        family="bernoulli",
        center_predictors=False,
        priors={
            "Intercept": bmb.Prior("Normal", mu=-1.7, sigma=0.7),
            **dict.fromkeys([*names, "deprivation", *observations.frameworks], effect),
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
    for k, name in enumerate([*names, "deprivation"]):
        a, b = ours["predictor_effect"].isel(predictor=k), other[name]
        sd = float(b.std())
        # Two Monte Carlo errors each of about 1,000 effective draws: 0.09 posterior sd.
        assert abs(float(a.mean() - b.mean())) < 0.12 * sd, name
        assert float(a.std()) == pytest.approx(sd, rel=0.12), name
