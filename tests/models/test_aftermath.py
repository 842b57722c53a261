"""Aftermath: stacks, graphs of every option, contrasts, estimands and their truth, refusals."""

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
from models.aftermath import SPEC, AftermathOptions, effect_cells
from models.aftermath_answers import contrast_weights, lag_products
from models.aftermath_data import (
    FIRST_EVENT,
    LAST_EVENT,
    MATCHES,
    AftermathObservations,
    event_cells,
    prior_values,
    worst_grades,
)
from models.latent_years import stationary_sd
from tests.models.draws import posterior_like

CHANGES: list[dict[str, Any]] = [
    {},
    {"outcome": "cpp_starts", "exposure": "section47"},
    {"outcome": "icpc_15_days"},
    {"residual": "with_scatter"},
    {"outcome": "icpc_15_days", "residual": "with_scatter"},
    {"before": "free"},
    {"years_early": 3},
    {"judged_levels": "own_mean"},
    {"comparison": "matched"},
    {"comparison": "neighbours"},
    {"judgement": "requires_improvement"},
    {"judgement": "good_or_better"},
    {"frameworks": "2009_to_2018"},
]


@pytest.fixture(scope="module")
def world() -> xr.DataTree:
    """40 simulated LAs, 2007-2018: all four frameworks and re-inspections."""
    return build_simulated(
        SimulationOptions(seed=5, las=40, first_year=2007, last_year=2018, inadequate_percent=20)
    )


def observe(cube: xr.DataTree, **options: Any) -> tuple[AftermathObservations, AftermathOptions]:
    chosen = AftermathOptions(**options)
    return SPEC.observe(cube, chosen), chosen


def inspected(cube: xr.DataTree, rows: list[tuple[int, str, int]]) -> xr.DataTree:
    """The cube with these inspections alone: LA by position, date of publication, grade."""
    copy = cube.copy(deep=True)
    codes = copy["cube"].to_dataset()["la"].values
    la, dates, grades = zip(*rows, strict=True) if rows else ((), (), ())
    copy["inspections"] = xr.DataTree(
        xr.Dataset(
            {
                "la": ("inspection", codes[list(la)] if rows else codes[:0]),
                "framework": ("inspection", np.full(len(rows), "SIF")),
                "grade": ("inspection", np.array(grades, "int8")),
                "publication_date": ("inspection", np.array(dates, "datetime64[ns]")),
            }
        )
    )
    return copy


def counted(cube: xr.DataTree, name: str, value: np.ndarray) -> xr.DataTree:
    """The cube with other exact counts; NaN is a missing return."""
    copy = cube.copy(deep=True)
    table = copy["cube"].to_dataset()
    for part in ("", "_lower", "_upper"):
        table[name + part] = table[name + part].copy(data=np.array(value, float))
    status = np.where(np.isnan(value), STATUS["not_available"], STATUS["exact"])
    table[f"{name}_status"] = table[f"{name}_status"].copy(data=status.astype("int8"))
    copy["cube"] = xr.DataTree(table)
    return copy


# ---------------------------------------------------------------------------------- stacks


def test_stacks_are_those_of_the_definition(world: xr.DataTree) -> None:
    observations, _ = observe(world)
    worst = worst_grades(world, observations)
    bad = worst[worst["grade"] == 0]
    inadequate = set(zip(bad["la"], bad["year"], strict=True))
    grade = worst.set_index(["la", "year"])["grade"]
    assert len(observations.stacks) >= 4
    for stack in observations.stacks:
        g = stack.cohort
        for la in stack.judged:
            assert grade[la, g] == 0
            assert not any((la, y) in inadequate for y in range(g - 3, g))
        for la in stack.comparison:
            assert grade[la, g] > 0
            assert not any((la, y) in inadequate for y in range(g - 3, g + 4))
        assert not set(stack.judged) & set(stack.comparison)


def test_time_runs_from_the_financial_year_of_publication(world: xr.DataTree) -> None:
    cube = inspected(
        world,
        [(0, "2012-03-31", 0), (1, "2012-03-01", 2), (2, "2012-04-01", 0), (3, "2013-03-31", 2)],
    )
    observations, _ = observe(cube)
    assert [stack.cohort for stack in observations.stacks] == [2012, 2013]
    members = observations.members
    assert (members["event_time"] == members["year"] - members["cohort"]).all()
    assert members["event_time"].between(FIRST_EVENT, LAST_EVENT).all()


def test_the_worst_judgement_of_a_year_counts_and_repeats_are_set_aside(
    world: xr.DataTree,
) -> None:
    cube = inspected(
        world,
        [
            *((0, "2011-05-01", 2), (0, "2011-06-01", 0), (0, "2013-05-01", 0)),
            *((1, "2011-05-01", 2), (1, "2013-05-01", 2), (2, "2013-05-01", 0)),
            (3, "2013-05-01", 1),
        ],
    )
    observations, _ = observe(cube)
    judged = {stack.cohort: len(stack.judged) for stack in observations.stacks}
    assert judged == {2012: 1, 2014: 1}
    assert observations.set_aside["reason"].str.contains("three years before").any()


def test_every_figure_enters_once_and_every_cell_has_a_reason(world: xr.DataTree) -> None:
    for change in CHANGES:
        observations, _ = observe(world, **change)
        assert not observations.cells.duplicated(["la", "year"]).any()
        table = pd.concat([observations.cells[["la", "year"]], observations.dropped])
        assert not table.duplicated(["la", "year"]).any()
        assert len(table) == 40 * 12
        assert (observations.dropped["reason"] != "").all()
        assert set(observations.members["cell"]) == set(range(len(observations.cells)))
    observations, _ = observe(world)
    assert observations.members["cell"].duplicated().any(), "some figures serve several stacks"


def test_pretended_dates_use_no_year_from_the_true_one_on(world: xr.DataTree) -> None:
    observations, _ = observe(world, years_early=3)
    members = observations.members
    assert (members["year"] < members["cohort"]).all()
    assert (members["event_time"] == members["year"] - members["cohort"] + 3).all()
    assert members.loc[members["judged"], "event_time"].max() == 2
    worst = worst_grades(world, observations)
    first = worst[worst["grade"] == 0].groupby("la")["year"].min()
    assert not (members["year"] >= members["la"].map(first)).any()


def test_matches_are_alike_before_in_shape_or_in_level(world: xr.DataTree) -> None:
    everyone, _ = observe(world)
    for comparison in ("matched", "matched_on_level"):
        chosen, _ = observe(world, comparison=comparison)
        value = prior_values(everyone)
        for stack in chosen.stacks:
            (whole,) = [s for s in everyone.stacks if s.cohort == stack.cohort]
            assert set(stack.comparison) <= set(whole.comparison)
            assert len(stack.comparison) <= MATCHES * len(stack.judged)
            if len(stack.judged) > 1:
                continue
            before = value[[stack.cohort + k for k in range(-3, 0)]].dropna()
            if comparison == "matched":
                before = before.sub(before.mean(axis=1), axis=0)
            else:
                before = before.mean(axis=1).to_frame()
            distance = ((before - before.loc[stack.judged[0]]) ** 2).sum(axis=1)
            others = [la for la in whole.comparison if la in distance.index]
            left = set(others) - set(stack.comparison)
            nearest = distance[list(stack.comparison)].max()
            assert all(distance[la] >= nearest for la in left)


def test_neighbours_are_those_listed(world: xr.DataTree) -> None:
    observations, _ = observe(world, comparison="neighbours")
    listed = world["neighbours"].to_dataset()["neighbour"]
    for stack in observations.stacks:
        own = {str(n) for la in stack.judged for n in listed.sel(la=la).values.ravel()}
        assert set(stack.comparison) <= own


# ---------------------------------------------------------------------------------- graphs


def build(cube: xr.DataTree, **options: Any) -> tuple[pm.Model, Any, AftermathOptions]:
    observations, chosen = observe(cube, **options)
    return SPEC.build(observations, chosen, SPEC.priors), observations, chosen


def is_finite(model: pm.Model) -> bool:
    point = model.initial_point()
    both = model.compile_fn([model.logp(), model.dlogp()], mode="FAST_COMPILE")
    density, gradient = both(point)
    return bool(np.isfinite(density) and np.isfinite(gradient).all() and np.any(gradient != 0))


# Others differ in their cells alone.
GRAPHS = CHANGES[:8]


@pytest.mark.parametrize("change", GRAPHS, ids=lambda c: ", ".join(map(str, c.values())) or "base")
def test_density_gradient_priors_and_blocks(world: xr.DataTree, change: dict[str, Any]) -> None:
    model, observations, options = build(world, **change)
    assert is_finite(model)
    named = {rv.name for rv in model.free_RVs}
    used = SPEC.priors_used(options, observations)
    assert named & set(SPEC.priors) == set(used), "every prior in the graph is in the table"
    declared = {name for block in SPEC.blocks(options) for name in block.variables}
    assert named <= declared
    coords = SPEC.coords(observations, options)
    assert {type(value) for values in coords.values() for value in values} <= {str, int}
    assert SPEC.equations(options)
    assert "descriptive" in SPEC.notes(observations, options)[0]
    constant = SPEC.constant_data(observations)
    assert all(constant[name].dims == ("obs",) for name in constant)


def test_effects_begin_at_the_judgement_unless_years_before_are_free(world: xr.DataTree) -> None:
    _, observations, options = build(world)
    assert SPEC.coords(observations, options)["event_time"] == [0, 1, 2, 3]
    _, observations, options = build(world, before="free")
    assert SPEC.coords(observations, options)["event_time"] == [-3, -2, 0, 1, 2, 3]


# -------------------------------------------------------------------------------- contrasts


def test_contrasts_weigh_each_figure_once_and_cancel(world: xr.DataTree) -> None:
    observations, _ = observe(world)
    weights = contrast_weights(observations)
    assert list(weights) == [-3, -2, 0, 1, 2, 3, "level"]
    cells = observations.cells
    for key, weight in weights.items():
        assert weight.shape == (len(cells),)
        assert abs(weight.sum()) < 1e-12
        if key != "level":
            # A lasting level of any authority and what a stack does together fall out.
            assert np.abs(pd.Series(weight).groupby(cells["la"]).sum()).max() < 1e-12


def test_contrasts_are_the_plain_differences_of_one_stack(world: xr.DataTree) -> None:
    rows = [(la, "2012-05-01", 0 if la < 2 else 2) for la in range(6)]
    observations, _ = observe(inspected(world, rows))
    value = prior_values(observations)
    judged, others = (
        list(part) for part in (observations.stacks[0].judged, observations.stacks[0].comparison)
    )
    cells = observations.cells
    flat = np.array([value.loc[la, y] for la, y in zip(cells["la"], cells["year"], strict=True)])
    for k, weight in contrast_weights(observations).items():
        if k == "level":
            before = value[[2010, 2011, 2012]].mean(axis=1)
            expected = before[judged].mean() - before[others].mean()
        else:
            move = value[2013 + int(k)] - value[2012]
            expected = move[judged].mean() - move[others].mean()
        assert float(flat @ weight) == pytest.approx(float(expected))


def test_chance_of_contrasts_is_that_of_the_process(world: xr.DataTree) -> None:
    observations, _ = observe(world)
    weights = np.stack(list(contrast_weights(observations).values()))
    products = lag_products(weights, observations)
    sd, persistence = 0.2, 0.6
    found = stationary_sd(sd, persistence) ** 2 * np.einsum(
        "l,lij->ij", persistence ** np.arange(len(products)), products
    )
    cells = observations.cells
    year, la = cells["year"].to_numpy(), cells["la"].to_numpy()
    covariance = (la[:, None] == la[None, :]) * persistence ** np.abs(year[:, None] - year[None, :])
    expected = weights @ (stationary_sd(sd, persistence) ** 2 * covariance) @ weights.T
    assert np.allclose(found, expected)


# -------------------------------------------------------------------------------- estimands


@pytest.mark.parametrize(
    "change", [{}, {"outcome": "icpc_15_days"}, {"before": "free"}, {"years_early": 3}]
)
def test_estimands_and_their_truth_share_coordinates(
    world: xr.DataTree, change: dict[str, Any]
) -> None:
    model, observations, options = build(world, **change)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    truth = SPEC.true_estimands(world, observations, options)
    declared = SPEC.declared_estimands(options)
    missing = {item.estimand for item in answer.not_estimable}
    names = {estimand.name for estimand in declared}
    assert set(truth) == set(answer.values)
    assert set(truth) | missing == names
    for estimand in declared:
        if estimand.name not in truth:
            continue
        drawn, true = answer.values[estimand.name], truth[estimand.name]
        assert set(drawn.dims) - {"chain", "draw"} == set(true.dims)
        for name in estimand.coordinates:
            assert (drawn[name].values == true[name].values).all()
    table = summarise(answer.values, declared, answer.not_estimable)
    assert "descriptive difference-in-differences" in SPEC.answer(table, observations, options)


def test_the_truth_is_the_change_that_the_process_makes(world: xr.DataTree) -> None:
    observations, options = observe(world)
    truth = SPEC.true_estimands(world, observations, options)
    assert float(truth["main_change"]) == pytest.approx(10.0, abs=1.0)
    assert float(truth["change"].sel(event_time=0)) == pytest.approx(5.0)
    assert float(truth["excess_total"]) > 0
    assert float(truth["excess_by_year"].sum()) == pytest.approx(float(truth["excess_total"]))
    none, options = observe(world, outcome="referrals")
    assert float(SPEC.true_estimands(world, none, options)["main_change"]) == 0


def test_cells_without_anybody_are_not_estimable(world: xr.DataTree) -> None:
    model, observations, options = build(world)
    counted_cells = event_cells(observations)
    empty = counted_cells[(counted_cells["judged"] == 0) & (counted_cells["event_time"] >= 0)]
    assert len(empty)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    (item,) = [i for i in answer.not_estimable if i.estimand == "cohort_change"]
    for row in empty.itertuples():
        assert f"{row.cohort} {row.event_time:+d}" in item.reason
    known = answer.values["cohort_change"]
    which = effect_cells(observations, options)
    for name in ("cohort", "event_time"):
        assert known[name].values.tolist() == which[name].tolist()


def test_the_prior_lets_through_what_an_expert_would(world: xr.DataTree) -> None:
    model, observations, options = build(world)
    prior = posterior_like(model, 400)
    values = SPEC.estimands(prior, observations, options, SPEC.priors).values
    low, high = np.quantile(values["main_change"], [0.05, 0.95])
    assert -45 < low < -25
    assert 35 < high < 70
    low, high = np.quantile(values["pre_trend"], [0.05, 0.95])
    assert -25 < low < -5
    assert 5 < high < 30
    rates = np.exp(prior["la_year"]) * 1e4
    assert 1 < float(np.quantile(rates, 0.05)) < 20
    assert 500 < float(np.quantile(rates, 0.95)) < 6000


# --------------------------------------------------------------------------------- breakage


def refused(cube: xr.DataTree, match: str, **options: Any) -> None:
    years = options.pop("years", None)
    with pytest.raises(DataError, match=match):
        SPEC.observe(cube, AftermathOptions(**options), years=years)


def test_nobody_judged_nobody_inspected_and_nobody_to_compare_are_refused(
    world: xr.DataTree,
) -> None:
    refused(inspected(world, []), "no inspections")
    refused(inspected(world, [(0, "2012-05-01", 2), (1, "2012-05-01", 1)]), "nobody was so judged")
    refused(inspected(world, [(0, "2012-05-01", 0)]), "nobody to be held against")
    refused(world, "before or after publication", years=(2009, 2010))


def test_everything_missing_is_refused(world: xr.DataTree) -> None:
    refused(counted(world, "section47", np.full((40, 12), np.nan)), "no usable")


def test_a_share_has_its_own_whole(world: xr.DataTree) -> None:
    refused(world, "share of icpc", outcome="icpc_15_days", exposure="referrals")


def test_one_judged_authority_of_five_is_enough_for_a_graph(world: xr.DataTree) -> None:
    rows = [(0, "2012-05-01", 0), *((la, "2012-05-01", 2) for la in range(1, 5))]
    model, observations, options = build(inspected(world, rows))
    assert is_finite(model)
    assert event_cells(observations)["judged"].max() == 1
    thin = [note for note in SPEC.notes(observations, options) if "Fewer than 10" in note]
    assert len(thin) == 1


def test_zeros_and_a_tiny_authority_are_fitted(world: xr.DataTree) -> None:
    counts = world["cube"].to_dataset()["section47"].values.copy()
    counts[:8] = 0
    cube = counted(world, "section47", counts)
    table = cube["cube"].to_dataset()
    for part in ("", "_lower", "_upper"):
        name = f"population_0_17{part}"
        values = table[name].values.copy()
        values[3] = 300.0
        table[name] = table[name].copy(data=values)
    cube["cube"] = xr.DataTree(table)
    model, observations, _ = build(cube)
    assert is_finite(model)
    assert (observations.cells["lower"] == 0).any()


# ---------------------------------------------------------------------------------- answers


def summary_of(main: tuple[float, float], trend: tuple[float, float]) -> pd.DataFrame:
    def row(name: str, bounds: tuple[float, float], event_time: int | None = None) -> dict:
        mean = sum(bounds) / 2
        interval = {"lower": bounds[0], "upper": bounds[1]}
        return {"estimand": name, "mean": mean, "event_time": event_time, **interval}

    return pd.DataFrame(
        [
            row("main_change", main),
            row("pre_trend", trend),
            row("placebo_change", (-3.0, 3.0), -1),
            row("breakdown_trend", (max(main[0], 0.0),) * 2),
        ]
    )


@pytest.mark.parametrize(
    ("main", "trend", "said"),
    [
        ((4.0, 12.0), (-2.0, 2.0), "a rise; a drift of"),
        ((-12.0, -4.0), (-2.0, 2.0), "a fall"),
        ((-1.0, 12.0), (-2.0, 2.0), "undecided."),
        ((4.0, 12.0), (1.0, 3.0), "undecided, for paths had parted"),
    ],
)
def test_the_answer_says_only_what_its_rule_allows(
    world: xr.DataTree, main: tuple[float, float], trend: tuple[float, float], said: str
) -> None:
    observations, options = observe(world)
    assert said in SPEC.answer(summary_of(main, trend), observations, options)


def test_breakdown_points_end_where_the_interval_reaches_zero(world: xr.DataTree) -> None:
    model, observations, options = build(world)
    draws = posterior_like(model, 400)
    draws["cohort_effect"] = 0.0 * draws["cohort_effect"] + 0.2
    values = SPEC.estimands(draws, observations, options, SPEC.priors).values
    # No spread of the change: two steps of half of it undo it.
    assert float(values["breakdown_trend"]) == pytest.approx(100 * np.expm1(0.1))
    steps = np.abs(np.log1p(values["placebo_change"] / 100)).max("event_time")
    largest = float(np.quantile(steps, 0.95))
    assert float(values["breakdown_ratio"]) == pytest.approx(0.2 / (2 * largest), rel=1e-3)
    draws["cohort_effect"] = 0.0 * draws["cohort_effect"]
    values = SPEC.estimands(draws, observations, options, SPEC.priors).values
    assert float(values["breakdown_ratio"]) == float(values["breakdown_trend"]) == 0
