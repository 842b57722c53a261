"""What a run holds for readers from an authority, and what can be added to an older one."""

import json
from pathlib import Path

import pytest
import xarray as xr

from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions
from experiments.authorities import add_missing, describe_places, write_places


@pytest.fixture(scope="module")
def cube() -> xr.DataTree:
    return build_simulated(SimulationOptions(las=9, first_year=2009, last_year=2012, seed=4))


def square(i: int) -> str:
    x, y = -1 + (i % 3) / 10, 53 - (i // 3) / 10
    ring = [[x, y], [x + 0.1, y], [x + 0.1, y + 0.12345678], [x, y + 0.1], [x, y]]
    return json.dumps({"type": "Polygon", "coordinates": [ring]})


def test_without_boundaries_there_are_neighbours_and_no_map(cube: xr.DataTree) -> None:
    places = describe_places(cube)
    codes = [str(code) for code in cube["cube"]["la"].values]
    assert list(places["las"]) == codes
    assert places["outlines"] == places["tiles"] == {}
    assert set(places["neighbours"]) == set(codes)
    for code, near in places["neighbours"].items():
        assert code not in near
        assert set(near) <= set(codes)
    assert any(places["neighbours"].values())


def test_with_boundaries_every_authority_has_a_square(cube: xr.DataTree, tmp_path: Path) -> None:
    codes = [str(code) for code in cube["cube"]["la"].values]
    tree = cube.copy()
    tree["boundaries"] = xr.DataTree(
        xr.Dataset(
            {"geojson": ("la", [*(square(i) for i in range(8)), ""])},
            coords={"la": codes},
            attrs={"attribution": "Invented"},
        )
    )
    tree["adjacency"] = xr.DataTree(
        xr.Dataset({"la_from": ("edge", [codes[7]]), "la_to": ("edge", [codes[8]])})
    )
    path = write_places(tree, tmp_path)
    places = json.loads(path.read_text(encoding="utf-8"))
    assert set(places["outlines"]) == set(codes[:8])
    # The one that no map shows lies by the one that it borders on.
    assert set(places["tiles"]) == set(codes)
    assert len({tuple(tile) for tile in places["tiles"].values()}) == 9
    assert places["attribution"] == "Invented"
    assert places["outlines"][codes[0]]["coordinates"][0][0][2] == [-0.9, 53.123]


def test_what_cannot_be_added_is_said(tmp_path: Path) -> None:
    assert add_missing(tmp_path) == [
        "ranks.csv is missing, and so is the trace",
        "places.json is missing, and so is the trace",
    ]
    for name in ("ranks.csv", "places.json"):
        (tmp_path / name).write_text("{}")
    assert add_missing(tmp_path) == []
