"""Data that can be exchanged: the same density as with constants, and nothing left of the old."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

from models.likelihoods import negative_binomial_counts
from models.national_trend import SPEC, TrendOptions
from models.published_counts import CountPublication
from models.replaceable import decided_by_data, is_replaceable, replaceable_data

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


def test_a_model_for_a_study_holds_nothing_that_was_observed(totals_world: xr.DataTree) -> None:
    options = TrendOptions()
    observations = SPEC.observe(totals_world, options)
    with replaceable_data() as exchange:
        model = SPEC.build(observations, options, SPEC.priors)
    assert {rv.name for rv in model.observed_RVs} == set(exchange.publish)
    for data in model.data_vars:
        assert not data.get_value().any(), data.name
    assert exchange.choices == {"slopes_are_clear": False}


def test_swapped_totals_and_counts_reach_the_density(totals_world: xr.DataTree) -> None:
    options = TrendOptions()
    observations = SPEC.observe(totals_world, options)
    with replaceable_data({"slopes_are_clear": True}) as exchange:
        model = SPEC.build(observations, options, SPEC.priors)
    assert "la_slope" in [rv.name for rv in model.free_RVs]
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


def test_a_choice_comes_from_the_data_unless_a_study_fixes_it() -> None:
    assert decided_by_data("form", lambda: True, in_study=False)
    assert not is_replaceable()
    with replaceable_data() as exchange:
        assert is_replaceable()
        assert not decided_by_data("form", lambda: pytest.fail("asked the data"), in_study=False)
    with replaceable_data({"form": True}) as fixed:
        assert decided_by_data("form", lambda: False, in_study=False)
    assert (exchange.choices, fixed.choices) == ({"form": False}, {"form": True})
