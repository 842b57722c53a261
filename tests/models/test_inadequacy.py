"""Inadequacy: graphs of every option, estimands and their truth, edges; no sampling here."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit, logit

from data_prep.simulated import SimulationOptions, build_simulated
from experiments.diagnostics import summarise
from experiments.sampling import LogDensity
from models.inadequacy import (
    SPEC,
    InadequacyOptions,
    _log_odds,
    _log_odds_alone,
    _posterior_figures,
    probability,
    verdict,
)
from models.inadequacy_data import INADEQUATE, InadequacyObservations
from models.inadequacy_scores import base_rate
from models.replaceable import replaceable_data
from tests.models.density import log_density_and_gradient
from tests.models.draws import posterior_like

RE, AGENCY = "rereferral_share", "agency_share"
BASE = {"predictors": ("ia_10_days_share", RE, AGENCY)}
LATER = {"train_until": "2012-12-31"}
CHANGES: list[dict[str, Any]] = [
    {},
    {"shrinkage": "horseshoe", "region_effect": "pooled", "la_effect": "pooled"},
    {"outcome": "ordered_grade", "shrinkage": "normal", **LATER},
    {"timing": "mean_of_earlier", "years_averaged": 2, "deprivation": "none"},
    {"deprivation": "idaci", "predictors": (), "frameworks": ("SLAC",)},
    {"predictors": ("cpp_ended_2_years_share", "section47_rate"), "reinspections": "included"},
]


@pytest.fixture(scope="module")
def world() -> xr.DataTree:
    """40 simulated LAs, 2008-2014, with agency rates in every year."""
    return build_simulated(SimulationOptions(seed=8, las=40, first_year=2008))


def observe(cube: xr.DataTree, **options: Any) -> tuple[InadequacyObservations, InadequacyOptions]:
    chosen = InadequacyOptions(**{**BASE, **options})
    return SPEC.observe(cube, chosen, years=(2010, 2014)), chosen


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: ", ".join(map(str, c.values())) or "base")
def test_density_gradient_priors_and_blocks(world: xr.DataTree, change: dict[str, Any]) -> None:
    observations, options = observe(world, **change)
    model = SPEC.build(observations, options, SPEC.priors)
    density, gradient = log_density_and_gradient(model)
    assert np.isfinite(density)
    assert np.isfinite(gradient).all()
    assert np.any(gradient != 0)
    named = {rv.name for rv in model.free_RVs}
    used = SPEC.priors_used(options, observations)
    # Effects of frameworks are drawn as the levels that they add up to.
    with_prior = {name.replace("framework_level", "framework_effect") for name in named}
    assert with_prior & set(SPEC.priors) == set(used), "every prior in the graph is in the table"
    declared = {name for block in SPEC.blocks(options) for name in block.variables}
    assert named <= declared
    coords = SPEC.coords(observations, options)
    assert {type(value) for values in coords.values() for value in values} <= {str, int}
    assert all(len(set(values)) == len(values) for values in coords.values())
    assert SPEC.equations(options)
    constant = SPEC.constant_data(observations)
    assert all(constant[name].dims == ("obs",) for name in constant)
    inadequate = constant["y_lower"] == constant["y_worst"]
    assert (inadequate == (observations.inspections["grade"] == INADEQUATE)).all()


@pytest.mark.parametrize(
    "change",
    [{}, {**LATER, "outcome": "ordered_grade"}, {"predictors": ()}, {"deprivation": "none"}],
)
def test_estimands_and_their_truth_share_coordinates(
    world: xr.DataTree, change: dict[str, Any]
) -> None:
    observations, options = observe(world, **change)
    model = SPEC.build(observations, options, SPEC.priors)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    truth = SPEC.true_estimands(world, observations, options)
    declared = SPEC.declared_estimands(options)
    assert set(truth) == set(answer.values)
    missing = {item.estimand for item in answer.not_estimable}
    assert set(truth) | missing == {estimand.name for estimand in declared}
    for estimand in (item for item in declared if item.name in truth):
        drawn, true = answer.values[estimand.name], truth[estimand.name]
        assert set(drawn.dims) - {"chain", "draw"} == set(true.dims) == set(estimand.coordinates)
        assert np.isfinite(drawn).all()
        for name in estimand.coordinates:
            assert (drawn[name].values == true[name].values).all()
    table = summarise(answer.values, declared, answer.not_estimable)
    text = SPEC.answer(table, observations, options)
    assert text.startswith("With figures of the last financial year")
    assert ("Out of time" in text) == (options.train_until != "all")


def test_probabilities_are_those_of_the_graph(world: xr.DataTree) -> None:
    """Log odds reckoned from the posterior are the model's own, figures not known among them."""
    observations, options = observe(
        world,
        la_effect="pooled",
        region_effect="pooled",
        predictors=("cpp_ended_2_years_share", RE),
    )
    assert len(observations.figures.missing)
    assert len(observations.figures.hidden)
    model = SPEC.build(observations, options, SPEC.priors)
    draws = posterior_like(model, 6)
    density = LogDensity(model, ["y", "alone_y"])(draws)
    figures = _posterior_figures(draws, observations)
    arguments = (draws, observations.inspections, figures, observations)
    for name, log_odds in (("y", _log_odds(*arguments)), ("alone_y", _log_odds_alone(*arguments))):
        p = probability(log_odds)
        expected = np.log(np.where(observations.inadequate, p, 1 - p))
        found = density[name].to_numpy().reshape(expected.shape)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_truth_is_nearest_to_the_process() -> None:
    """In many inspections with little noise in figures, what drives them has its own effect."""
    cube = build_simulated(
        SimulationOptions(
            seed=3,
            las=300,
            first_year=2008,
            inadequate_agency=0.8,
            inadequate_rereferral=0.0,
            inadequate_timeliness=0.0,
            inadequate_deprivation=0.0,
        )
    )
    options = InadequacyOptions(predictors=(AGENCY, RE))
    observations = SPEC.observe(cube, options, years=(2010, 2014))
    truth = np.log(SPEC.true_estimands(cube, observations, options)["odds_ratio"])
    assert float(truth.sel(predictor="Agency workers")) == pytest.approx(0.8, abs=0.15)
    assert float(truth.sel(predictor="Re-referrals")) == pytest.approx(0.0, abs=0.1)


def test_ordered_grades_are_cumulative_and_agree_on_inadequate(world: xr.DataTree) -> None:
    observations, options = observe(world, outcome="ordered_grade")
    model = SPEC.build(observations, options, SPEC.priors)
    draws = posterior_like(model, 6)
    rows = observations.inspections
    figures = _posterior_figures(draws, observations)
    log_odds = _log_odds(draws, rows, figures, observations)
    gap = draws["grade_gap"].to_numpy().reshape(6, len(observations.frameworks), 2)
    index = [observations.frameworks.index(name) for name in rows["framework"]]
    third = log_odds + gap[:, index, 0]
    # Probability of this grade or worse: inadequate, third, good, outstanding.
    worse = np.stack([log_odds, third, third + gap[:, index, 1], np.full_like(log_odds, np.inf)])
    shares = np.diff(expit(worse), axis=0, prepend=0.0)
    grade = rows["grade"].to_numpy()
    expected = np.log(shares[grade, :, np.arange(len(grade))].T)
    found = LogDensity(model, ["y"])(draws)["y"].to_numpy().reshape(expected.shape)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_a_study_holds_noughts_until_it_is_given_data(world: xr.DataTree) -> None:
    for outcome in ("inadequate", "ordered_grade"):
        observations, options = observe(world, outcome=outcome)
        with replaceable_data() as exchange:
            model = SPEC.build(observations, options, SPEC.priors)
        assert set(exchange.publish) == {"y", "alone_y"}
        for name in exchange.publish:
            (data,) = exchange.publish[name](np.arange(3)).keys()
            assert (model[data].get_value() == 0).all()


# -------------------------------------------------------------------------------- edges


def with_grades(cube: xr.DataTree, change: Any) -> xr.DataTree:
    copy = cube.copy(deep=True)
    group = copy["inspections"].to_dataset()
    group["grade"] = group["grade"].copy(data=np.asarray(change(group), "int8"))
    copy["inspections"] = xr.DataTree(group)
    return copy


def test_three_events_are_fitted_and_said_to_be_few(world: xr.DataTree) -> None:
    def three(group: xr.Dataset) -> np.ndarray:
        grade = np.full(group.sizes["inspection"], 2)
        grade[[10, 25, 40]] = INADEQUATE
        return grade

    observations, options = observe(with_grades(world, three))
    assert 1 <= observations.inadequate.sum() <= 3
    model = SPEC.build(observations, options, SPEC.priors)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    assert all(np.isfinite(values).all() for values in answer.values.values())
    said = " ".join(SPEC.notes(observations, options))
    assert f"{observations.inadequate.sum()} of {len(observations.inspections)}" in said
    assert "small numbers" in said


def test_later_inspections_without_an_event_have_no_auc_and_the_reason(world: xr.DataTree) -> None:
    def early(group: xr.Dataset) -> np.ndarray:
        late = group["publication_date"].values > np.datetime64("2012-12-31")
        return np.where(late, 2, group["grade"].values)

    observations, options = observe(with_grades(world, early), **LATER)
    assert not observations.later_inadequate.any()
    model = SPEC.build(observations, options, SPEC.priors)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    missing = {item.estimand: item.reason for item in answer.not_estimable}
    assert set(missing) == {"auc_later", "issued_auc_later"}
    assert "none of" in missing["auc_later"]
    assert np.isfinite(answer.values["log_gain_later"]).all()
    table = summarise(answer.values, SPEC.declared_estimands(options), answer.not_estimable)
    assert SPEC.answer(table, observations, options)


def test_a_new_framework_takes_the_overall_base_rate_and_a_drawn_effect(
    world: xr.DataTree,
) -> None:
    observations, options = observe(world, train_until="2012-06-30")
    assert set(observations.inspections["framework"]) == {"SLAC"}
    assert "CPI" in set(observations.later["framework"])
    new = base_rate(observations.later, observations)[
        (observations.later["framework"] == "CPI").to_numpy()
    ]
    fitted = observations.inadequate
    assert new == pytest.approx(np.full(len(new), (fitted.sum() + 0.5) / (len(fitted) + 1)))
    model = SPEC.build(observations, options, SPEC.priors)
    assert list(model.coords["framework"]) == ["SLAC", "CPI"]


def test_five_authorities_are_fitted() -> None:
    cube = build_simulated(
        SimulationOptions(seed=2, las=5, first_year=2008, inadequate_percent=50, tiny_las=0)
    )
    observations, options = observe(cube)
    model = SPEC.build(observations, options, SPEC.priors)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    assert answer.values["calibration_inspections_in_sample"].sum() == len(observations.inspections)


def test_without_a_latest_year_there_is_no_probability(world: xr.DataTree) -> None:
    observations, options = observe(world)
    bare = pd.DataFrame({"la": pd.Series([], dtype=str)})
    observations = InadequacyObservations(
        **{**observations.__dict__, "latest": bare, "latest_year": None}
    )
    model = SPEC.build(observations, options, SPEC.priors)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    assert [item.estimand for item in answer.not_estimable] == ["p_inadequate"]


# ------------------------------------------------------------------------------- in words


@pytest.mark.parametrize(
    ("p_raises", "p_small", "said"),
    [
        (0.95, 0.0, "higher odds"),
        (0.949, 0.0, "undecided"),
        (0.05, 0.0, "lower odds"),
        (0.5, 0.9, "no practical association"),
        (0.5, 0.89, "undecided"),
        # A direction that is sure is said even where it is small.
        (0.99, 0.95, "higher odds"),
    ],
)
def test_the_rule_of_the_verdict(p_raises: float, p_small: float, said: str) -> None:
    assert verdict(p_raises, p_small) == said


def test_timing_is_the_first_thing_said(world: xr.DataTree) -> None:
    for timing, words in (
        ("same_year", "does not predict"),
        ("year_before", "ended before the inspection"),
        ("mean_of_earlier", "last 3 financial years that ended before"),
    ):
        observations, options = observe(world, timing=timing)
        first, *others = SPEC.notes(observations, options)
        assert first.startswith("Timing: ")
        assert words in first
        if timing != "same_year":
            assert "published before the inspection began" in first
        assert any("ecological" in note for note in others)
        assert any("no forecast to act on" in note for note in others)


def test_the_prior_lets_through_what_an_expert_would(world: xr.DataTree) -> None:
    for shrinkage in ("r2d2", "horseshoe"):
        observations, options = observe(world, shrinkage=shrinkage)
        model = SPEC.build(observations, options, SPEC.priors)
        prior = posterior_like(model, 200)
        values = SPEC.estimands(prior, observations, options, SPEC.priors).values
        low, high = np.quantile(values["odds_ratio"], [0.05, 0.95])
        assert 0.2 < low < 0.75
        assert 1.35 < high < 5
        usual = 100 * expit(prior["level"])
        low, high = np.quantile(usual, [0.05, 0.95])
        assert 3 < low < 8
        assert 30 < high < 50
    assert logit(0.16) == pytest.approx(-1.66, abs=0.01)
