"""What a reader from an authority needs beside the estimands: `ranks.csv` and `places.json`.

A fit writes both. Runs of earlier versions lack them; where the run can still be restored, they are
added before its report is rendered again.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.profile import find_neighbours
from data_prep.schema import load_cube
from data_prep.tiles import lay_tiles
from experiments import la_ranks
from experiments.store import cube_path

PLACES = "places.json"
# Decimals of a degree: a hundred metres, which no page resolves.
_DECIMALS = 3


def describe_places(cube: xr.DataTree) -> dict[str, Any]:
    """`places.json`: who each authority's neighbours are, its outline, and its square of a grid.

    ``las`` has ``name, region`` of every authority of the cube, fitted or not; ``neighbours`` lists
    its statistical neighbours, nearest first; ``outlines`` (GeoJSON geometries, holes left out) and
    ``tiles`` (column, row) are empty where the cube holds no boundaries.
    """
    found = cube["cube"].to_dataset()
    codes = [str(code) for code in found["la"].values]
    region = found["region"].values if "region" in found.coords else [""] * len(codes)
    outlines: dict[str, Any] = {}
    attribution = ""
    if "boundaries" in cube.children:
        maps = cube["boundaries"].to_dataset()
        attribution = str(maps.attrs.get("attribution", ""))
        texts = zip(maps["la"].values, maps["geojson"].values, strict=True)
        outlines = {str(code): _outline(json.loads(str(text))) for code, text in texts if str(text)}
    return {
        "schema": 1,
        "las": {
            code: {"name": str(name), "region": str(region[i])}
            for i, (code, name) in enumerate(zip(codes, found["la_name"].values, strict=True))
        },
        "neighbours": {
            code: [codes[other] for other in others]
            for code, others in zip(codes, find_neighbours(cube), strict=True)
        },
        "outlines": outlines,
        "tiles": _tiles(json.dumps(outlines), json.dumps(_beside(cube))),
        "attribution": attribution,
    }


def write_places(cube: xr.DataTree, run: Path) -> Path:
    """Write ``places.json`` into a run folder, on one line: outlines are long."""
    path = run / PLACES
    text = json.dumps(describe_places(cube), separators=(",", ":"), ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _outline(geometry: dict[str, Any]) -> dict[str, Any]:
    drawn = geometry["coordinates"]
    polygons = [drawn] if geometry["type"] == "Polygon" else drawn
    rings = [np.round([point[:2] for point in polygon[0]], _DECIMALS) for polygon in polygons]
    return {"type": "MultiPolygon", "coordinates": [[ring.tolist()] for ring in rings]}


@lru_cache(maxsize=2)
def _tiles(outlines: str, beside: str) -> dict[str, list[int]]:
    """Squares by code, from JSON: they take seconds, and fits of one cube share them."""
    squares = lay_tiles(json.loads(outlines), json.loads(beside))
    return {code: list(square) for code, square in squares.items()}


def _beside(cube: xr.DataTree) -> dict[str, list[str]]:
    """Authorities that share a border with each."""
    if "adjacency" not in cube.children:
        return {}
    edges = cube["adjacency"].to_dataset()
    found: dict[str, list[str]] = {}
    for one, other in zip(edges["la_from"].values, edges["la_to"].values, strict=True):
        found.setdefault(str(one), []).append(str(other))
        found.setdefault(str(other), []).append(str(one))
    return found


def add_missing(run: Path) -> list[str]:
    """Add to a run of an earlier version what it lacks; what could not be added, and why."""
    from experiments.compare import read_side, restore_run

    wanting = [name for name in (la_ranks.FILE, PLACES) if not (run / name).is_file()]
    if not wanting or not (run / "trace.nc").is_file():
        return [f"{name} is missing, and so is the trace" for name in wanting]
    try:
        side = read_side(run)
        if PLACES in wanting:
            write_places(_cube_of(side.config, run), run)
            wanting.remove(PLACES)
        if wanting:
            prepared = restore_run(side)
            spec, options = prepared.experiment.spec, prepared.experiment.options
            with xr.open_dataset(run / "trace.nc", group="posterior", engine="netcdf4") as opened:
                posterior = opened.load()
            answer = spec.estimands(
                posterior, prepared.observations, options, prepared.experiment.priors
            )
            la_ranks.write_ranks(
                la_ranks.rank_authorities(answer.values, spec.declared_estimands(options)), run
            )
    except DataError as error:
        return [f"{' and '.join(wanting)} could not be added: {_problems(error)}"]
    return []


def _problems(error: DataError) -> str:
    faults: Sequence[Any] = error.faults
    return "; ".join(fault.problem for fault in faults)


def _cube_of(config: Mapping[str, Any], run: Path) -> xr.DataTree:
    """The cube that the run saw.

    Raises
    ------
    DataError
        When it is gone or was built again with other contents.
    """
    cube = load_cube(cube_path(str(config["data"]["cube"])))
    seen = json.loads((run / "provenance.json").read_text(encoding="utf-8"))["cube"]["hash"]
    if cube.attrs["cube_hash"] != seen:
        raise DataError(
            [Fault("the cube was built again since", "fit the run again", value=run.name)]
        )
    return cube
