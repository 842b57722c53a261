"""Grid maps: one square for each authority, near where it lies."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.tiles import _NARROW, _equal_centres, lay_tiles


def box(x: float, y: float, wide: float = 1.0, high: float = 1.0) -> dict[str, Any]:
    """A rectangle in units that are as long eastwards as northwards."""
    x, wide = x / _NARROW, wide / _NARROW
    ring = [[x, y], [x + wide, y], [x + wide, y + high], [x, y + high], [x, y]]
    return {"type": "Polygon", "coordinates": [ring]}


def lattice(columns: int, rows: int) -> dict[str, dict[str, Any]]:
    return {f"{x}-{y}": box(x, -y) for x in range(columns) for y in range(rows)}


def test_a_lattice_keeps_its_order() -> None:
    tiles = lay_tiles(lattice(5, 4))
    for y in range(4):
        across = [tiles[f"{x}-{y}"][0] for x in range(5)]
        assert across == sorted(set(across))
    for x in range(5):
        down = [tiles[f"{x}-{y}"][1] for y in range(4)]
        assert down == sorted(set(down))


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_row_order_is_irrelevant_and_no_two_are_alike(order: list[int]) -> None:
    known = list(lattice(4, 3).items())
    tiles = lay_tiles(dict(known[i] for i in order))
    assert tiles == lay_tiles(dict(known))
    assert len(set(tiles.values())) == len(known)
    assert min(x for x, _ in tiles.values()) == min(y for _, y in tiles.values()) == 0


def test_small_areas_get_as_much_room_as_large_ones() -> None:
    # A city of nine in the middle of a country of eight.
    country = {f"c{x}{y}": box(x, y) for x in range(3) for y in range(3) if (x, y) != (1, 1)}
    city = {f"t{x}{y}": box(1 + x / 3, 1 + y / 3, 1 / 3, 1 / 3) for x in range(3) for y in range(3)}
    every = country | city
    centres = dict(zip(every, _equal_centres(list(every.values())), strict=True))
    apart = np.linalg.norm(centres["t00"] - centres["t22"])
    assert apart > 2
    tiles = lay_tiles(every)
    assert len(set(tiles.values())) == 17
    # The city stays within the country.
    for axis in (0, 1):
        inner = [tiles[code][axis] for code in city]
        outer = [tiles[code][axis] for code in country]
        assert min(outer) <= min(inner)
        assert max(inner) <= max(outer)


def test_an_authority_without_outline_lies_by_its_neighbours() -> None:
    known = lattice(5, 5)
    gone = known.pop("2-2")
    assert gone
    tiles = lay_tiles(known, {"2-2": {"1-2", "3-2"}, "far": {"nowhere"}, "next": {"2-2"}})
    assert set(tiles) == {*known, "2-2", "next"}
    column, row = tiles["2-2"]
    assert abs(column - tiles["1-2"][0]) <= 2
    assert abs(row - tiles["1-2"][1]) <= 1


def test_several_polygons_and_clockwise_rings_are_land() -> None:
    ring = box(0, 0)["coordinates"][0][::-1]
    split = {"type": "MultiPolygon", "coordinates": [[ring], box(3, 0)["coordinates"]]}
    tiles = lay_tiles({"a": split, "b": box(1.4, 0), "c": box(6, 0)})
    assert len(set(tiles.values())) == 3
    assert tiles["c"][0] > tiles["a"][0]


@pytest.mark.parametrize("beside", [None, {"a": {"b"}}])
def test_no_map_no_tiles(beside: dict[str, set[str]] | None) -> None:
    assert lay_tiles({}, beside) == {}
