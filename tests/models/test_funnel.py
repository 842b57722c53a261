"""From referral to plan: graphs of every option, estimands and truth, refusals; no sampling."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from pytensor.graph.traversal import ancestors
from scipy import stats

from data_prep.errors import DataError
from data_prep.schema import STATUS
from data_prep.simulated import SimulationOptions, build_simulated
from experiments.diagnostics import summarise
from experiments.sampling import LogDensity, as_one
from models.funnel import SPEC, FunnelOptions
from models.funnel_answers import Process, answers
from models.funnel_data import FLOWS, REFERRALS, SHARES, FunnelCounts
from models.joint import pairs
from models.replaceable import replaceable_data
from tests.models.density import log_density_and_gradient
from tests.models.draws import posterior_like

FAST = "FAST_COMPILE"
CHOICES: list[dict[str, Any]] = [
    {},
    {"denominator": "referrals", "departures": "passed_on_in_full"},
    {"denominator": "children", "shares": "none", "level_structure": "regions"},
    {"shares": "referrals_nfa", "correlation": "none"},
    {"deprivation": "idaci", "edition": 2015, "scatter": "by_authority"},
    {"scatter": "none"},
]


def observe(
    world: xr.DataTree, years: tuple[int, int] | None = (2011, 2014), **options: Any
) -> tuple[FunnelCounts, FunnelOptions]:
    chosen = FunnelOptions(**options)
    return SPEC.observe(world, chosen, years=years), chosen


def build(world: xr.DataTree, **options: Any) -> tuple[pm.Model, FunnelCounts, FunnelOptions]:
    observations, chosen = observe(world, **options)
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


def published(cube: xr.DataTree, name: str) -> np.ndarray:
    return cube["cube"].to_dataset()[name].values.copy()


def test_density_and_gradient_are_finite(small_world: xr.DataTree) -> None:
    model, _, _ = build(small_world)
    density, gradient = log_density_and_gradient(model)
    assert np.isfinite(density)
    assert np.isfinite(gradient).all()
    assert (gradient != 0).any()


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_priors_blocks_and_observed_variables(
    small_world: xr.DataTree, options: dict[str, Any]
) -> None:
    model, observations, chosen = build(small_world, **options)
    if options:
        assert np.isfinite(model.compile_logp(mode=FAST)(model.initial_point()))
    used = SPEC.priors_used(chosen, observations)
    named = {rv.name.removesuffix("_raw") for rv in model.free_RVs}
    assert set(used) <= named
    assert named & set(SPEC.priors) == set(used), "every prior in the graph is in the table"
    declared = {name for block in SPEC.blocks(chosen) for name in block.variables}
    assert {rv.name for rv in model.free_RVs} <= declared, "every variable stands in a block"
    kinds = ["y_rates", "y_shares"] if chosen.shares else ["y_rates"]
    assert [rv.name for rv in model.observed_RVs] == kinds
    assert SPEC.equations(chosen)
    assert SPEC.notes(observations, chosen)


def test_observation_arrays_follow_the_contract(small_world: xr.DataTree) -> None:
    model, observations, options = build(small_world)
    constant = SPEC.constant_data(observations)
    assert all(constant[name].dims == ("obs",) for name in constant)
    coords = SPEC.coords(observations, options)
    for name in ("la", "year", "outcome"):
        assert set(constant[name].values) == set(range(len(coords[name])))
    assert {type(value) for values in coords.values() for value in values} <= {str, int}
    # Correlations of outcomes in replicates would be those of fresh counts beside seen ones.
    assert constant.attrs == {"replicated_given": "the count of the stage before"}
    per_child, _ = observe(small_world, denominator="children")
    assert SPEC.constant_data(per_child).attrs == {}
    # Cells of all observed variables, one after another, are those of `obs`.
    joined = [place for kind in ("rates", "shares") for place in coords[f"obs_{kind}"]]
    assert joined == coords["obs"]
    seen = as_one(
        xr.Dataset(
            {
                rv.name: (f"obs_{rv.name[2:]}", model.rvs_to_values[rv].data)
                for rv in model.observed_RVs
            }
        ),
        [rv.name for rv in model.observed_RVs],
    )
    assert seen["y"].dims == ("obs",)
    middle = (observations.cells["lower"] + observations.cells["upper"]) // 2
    assert (seen["y"].values == middle).all()


def test_a_model_with_one_observed_variable_is_left_as_it_is() -> None:
    dataset = xr.Dataset({"y": ("obs", [1, 2]), "timeliness": ("timely_obs", [0.1])})
    assert as_one(dataset, ["y", "timeliness"]).identical(dataset)


def test_every_cell_is_used_or_dropped_with_a_reason(small_world: xr.DataTree) -> None:
    for options in CHOICES:
        observations, _ = observe(small_world, **options)
        table = pd.concat([observations.cells[["outcome", "la", "year"]], observations.dropped])
        assert not table.duplicated(["outcome", "la", "year"]).any()
        assert len(table) == 24 * 4 * len(observations.outcomes)
        assert (observations.dropped["reason"] != "").all()


def test_hidden_denominators_are_left_out_with_their_reason(small_world: xr.DataTree) -> None:
    cube = small_world.copy(deep=True)
    table = cube["cube"].to_dataset()
    table["section47"][3, :], table["section47_lower"][3, :] = np.nan, 1.0
    table["section47_upper"][3, :] = 5.0
    table["section47_status"][3, :] = STATUS["suppressed"]
    cube["cube"] = xr.DataTree(table)
    observations, _ = observe(cube)
    code = str(table["la"].values[3])
    own = observations.cells[observations.cells["la"] == code]
    assert (own.loc[own["outcome"] == "section47", "upper"] == 5).all()
    assert "icpc" not in set(own["outcome"])
    lost = observations.dropped[observations.dropped["la"] == code]
    assert (
        lost.loc[lost["outcome"] == "icpc", "reason"] == "section 47 enquiries: not known"
    ).all()


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_estimands_and_their_truth_share_coordinates(
    small_world: xr.DataTree, options: dict[str, Any]
) -> None:
    model, observations, chosen = build(small_world, **options)
    answer = SPEC.estimands(posterior_like(model), observations, chosen, SPEC.priors)
    truth = SPEC.true_estimands(small_world, observations, chosen)
    declared = SPEC.declared_estimands(chosen)
    assert set(truth) == set(answer.values) == {estimand.name for estimand in declared}
    for estimand in declared:
        drawn, true = answer.values[estimand.name], truth[estimand.name]
        assert set(drawn.dims) - {"chain", "draw"} == set(true.dims)
        for name in estimand.coordinates:
            assert (drawn[name].values == true[name].values).all()
        assert np.isfinite(true).all()
        assert np.isfinite(drawn).all()
    table = summarise(answer.values, declared)
    assert "plans per 100 referrals" in SPEC.answer(table, observations, chosen)


# ------------------------------------------------------------------------------- the answers


def test_answers_are_ratios_of_expected_counts(small_world: xr.DataTree) -> None:
    """The truth of simulated England, against sums written out by hand."""
    observations, options = observe(small_world)
    found = SPEC.true_estimands(small_world, observations, options)
    truth = small_world["truth"].to_dataset().sel(la=list(observations.las.index))
    years = observations.years_of["icpc"]
    # From 2010 on definitions are the current ones: expected counts are those of the truth.
    mu = {name: truth[f"{name}_mu"].sel(year=years) for name in (REFERRALS, *FLOWS, *SHARES)}
    total = {name: float(of.sum()) for name, of in mu.items()}
    # Published children are rounded, true ones are not: weights differ by a little.
    close = {"rel": 2e-3}
    plans = float(found["stage_per_referrals"].sel(outcome="cpp_starts"))
    assert plans == pytest.approx(100 * total["cpp_starts"] / total[REFERRALS], **close)
    ratio = float(found["gate_ratio"].sel(outcome="icpc"))
    assert ratio == pytest.approx(100 * total["icpc"] / total["section47"], **close)
    nfa = 100 * total["referrals_nfa"] / total[REFERRALS]
    assert float(found["share"].sel(outcome="referrals_nfa")) == pytest.approx(nfa, **close)
    assert float(found["assessed_share"]) == pytest.approx(100 - nfa, **close)
    assessed = total[REFERRALS] - total["referrals_nfa"]
    assert float(found["section47_per_assessed"]) == pytest.approx(
        100 * total["section47"] / assessed, **close
    )
    order = observations.deprivation.to_numpy().argsort()
    ends = [
        mu["icpc"].isel(la=o).sum() / mu["section47"].isel(la=o).sum()
        for o in (order[-4:], order[:5])
    ]
    gate = float(found["fifth_ratio"].sel(outcome="icpc"))
    assert gate == pytest.approx(float(ends[0] / ends[1]), **close)


def test_rates_per_child_are_the_same_whatever_the_gates_are_counted_of(
    small_world: xr.DataTree,
) -> None:
    found = []
    for denominator in ("previous_stage", "referrals", "children"):
        observations, options = observe(small_world, denominator=denominator)
        values = SPEC.true_estimands(small_world, observations, options)
        found.append(values["child_rate_correlation"].values)
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(found[2])


def test_independent_stages_have_gates_that_correlate_negatively(small_world: xr.DataTree) -> None:
    """The shared term alone: independent rates per child of equal spread give gates -1/2."""
    observations, options = observe(small_world)
    las, rng = list(observations.las.index), np.random.default_rng(1)
    draws = 4000
    rate = {
        name: xr.DataArray(
            rng.normal(0, 0.3, (1, draws, len(las))),
            dims=("chain", "draw", "la"),
            coords={"la": las},
        )
        for name in (REFERRALS, *FLOWS)
    }
    before = {"section47": REFERRALS, "icpc": "section47", "cpp_starts": "icpc"}
    level = {REFERRALS: rate[REFERRALS]} | {n: rate[n] - rate[b] for n, b in before.items()}
    # A share that is independent of the rate of referrals.
    level |= {name: 0 * rate[REFERRALS] + rng.normal(0, 1, (1, draws, len(las))) for name in SHARES}
    zero = xr.DataArray(np.zeros(len(observations.years)), coords={"year": observations.years})
    slope = xr.DataArray(np.zeros(6), coords={"outcome": list(observations.outcomes)})
    values = answers(
        Process(
            level, dict.fromkeys(level, zero), slope, xr.zeros_like(slope).rename(outcome="flow")
        ),
        observations,
        options,
    )

    def mean_of(estimand: str, a: str, b: str) -> float:
        of = values[estimand]
        mine = (of["outcome"] == a) & (of["other_outcome"] == b)
        return float(of.isel(pair=int(np.flatnonzero(mine)[0])).mean())

    neighbours = [("section47", REFERRALS), ("icpc", "section47"), ("cpp_starts", "icpc")]
    for a, b in neighbours:
        assert abs(mean_of("child_rate_correlation", a, b)) < 0.02
    # Referrals per child stand in one gate alone, which makes it 1 / sqrt(2).
    assert mean_of("gate_correlation", *neighbours[0]) == pytest.approx(-(0.5**0.5), abs=0.03)
    for a, b in neighbours[1:]:
        assert mean_of("gate_correlation", a, b) == pytest.approx(-0.5, abs=0.03)
    assert abs(mean_of("gate_correlation", "cpp_starts", "section47")) < 0.02


# ---------------------------------------------------------------------------------- breakage


def test_more_plans_than_conferences_and_more_enquiries_than_assessments_fit(
    small_world: xr.DataTree,
) -> None:
    """Nothing is cut at 100: the density falls as the ratio moves away from the data."""
    icpc, plans, referrals, nfa, enquiries = (
        published(small_world, name)
        for name in ("icpc", "cpp_starts", "referrals", "referrals_nfa", "section47")
    )
    plans[:8] = np.round(3 * icpc[:8])
    nfa[:4] = np.round(0.9 * referrals[:4])
    enquiries[:4] = np.round(1.2 * referrals[:4])
    cube = edited(small_world, cpp_starts=plans, referrals_nfa=nfa, section47=enquiries)
    model, observations, options = build(cube)
    cells = observations.cells
    above = cells["lower"] > cells["exposure"]
    own = set(cube["cube"]["la"].values[:4].astype(str))
    assert own <= set(cells.loc[above & (cells["outcome"] == "section47"), "la"])
    assert above[cells["outcome"] == "cpp_starts"].sum() >= 8
    assert (cells.loc[above, "lower"] == cells.loc[above, "upper"]).all(), "nothing was cut"
    # Levels at the ratio seen are likelier than levels cut at 100 per 100.
    point, logp = model.initial_point(), model.compile_logp(mode=FAST)
    (level,) = model.replace_rvs_by_values([model["la_level_cpp_starts"]])
    level_at = model.compile_fn(level, inputs=model.value_vars, mode=FAST, on_unused_input="ignore")
    drawn = "la_level_cpp_starts_raw"
    at_zero, at_one = (level_at(point | {drawn: np.full(24, raw)}) for raw in (0.0, 1.0))

    def density(levels: np.ndarray) -> float:
        return float(logp(point | {drawn: (levels - at_zero) / (at_one - at_zero)}))

    seen = np.where(np.arange(24) < 8, np.log(3), np.log(0.85))
    cut = np.minimum(seen, 0)
    assert np.isfinite(density(cut))
    assert density(seen) > density(cut) + 10
    values = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors).values
    assert float(values["la_gate"].max()) > 100


def refused(cube: xr.DataTree, match: str, **options: Any) -> None:
    years = options.pop("years", None)
    with pytest.raises(DataError, match=match):
        SPEC.observe(cube, FunnelOptions(**options), years=years)


def test_one_year_is_refused(small_world: xr.DataTree) -> None:
    refused(small_world, "level from its scatter", years=(2012, 2012))


def test_a_gate_without_figures_is_refused_and_can_be_left_out(small_world: xr.DataTree) -> None:
    nothing = np.full((24, 9), np.nan)
    refused(edited(small_world, icpc=nothing), "no usable")
    bare = edited(small_world, referrals_nfa=nothing)
    refused(bare, "no usable")
    observations, _ = observe(bare, shares="referrals_not_in_need")
    assert "referrals_nfa" not in observations.outcomes


def test_too_few_authorities_and_unknown_editions_are_told_together() -> None:
    cube = build_simulated(SimulationOptions(seed=3, las=4, first_year=2010))
    refused(cube, "cannot show a gradient")
    with pytest.raises(DataError) as caught:
        SPEC.observe(cube, FunnelOptions(edition=2011), years=(1990, 1991))
    assert {fault.column for fault in caught.value.faults} == {"data.years", "options.edition"}


def test_tiny_authorities_zero_counts_and_no_or_huge_differences_are_finite() -> None:
    for scale in (0.0, 2.0):
        world = {"level_sd_scale": scale, "deprivation_scale": scale}
        cube = build_simulated(SimulationOptions(seed=3, las=12, first_year=2010, **world))
        counts = {name: published(cube, name) for name in (REFERRALS, *FLOWS, *SHARES)}
        for value, name in zip((9.0, 1.0, 0.0, 0.0, 9.0, 0.0), counts, strict=True):
            counts[name][0] = value
        cube = edited(cube, **counts)
        children = cube["cube"].to_dataset()
        for part in ("", "_lower", "_upper"):
            children["population_0_17" + part][0] = 300.0
        cube["cube"] = xr.DataTree(children)
        model, observations, _ = build(cube, years=None)
        # The authority whose conferences are none has no figure of plans per conference.
        reasons = observations.dropped.loc[observations.dropped["outcome"] == "cpp_starts"]
        assert "initial child protection conferences: zero" in set(reasons["reason"])
        point = model.initial_point()
        assert np.isfinite(model.compile_logp(mode=FAST)(point))


# ----------------------------------------------------------------------------------- studies


def test_in_a_study_a_stage_follows_the_stage_that_was_drawn(small_world: xr.DataTree) -> None:
    observations, options = observe(small_world)
    with replaceable_data() as exchange:
        model = SPEC.build(observations, options, SPEC.priors)
    assert set(exchange.publish) == {f"y_{name}" for name in observations.outcomes}
    shown = "no count is hidden"
    assert {name for name, rule in exchange.rules.items() if rule == shown} == {
        "y_referrals",
        "y_section47",
        "y_icpc",
    }
    # A narrow scatter and all passed on: drawn enquiries lie on drawn referrals times the ratio.
    fixed = {"passed_on": np.ones(3), "scatter_sd": np.array([0.3, 0.001, 0.001, 0.001])}
    narrow = pm.do(model, fixed)
    drawn = pm.sample_prior_predictive(
        1, model=narrow, random_seed=2, compile_kwargs={"mode": FAST}
    )
    prior, data = (
        drawn[g].to_dataset().isel(chain=0, draw=0) for g in ("prior", "prior_predictive")
    )
    rows = observations.of("section47")
    cells = observations.cells.iloc[rows]
    has_parent = observations.parent_cell[rows] >= 0
    referrals = data["y_referrals"].values[observations.parent_cell[rows]]
    la = observations.las.index.get_indexer(cells["la"])
    year = pd.Index(observations.years).get_indexer(cells["year"])
    path = prior["year_path"].sel(outcome="section47").values[year]
    expected = referrals * np.exp(prior["la_level_section47"].values[la] + path)
    large = has_parent & (expected > 50)
    assert large.sum() > 20
    error = (data["y_section47"].values - expected)[large] / np.sqrt(expected[large])
    assert abs(error).max() < 6
    # The count that was published in the skeleton plays no part.
    seen = cells["exposure"].to_numpy()[large]
    assert abs(np.log(referrals[large] / seen)).max() > 0.2


def test_prior_predictive_is_what_an_expert_would_accept(small_world: xr.DataTree) -> None:
    """Under the prior gates may be narrow or wide, gradients go either way, none is certain."""
    model, observations, options = build(small_world)
    # The upper end of plans per referral, about 95, moves by 15 between 400 draws and others.
    prior = posterior_like(model, 4000, outcomes=False)
    values = SPEC.estimands(prior, observations, options, SPEC.priors).values

    def ends(name: str, **at: str) -> tuple[float, float]:
        low, high = np.quantile(values[name].sel(at), [0.05, 0.95])
        return float(low), float(high)

    low, high = ends("stage_per_referrals", outcome="cpp_starts")
    assert 0.3 < low < 2
    assert 75 < high < 115
    low, high = ends("gate_ratio", outcome="section47")
    assert 5 < low < 20
    assert 90 < high < 250
    low, high = ends("share", outcome="referrals_nfa")
    assert 2 < low < 10
    assert 35 < high < 70
    low, high = ends("fifth_ratio", outcome="icpc")
    assert 0.15 < low < 0.6
    assert 1.7 < high < 7
    # Gates uncorrelated a priori make rates per child correlate; the prior must not settle it.
    of = values["child_rate_correlation"]
    assert (of < 0).mean() > 0.04


def test_a_world_that_was_drawn_can_be_given_back_to_the_model(small_world: xr.DataTree) -> None:
    """Each array of data is published by a stage, and what was drawn has a finite density."""
    observations, options = observe(small_world)
    with replaceable_data() as exchange:
        model = SPEC.build(observations, options, SPEC.priors)
    drawn = pm.sample_prior_predictive(
        3, model=model, random_seed=3, compile_kwargs={"mode": FAST}
    )["prior_predictive"].to_dataset()
    names = [rv.name for rv in model.observed_RVs]
    # The sampler refuses to exchange data that the density does not read.
    assert set(model.data_vars) <= set(ancestors([model.logp()]))
    logp = model.compile_logp(vars=model.observed_RVs, mode=FAST, sum=False)
    point = model.initial_point()
    for world in range(3):
        given = exchange.data_of(
            {name: drawn[name].isel(chain=0, draw=world).to_numpy() for name in names}
        )
        assert set(given) == {variable.name for variable in model.data_vars}
        with model:
            pm.set_data(given)
        assert all(np.isfinite(part).all() for part in logp(point))


def test_a_world_is_as_likely_whatever_its_levels_were_explored_around(
    small_world: xr.DataTree,
) -> None:
    """Levels as they were drawn, not as what stands for them in another data set."""
    observations, options = observe(small_world)
    with replaceable_data() as exchange:
        model = SPEC.build(observations, options, SPEC.priors)
    names = [rv.name for rv in model.observed_RVs]
    drawn = pm.sample_prior_predictive(1, model=model, random_seed=3, compile_kwargs={"mode": FAST})
    counts = drawn["prior_predictive"].to_dataset().isel(chain=0, draw=0)
    data = exchange.data_of({name: counts[name].to_numpy() for name in names})
    density = LogDensity(model, names, exchange.natural)

    def total(shown: np.ndarray) -> np.ndarray:
        for name, values in (data | {"levels_shown": shown}).items():
            density.model.set_data(name, values)
        found = density(drawn["prior"].to_dataset())
        return np.array([float(found[name].sum()) for name in names])

    assert data["levels_shown"].any()
    likely = total(data["levels_shown"])
    assert np.isfinite(likely).all()
    assert (total(0 * data["levels_shown"]) == likely).all()


# ------------------------------------------------------------------------- an independent sum


def test_the_density_is_that_of_textbook_distributions() -> None:
    """Likelihood and levels, written out cell by cell with scipy's distributions."""
    world = SimulationOptions(seed=8, las=10, first_year=2011, suppression=False)
    model, observations, _ = build(build_simulated(world))
    outcomes, rates = list(observations.outcomes), [REFERRALS, *FLOWS]
    rng = np.random.default_rng(4)
    point = {
        name: value + rng.normal(0, 0.1, np.shape(value))
        for name, value in model.initial_point().items()
    }
    levels, raw = ([f"la_level_{name}{form}" for name in outcomes] for form in ("", "_raw"))
    parts = model.logp(
        vars=[model["y_rates"], model["y_shares"], *(model[name] for name in raw)], sum=False
    )
    named = ["year_path", "la_level_correlation", "scatter_sd", "share_scatter_sd"]
    named += ["la_level_sd", "share_level_sd", *levels]
    function = model.compile_fn(
        [*parts, *model.replace_rvs_by_values([model[name] for name in named])], mode=FAST
    )
    y_rates, y_shares, *rest = function(point)
    found_levels = sum(np.sum(part) for part in rest[: len(outcomes)])
    value = dict(zip(named, rest[len(outcomes) :], strict=True))
    level = np.stack([value[name] for name in levels], axis=1)
    # Levels are linear in what stands for them: the density of one is that of the other but for the
    # slope.
    for place, name in enumerate(raw):
        moved = function(point | {name: point[name] + 1})[len(parts) :][named.index(levels[place])]
        found_levels -= np.log(moved - level[:, place]).sum()
    path, x = value["year_path"], observations.deprivation.to_numpy()

    def by_outcome(of_rates: np.ndarray, of_shares: np.ndarray) -> np.ndarray:
        by_name = dict(zip(rates, of_rates, strict=True)) | dict(
            zip(SHARES, of_shares, strict=True)
        )
        return np.array([by_name[name] for name in outcomes])

    # levels: one multivariate normal for each authority
    correlation = np.eye(len(outcomes))
    for number, (a, b) in zip(value["la_level_correlation"], pairs(outcomes), strict=True):
        i, j = outcomes.index(a), outcomes.index(b)
        correlation[i, j] = correlation[j, i] = number
    sd = by_outcome(value["la_level_sd"], value["share_level_sd"])
    slope = by_outcome(point["deprivation_slope"], point["share_slope"])
    centre = by_outcome(
        np.append(point["referral_level"], point["flow_level"]), point["share_level"]
    )
    expected = centre + x[:, None] * slope
    normal = stats.multivariate_normal(np.zeros(len(outcomes)), correlation * np.outer(sd, sd))
    assert found_levels == pytest.approx(normal.logpdf(level - expected).sum(), rel=1e-8)

    # cells: rates per child add up along the funnel
    scatter = by_outcome(value["scatter_sd"], value["share_scatter_sd"])
    passed_on = dict(zip(FLOWS, point["passed_on"], strict=True))
    before = {"section47": REFERRALS, "icpc": "section47", "cpp_starts": "icpc"}
    logs: dict[str, list[float]] = {"rates": [], "shares": []}
    children = observations.children
    for cell, row in enumerate(observations.cells.itertuples()):
        place, t = observations.las.index.get_loc(row.la), observations.years.index(row.year)

        def ratio(name: str, place: int = place, t: int = t) -> float:
            k = outcomes.index(name)
            return float(level[place, k] + path[k, t])

        dispersion = 1 / (scatter[outcomes.index(row.outcome)] ** 2 + 1e-6)
        if row.outcome in SHARES:
            p = 1 / (1 + np.exp(-ratio(row.outcome)))
            beta = stats.betabinom(int(row.exposure), dispersion * p, dispersion * (1 - p))
            logs["shares"].append(beta.logpmf(row.lower))
            continue
        log_mean = np.log(row.exposure) + ratio(row.outcome)
        if row.outcome in FLOWS:
            rate, stage = 0.0, before[row.outcome]
            while stage:
                rate += ratio(stage)
                stage = before.get(stage, "")
            departure = np.log(row.exposure) - np.log(children[cell]) - rate
            log_mean -= (1 - passed_on[row.outcome]) * departure
        p = dispersion / (dispersion + np.exp(log_mean))
        logs["rates"].append(stats.nbinom(dispersion, p).logpmf(row.lower))
    assert np.ravel(y_rates) == pytest.approx(np.array(logs["rates"]), rel=1e-6)
    assert np.ravel(y_shares) == pytest.approx(np.array(logs["shares"]), rel=1e-6)
