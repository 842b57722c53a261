"""Statistical neighbours of stable units: the group ``/neighbours`` of a cube.

The publisher lists ten authorities most like each authority, of its own time. A list is for one
authority, so a unit has it when a single authority was the whole unit; a neighbour that is no unit
of the cube is left out and those behind it move up, so that blanks stand at the end of a list.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from data_prep import register
from data_prep.checks import PASS, WARNING, Finding
from data_prep.geography import Unit
from data_prep.schema import flag_attributes

RANKS = 10
# How like the neighbour is, in the publisher's words; the publisher gives no distances.
CLOSENESS = ("none", "not close", "somewhat close", "close", "very close", "extremely close")
CHOICES = (
    "the publisher's list of the one authority that was the whole unit; neighbours that are no "
    "unit of this cube, or joined with one named before, are left out and the others move up"
)


def build_neighbours_group(
    codes: Sequence[str] | np.ndarray, editions: Sequence[int], neighbours: np.ndarray
) -> xr.Dataset:
    """The group ``/neighbours`` of any cube, from codes (la, rank, edition), blank where none."""
    return xr.Dataset(
        {
            "neighbour": (
                ("la", "rank", "edition"),
                neighbours,
                {"long_name": "Statistical neighbour, most similar first"},
            )
        },
        coords={
            "la": np.array(codes),
            "rank": np.arange(1, RANKS + 1),
            "edition": np.array(editions, dtype="int64"),
        },
    )


def derive_neighbours(lists: pd.DataFrame, units: Sequence[Unit]) -> xr.Dataset:
    """The group ``/neighbours`` of published England: every edition at hand, by stable unit.

    Parameters
    ----------
    lists
        One row per edition, authority and rank (``sources.neighbours.NEIGHBOUR_COLUMNS``).
    units
        Units of the window.

    Returns
    -------
    Dataset
        ``neighbour`` (la, rank, edition): unit codes, blank where none; ``closeness``: a flag
        variable of :data:`CLOSENESS`. No edition when there are no lists.
    """
    joined = _join_lists(lists, units)
    editions = sorted(joined)
    shape = (len(units), RANKS, len(editions))
    neighbours = np.full(shape, "", dtype="<U9")
    closeness = np.zeros(shape, dtype="int8")
    for third, edition in enumerate(editions):
        for first, unit in enumerate(units):
            for second, (code, close) in enumerate(joined[edition].lists.get(unit.code, [])):
                neighbours[first, second, third] = code
                closeness[first, second, third] = close
    group = build_neighbours_group([unit.code for unit in units], editions, neighbours)
    sources = {
        int(edition): str(source)
        for edition, source in zip(lists["edition"], lists["source"], strict=True)
    }
    group["neighbour"].attrs |= {
        "joined": CHOICES,
        "source": "; ".join(f"{edition}: {sources[edition]}" for edition in editions),
    }
    group["closeness"] = (
        ("la", "rank", "edition"),
        closeness,
        flag_attributes(CLOSENESS, "How like the unit its neighbour is, in the publisher's words"),
    )
    return group


def check_neighbours(lists: pd.DataFrame, units: Sequence[Unit]) -> list[Finding]:
    """Units without a list and neighbours left out, of each edition; one PASS when none."""
    found = list(_check(lists, units))
    return found or [Finding("statistical neighbours", PASS, "nothing to report")]


def _check(lists: pd.DataFrame, units: Sequence[Unit]) -> Iterator[Finding]:
    check = "statistical neighbours"
    if lists.empty:
        yield Finding(
            check,
            WARNING,
            "no list of statistical neighbours is at hand",
            "comparisons with neighbours cannot be made with this cube",
        )
        return
    for edition, joined in _join_lists(lists, units).items():
        source = str(lists.loc[lists["edition"] == edition, "source"].iloc[0])
        for unit in units:
            if unit.code not in joined.lists:
                yield Finding(
                    check,
                    WARNING,
                    "no list of this edition is for an authority that was the whole unit",
                    "the unit has no neighbours in this edition",
                    source,
                    unit.name,
                    value=f"edition {edition}",
                )
        for (code, reason), times in sorted(joined.left_out.items()):
            yield Finding(
                check,
                WARNING,
                f"left out of {times} list{'s' if times > 1 else ''}: {reason}",
                "those behind it moved up",
                source,
                register.authorities()[code].name,
                value=f"edition {edition}",
            )


@dataclass
class _Joined:
    """Lists of one edition: unit code -> (unit code, closeness), most similar first; and how often
    a neighbour was left out, by its code and the reason.
    """

    lists: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)


def _join_lists(lists: pd.DataFrame, units: Sequence[Unit]) -> dict[int, _Joined]:
    unit_of = {
        register.latest_code(member.la_code): unit for unit in units for member in unit.members
    }
    joined: dict[int, _Joined] = {}
    for edition, rows in lists.groupby("edition"):
        own = joined[int(str(edition))] = _Joined()
        by_area: dict[str, list[tuple[str, int]]] = {}
        for row in rows.sort_values(["la_code", "rank"]).itertuples():
            area = register.latest_code(str(row.la_code))
            by_area.setdefault(area, []).append((str(row.neighbour), int(str(row.closeness))))
        for unit in units:
            whole = sorted(_whole_areas(unit) & set(by_area))
            if len(whole) == 1:
                own.lists[unit.code] = _place(by_area[whole[0]], unit, unit_of, own.left_out)
    return joined


def _whole_areas(unit: Unit) -> set[str]:
    """Newest codes of the authorities that were the whole unit in some year."""
    alone = (unit.members_in(year) for year in {member.from_year for member in unit.members})
    return {register.latest_code(found[0].la_code) for found in alone if len(found) == 1}


def _place(
    published: Sequence[tuple[str, int]],
    unit: Unit,
    unit_of: dict[str, Unit],
    left_out: Counter[tuple[str, str]],
) -> list[tuple[str, int]]:
    placed: dict[str, int] = {}
    for code, close in published:
        neighbour = unit_of.get(register.latest_code(code))
        if neighbour is None:
            left_out[code, "no unit of this cube"] += 1
        elif neighbour.code == unit.code:
            left_out[code, "part of the unit itself"] += 1
        elif neighbour.code in placed:
            left_out[code, "joined with a neighbour named before it"] += 1
        else:
            placed[neighbour.code] = close
    return list(placed.items())
