"""Reader of the statistical neighbours of authorities, models of April 2021 and of 2025.

Codes are the three-digit ones of the Department for Education. The model of 2021 repeats a column
name, so columns are known by their places; its last rows are of authorities abolished before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd

from data_prep import register
from data_prep.errors import DataError, Fault
from data_prep.neighbours import CLOSENESS, RANKS
from data_prep.register import Authority
from data_prep.sources.files import RawFile
from data_prep.sources.layouts import (
    contradiction,
    contradicts,
    missing_authorities,
    resemblance,
    tidy,
    unknown_code,
    unknown_layout,
)

# ``la_code`` and ``neighbour`` are nine-character codes, ``closeness`` a position in CLOSENESS.
NEIGHBOUR_COLUMNS = ("edition", "la_code", "rank", "neighbour", "closeness", "source")


@dataclass(frozen=True)
class Layout:
    """Columns of one edition, in their order: ``codes`` are places of the authority's own code,
    ``first`` that of the first neighbour. ``authorities`` is a year whose authorities all have a
    list, ``heading`` the text before lists of authorities abolished earlier.
    """

    edition: int
    authorities: int
    columns: tuple[str, ...]
    codes: tuple[int, ...]
    first: int
    heading: str = ""


def _ranked(*patterns: str) -> tuple[str, ...]:
    return tuple(text.format(rank) for rank in range(1, RANKS + 1) for text in patterns)


LAYOUTS = (
    Layout(
        2021,
        2022,
        ("LA num", "LA Name", "LA number", "GOInd", "GOReg", *_ranked("SN{}", "SNP")),
        (0, 2),
        5,
        "Old SNs:",
    ),
    Layout(
        2025,
        2025,
        ("old_la_code", "la_name", "region_ind", "region_name", *_ranked("SN_{}", "SN_{}P")),
        (0,),
        4,
    ),
)
_NAME = 1
_WHAT = "the statistical neighbours"


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    layout = _layout_of(file)
    return f"statistical neighbours, model of {layout.edition}" if layout else None


def _layout_of(file: RawFile) -> Layout | None:
    """The layout that shares most columns with the file, if it shares more than half."""
    header = [tidy(name) for name in file.header]
    best = max(LAYOUTS, key=lambda layout: resemblance(header, layout.columns))
    return best if resemblance(header, best.columns) > 0.5 else None


def read_neighbours(files: Sequence[RawFile]) -> pd.DataFrame:
    """Neighbours of every edition among ``files``.

    Returns
    -------
    DataFrame
        ``NEIGHBOUR_COLUMNS``, in the order of edition, code and rank.

    Raises
    ------
    DataError
        With every fault of every file: editions printed twice, unknown layouts, authorities
        duplicated, missing or unknown, lists that name an authority twice or its own, words of
        closeness that are unknown or out of order.
    """
    rows: list[tuple[int, str, int, str, int, str]] = []
    faults: list[Fault] = []
    source_of: dict[int, str] = {}
    for file in files:
        layout = _layout_of(file)
        if layout is None:
            continue
        found, bad = _read_file(file, layout)
        faults += bad
        if layout.edition in source_of:
            faults.append(
                Fault(
                    file=file.name,
                    value=source_of[layout.edition],
                    problem=f"a second file for the statistical neighbours of {layout.edition}",
                    remedy="keep one of the two",
                )
            )
        source_of.setdefault(layout.edition, file.name)
        rows += found
    if faults:
        raise DataError(faults)
    return pd.DataFrame(sorted(rows), columns=list(NEIGHBOUR_COLUMNS))


@cache
def _by_dfe_code() -> dict[str, Authority]:
    """The newest authority of each three-digit code; an area never changes under its code."""
    newest = {register.latest_code(code) for code in register.authorities()}
    return {
        authority.dfe_code: authority
        for code, authority in register.authorities().items()
        if code in newest
    }


def _read_file(
    file: RawFile, layout: Layout
) -> tuple[list[tuple[int, str, int, str, int, str]], list[Fault]]:
    header = _without_blanks([tidy(name) for name in file.header])
    if tuple(header) != layout.columns:
        return [], [unknown_layout(file.name, header, layout.columns, _WHAT)]
    rows = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    is_old = False
    for number, texts in file.rows:
        cells = [tidy(text) for text in texts]
        if layout.heading and [cell for cell in cells if cell] == [layout.heading]:
            is_old = True
            continue
        if len(_without_blanks(cells)) > len(layout.columns) or len(cells) < len(layout.columns):
            faults.append(
                Fault(
                    file=file.name,
                    row=number,
                    value=str(len(cells)),
                    problem=f"number of cells differs from the header's {len(layout.columns)}",
                    remedy="fetch the file again; an unquoted comma or a cut line shifts cells",
                )
            )
            continue
        authority, bad = _find_authority(file.name, number, cells, layout, is_old)
        if authority and authority.la_code in seen:
            bad.append(
                Fault(
                    file=file.name,
                    row=number,
                    column=layout.columns[0],
                    value=f"{cells[0]} {cells[_NAME]}",
                    problem=f"duplicate of row {seen[authority.la_code]}",
                    remedy="delete one of the two rows or fetch the file again",
                )
            )
        faults += bad
        if authority is None or bad:
            continue
        seen[authority.la_code] = number
        found, bad = _read_list(file.name, number, cells, layout, authority)
        faults += bad
        rows += [
            (layout.edition, authority.la_code, rank, code, close, file.name)
            for rank, (code, close) in enumerate(found, 1)
        ]
    if not faults:
        faults = missing_authorities(
            file.name, layout.authorities, seen, "no list", layout.columns[0]
        )
    return rows, faults


def _without_blanks(cells: list[str]) -> list[str]:
    """The cells without blank ones at the end."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _find_authority(
    file: str, number: int, cells: Sequence[str], layout: Layout, is_old: bool
) -> tuple[Authority | None, list[Fault]]:
    name = cells[_NAME]
    codes = [cells[place] for place in layout.codes]
    if len(set(codes)) > 1:
        return None, [
            Fault(
                file=file,
                row=number,
                column=layout.columns[layout.codes[-1]],
                value=" and ".join(codes),
                problem="two codes of one authority differ",
                remedy="fetch the file again",
            )
        ]
    authority = _by_dfe_code().get(codes[0])
    if authority is None:
        return None, [unknown_code(file, number, layout.columns[0], codes[0], name)]
    if contradicts(authority, name):
        return None, [contradiction(file, number, layout.columns[0], codes[0], name)]
    areas = {
        register.latest_code(other.la_code) for other in register.authorities_in(layout.authorities)
    }
    if (register.latest_code(authority.la_code) in areas) == is_old:
        return None, [
            Fault(
                file=file,
                row=number,
                column=layout.columns[0],
                value=f"{codes[0]} {name}",
                problem=f"an authority that {'had not' if is_old else 'had'} been abolished"
                if is_old or authority.to_year < layout.authorities
                else "an authority of another time",
                remedy=f"fetch {_WHAT} of {layout.edition} again",
            )
        ]
    return authority, []


def _read_list(
    file: str, number: int, cells: Sequence[str], layout: Layout, authority: Authority
) -> tuple[list[tuple[str, int]], list[Fault]]:
    """Code and closeness of each neighbour, most similar first."""
    faults: list[Fault] = []
    found: list[tuple[str, int]] = []

    def fault(place: int, problem: str, remedy: str = f"fetch {_WHAT} again") -> None:
        column, value = layout.columns[place], cells[place]
        faults.append(Fault(problem, remedy, file, number, column, value))

    last = len(CLOSENESS)
    for place in range(layout.first, layout.first + 2 * RANKS, 2):
        neighbour = _by_dfe_code().get(cells[place])
        word = cells[place + 1].lower()
        if neighbour is None:
            fault(place, "unknown authority code")
            continue
        if word not in CLOSENESS[1:]:
            words = ", ".join(CLOSENESS[1:])
            fault(place + 1, "unknown closeness", f"one of {words} belongs here")
            continue
        if neighbour.la_code == authority.la_code:
            fault(place, "an authority as its own neighbour")
        if neighbour.la_code in [code for code, _ in found]:
            fault(place, "the same neighbour a second time")
        close = CLOSENESS.index(word)
        if close > last:
            fault(place + 1, "closer than the neighbour before it")
        last = close
        found.append((neighbour.la_code, close))
    return found, faults
