"""Draws: densities as PyMC's own, even thinning, one set of names, a progress line."""

import io
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

from experiments import sampling
from experiments.config import SamplerConfig
from models.likelihoods import negative_binomial_counts

CHAINS, DRAWS = 2, 140


@pytest.fixture(scope="module")
def model() -> pm.Model:
    """Transformed, zero-sum and interval-censored parts, as in the models of the project."""
    coords = {"la": ["E1", "E2", "E3"], "year": [2013, 2014], "obs": range(6)}
    lower = np.array([4, 9, 30, 12, 1, 1])
    upper = np.array([4, 9, 30, 12, 5, 90])
    with pm.Model(coords=coords) as built:
        level_sd = pm.HalfNormal("level_sd", 0.5)
        share = pm.Beta("share_raw", 2, 2)
        pm.Deterministic("share", 2 * share - 1)
        level = pm.Normal("level", 2, level_sd, dims="la")
        year = pm.ZeroSumNormal("year_effect", level_sd, dims="year")
        exposure = pm.Uniform("exposure", 0.5, 1.5, dims="year")
        log_mean = (level[:, None] + year + pm.math.log(exposure) + share).flatten()
        negative_binomial_counts(
            "y", log_mean=log_mean, dispersion=level_sd**-2, lower=lower, upper=upper, dims="obs"
        )
        pm.StudentT("total", nu=4, mu=level.sum(), sigma=level_sd, observed=[5.0, 6.0], dims="year")
    return built


@pytest.fixture(scope="module")
def posterior(model: pm.Model) -> xr.Dataset:
    """Draws of the prior in place of the posterior: any points serve to compare densities."""
    drawn, _ = sampling.draw_prior(model, seed=1)
    wanted = drawn.isel(chain=0, draw=slice(CHAINS * DRAWS))
    folded = {
        name: (
            ("chain", "draw", *values.dims[1:]),
            values.to_numpy().reshape(CHAINS, DRAWS, *values.shape[1:]),
        )
        for name, values in wanted.data_vars.items()
    }
    labels = {name: drawn[name].to_numpy() for name in ("la", "year")}
    return xr.Dataset(folded, coords=labels | {"chain": range(CHAINS), "draw": range(DRAWS)})


def test_log_likelihood_is_pymc_s(model: pm.Model, posterior: xr.Dataset) -> None:
    found = sampling.pointwise_log_density(model, posterior, ["y", "total"])
    tree = xr.DataTree.from_dict({"posterior": posterior})
    expected = pm.compute_log_likelihood(tree, model=model, progressbar=False)["log_likelihood"]
    for name in ("y", "total"):
        assert found[name].dims == expected[name].dims
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)


def test_log_prior_is_pymc_s_on_the_natural_scale(model: pm.Model, posterior: xr.Dataset) -> None:
    names = ["level_sd", "share_raw", "level", "year_effect", "exposure"]
    found = sampling.pointwise_log_density(model, posterior, names)
    tree = xr.DataTree.from_dict({"posterior": posterior})
    expected = pm.stats.compute_log_prior(tree, model=model, progressbar=False)["log_prior"]
    for name in names:
        np.testing.assert_allclose(
            found[name].squeeze(), expected[name].squeeze(), rtol=1e-5, atol=1e-5
        )
    assert found["level"].dims == ("chain", "draw", "la")
    assert found["level_sd"].dims == ("chain", "draw")
    # A zero-sum vector has one density, not one for each of its parts.
    assert found["year_effect"].size == CHAINS * DRAWS


def test_values_that_are_given_are_not_worked_out_again() -> None:
    """What is drawn may hang on data that change; what it stands for does not."""
    with pm.Model(coords={"obs": range(3)}) as model:
        shift = pm.Data("shift", np.zeros(3))
        raw = pm.Normal("level_raw", 0, 1, dims="obs")
        level = pm.Deterministic("level", raw - shift, dims="obs")
        pm.Normal("y", level, 1, observed=np.array([1.0, 2.0, 4.0]), dims="obs")
    values = np.array([0.5, -1.0, 3.0])
    drawn = xr.Dataset(
        dict.fromkeys(("level", "level_raw"), (("chain", "draw", "obs"), values[None, None]))
    )
    density = sampling.LogDensity(model, ["y"], given=["level"])
    density.model.set_data("shift", np.full(3, 9.0))
    expected = stats.norm(values).logpdf([1.0, 2.0, 4.0])
    assert density(drawn)["y"].values[0, 0] == pytest.approx(expected, rel=1e-6)


def test_densities_do_not_mind_the_order_of_dimensions(
    model: pm.Model, posterior: xr.Dataset
) -> None:
    turned = posterior.transpose("year", "la", "draw", "chain")
    first = sampling.pointwise_log_density(model, posterior, ["y"])
    xr.testing.assert_identical(sampling.pointwise_log_density(model, turned, ["y"]), first)


def test_prior_and_predictive_draws_repeat_with_their_seed(
    model: pm.Model, posterior: xr.Dataset
) -> None:
    first, second = (sampling.draw_predictive(model, posterior, seed=7) for _ in range(2))
    other = sampling.draw_predictive(model, posterior, seed=8)
    xr.testing.assert_equal(first, second)
    assert not first.equals(other)
    assert first["y"].dims == ("chain", "draw", "obs")
    assert set(first) == {"y", "total"}
    prior, predictive = sampling.draw_prior(model, seed=1)
    assert predictive is not None
    assert prior.sizes["draw"] == predictive.sizes["draw"] == sampling.PREDICTIVE_DRAWS


def test_a_prior_of_counts_beyond_drawing_has_no_predictions() -> None:
    with pm.Model(coords={"obs": range(2)}) as wide:
        level = pm.Normal("level", 0, 60)
        pm.Poisson("y", pm.math.exp(level), observed=[1, 2], dims="obs")
    prior, predictive = sampling.draw_prior(wide, seed=1)
    assert prior.sizes["draw"] == sampling.PREDICTIVE_DRAWS
    assert predictive is None


def test_other_faults_of_a_prior_are_no_reason_to_go_without_predictions() -> None:
    with pm.Model(coords={"obs": range(2)}) as wrong:
        level = pm.Normal("level", 0, 1)
        pm.Normal("y", level, pm.math.stack([1.0, 2.0, 3.0]), observed=[1, 2], dims="obs")
    with pytest.raises(ValueError, match="shape mismatch"):
        sampling.draw_prior(wrong, seed=1)


# ------------------------------------------------------------------------------------- thin


@pytest.mark.parametrize(
    ("chains", "length", "wanted", "expected"),
    [(4, 1000, 500, 125), (2, 100, 500, 100), (4, 7, 8, 2), (6, 1000, 500, 83), (4, 50, 2, 1)],
)
def test_thinning_is_even_and_keeps_the_labels(
    chains: int, length: int, wanted: int, expected: int
) -> None:
    draws = np.arange(chains * length).reshape(chains, length)
    posterior = xr.Dataset(
        {"x": (("chain", "draw"), draws)}, coords={"chain": range(chains), "draw": range(length)}
    )
    thinned = sampling.thin(posterior, wanted)
    assert thinned.sizes == {"chain": chains, "draw": expected}
    labels = thinned["draw"].to_numpy()
    assert len(set(labels)) == expected
    if expected > 1:
        assert (labels[0], labels[-1]) == (0, length - 1)
        assert np.ptp(np.diff(labels)) <= 1
    xr.testing.assert_identical(thinned["x"], posterior["x"].sel(draw=labels))


# ---------------------------------------------------------------------------------- progress


@dataclass
class Chain:
    finished_draws: int
    total_draws: int = 1000
    tuning: bool = False
    divergences: int = 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that the test winds."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    wound = Clock()
    monkeypatch.setattr(sampling, "time", wound)
    return wound


def test_a_log_gets_whole_lines_ten_seconds_apart(clock: Clock) -> None:
    stream = io.StringIO()
    progress = sampling.ProgressLine(stream)
    clock.now += 10
    progress([Chain(0, tuning=True), Chain(0, tuning=True)])
    clock.now += 9
    progress([Chain(400, tuning=True), Chain(500)])
    clock.now += 1
    progress([Chain(500, divergences=2), Chain(500, divergences=1)])
    progress.close()
    assert stream.getvalue().splitlines() == [
        "  0 of 2,000 draws, 2 of 2 chains warming up, 0 divergences, starting",
        "  1,000 of 2,000 draws, sampling, 3 divergences, 20 s left",
    ]


def test_a_terminal_gets_one_line_over_and_over_and_a_clear_one_at_the_end(clock: Clock) -> None:
    stream = Terminal()
    progress = sampling.ProgressLine(stream)
    clock.now += 1
    progress([Chain(250, tuning=True), Chain(250)])
    clock.now += 0.1
    progress([Chain(300), Chain(300)])
    clock.now += 0.9
    progress([Chain(1000), Chain(1000)])
    progress.close()
    shown = stream.getvalue()
    assert "\n" not in shown
    first, second, cleared, end = shown.split("\r")[1:]
    assert first.strip() == "500 of 2,000 draws, 1 of 2 chains warming up, 0 divergences, 3 s left"
    assert second.strip() == "2,000 of 2,000 draws, sampling, 0 divergences, 0 s left"
    assert (len(first), cleared.strip(), end) == (78, "", "")


def test_nothing_is_shown_of_a_run_that_never_began(clock: Clock) -> None:
    stream = Terminal()
    progress = sampling.ProgressLine(stream)
    clock.now += 60
    progress([Chain(0, total_draws=0)])
    progress.close()
    assert stream.getvalue() == ""


# ---------------------------------------------------------------------------------- sampling


def test_sampling_repeats_with_its_seed_and_stores_one_set_of_names() -> None:
    with pm.Model() as small:
        pm.Normal("level", 1.0, 2.0)
    compiled = sampling.compile_model(small)
    config = SamplerConfig(draws=300, tune=200, chains=2)
    first, stats = sampling.sample(compiled, config, seed=5, cores=2)
    second, _ = sampling.sample(compiled, config, seed=5, cores=1)
    other, _ = sampling.sample(compiled, config, seed=6, cores=1)
    xr.testing.assert_equal(first["level"], second["level"])
    assert not first.equals(other)
    assert first.sizes == {"chain": 2, "draw": 300}
    assert set(stats) == set(sampling.STATISTICS.values())
    assert float(first["level"].mean()) == pytest.approx(1.0, abs=0.6)
    assert not stats["reached_max_treedepth"].any()
