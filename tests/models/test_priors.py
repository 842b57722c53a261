"""Priors: what can be declared, what is refused and in which words, and what is built."""

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from models import CATALOGUE, load_model
from models.priors import DISTRIBUTIONS, Prior, draw_from

VALID: dict[str, dict[str, float]] = {
    "Normal": {"mu": -1.0, "sigma": 2.0},
    "HalfNormal": {"sigma": 2.0},
    "StudentT": {"nu": 4.0, "mu": 0.0, "sigma": 2.0},
    "HalfStudentT": {"nu": 4.0, "sigma": 2.0},
    "HalfCauchy": {"beta": 2.0},
    "LogNormal": {"mu": -4.6, "sigma": 0.5},
    "Exponential": {"lam": 2.0},
    "Gamma": {"alpha": 2.0, "beta": 3.0},
    "InverseGamma": {"alpha": 2.0, "beta": 3.0},
    "Uniform": {"lower": -1.0, "upper": 3.0},
    "Beta": {"alpha": 2.0, "beta": 3.0},
    "Correlation": {"eta": 2.0},
    "ZeroSumNormal": {"sigma": 1.0},
    "SymmetricDirichlet": {"concentration": 2.0},
}
# The same distributions by scipy, at 0.4.
DENSITY_AT_04 = {
    "Normal": stats.norm(-1, 2).logpdf(0.4),
    "HalfNormal": stats.halfnorm(scale=2).logpdf(0.4),
    "StudentT": stats.t(4, 0, 2).logpdf(0.4),
    "HalfStudentT": stats.t(4, 0, 2).logpdf(0.4) + np.log(2),
    "HalfCauchy": stats.halfcauchy(scale=2).logpdf(0.4),
    "LogNormal": stats.lognorm(0.5, scale=np.exp(-4.6)).logpdf(0.4),
    "Exponential": stats.expon(scale=1 / 2).logpdf(0.4),
    "Gamma": stats.gamma(2, scale=1 / 3).logpdf(0.4),
    "InverseGamma": stats.invgamma(2, scale=3).logpdf(0.4),
    "Uniform": stats.uniform(-1, 4).logpdf(0.4),
    "Beta": stats.beta(2, 3).logpdf(0.4),
}


def prior(distribution: str, **parameters: float) -> Prior:
    return Prior("size", distribution, parameters, "meaning", "reason")


def test_every_distribution_is_tried() -> None:
    assert VALID.keys() == DISTRIBUTIONS.keys()
    assert all(tuple(VALID[name]) == DISTRIBUTIONS[name] for name in VALID)


@pytest.mark.parametrize("distribution", DENSITY_AT_04)
def test_parameters_mean_what_their_names_say(distribution: str) -> None:
    declared = prior(distribution, **VALID[distribution])
    assert declared.faults() == []
    with pm.Model(coords={"la": ["a", "b"]}) as model:
        drawn = draw_from(declared)
        draw_from(Prior("many", distribution, VALID[distribution], "", ""), dims="la")
    assert model.named_vars_to_dims["many"] == ("la",)
    density = pm.logp(drawn, np.array(0.4)).eval(mode="FAST_COMPILE")
    assert density == pytest.approx(DENSITY_AT_04[distribution], rel=1e-6)


def test_zero_sum_effects_keep_to_their_scale() -> None:
    with pm.Model(coords={"year": range(5)}):
        effect = draw_from(prior("ZeroSumNormal", sigma=0.2), dims="year")
        drawn = pm.draw(effect, 2000, random_seed=1, mode="FAST_COMPILE")
    assert np.abs(drawn.sum(axis=1)).max() < 1e-9
    assert drawn.std() == pytest.approx(0.2 * np.sqrt(4 / 5), rel=0.05)


def test_parts_sum_to_one_and_are_alike() -> None:
    with pm.Model(coords={"predictor": range(4)}):
        part = draw_from(prior("SymmetricDirichlet", concentration=2.0), dims="predictor")
        drawn = pm.draw(part, 2000, random_seed=1, mode="FAST_COMPILE")
    assert drawn.sum(axis=1) == pytest.approx(np.ones(2000))
    assert drawn.mean(axis=0) == pytest.approx(np.full(4, 0.25), abs=0.01)
    # Each part is Beta(2, 6).
    assert drawn.std(axis=0) == pytest.approx(np.full(4, stats.beta(2, 6).std()), rel=0.08)


@pytest.mark.parametrize("eta", [1.0, 2.0, 5.0])
def test_a_correlation_is_the_lkj_of_two_effects(eta: float) -> None:
    """The LKJ density of one correlation is (1 - r^2)^(eta - 1), its variance 1/(2 eta + 1)."""
    with pm.Model() as model:
        drawn = draw_from(prior("Correlation", eta=eta))
    assert [rv.name for rv in model.free_RVs] == ["size_raw"]
    draws = pm.draw(drawn, draws=4000, random_seed=2, mode="FAST_COMPILE")
    assert np.abs(draws).max() < 1
    assert stats.kstest((draws + 1) / 2, stats.beta(eta, eta).cdf).pvalue > 1e-3
    assert draws.var() == pytest.approx(1 / (2 * eta + 1), rel=0.1)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (prior("Cauchy", beta=1), "unknown distribution 'Cauchy'; known: Normal, HalfNormal"),
        (prior("Normal", mu=0), "Normal takes mu, sigma; given: mu"),
        (prior("Normal"), "given: nothing"),
        (prior("HalfNormal", sigma=1, mu=0), "HalfNormal takes sigma; given: sigma, mu"),
        (prior("HalfNormal", sigma=0), "HalfNormal needs sigma > 0, given 0"),
        (prior("Gamma", alpha=-1, beta=1), "Gamma needs alpha > 0, given -1"),
        (prior("Normal", mu=np.nan, sigma=1), "Normal needs a finite mu, given nan"),
        (prior("HalfNormal", sigma=np.inf), "HalfNormal needs a finite sigma, given inf"),
        (prior("Uniform", lower=2, upper=2), "Uniform needs lower < upper, given 2 and 2"),
    ],
)
def test_a_fault_is_told_once_in_words(declared: Prior, words: str) -> None:
    (fault,) = declared.faults()
    assert words in fault


def test_all_faults_of_one_prior_are_told() -> None:
    assert len(prior("Gamma", alpha=-1, rate=-2).faults()) == 3


@pytest.mark.parametrize("model", CATALOGUE)
def test_every_declared_prior_can_be_built_and_says_what_and_why(model: str) -> None:
    for name, declared in load_model(model).priors.items():
        assert declared.name == name
        assert declared.faults() == []
        assert declared.meaning
        assert declared.reason


def test_a_scale_that_may_vanish_keeps_its_density_and_is_linear_away_from_zero() -> None:
    declared = prior("HalfNormal", sigma=0.5)
    with pm.Model() as model:
        draw_from(declared, may_vanish=True)
    (free,) = model.value_vars
    with_jacobian, without = (
        model.compile_logp(jacobian=jacobian, mode="FAST_COMPILE") for jacobian in (True, False)
    )
    (size,) = model.replace_rvs_by_values([model["size"]])
    at = model.compile_fn(size, inputs=[free], mode="FAST_COMPILE")
    for value in (-40.0, -1.0, 0.3, 20.0):
        found = float(at({free.name: value}))
        assert found > 0
        assert without({free.name: value}) == pytest.approx(stats.halfnorm(scale=0.5).logpdf(found))
        slope = (at({free.name: value + 1e-4}) - at({free.name: value - 1e-4})) / 2e-4
        added = with_jacobian({free.name: value}) - without({free.name: value})
        assert added == pytest.approx(np.log(slope), rel=1e-5)
    assert at({free.name: 20.0}) == pytest.approx(20 * 0.025, rel=1e-6)
    assert model.initial_point()[free.name] == pytest.approx(20.0)
