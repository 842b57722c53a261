"""Which authorities share a border: the project's own facts, and the group ``/adjacency``.

``adjacency.csv`` has one row for each pair of authorities that existed side by side in some year
since 2001, each pair once, the lower code first. Codes are the newest of the same area
(``register.latest_code``), so that a change of code alone adds no row. Source: the counties,
districts and boroughs as the Local Government Act 1972, the London Government Act 1963 and the
orders cited in ``register.SUCCESSIONS`` bound them, written down area by area.

Two authorities share a border where their areas meet on land, or along a river, for more than one
point. Where they meet in nothing but the tidal water of one of :data:`ESTUARIES`, they share one
only when a bridge or tunnel in public use joins the two of them: ``crossing`` names it. Reasons and
the comparison with the official maps: ``docs/decisions/adjacency.md``.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr

from data_prep import register
from data_prep.geography import Unit

ESTUARIES = ("Humber", "Mersey", "Tamar", "Tees", "Thames", "Tyne")
# No land border with any authority.
ISLANDS = ("E06000046", "E06000053")


@dataclass(frozen=True)
class Border:
    """Two areas that share a border, by the newest code of each, the lower first."""

    la_from: str
    la_to: str
    name_from: str
    name_to: str
    crossing: str


@cache
def borders() -> tuple[Border, ...]:
    """All borders, in the order of their codes."""
    path = Path(__file__).with_name("adjacency.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(Border(**row) for row in csv.DictReader(file))


def derive_adjacency(units: Sequence[Unit], years: Iterable[int]) -> xr.Dataset:
    """The group ``/adjacency`` (edge): pairs of stable units that share a border, each once.

    A joined unit has the borders of its members; borders between members of one unit vanish.

    Parameters
    ----------
    units
        Stable units of the window.
    years
        Financial years of the cube. A border counts when both sides exist in one of them.

    Returns
    -------
    xr.Dataset
        ``la_from`` and ``la_to``, codes of units; in every pair the unit that comes first in
        ``units`` is ``la_from``, and pairs are in the order of the units.
    """
    place = {unit.code: position for position, unit in enumerate(units)}
    edges = sorted(set(_edges(units, list(years), place)))
    codes = np.array([unit.code for unit in units], dtype="<U9")
    at = np.array(edges, dtype=int).reshape(-1, 2)
    return xr.Dataset({"la_from": ("edge", codes[at[:, 0]]), "la_to": ("edge", codes[at[:, 1]])})


def _edges(
    units: Sequence[Unit], years: Sequence[int], place: dict[str, int]
) -> Iterator[tuple[int, int]]:
    """Positions of both units for each border of each year; repeats are possible."""
    for year in years:
        unit_of = {
            register.latest_code(member.la_code): unit.code
            for unit in units
            for member in unit.members_in(year)
        }
        for border in borders():
            one, other = unit_of.get(border.la_from), unit_of.get(border.la_to)
            if one is not None and other is not None and one != other:
                low, high = sorted((place[one], place[other]))
                yield low, high
