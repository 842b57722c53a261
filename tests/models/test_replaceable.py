"""Data that can be exchanged: the same density as with constants, and nothing left of the old."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

from models import CATALOGUE, load_model
from models.likelihoods import negative_binomial_counts
from models.national_trend import SPEC, TrendOptions
from models.published_counts import CountPublication
from models.replaceable import is_replaceable, replaceable_data
from models.share_likelihoods import beta_binomial_counts

FAST = "FAST_COMPILE"


def counts_model(lower: np.ndarray, upper: np.ndarray) -> pm.Model:
    with pm.Model(coords={"obs": range(len(lower))}) as model:
        log_mean = pm.Normal("log_mean", 2, 1)
        dispersion = pm.HalfNormal("dispersion", 10)
        negative_binomial_counts(
            "y",
            log_mean=log_mean + pt.linspace(-2, 3, len(lower)),
            dispersion=dispersion,
            lower=lower,
            upper=upper,
            dims="obs",
        )
    return model


@pytest.mark.parametrize("unit", [1, 5, 10])
def test_the_density_is_that_of_constant_data(unit: int) -> None:
    counts = np.array([0, 1, 3, 5, 6, 12, 48, 300])
    lower, upper = CountPublication(unit=unit).bounds(counts)
    # Constant data want exact cells first: here one cell at a time.
    skeleton = np.full(8, 50 * unit), np.full(8, 50 * unit + unit - 1)
    with replaceable_data() as exchange:
        model = counts_model(*skeleton)
    with model:
        pm.set_data(exchange.publish["y"](counts))
    point = {"log_mean": np.array(1.7), "dispersion_log__": np.array(1.1)}
    (found,) = [model.compile_fn(model.logp(model.observed_RVs, sum=False), mode=FAST)(point)]
    shift = np.linspace(-2, 3, 8)
    for cell in range(8):
        with pm.Model(coords={"obs": [0]}) as single:
            pm.Normal("log_mean", 2, 1)
            pm.HalfNormal("dispersion", 10)
            negative_binomial_counts(
                "y",
                log_mean=(single["log_mean"] + shift[cell])[None],
                dispersion=single["dispersion"],
                lower=lower[[cell]],
                upper=upper[[cell]],
                dims="obs",
            )
        (expected,) = single.compile_fn(single.logp(single.observed_RVs, sum=False), mode=FAST)(
            point
        )
        assert np.ravel(found)[cell] == pytest.approx(float(expected[0]), rel=1e-9)


def test_counts_that_are_always_shown_hold_their_values_and_nothing_else() -> None:
    counts = np.array([0, 1, 3, 300])
    with replaceable_data() as exchange, pm.Model(coords={"obs": range(4)}) as model:
        log_mean = pm.Normal("log_mean", 2, 1)
        given = {"lower": counts, "upper": counts, "dims": "obs", "shown": True}
        negative_binomial_counts("y", log_mean=log_mean + pt.zeros(4), dispersion=5.0, **given)
    assert exchange.rules["y"] == "no count is hidden"
    published = exchange.publish["y"](counts)
    assert {name: values.tolist() for name, values in published.items()} == {
        "y_lower_data": counts.tolist()
    }
    assert {variable.name for variable in model.data_vars} == {"y_lower_data"}


@pytest.mark.parametrize("unit", [1, 5])
def test_the_density_of_shares_is_that_of_constant_data(unit: int) -> None:
    """Parts up to their whole: a rounded one could stand for more than there are."""
    counts = np.array([0, 1, 3, 5, 6, 12, 48, 300, 4, 62])
    total = np.array([40, 1, 50, 5, 6, 400, 60, 320, 400, 62])
    lower, upper = CountPublication(unit=unit).bounds(counts)
    log_odds = np.linspace(-2, 3, 10)
    dispersion = np.linspace(2, 300, 10)

    def densities(lower: np.ndarray, upper: np.ndarray, cells: np.ndarray) -> pm.Model:
        with pm.Model(coords={"obs": list(cells)}) as model:
            shift = pm.Normal("shift", 0, 1)
            beta_binomial_counts(
                "y",
                log_odds=shift + pt.as_tensor(log_odds[cells]),
                dispersion=pt.as_tensor(dispersion[cells]),
                total=total[cells],
                lower=lower,
                upper=upper,
                dims="obs",
            )
        return model

    def density(model: pm.Model) -> np.ndarray:
        (cell,) = model.compile_fn(model.logp(model.observed_RVs, sum=False), mode=FAST)(
            {"shift": np.array(0.3)}
        )
        return np.ravel(cell)

    cells = np.arange(10)
    # Cells above the hidden counts say whether a measure is rounded.
    rounded = np.where(total > 50, 50 - unit // 2, 0)
    skeleton = rounded, rounded + np.where(total > 50, unit - 1, 0)
    with replaceable_data() as exchange:
        model = densities(*skeleton, cells)
    with model:
        pm.set_data(exchange.publish["y"](counts))
    found = density(model)
    for cell in cells:
        at = np.array([cell])
        alone = densities(lower[at], np.minimum(upper, total)[at], at)
        assert found[cell] == pytest.approx(density(alone)[0], rel=1e-8), cell


@pytest.mark.parametrize("name", [n for n in CATALOGUE if load_model(n).declare_priors is None])
def test_a_model_for_a_study_holds_nothing_that_was_observed(
    totals_world: xr.DataTree, name: str
) -> None:
    spec = load_model(name)
    options = spec.options()
    observations = spec.observe(totals_world, options)
    with replaceable_data() as exchange:
        model = spec.build(observations, options, spec.priors)
    assert {rv.name for rv in model.observed_RVs} == set(exchange.publish)
    assert model.data_vars
    for data in model.data_vars:
        assert not data.get_value().any(), data.name
    density = model.compile_logp(mode=FAST)(model.initial_point())
    assert np.isfinite(density), "noughts are data too"


def test_worlds_of_timeliness_move_re_referral_with_the_timeliness_drawn(
    totals_world: xr.DataTree,
) -> None:
    spec = load_model("timeliness")
    options = spec.options(within_slope="common", deprivation="none")
    observations = spec.observe(totals_world, options)
    fixed = {"within_effect": 2.0, "timeliness_within_sd": 1.0, "scatter_sd": 0.01}
    with replaceable_data():
        model = spec.build(observations, options, spec.priors)
    with pm.do(model, fixed) as given:
        timely, y = pm.draw([given["timeliness"], given["y"]], random_seed=1, mode=FAST)
    cells, rows = observations.cells, observations.timely
    table = cells.assign(share=y / cells["exposure"]).merge(
        rows.assign(x=timely)[["la", "year", "x"]], on=["la", "year"]
    )
    inner = table[["share", "x"]]
    for group in ("la", "year"):
        inner = inner - inner.groupby(table[group]).transform("mean")
    assert np.corrcoef(inner["share"], inner["x"])[0, 1] > 0.8


def test_swapped_totals_and_counts_reach_the_density(totals_world: xr.DataTree) -> None:
    options = TrendOptions()
    observations = SPEC.observe(totals_world, options)
    with replaceable_data() as exchange:
        model = SPEC.build(observations, options, SPEC.priors)
    density = model.compile_fn(
        model.logp(model.observed_RVs, sum=False),
        inputs=model.value_vars,
        mode=FAST,
        on_unused_input="ignore",
    )
    point = model.initial_point()
    totals = np.log(observations.national[["lower", "upper"]].mean(axis=1).to_numpy())
    cells = observations.cells
    values = []
    for scale in (1, 2):
        with model:
            pm.set_data(exchange.publish["y"](scale * cells["lower"].to_numpy()))
            pm.set_data(exchange.publish["log_national_total"](totals + np.log(scale)))
        values.append(density(point))
    for first, second in zip(*values, strict=True):
        assert (first != second).any()


def test_models_are_built_for_a_study_inside_the_block_alone() -> None:
    assert not is_replaceable()
    with replaceable_data():
        assert is_replaceable()
    assert not is_replaceable()
