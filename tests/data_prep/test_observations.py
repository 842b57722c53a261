"""Observations: every cell is used or dropped with its reason, and nothing else is invented."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.errors import DataError
from data_prep.observations import (
    CELL_COLUMNS,
    LARGEST_EXPOSURE_ERROR,
    SHARE_COLUMNS,
    SHORT_INTERVAL,
    UNINFORMATIVE_RATIO,
    CountObservations,
    ShareObservations,
    describe_counts,
    observe_counts,
    observe_shares,
)
from data_prep.schema import KNOWN, STATUS, measure_variables
from data_prep.simulated import SimulationOptions, build_simulated

OUTCOME, EXPOSURE = "cpp_starts", "population_0_17"
NOT_KNOWN = tuple(code for code in STATUS.values() if code not in KNOWN)

# A cell: what was printed, its bounds and status.
type Cell = tuple[float, float, float, int]


def exact(value: float) -> Cell:
    return (value, value, value, STATUS["exact"])


def interval(lower: float, upper: float, status: str = "suppressed") -> Cell:
    return (np.nan, lower, upper, STATUS[status])


def rounded(value: float, unit: float) -> Cell:
    return (value, max(0.0, value - unit / 2), value + unit / 2, STATUS["rounded"])


def empty(status: str = "not_available") -> Cell:
    return (np.nan, np.nan, np.nan, STATUS[status])


def variables(name: str, dims: tuple[str, ...], cells: np.ndarray) -> dict[str, xr.DataArray]:
    value, lower, upper, status = np.moveaxis(cells, -1, 0)
    return measure_variables(name, dims, value=value, lower=lower, upper=upper, status=status)


def make_cube(
    counts: list[list[Cell]],
    children: list[list[Cell]] | None = None,
    *,
    first_year: int = 2012,
    national: dict[int, tuple[Cell, Cell]] | None = None,
) -> xr.DataTree:
    """A cube of one outcome over children: a row of cells for each LA, a column for each year."""
    las, years = len(counts), len(counts[0])
    children = children or [[exact(10_000.0)] * years] * las
    table = xr.Dataset(
        {
            **variables(OUTCOME, ("la", "year"), np.array(counts, float)),
            **variables(EXPOSURE, ("la", "year"), np.array(children, float)),
        },
        coords={
            "la": [f"E{i + 1:08d}" for i in range(las)],
            "year": range(first_year, first_year + years),
            "la_name": ("la", [f"Place {i + 1}" for i in range(las)]),
            "region": ("la", ["North East"] * las),
        },
    )
    groups = {"/": xr.Dataset(), "/cube": table}
    if national:
        totals = np.array([cells[0] for cells in national.values()], float)
        bases = np.array([cells[1] for cells in national.values()], float)
        groups["/national"] = xr.Dataset(
            variables(OUTCOME, ("year",), totals) | variables(EXPOSURE, ("year",), bases),
            coords={"year": list(national)},
        )
    tree = xr.DataTree.from_dict(groups)
    tree.attrs |= {"name": "small", "kind": "simulated England", "cube_hash": "0f"}
    return tree


def observe(cube: xr.DataTree, **choices: object) -> CountObservations:
    return observe_counts(cube, outcome=OUTCOME, exposure=EXPOSURE, **choices)  # type: ignore[arg-type]


def reasons(observations: CountObservations) -> dict[tuple[str, int], str]:
    return {(row.la, row.year): row.reason for row in observations.dropped.itertuples()}


# ------------------------------------------------------------------------------- properties

count_cells = st.one_of(
    st.integers(0, 3000).map(float).map(exact),
    st.just(interval(1, 5)),
    st.tuples(st.integers(0, 500), st.integers(0, 3000)).map(
        lambda pair: interval(pair[0], pair[0] + pair[1], "derived")
    ),
    st.sampled_from(NOT_KNOWN).map(lambda code: (np.nan, np.nan, np.nan, code)),
)
child_cells = st.one_of(
    st.integers(0, 50_000).map(float).map(exact),
    st.integers(1, 400).map(lambda n: rounded(100.0 * n, 100.0)),
    st.sampled_from(NOT_KNOWN).map(lambda code: (np.nan, np.nan, np.nan, code)),
)


@st.composite
def cubes(draw: st.DrawFn) -> tuple[xr.DataTree, list[list[Cell]], list[list[Cell]]]:
    las, years = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    tables = [
        [[draw(cells) for _ in range(years)] for _ in range(las)]
        for cells in (count_cells, child_cells)
    ]
    return make_cube(*tables), *tables


@given(made=cubes(), leave_out=st.booleans())
@settings(max_examples=60)
def test_every_cell_is_used_or_dropped_with_a_reason(
    made: tuple[xr.DataTree, list[list[Cell]], list[list[Cell]]], leave_out: bool
) -> None:
    cube, counts, children = made
    table = cube["cube"].to_dataset()
    las, years = [str(la) for la in table["la"].values], [int(y) for y in table["year"].values]
    exclude = (las[0],) if leave_out else ()
    try:
        found = observe(cube, exclude=exclude)
    except DataError:
        # Nothing usable is left; what is then said has a test of its own.
        return
    used = {(row.la, int(row.year)): row for row in found.cells.itertuples()}
    dropped = reasons(found)
    assert len(used) == len(found.cells)
    assert len(dropped) == len(found.dropped)
    assert not used.keys() & dropped.keys()
    assert used.keys() | dropped.keys() == {(la, year) for la in las for year in years}
    assert all(dropped.values())
    for (la, year), row in used.items():
        _, lower, upper, status = counts[las.index(la)][years.index(year)]
        base = children[las.index(la)][years.index(year)]
        assert (row.lower, row.upper, row.status) == (lower, upper, status)
        assert row.exposure == base[0] > 0
        assert base[2] - base[1] <= 2 * LARGEST_EXPOSURE_ERROR * base[0]
        assert upper - lower < SHORT_INTERVAL or upper <= UNINFORMATIVE_RATIO * max(lower, 1)
        assert la not in exclude
    wide = (found.cells["upper"] > found.cells["lower"]).to_numpy()
    assert not (np.diff(wide.astype(int)) < 0).any()
    for block in (found.cells[~wide], found.cells[wide]):
        assert list(zip(block["la"], block["year"], strict=True)) == sorted(
            zip(block["la"], block["year"], strict=True)
        )
    assert set(found.cells["la"]) <= set(found.las.index)
    assert list(found.weights["la"].values) == list(found.las.index)
    assert list(found.weights["year"].values) == found.la_years
    said = describe_counts(found)
    assert said["cells"] == len(las) * len(years)
    assert said["used"] == said["exact"] + said["interval"] == len(used)
    assert sum(item["cells"] for item in said["dropped"]) == len(dropped)


@given(made=cubes(), seed=st.integers(0, 100))
@settings(max_examples=25)
def test_the_order_of_authorities_is_no_difference(
    made: tuple[xr.DataTree, list[list[Cell]], list[list[Cell]]], seed: int
) -> None:
    cube = made[0]
    table = cube["cube"].to_dataset()
    order = np.random.default_rng(seed).permutation(table.sizes["la"])
    shuffled = xr.DataTree.from_dict({"/": xr.Dataset(), "/cube": table.isel(la=order)})
    shuffled.attrs = cube.attrs
    try:
        first = observe(cube)
    except DataError:
        return
    assert observe(shuffled).cells.equals(first.cells)


# ---------------------------------------------------------------------------------- reasons


@pytest.mark.parametrize(
    ("count", "base", "reason"),
    [
        (empty("not_available"), exact(9000.0), "child protection plans started: not available"),
        (empty("not_collected"), exact(9000.0), "child protection plans started: not collected"),
        (interval(1, 51), exact(9000.0), "interval too wide to say anything"),
        (interval(10, 101), exact(9000.0), "interval too wide to say anything"),
        (interval(5.2, 5.8, "derived"), exact(9000.0), "no whole number within its bounds"),
        (exact(3.0), empty(), "not known"),
        (exact(3.0), interval(1, 5), "not known"),
        (exact(3.0), exact(0.0), "zero"),
        (exact(3.0), rounded(100.0, 100.0), "rounded by more than 25% either way"),
    ],
)
def test_why_a_cell_is_dropped(count: Cell, base: Cell, reason: str) -> None:
    found = observe(make_cube([[count, exact(3.0)]], [[base, exact(9000.0)]]))
    assert reasons(found).keys() == {("E00000001", 2012)}
    assert reasons(found)["E00000001", 2012].endswith(reason)


@pytest.mark.parametrize(
    ("count", "base"),
    [
        (interval(0, 49), exact(9000.0)),
        (interval(10, 100), exact(9000.0)),
        (interval(1, 5), exact(9000.0)),
        (exact(0.0), exact(9000.0)),
        (rounded(30.0, 10.0), rounded(200.0, 100.0)),
    ],
)
def test_what_is_kept_at_the_limit(count: Cell, base: Cell) -> None:
    assert observe(make_cube([[count]], [[base]])).dropped.empty


def test_fractional_bounds_shrink_to_the_counts_between_them() -> None:
    cells = observe(make_cube([[rounded(300.0, 5.0), rounded(0.0, 5.0)]])).cells
    assert cells[["lower", "upper"]].to_numpy().tolist() == [[298, 302], [0, 2]]


def test_the_first_reason_that_applies_is_given() -> None:
    cube = make_cube([[exact(3.0)], [empty()]], [[exact(9000.0)], [empty()]])
    assert reasons(observe(cube)) == {
        ("E00000002", 2012): "child protection plans started: not available"
    }
    cube = make_cube([[exact(3.0)], [exact(4.0)]])
    found = observe(cube, exclude=["E00000002"])
    assert reasons(found) == {("E00000002", 2012): "excluded by the config"}
    assert list(found.las.index) == ["E00000001"]


def test_exact_cells_come_first() -> None:
    found = observe(make_cube([[interval(1, 5), exact(9.0)], [exact(8.0), interval(1, 5)]]))
    assert tuple(found.cells.columns) == CELL_COLUMNS
    assert found.cells[["la", "year"]].to_numpy().tolist() == [
        ["E00000001", 2013],
        ["E00000002", 2012],
        ["E00000001", 2012],
        ["E00000002", 2013],
    ]


def test_an_authority_without_figures_keeps_its_weight() -> None:
    found = observe(make_cube([[exact(3.0)], [empty()]]))
    assert list(found.las.index) == ["E00000001", "E00000002"]
    assert describe_counts(found)["las_without_figures"] == ["Place 2"]
    assert found.weights.values.tolist() == [[10_000.0], [10_000.0]]


def test_an_authority_without_children_in_any_year_has_no_weight() -> None:
    found = observe(make_cube([[exact(3.0)], [exact(3.0)]], [[exact(9000.0)], [empty()]]))
    assert list(found.las.index) == ["E00000001"]


def test_years_choose_and_a_year_without_figures_is_left_out() -> None:
    cube = make_cube([[exact(3.0), empty(), exact(4.0), exact(5.0)]])
    assert observe(cube).la_years == [2012, 2014, 2015]
    found = observe(cube, years=(2013, 2014))
    assert found.la_years == [2014]
    assert reasons(found).keys() == {("E00000001", 2013)}


# --------------------------------------------------------------------------- England totals

NATIONAL = {
    2009: (exact(100.0), exact(11_000_000.0)),
    2010: (rounded(200.0, 100.0), rounded(11_000_000.0, 1000.0)),
    2011: (empty(), exact(11_000_000.0)),
    2012: (exact(300.0), exact(11_000_000.0)),
    2013: (exact(350.0), exact(11_000_000.0)),
    2014: (exact(400.0), exact(11_000_000.0)),
    2015: (exact(500.0), exact(11_000_000.0)),
}


def test_england_totals_serve_only_years_before_the_first_authority_figures() -> None:
    cube = make_cube([[exact(3.0), empty(), exact(4.0)]], national=NATIONAL)
    found = observe(cube)
    assert list(found.national.index) == [2009, 2010]
    assert found.years == [2009, 2010, 2012, 2014]
    assert found.national.loc[2010].tolist() == [150.0, 250.0, 10_999_500.0, 11_000_500.0]
    assert list(found.national_series.index) == [2009, 2010, 2012, 2013, 2014, 2015]
    assert found.national_series["used"].tolist() == [True, True] + [False] * 4


def test_england_totals_can_be_declined_and_follow_the_chosen_years() -> None:
    cube = make_cube([[exact(3.0), exact(4.0)]], national=NATIONAL)
    declined = observe(cube, national=False)
    assert declined.national.empty
    assert declined.years == [2012, 2013]
    assert len(declined.national_series) == 6
    assert list(observe(cube, years=(2010, 2013)).national.index) == [2010]
    assert observe(cube, years=(2013, 2013)).national.empty


def test_an_england_total_without_children_or_above_zero_cannot_serve() -> None:
    national = {
        2010: (exact(100.0), empty()),
        2011: (exact(0.0), exact(1000.0)),
    }
    found = observe(make_cube([[exact(3.0)]], national=national))
    assert found.national.empty
    assert found.national_series["used"].tolist() == [False, False]


# ----------------------------------------------------------------------------------- errors


def test_nothing_left_says_what_was_dropped_and_why() -> None:
    cube = make_cube([[empty(), interval(1, 99)]], [[exact(9000.0), exact(9000.0)]])
    with pytest.raises(DataError) as caught:
        observe(cube)
    (fault,) = caught.value.faults
    assert (fault.file, fault.column) == ("small", OUTCOME)
    assert "1 child protection plans started: not available" in fault.problem
    assert "1 child protection plans started: interval too wide" in fault.problem


def test_years_outside_the_cube_are_an_error_that_names_its_years() -> None:
    with pytest.raises(DataError, match="use years from 2012 to 2013"):
        observe(make_cube([[exact(3.0), exact(4.0)]]), years=(1990, 1991))


def test_every_fault_of_a_request_is_told_and_the_counts_there_are_listed() -> None:
    with pytest.raises(DataError) as caught:
        observe_counts(
            make_cube([[exact(3.0)]]),
            outcome="section47",
            exposure="hats",
            exclude=["E00000001", "E99999999"],
        )
    faults = {fault.value: fault for fault in caught.value.faults}
    assert faults.keys() == {"section47", "hats", "E99999999"}
    assert faults["section47"].remedy == f"use one of: {EXPOSURE}, {OUTCOME}"
    assert (faults["section47"].file, faults["section47"].column) == ("small", "outcome")
    assert faults["E99999999"].column == "data.exclude"


def test_a_measure_is_no_denominator_of_itself() -> None:
    with pytest.raises(DataError, match="the same measure"):
        observe_counts(make_cube([[exact(3.0)]]), outcome=OUTCOME, exposure=OUTCOME)


def test_a_definition_ends_where_a_later_release_revised_it() -> None:
    tree = build_simulated(SimulationOptions(las=6, first_year=2012, last_year=2014))
    tree["national"]["rereferrals"].attrs["regimes"] = "child-level census: 2010-"
    tree["cube"]["rereferrals"].attrs["regimes"] = (
        "child-level census: 2010-2012; child-level census, revised: 2013-"
    )
    found = observe_counts(tree, outcome="rereferrals", exposure="referrals").regimes
    assert [(r.name, r.first_year, r.last_year) for r in found] == [
        ("child-level census", 2010, 2012),
        ("child-level census, revised", 2013, None),
    ]


def test_a_rate_changes_with_the_definition_of_its_denominator_too() -> None:
    tree = build_simulated(SimulationOptions(las=6, first_year=2007, last_year=2011))
    per_referral = observe_counts(tree, outcome="section47", exposure="referrals").regimes
    assert [(r.name, r.first_year, r.last_year) for r in per_referral] == [
        ("CPR3 aggregate return (referrals)", None, 2009),
        ("child-level census (referrals)", 2010, None),
    ]
    plans = observe_counts(tree, outcome="cpp_starts", exposure="referrals").regimes
    assert [(r.name, r.first_year, r.last_year) for r in plans] == [
        ("child protection register, CPR3 aggregate return (referrals)", None, 2008),
        ("child protection plans, CPR3 aggregate return (referrals)", 2009, 2009),
        ("child protection plans, child-level census (referrals)", 2010, None),
    ]
    # One change that both share is told once.
    again = observe_counts(tree, outcome="rereferrals", exposure="referrals").regimes
    assert [r.name for r in again] == ["CPR3 aggregate return", "child-level census"]
    per_child = observe_counts(tree, outcome="section47", exposure="population_0_17")
    assert per_child.regimes == ()


# ----------------------------------------------------------------------------------- shares

PART, WHOLE = "cpp_second_or_subsequent", "cpp_starts"


def share_cube(
    parts: list[list[Cell]],
    wholes: list[list[Cell]],
    confidence: list[list[int]] | None = None,
) -> xr.DataTree:
    """A cube of one part and its whole: a row of cells for each LA, a column for each year."""
    tree = make_cube(wholes)
    table = (
        tree["cube"].to_dataset().assign(variables(PART, ("la", "year"), np.array(parts, float)))
    )
    if confidence is not None:
        table[f"{PART}_confidence"] = (("la", "year"), np.array(confidence, "int8"))
    tree["cube"] = xr.DataTree(table)
    return tree


def observe_part(cube: xr.DataTree, **choices: object) -> ShareObservations:
    return observe_shares(cube, part=PART, whole=WHOLE, **choices)  # type: ignore[arg-type]


def test_a_share_is_a_part_with_its_whole() -> None:
    found = observe_part(
        share_cube(
            [[interval(1, 5), exact(9.0)], [exact(0.0), exact(40.0)]],
            [[exact(30.0), exact(20.0)], [exact(25.0), exact(40.0)]],
            [[2, 3], [3, 1]],
        )
    )
    assert isinstance(found, ShareObservations)
    assert (found.outcome, found.exposure) == (PART, WHOLE)
    assert tuple(found.cells.columns) == SHARE_COLUMNS
    assert found.cells.drop(columns="status").to_numpy().tolist() == [
        ["E00000001", 2013, 9, 9, 20.0, 3],
        ["E00000002", 2012, 0, 0, 25.0, 3],
        ["E00000002", 2013, 40, 40, 40.0, 1],
        ["E00000001", 2012, 1, 5, 30.0, 2],
    ]
    assert found.dropped.empty
    assert found.national.empty
    assert describe_counts(found)["interval"] == 1


def test_without_flags_no_authority_said_how_sure_it_is() -> None:
    assert observe_part(share_cube([[exact(3.0)]], [[exact(9.0)]])).cells["confidence"].item() == 0


def test_an_interval_ends_at_the_whole() -> None:
    found = observe_part(share_cube([[interval(1, 5)]], [[exact(3.0)]])).cells
    assert found[["lower", "upper"]].to_numpy().tolist() == [[1, 3]]


def test_a_part_that_must_be_the_whole_is_exact() -> None:
    found = observe_part(share_cube([[interval(3, 5)], [interval(1, 5)]], [[exact(3.0)]] * 2))
    assert found.cells[["la", "lower", "upper"]].to_numpy().tolist() == [
        ["E00000001", 3, 3],
        ["E00000002", 1, 3],
    ]


@pytest.mark.parametrize(
    ("part", "whole", "reason"),
    [
        (empty(), exact(9.0), "second or subsequent plans: not available"),
        (empty("not_collected"), exact(9.0), "second or subsequent plans: not collected"),
        (interval(5.2, 5.8, "derived"), exact(9.0), "no whole number within its bounds"),
        (exact(3.0), empty(), "child protection plans started: not known"),
        (exact(3.0), interval(3, 5), "plans started: known only within an interval"),
        (exact(3.0), rounded(300.0, 10.0), "plans started: known only within an interval"),
        (exact(0.0), exact(0.0), "child protection plans started: zero"),
        (exact(10.0), exact(9.0), "plans: more than child protection plans started"),
        (interval(10, 12), exact(9.0), "plans: more than child protection plans started"),
        (interval(0, 9), exact(9.0), "interval too wide to say anything"),
        (interval(0, 60), exact(900.0), "interval too wide to say anything"),
        (interval(60, 500), exact(900.0), "interval too wide to say anything"),
    ],
)
def test_why_a_share_is_dropped(part: Cell, whole: Cell, reason: str) -> None:
    found = observe_part(share_cube([[part, exact(3.0)]], [[whole, exact(9.0)]]))
    assert reasons(found).keys() == {("E00000001", 2012)}
    assert reasons(found)["E00000001", 2012].endswith(reason)


@pytest.mark.parametrize("part", [interval(1, 9), interval(0, 8), interval(200, 400), exact(9.0)])
def test_shares_kept_at_the_limit(part: Cell) -> None:
    whole = 9.0 if part[2] <= 9 else 900.0
    assert observe_part(share_cube([[part]], [[exact(whole)]])).dropped.empty


@given(
    part=st.tuples(st.integers(0, 900), st.integers(0, 900)),
    whole=st.integers(0, 1200),
)
@settings(max_examples=60)
def test_a_share_lies_between_nought_and_one(part: tuple[int, int], whole: int) -> None:
    cube = share_cube(
        [[interval(part[0], part[0] + part[1]), exact(1.0)]], [[exact(float(whole)), exact(2.0)]]
    )
    found = observe_part(cube)
    assert len(found.cells) + len(found.dropped) == 2
    assert (found.cells["lower"] >= 0).all()
    assert (found.cells["lower"] <= found.cells["upper"]).all()
    assert (found.cells["upper"] <= found.cells["exposure"]).all()
    for row in found.cells[found.cells["year"] == 2012].itertuples():
        # Only what lies above the whole is cut from an interval.
        assert (row.lower, row.upper) == (part[0], min(sum(part), whole))


def test_only_a_true_part_makes_a_share() -> None:
    cube = make_cube([[exact(3.0)]])
    with pytest.raises(DataError, match="no true part") as caught:
        observe_shares(cube, part=OUTCOME, whole=EXPOSURE)
    (fault,) = caught.value.faults
    assert (fault.column, fault.value) == ("whole", EXPOSURE)


def test_a_part_of_a_part_is_a_part() -> None:
    tree = build_simulated(SimulationOptions(las=6, first_year=2012, last_year=2014))
    found = observe_shares(tree, part="cpp_reviewed_on_time", whole="cpp_at_31_march")
    assert len(found.cells)
    with pytest.raises(DataError, match="use cpp_due_review or cpp_at_31_march"):
        observe_shares(tree, part="cpp_reviewed_on_time", whole="cpp_starts")


def test_shares_follow_years_and_exclusions_and_refuse_what_is_not_there() -> None:
    cube = share_cube([[exact(3.0), exact(4.0)]] * 2, [[exact(9.0), exact(9.0)]] * 2)
    found = observe_part(cube, years=(2013, 2013), exclude=["E00000002"])
    assert found.cells[["la", "year"]].to_numpy().tolist() == [["E00000001", 2013]]
    assert reasons(found) == {("E00000002", 2013): "excluded by the config"}
    with pytest.raises(DataError, match="use years from 2012 to 2013"):
        observe_part(cube, years=(1990, 1991))
    with pytest.raises(DataError) as caught:
        observe_shares(cube, part="hats", whole=WHOLE, exclude=["E99999999"])
    assert {fault.value for fault in caught.value.faults} == {"hats", "E99999999"}


def test_simulated_shares_are_used_or_dropped_with_a_reason() -> None:
    tree = build_simulated(SimulationOptions(las=24, first_year=2010, last_year=2014))
    found = observe_shares(tree, part="rereferrals", whole="referrals")
    assert len(found.cells) + len(found.dropped) == 24 * 5
    assert (found.cells["upper"] <= found.cells["exposure"]).all()
    assert found.cells["confidence"].nunique() > 1
