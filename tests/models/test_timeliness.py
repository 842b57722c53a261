"""Timeliness: graphs of every option, estimands and their truth, refusals; no sampling here."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from data_prep.errors import DataError
from data_prep.schema import STATUS
from data_prep.simulated import SimulationOptions, build_simulated
from experiments.diagnostics import summarise
from models.timeliness import CERTAIN, SPEC, TimelinessOptions, _departures, timely_years
from models.timeliness_data import EXPOSURES, TimelinessObservations
from tests.models.density import log_density_and_gradient
from tests.models.draws import posterior_like

CHANGES: list[dict[str, Any]] = [
    {},
    {"within_slope": "common"},
    {"la_means": "observed"},
    {"la_effect": "in_regions"},
    {"scatter": "by_authority"},
    {"scatter": "none"},
    {"timing": "year_before"},
    {"timing": "mean_of_both"},
    {"error_points": 5.0},
    {"deprivation": "none"},
    {"deprivation": "idaci"},
    {"referral_rate": "common_cause"},
    {"referral_rate": "common_cause", "nfa_share": "common_cause"},
    {"exposure": "assessments_in_force"},
    {"exposure": "assessments_in_force", "definition_change": "own_mean"},
    *({"exposure": name} for name in EXPOSURES if name not in ("assessments_in_force",)),
]


@pytest.fixture(scope="module")
def world() -> xr.DataTree:
    """30 simulated LAs, 2009-2016: both standards of initial assessments, then single ones."""
    return build_simulated(
        SimulationOptions(seed=5, las=30, first_year=2009, last_year=2016, suppression=False)
    )


def observe(cube: xr.DataTree, **options: Any) -> tuple[TimelinessObservations, TimelinessOptions]:
    chosen = TimelinessOptions(**options)
    return SPEC.observe(cube, chosen), chosen


def build(cube: xr.DataTree, **options: Any) -> tuple[pm.Model, Any, TimelinessOptions]:
    observations, chosen = observe(cube, **options)
    return SPEC.build(observations, chosen, SPEC.priors), observations, chosen


def edited(cube: xr.DataTree, **values: np.ndarray) -> xr.DataTree:
    """The cube with other exact counts; NaN is a missing return."""
    copy = cube.copy(deep=True)
    table = copy["cube"].to_dataset()
    for name, value in values.items():
        for part in ("", "_lower", "_upper"):
            table[name + part] = table[name + part].copy(data=np.array(value, float))
        status = np.where(np.isnan(value), STATUS["not_available"], STATUS["exact"])
        table[f"{name}_status"] = table[f"{name}_status"].copy(data=status.astype("int8"))
    copy["cube"] = xr.DataTree(table)
    return copy


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: ", ".join(map(str, c.values())) or "base")
def test_density_gradient_priors_and_blocks(world: xr.DataTree, change: dict[str, Any]) -> None:
    model, observations, options = build(world, **change)
    density, gradient = log_density_and_gradient(model)
    assert np.isfinite(density)
    assert np.isfinite(gradient).all()
    assert np.any(gradient != 0)
    named = {rv.name for rv in model.free_RVs}
    used = SPEC.priors_used(options, observations)
    assert set(used) <= named
    assert named & set(SPEC.priors) == set(used), "every prior in the graph is in the table"
    declared = {name for block in SPEC.blocks(options) for name in block.variables}
    assert named <= declared
    coords = SPEC.coords(observations, options)
    assert {type(value) for values in coords.values() for value in values} <= {str, int}
    assert SPEC.equations(options)
    assert SPEC.notes(observations, options)
    constant = SPEC.constant_data(observations)
    assert all(constant[name].dims == ("obs",) for name in constant)
    assert constant["percent_on_time"].to_numpy().min() >= 0
    assert constant["percent_on_time"].to_numpy().max() <= 100


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"within_slope": "common"},
        {"la_means": "observed"},
        {"deprivation": "none"},
        {"exposure": "conferences_15_days"},
    ],
)
def test_estimands_and_their_truth_share_coordinates(
    world: xr.DataTree, change: dict[str, Any]
) -> None:
    model, observations, options = build(world, **change)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    truth = SPEC.true_estimands(world, observations, options)
    declared = SPEC.declared_estimands(options)
    assert set(truth) == set(answer.values) == {estimand.name for estimand in declared}
    for estimand in declared:
        drawn, true = answer.values[estimand.name], truth[estimand.name]
        assert set(drawn.dims) - {"chain", "draw"} == set(true.dims) == set(estimand.coordinates)
        for name in estimand.coordinates:
            assert (drawn[name].values == true[name].values).all()
    table = summarise(answer.values, declared, answer.not_estimable)
    assert "probability" in SPEC.answer(table, observations, options)


def test_the_truth_is_the_change_that_the_process_makes(world: xr.DataTree) -> None:
    observations, options = observe(world)
    truth = SPEC.true_estimands(world, observations, options)
    # -0.02 log odds at a share of about 23 %: -0.02 x .23 x .77 = -0.35 points.
    assert float(truth["within_change"]) == pytest.approx(-0.36, abs=0.05)
    assert float(truth["between_change"]) == pytest.approx(-0.71, abs=0.1)
    assert float(truth["p_within_below_margin"]) == 1
    unrelated, options = observe(world, exposure="conferences_15_days")
    assert float(SPEC.true_estimands(world, unrelated, options)["within_change"]) == 0


@pytest.mark.parametrize("change", [{"exposure": "initial_7_days"}, {"timing": "year_before"}])
def test_a_truth_that_is_not_written_is_refused(world: xr.DataTree, change: dict) -> None:
    observations, options = observe(world, **change)
    with pytest.raises(DataError, match="does not say"):
        SPEC.true_estimands(world, observations, options)


def test_every_cell_is_used_or_dropped_with_a_reason(world: xr.DataTree) -> None:
    for change in CHANGES:
        observations, _ = observe(world, **change)
        table = pd.concat([observations.cells[["la", "year"]], observations.dropped])
        assert not table.duplicated(["la", "year"]).any()
        assert len(table) == 30 * 8
        assert (observations.dropped["reason"] != "").all()


def test_the_year_before_is_the_year_before(world: xr.DataTree) -> None:
    now, _ = observe(world)
    before, _ = observe(world, timing="year_before")
    both, _ = observe(world, timing="mean_of_both")
    percent = {
        name: SPEC.constant_data(seen)["percent_on_time"]
        .to_series()
        .set_axis(pd.MultiIndex.from_frame(seen.cells[["la", "year"]]))
        for name, seen in (("now", now), ("before", before), ("both", both))
    }
    assert len(percent["both"]) > 50
    for la, year in percent["both"].index:
        expected = (percent["now"][la, year] + percent["before"][la, year]) / 2
        assert percent["both"][la, year] == pytest.approx(expected)
        if (la, year - 1) in percent["now"].index:
            assert percent["before"][la, year] == percent["now"][la, year - 1]
    assert min(before.la_years) == 2010
    assert timely_years(before)[0] == 2009


def test_standards_in_force_change_with_the_years(world: xr.DataTree) -> None:
    observations, _ = observe(world, exposure="assessments_in_force")
    assert [(r.name, r.first_year, r.last_year) for r in observations.definitions] == [
        ("within 7 days", 2009, 2010),
        ("within 10 days", 2011, 2013),
        ("single, within 45 days", 2014, 2016),
    ]
    assert set(observations.timely["definition"]) == {0, 1, 2}


def test_errors_follow_the_flags_and_are_none_by_default(world: xr.DataTree) -> None:
    plain, _ = observe(world)
    assert (plain.timely["error"] == 0).all()
    erring, _ = observe(world, error_points=4.0)
    by_flag = erring.timely.groupby("confidence")["error"].first()
    # Codes: 0 none, 1 low, 2 medium, 3 high; tens of points.
    assert by_flag[2] == pytest.approx(0.4)
    assert by_flag[3] == pytest.approx(0.2)
    assert by_flag[1] == pytest.approx(0.8)


def test_departures_have_no_mean_of_their_year_or_authority(world: xr.DataTree) -> None:
    observations, _ = observe(world)
    rest = _departures(observations)
    timely = observations.timely
    assert rest.groupby(timely["la"]).mean().abs().max() < 1e-9
    assert rest.groupby(timely["year"]).mean().abs().max() < 1e-9
    assert rest.abs().max() > 0.1


# -------------------------------------------------------------------------------- breakage


def refused(cube: xr.DataTree, match: str, **options: Any) -> None:
    years = options.pop("years", None)
    with pytest.raises(DataError, match=match):
        SPEC.observe(cube, TimelinessOptions(**options), years=years)


def test_one_year_is_refused(world: xr.DataTree) -> None:
    refused(world, "use at least 2 years", years=(2012, 2012))


def test_all_missing_is_refused(world: xr.DataTree) -> None:
    nothing = np.full((30, 8), np.nan)
    refused(edited(world, rereferrals=nothing), "no usable")
    refused(edited(world, initial_assessments_10_days=nothing), "no usable")


def test_perfect_timeliness_everywhere_teaches_nothing(world: xr.DataTree) -> None:
    done = np.full((30, 8), 900.0)
    perfect = edited(world, initial_assessments=done, initial_assessments_10_days=done)
    refused(perfect, "nothing can be learnt")


def test_some_perfect_authorities_and_tiny_ones_are_fitted(world: xr.DataTree) -> None:
    table = world["cube"].to_dataset()
    done = table["initial_assessments"].values.copy()
    part = table["initial_assessments_10_days"].values.copy()
    part[:10] = done[:10]
    referrals, again = (table[name].values.copy() for name in ("referrals", "rereferrals"))
    referrals[0], again[0] = 1.0, 0.0
    referrals[1], again[1] = 3.0, 3.0
    cube = edited(
        world,
        initial_assessments=done,
        initial_assessments_10_days=part,
        referrals=referrals,
        rereferrals=again,
    )
    model, observations, _ = build(cube)
    assert {1.0, 3.0} <= set(observations.cells["exposure"])
    point = model.initial_point()
    assert np.isfinite(model.compile_dlogp(mode="FAST_COMPILE")(point)).all()


def test_too_few_authorities_are_refused() -> None:
    refused(
        build_simulated(SimulationOptions(las=2, first_year=2010)), "cannot show how they differ"
    )


def test_observed_means_take_no_errors_and_one_standard_has_one_mean(world: xr.DataTree) -> None:
    refused(world, "carry an error", la_means="observed", error_points=1.0)
    refused(world, "one standard alone", definition_change="own_mean")
    refused(
        world,
        "observed means are one",
        exposure="assessments_in_force",
        la_means="observed",
        definition_change="own_mean",
    )


def test_without_the_index_deprivation_must_be_left_out(world: xr.DataTree) -> None:
    kept = {name: node for name, node in world.children.items() if name != "deprivation"}
    bare = xr.DataTree(children={name: node.copy() for name, node in kept.items()})
    bare.attrs = world.attrs
    refused(bare, "options.deprivation=none")
    observe(bare, deprivation="none")


# --------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("mean", "half_width", "p", "said"),
    [
        (0.1, 0.3, 0.99, "no practical effect"),
        (0.1, 0.3, CERTAIN, "no practical effect"),
        (0.1, 0.3, 1.0, "no practical effect (probability > 0.99 of less than 1 either way)"),
        (0.1, 1.5, 0.89, "undecided"),
        (-3.0, 0.5, 0.0, "a practical effect"),
        (-1.2, 0.6, 0.3, "undecided"),
    ],
)
def test_the_answer_says_no_effect_only_when_sure(
    world: xr.DataTree, mean: float, half_width: float, p: float, said: str
) -> None:
    observations, options = observe(world)
    rows = []
    for part in ("within", "between"):
        bounds = {"lower": mean - half_width, "upper": mean + half_width}
        rows.append({"estimand": f"{part}_change", "mean": mean, **bounds})
        rows.append({"estimand": f"p_{part}_below_margin", "mean": p})
    text = SPEC.answer(pd.DataFrame(rows), observations, options)
    assert "-" not in text.replace("re-referral", "")
    assert text.count(said) == 2
    assert text.count("no practical effect") == (2 if p >= CERTAIN else 0)


def test_the_prior_lets_through_what_an_expert_would(world: xr.DataTree) -> None:
    model, observations, options = build(world)
    prior = posterior_like(model, 400)
    values = SPEC.estimands(prior, observations, options, SPEC.priors).values
    low, high = np.quantile(values["national_share"], [0.05, 0.95])
    assert 5 < low < 16
    assert 30 < high < 60
    for name in ("within_change", "between_change"):
        low, high = np.quantile(values[name], [0.05, 0.95])
        assert -8 < low < -1
        assert 1 < high < 8
