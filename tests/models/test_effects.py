"""Terms that models share, held against what they say they are."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from models.around_data import Shown
from models.effects import authority_scatter, correlated_level_and_slope, scatter_spread_prior
from models.national_trend import SPEC


def test_scatter_of_authorities_is_log_normal_around_the_common_one() -> None:
    with pm.Model(coords={"la": range(2000), "outcome": ["a", "b"]}):
        common = pt.as_tensor([0.1, 0.3])
        scatter = authority_scatter(
            {"scatter_spread": scatter_spread_prior()}, common[None, :], dims=("la", "outcome")
        )
        spread = pm.modelcontext(None)["scatter_spread"]
        drawn, size = pm.draw([scatter, spread], random_seed=4)
    log = np.log(drawn)
    assert log.mean(axis=0) == pytest.approx(np.log([0.1, 0.3]), abs=4 * size / np.sqrt(2000))
    assert log.std(axis=0) == pytest.approx(float(size), rel=0.1)


def test_the_prior_of_unequal_scatter_means_what_it_says() -> None:
    prior = scatter_spread_prior()
    assert f"{np.exp(1.96 * prior.parameters['sigma']):.1f} times" in prior.meaning


@pytest.mark.parametrize("precision", [0.0, 1.0, 1e4], ids=["nothing", "little", "much"])
def test_levels_and_slopes_are_bivariate_normal_whatever_figures_show(precision: float) -> None:
    """Forward draws have the spreads and the correlation of the prior; slopes sum to nought."""
    las = 4000
    seen = np.linspace(-1, 1, las)
    figures = Shown(seen, np.full(las, precision))
    with pm.Model(coords={"la": list(range(las))}) as model:
        pair = correlated_level_and_slope(
            SPEC.priors, mean=pt.as_tensor(-3.0), shown=(figures,) * 2
        )
    given = {"la_level_sd": 0.5, "la_slope_sd": 0.1, "la_level_slope_correlation": -0.6}
    names = [variable.name for variable in pair]
    with pm.do(model, given) as fixed:
        level, slope = pm.draw([fixed[name] for name in names], random_seed=3)
    assert (level.mean(), level.std()) == pytest.approx((-3.0, 0.5), rel=0.04)
    assert slope.std() == pytest.approx(0.1, rel=0.04)
    assert abs(slope.sum()) < 1e-9
    assert np.corrcoef(level, slope)[0, 1] == pytest.approx(-0.6, abs=0.04)


def test_scores_of_levels_and_slopes_are_standard_normal_given_normal_figures() -> None:
    rng = np.random.default_rng(4)
    seen = rng.normal(0, [[0.4], [0.08]], (2, 30))
    seen[1] -= seen[1].mean()
    precision = np.array([40.0, 900.0])[:, None] * np.ones(30)
    with pm.Model(coords={"la": list(range(30))}) as model:
        pair = correlated_level_and_slope(
            SPEC.priors,
            mean=pt.as_tensor(seen[0].mean()),
            shown=(Shown(seen[0], precision[0]), Shown(seen[1], precision[1])),
        )
        pm.Potential("figures", -0.5 * precision * (seen - pt.stack(pair)) ** 2)
    with pm.do(model, {"la_level_sd": 0.5, "la_slope_sd": 0.1}) as fixed:
        density = fixed.compile_logp(sum=True, mode="FAST_COMPILE")
        start = {
            "la_level_slope_correlation_raw_logodds__": np.array(1.0),
            "la_level_raw": np.zeros(30),
            "la_slope_raw_free_mean__": np.zeros(30),
        }
    for name in ("la_level_raw", "la_slope_raw_free_mean__"):
        moved = rng.normal(size=30)
        # Beside a correlation the mean level tells of the mean slope, which figures do not show.
        moved -= moved.mean()
        drop = density(start) - density(start | {name: moved})
        assert drop == pytest.approx(0.5 * (moved**2).sum(), rel=1e-6)
