"""The grid map of England, from the official maps where they are at hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.adjacency import derive_adjacency
from data_prep.geography import stable_units
from data_prep.sources.boundaries import derive_boundaries, read_boundaries
from data_prep.sources.files import scan
from data_prep.tiles import lay_tiles

RAW = Path(__file__).parents[2] / ".." / "shared" / "data" / "boundaries"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]


@pytest.mark.parametrize("years", [(2010, 2014), (2010, 2024)])
def test_england_keeps_its_shape_and_london_is_in_one_piece(years: tuple[int, int]) -> None:
    units, window = stable_units(*years), range(years[0], years[1] + 1)
    drawn, _ = derive_boundaries(read_boundaries(scan(RAW)), units, window)
    outlines = {
        str(code): json.loads(str(text))
        for code, text in zip(drawn["la"].values, drawn["geojson"].values, strict=True)
        if str(text)
    }
    beside: dict[str, set[str]] = {}
    edges = derive_adjacency(units, window)
    for one, other in zip(edges["la_from"].values, edges["la_to"].values, strict=True):
        beside.setdefault(str(one), set()).add(str(other))
        beside.setdefault(str(other), set()).add(str(one))
    tiles = lay_tiles(outlines, beside)
    # Those that no map shows lie beside their neighbours.
    assert set(tiles) == {unit.code for unit in units}
    assert len(set(tiles.values())) == len(units)
    # East stays east and south stays south.
    codes = [code for code in tiles if code in outlines]
    where = np.array([np.mean(_ring(outlines[code]), axis=0) for code in codes])
    laid = np.array([tiles[code] for code in codes])
    assert np.corrcoef(where[:, 0], laid[:, 0])[0, 1] > 0.9
    assert np.corrcoef(where[:, 1], laid[:, 1])[0, 1] < -0.9
    # Those that share a border are near one another.
    apart = [
        max(abs(a - b) for a, b in zip(tiles[one], tiles[other], strict=True))
        for one in tiles
        for other in beside.get(one, set()) & tiles.keys()
    ]
    assert np.mean(np.array(apart) <= 2) > 0.8
    assert _is_one_piece({tiles[unit.code] for unit in units if unit.region == "London"})


def _ring(geometry: dict) -> np.ndarray:  # type: ignore[type-arg]
    drawn = geometry["coordinates"]
    polygons = [drawn] if geometry["type"] == "Polygon" else drawn
    return np.array([point[:2] for point in max((p[0] for p in polygons), key=len)])


def _is_one_piece(squares: set[tuple[int, int]]) -> bool:
    left = set(squares)
    found = [left.pop()]
    while found:
        x, y = found.pop()
        touching = {(x + a, y + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
        left -= touching
        found += touching
    return not left
