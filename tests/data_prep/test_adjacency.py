"""Borders between authorities: the table as facts, and the borders of stable units."""

from collections import Counter, deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.adjacency import ESTUARIES, ISLANDS, borders, derive_adjacency
from data_prep.geography import stable_units
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions

AREAS = {
    register.latest_code(code): authority for code, authority in register.authorities().items()
}
BOURNEMOUTH, POOLE, OLD_DORSET = "E06000028", "E06000029", "E10000009"
BCP, NEW_DORSET = "E06000058", "E06000059"


def neighbours(area: str) -> set[str]:
    pairs = [(border.la_from, border.la_to) for border in borders()]
    return {b for a, b in pairs if a == area} | {a for a, b in pairs if b == area}


def edges(first: int, last: int, years: range | None = None) -> set[tuple[str, str]]:
    found = derive_adjacency(stable_units(first, last), years or range(first, last + 1))
    pairs = zip(found["la_from"].values, found["la_to"].values, strict=True)
    return {(str(one), str(other)) for one, other in pairs}


def test_each_pair_stands_once_in_order_and_under_the_newest_codes() -> None:
    pairs = [(border.la_from, border.la_to) for border in borders()]
    assert pairs == sorted(set(pairs))
    assert all(one < other for one, other in pairs)
    assert {code for pair in pairs for code in pair} == set(AREAS) - set(ISLANDS)


def test_names_are_those_of_the_register() -> None:
    for border in borders():
        assert border.name_from == AREAS[border.la_from].name
        assert border.name_to == AREAS[border.la_to].name


def test_no_border_joins_authorities_that_never_stood_side_by_side() -> None:
    spans = {
        area: [
            a for a in register.authorities().values() if register.latest_code(a.la_code) == area
        ]
        for area in AREAS
    }
    for border in borders():
        assert any(
            one.from_year <= other.to_year and other.from_year <= one.to_year
            for one in spans[border.la_from]
            for other in spans[border.la_to]
        ), border


def test_tidal_borders_name_a_crossing_of_a_declared_water() -> None:
    crossings = [border.crossing for border in borders() if border.crossing]
    assert len(crossings) == len(set(crossings)) == 14
    for crossing in crossings:
        assert crossing.rstrip(")").split("(")[1].split(", ")[-1] in ESTUARIES


def test_tidal_water_without_a_crossing_parts() -> None:
    names = {frozenset((border.name_from, border.name_to)) for border in borders()}
    for pair in (
        ("Bexley", "Havering"),
        ("Bexley", "Thurrock"),
        ("Hartlepool", "Redcar and Cleveland"),
        ("Redcar and Cleveland", "Stockton-on-Tees"),
        ("Newcastle upon Tyne", "South Tyneside"),
        ("Sefton", "Wirral"),
        ("City of London", "Lambeth"),
        ("Kingston upon Hull, City of", "North Lincolnshire"),
        ("Medway", "Thurrock"),
    ):
        assert frozenset(pair) not in names


@settings(max_examples=25)
@given(
    first=st.integers(register.FIRST_YEAR, register.LAST_YEAR),
    length=st.integers(0, register.LAST_YEAR - register.FIRST_YEAR),
)
def test_units_have_the_same_borders_in_every_year_of_a_window(first: int, length: int) -> None:
    """Areas of stable units do not change, so borders of predecessors and successors agree."""
    last = min(first + length, register.LAST_YEAR)
    whole = edges(first, last)
    for year in range(first, last + 1):
        assert edges(first, last, range(year, year + 1)) == whole


@pytest.mark.parametrize("first", [2001, 2010, 2015, 2020, 2022, 2024])
@pytest.mark.parametrize("last", [2009, 2014, 2019, 2021, 2025])
def test_england_is_connected_but_for_its_islands(first: int, last: int) -> None:
    if first > last:
        return
    units = [unit.code for unit in stable_units(first, last)]
    found = edges(first, last)
    beside: dict[str, set[str]] = {code: set() for code in units}
    for one, other in found:
        assert units.index(one) < units.index(other)
        beside[one].add(other)
        beside[other].add(one)
    seen, queue = {units[0]}, deque([units[0]])
    while queue:
        for code in beside[queue.popleft()] - seen:
            seen.add(code)
            queue.append(code)
    assert set(units) - seen == set(ISLANDS)


def test_dorset_before_and_after_2019() -> None:
    assert neighbours(BOURNEMOUTH) == {POOLE, OLD_DORSET}
    assert neighbours(POOLE) == {BOURNEMOUTH, OLD_DORSET}
    # Christchurch, on Hampshire's border, moved from Dorset to the new authority beside it.
    assert "E10000014" in neighbours(BCP) & neighbours(NEW_DORSET) & neighbours(OLD_DORSET)
    assert neighbours(BCP) == {NEW_DORSET, "E10000014"}
    assert neighbours(NEW_DORSET) - {BCP} == neighbours(OLD_DORSET) - {BOURNEMOUTH, POOLE}
    assert (BOURNEMOUTH, OLD_DORSET) in edges(2010, 2014)
    assert (BCP, NEW_DORSET) in edges(2020, 2025)


def test_a_joined_unit_has_the_borders_of_its_members() -> None:
    joined = "J06000028"
    partners = {a if b == joined else b for a, b in edges(2010, 2025) if joined in (a, b)}
    # Hampshire, Wiltshire, Somerset, Devon; nothing within.
    assert partners == {"E10000014", "E06000054", "E06000066", "E10000008"}


def test_borders_of_the_study_window_are_counted() -> None:
    found = edges(2010, 2014)
    degree = Counter(code for pair in found for code in pair)
    assert len(found) == 369
    assert degree.most_common(1) == [("E10000030", 14)]
    assert degree["E06000001"] == 2


def test_the_group_looks_like_that_of_simulated_england() -> None:
    simulated = build_simulated(SimulationOptions(las=20))["adjacency"].to_dataset()
    published = derive_adjacency(stable_units(2010, 2014), range(2010, 2015))
    assert list(published.variables) == list(simulated.variables)
    for name in simulated.variables:
        assert published[name].dims == simulated[name].dims
        assert published[name].dtype == simulated[name].dtype
        assert published[name].attrs == simulated[name].attrs


def test_borders_of_units_left_out_vanish_and_no_others() -> None:
    units, years = stable_units(2010, 2014), range(2010, 2015)
    fewer = derive_adjacency([unit for unit in units if unit.code != "E06000001"], years)
    kept = set(zip(fewer["la_from"].values, fewer["la_to"].values, strict=True))
    assert kept == {pair for pair in edges(2010, 2014) if "E06000001" not in pair}


def test_no_units_have_no_borders() -> None:
    found = derive_adjacency([], [2012])
    assert found.sizes["edge"] == 0
    assert np.issubdtype(found["la_from"].dtype, np.str_)
