"""How simulated England publishes: bounds, gaps, totals, groups of the cube."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.indicators import CIN, MEASURES
from data_prep.schema import KNOWN, SIMULATED, STATUS, load_cube, measures_in, save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from data_prep.simulated.places import draw_places, find_borders

# Everything but the longer episodes of need, which no model uses.
SIMULATED_MEASURES = [
    name for name in MEASURES if not name.startswith("cin_ended_") or name == "cin_ended_3_months"
]
COUNTS = [name for name in SIMULATED_MEASURES if MEASURES[name].is_count]
GROUPS = {
    "cube",
    "national",
    "indicators",
    "inspections",
    "deprivation",
    "neighbours",
    "adjacency",
    "register",
    "provenance",
    "truth",
}


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    return build_simulated()


def true_values(tree: xr.DataTree, measure: str) -> np.ndarray:
    name = "population_true" if measure == "population_0_17" else f"{measure}_count"
    return tree["truth"][name].values


def check_bounds(tree: xr.DataTree) -> None:
    """Bounds contain what happened, and exist just where the status says so."""
    cube = tree["cube"].to_dataset()
    for measure in measures_in(cube):
        status = cube[f"{measure}_status"].values
        value = cube[measure].values
        lower, upper = cube[f"{measure}_lower"].values, cube[f"{measure}_upper"].values
        known = np.isin(status, KNOWN)
        assert (np.isfinite(lower) == known).all()
        assert (np.isfinite(upper) == known).all()
        hidden = status == STATUS["suppressed"]
        assert (np.isfinite(value) == (known & ~hidden)).all()
        assert (lower[hidden] == 1).all()
        assert (upper[hidden] == 5).all()
        exact = status == STATUS["exact"]
        assert (lower[exact] == value[exact]).all()
        assert (upper[exact] == value[exact]).all()
        if MEASURES[measure].is_count:
            happened = true_values(tree, measure)[known]
            assert (lower[known] <= happened).all()
            assert (happened <= upper[known]).all()
            assert (happened[exact[known]] == value[exact]).all()


def check_parts(tree: xr.DataTree) -> None:
    """True parts never exceed what they are parts of."""
    for name in COUNTS:
        parent = MEASURES[name].parent
        if parent:
            part, whole = true_values(tree, name), true_values(tree, parent)
            exists = np.isfinite(part)
            assert (part[exists] <= whole[exists]).all(), name
    closed = true_values(tree, "referrals_nfa") + true_values(tree, "referrals_not_in_need")
    assert (closed <= true_values(tree, "referrals")).all()
    late, timely = "initial_assessments_10_days", "initial_assessments_7_days"
    exists = np.isfinite(true_values(tree, late))
    assert (true_values(tree, timely)[exists] <= true_values(tree, late)[exists]).all()


def test_cube_has_its_groups_and_says_what_it_is(tree: xr.DataTree) -> None:
    assert set(tree.children) == GROUPS
    assert tree.attrs["kind"] == SIMULATED
    assert "imulated" in tree.attrs["title"]
    assert "invented" in tree.attrs["note"]
    assert measures_in(tree["cube"].to_dataset()) == SIMULATED_MEASURES
    assert measures_in(tree["national"].to_dataset()) == SIMULATED_MEASURES
    assert dict(tree["cube"].sizes) == {"la": 152, "year": 14}


def test_round_trip(tree: xr.DataTree, tmp_path: Path) -> None:
    again = load_cube(save_cube(tree, tmp_path / "simulated.nc"))
    assert again.attrs["cube_hash"] == tree.attrs["cube_hash"]
    for group in tree.children:
        xr.testing.assert_equal(tree[group].to_dataset(), again[group].to_dataset())


@pytest.mark.parametrize("year", [2005, 2012])
def test_one_year_of_few_authorities_survives_a_file(tmp_path: Path, year: int) -> None:
    # In 2005 there was no framework to inspect under, so a dimension has no entries.
    options = SimulationOptions(las=5, first_year=year, last_year=year, national_years=(2001,))
    tree = build_simulated(options)
    assert (tree["inspections"].sizes["inspection"] == 0) == (year == 2005)
    again = load_cube(save_cube(tree, tmp_path / "small.nc"))
    for group in tree.children:
        xr.testing.assert_equal(tree[group].to_dataset(), again[group].to_dataset())


def test_bounds_contain_what_happened(tree: xr.DataTree) -> None:
    check_bounds(tree)


def test_parts_stay_within_their_parents(tree: xr.DataTree) -> None:
    check_parts(tree)


def test_small_counts_are_hidden_and_some_exist(tree: xr.DataTree) -> None:
    cube = tree["cube"].to_dataset()
    status = cube["cpp_open_2_years_status"].values
    count = true_values(tree, "cpp_open_2_years")
    small = (count >= 1) & (count <= 5)
    gone = status == STATUS["not_available"]
    assert small.sum() > 100
    np.testing.assert_array_equal(status == STATUS["suppressed"], small & ~gone)


def test_looked_after_children_and_populations_are_rounded(tree: xr.DataTree) -> None:
    cube = tree["cube"].to_dataset()
    looked_after = cube["cla_at_31_march"].values
    assert (looked_after[np.isfinite(looked_after)] % 5 == 0).all()
    assert (cube["population_0_17"].values % 100 == 0).all()
    plain = build_simulated(SimulationOptions(las=6, last_year=2002, rounding=False))["cube"]
    assert (plain["population_0_17_status"].values == STATUS["exact"]).all()


def test_missing_returns_take_every_census_measure(tree: xr.DataTree) -> None:
    cube = tree["cube"].to_dataset()
    census = [name for name in SIMULATED_MEASURES if MEASURES[name].source == CIN]
    without = np.all(
        [~np.isin(cube[f"{name}_status"].values, KNOWN) for name in census], axis=0
    ) & (cube["referrals_status"].values == STATUS["not_available"])
    assert 5 <= without.sum() <= 40
    assert np.isfinite(cube["population_0_17"].values[without]).all()
    single = [
        ((cube[f"{name}_status"].values == STATUS["not_available"]) & ~without).sum()
        for name in census
    ]
    # 0.2 % of 2128 cells a measure, where the measure exists.
    assert 2 < np.mean(single) < 8


def test_single_assessments_replace_initial_ones(tree: xr.DataTree) -> None:
    cube = tree["cube"].to_dataset()
    old, new = cube["initial_assessments_status"], cube["single_assessments_status"]
    moved = (old == STATUS["not_applicable"]).mean("la")
    assert (moved.sel(year=slice(None, 2011)) == 0).all()
    assert 0.2 < float(moved.sel(year=2014)) < 0.5
    assert (new.sel(year=2010) == STATUS["not_collected"]).all()
    pilot = cube["initial_assessments_confidence"].sel(year=2013) == 5
    np.testing.assert_array_equal(pilot, old.sel(year=2013) == STATUS["not_applicable"])


def test_collection_as_in_england_starts_when_it_did() -> None:
    tree = build_simulated(
        SimulationOptions(
            las=8,
            first_year=2008,
            last_year=2012,
            national_years=tuple(range(1999, 2008)),
            collection="as_in_england",
        )
    )
    cube, national = tree["cube"].to_dataset(), tree["national"].to_dataset()

    def first(dataset: xr.Dataset, measure: str) -> int | None:
        held = dataset[f"{measure}_status"] != STATUS["not_collected"]
        held = held.any("la") if "la" in held.dims else held
        return int(held["year"][held][0]) if held.any() else None

    assert first(cube, "section47") == first(national, "section47") == 2010
    assert first(cube, "cpp_starts") == 2010
    assert first(national, "cpp_starts") == 2000
    assert first(national, "referrals") == 2005
    assert first(cube, "rereferrals") == 2011
    assert first(cube, "agency_workers") is None


def test_england_totals_are_the_sum_of_the_authorities() -> None:
    tree = build_simulated(
        SimulationOptions(missing_returns_percent=0.0, missing_cells_percent=0.0, last_year=2008)
    )
    national = tree["national"].to_dataset()
    for name in COUNTS:
        total = np.nansum(true_values(tree, name), axis=0)
        known = np.isin(national[f"{name}_status"].values, KNOWN)
        assert (national[f"{name}_lower"].values[known] <= total[known]).all(), name
        assert (total[known] <= national[f"{name}_upper"].values[known]).all(), name


def test_england_totals_stand_in_for_missing_returns(tree: xr.DataTree) -> None:
    truth = tree["truth"].to_dataset()
    for name in ("referrals", "section47", "cpp_at_31_march"):
        total = truth[f"{name}_count"].sum("la").values
        ratio = truth[f"{name}_national_count"].values / total
        np.testing.assert_allclose(ratio, 1, atol=0.01)
        assert (ratio != 1).any()
        national = tree["national"].to_dataset()
        assert (national[f"{name}_lower"].values <= truth[f"{name}_national_count"].values).all()
        assert national[name].attrs["coverage"]


def test_national_only_years_follow_the_national_rate() -> None:
    options = SimulationOptions(
        first_year=2010,
        national_years=(1999, 2001, *range(2003, 2010)),
        uncertain_population_before=2010,
    )
    tree = build_simulated(options)
    truth, national = tree["truth"].to_dataset(), tree["national"].to_dataset()
    assert list(national["year"].values) == [1999, 2001, *range(2003, 2015)]
    assert list(tree["cube"]["year"].values) == list(range(2010, 2015))
    rate = truth["cpp_starts_national_rate"].values
    weight = truth["population_true"].sel(year=2010)
    held = np.exp(
        truth["cpp_starts_level"]
        + truth["cpp_starts_slope"] * (2010 - truth.attrs["slope_year"])
        + truth["cpp_starts_aftermath"].sel(year=2010) * 0
    )
    factor = float((weight * held).sum() / weight.sum())
    early = truth["national_year"].values < 2010
    np.testing.assert_allclose(rate[early], factor * np.exp(truth["cpp_starts_trend"][early]))

    children = truth["england_population_true"].values
    multiplier = np.where(truth["national_year"].values <= 2008, 0.97, 1.0)
    expected = np.log(children * rate * multiplier)[early]
    log_gap = np.log(truth["cpp_starts_national_count"].values[early]) - expected
    assert np.abs(log_gap).max() < 4 * options.national_total_sd
    assert log_gap.any()

    assert np.isnan(national["population_0_17"].values[early]).all()
    assert (national["population_0_17_lower"].values <= children).all()
    assert (children <= national["population_0_17_upper"].values).all()
    assert np.isfinite(national["population_0_17"].values[~early]).all()


def test_codes_and_names_are_invented(tree: xr.DataTree) -> None:
    cube = tree["cube"].to_dataset()
    codes = cube["la"].values
    assert all(len(code) == 9 and code.startswith("S90") for code in codes)
    names = set(cube["la_name"].values)
    assert len(names) == 152
    # Names of real upper-tier authorities that are one word.
    real = (
        "Barnet Barnsley Bedford Bexley Birmingham Blackburn Blackpool Bolton Bournemouth Bradford "
        "Brent Bristol Bromley Buckinghamshire Bury Calderdale Cambridgeshire Camden Cornwall "
        "Coventry Croydon Cumbria Darlington Derby Derbyshire Devon Doncaster Dorset Dudley Durham "
        "Ealing Enfield Essex Gateshead Gloucestershire Greenwich Hackney Halton Hampshire "
        "Haringey Harrow Hartlepool Havering Hertfordshire Hillingdon Hounslow Islington Kent "
        "Kirklees Knowsley Lambeth Lancashire Leeds Leicester Lewisham Lincolnshire Liverpool "
        "Luton Manchester Medway Merton Middlesbrough Newham Norfolk Northamptonshire Nottingham "
        "Oldham Oxfordshire Peterborough Plymouth Poole Portsmouth Reading Redbridge Rochdale "
        "Rotherham Rutland Salford Sandwell Sefton Sheffield Shropshire Slough Solihull Somerset "
        "Southampton Southwark Staffordshire Stockport Suffolk Sunderland Surrey Sutton Swindon "
        "Tameside Thurrock Torbay Trafford Wakefield Walsall Wandsworth Warrington Warwickshire "
        "Westminster Wigan Wiltshire Wirral Wokingham Wolverhampton Worcestershire York"
    )
    assert not names & set(real.split())
    assert set(cube["region"].values).isdisjoint({"London", "North East", "South West"})


@pytest.mark.parametrize("las", [3, 20, 60, 152])
def test_authorities_touch_where_no_third_lies_in_the_circle_between_them(las: int) -> None:
    places = draw_places(SimulationOptions(seed=las, las=las))
    square = places.distance_km() ** 2
    mainland = [int(at) for at in np.flatnonzero(~places.island)]
    expected = [
        (a, b)
        for a, b in combinations(mainland, 2)
        if all(square[a, c] + square[b, c] >= square[a, b] for c in mainland if c not in (a, b))
    ]
    assert list(zip(*(found.tolist() for found in find_borders(places)), strict=True)) == expected


def test_borders_and_neighbours(tree: xr.DataTree) -> None:
    edges, codes = tree["adjacency"].to_dataset(), tree["cube"]["la"].values
    pairs = {
        frozenset(pair) for pair in zip(edges["la_from"].values, edges["la_to"].values, strict=True)
    }
    assert len(pairs) == edges.sizes["edge"]
    assert all(len(pair) == 2 for pair in pairs)
    # A planar map of n places has at most 3n - 6 borders.
    assert len(pairs) <= 3 * codes.size - 6
    assert len(set(codes) - {code for pair in pairs for code in pair}) == 2
    neighbours = tree["neighbours"]["neighbour"]
    for position, code in enumerate(codes):
        row = neighbours.values[position, :, 0]
        assert len(set(row)) == 10
        assert code not in row


def test_every_variable_of_truth_is_documented(tree: xr.DataTree) -> None:
    text = (Path(__file__).parents[2] / "docs" / "simulated_england.md").read_text()
    written = set(re.findall(r"`([^`\s]+)`", text))
    for name in tree["truth"].data_vars:
        measure = max((m for m in MEASURES if str(name).startswith(f"{m}_")), key=len, default="")
        generic = f"<m>{str(name)[len(measure) :]}" if measure else str(name)
        abbreviated = "..." + str(name)[len("timeliness_within") :]
        assert written & {generic, abbreviated}, name


@settings(max_examples=12)
@given(
    las=st.integers(2, 24),
    first_year=st.integers(1996, 2028),
    length=st.integers(1, 4),
    gap=st.lists(st.integers(1, 6), max_size=3),
    collection=st.sampled_from(["every_year", "as_in_england"]),
    seed=st.integers(0, 2**32),
)
def test_any_window_and_number_of_las(
    las: int,
    first_year: int,
    length: int,
    gap: list[int],
    collection: str,
    seed: int,
) -> None:
    tree = build_simulated(
        SimulationOptions(
            las=las,
            first_year=first_year,
            last_year=first_year + length - 1,
            national_years=tuple(sorted({first_year - back for back in gap})),
            collection=collection,
            seed=seed,
        )
    )
    assert dict(tree["cube"].sizes) == {"la": las, "year": length}
    check_bounds(tree)
    check_parts(tree)
    assert set(tree.children) == GROUPS
