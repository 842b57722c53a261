"""Reader of the authority tables of looked-after children, first releases of 2010-2017.

Columns, rounding and what was verified in the files: ``cla_columns.py``.
"""

from collections.abc import Iterable, Mapping, Sequence

from data_prep import suppression
from data_prep.errors import Fault
from data_prep.markers import Cell, exact_cell, rounded_cell
from data_prep.schema import CONFIDENCE
from data_prep.sources import wide
from data_prep.sources.cla_columns import LAYOUTS, SCILLY, ClaLayout
from data_prep.sources.files import RawFile

_PLANS = tuple(layout.plan for layout in LAYOUTS)
_BY_NAME = {layout.plan.name: layout for layout in LAYOUTS}
_REGIONS = ("GOR", "REGION")


def recognise_release(file: RawFile) -> str | None:
    """Name of the release's table that the file is, or None."""
    plan = wide.find_layout(file.header, _PLANS) if file.header else None
    return plan.name if plan else None


def read_releases(
    files: Sequence[RawFile], years: Iterable[int]
) -> tuple[list[tuple], list[Fault]]:
    """Records of the releases of ``years`` and everything wrong with them."""
    found, faults = wide.find_files(files, _PLANS, years)
    records: list[tuple] = []
    for plan, file in found.values():
        bad = wide.check_header(file, plan)
        if not bad:
            lines, bad = wide.read_lines(file, plan, _level)
            if not bad:
                read, bad = _read_lines(file, lines, _BY_NAME[plan.name])
                records += read
        faults += bad
    return records, faults


def _level(cells: Mapping[str, str]) -> str | None:
    level, code = cells["geog_l"].upper(), cells["geog_c"]
    if level == "NATIONAL" and cells["geog_n"].upper() == "ENGLAND":
        return wide.COUNTRY
    if level in _REGIONS and len(code) == 1 and code.isalpha():
        return wide.REGION
    # The Isles of Scilly have a line without a level in 2017.
    if level == "LA" or (not level and code == SCILLY):
        return wide.AUTHORITY
    return None


def _read_lines(
    file: RawFile, lines: Sequence[wide.Line], layout: ClaLayout
) -> tuple[list[tuple], list[Fault]]:
    plan, faults = layout.plan, list[Fault]()
    printed = [
        wide.read_cell(file.name, line, layout.header, plan.dialect, decimals=0, faults=faults)
        for line in lines
    ]
    (at,) = [place for place, line in enumerate(lines) if line.authority is None]
    if not faults:
        faults += _check_england(file, lines[at], printed[at], layout)
    if faults:
        return [], faults
    england = rounded_cell(printed[at].value, layout.england_unit)
    cells = [cell if cell.is_hidden or not cell.is_known else exact_cell(cell.value)
             for cell in printed]  # fmt: skip
    cells[at] = england
    hidden = [place for place, cell in enumerate(cells) if cell.is_hidden]
    if len(hidden) > 1:
        # One of them may be a large number, hidden to protect another: London has its own total.
        others = [place for place in range(len(cells)) if place != at]
        bounded = suppression.bound_parts(england, [cells[place] for place in others])
        for place, cell in zip(others, bounded, strict=True):
            cells[place] = cell
    return [
        (
            line.la_code,
            plan.year,
            layout.measure,
            cell.value,
            cell.lower,
            cell.upper,
            cell.status,
            0,
            CONFIDENCE["none"],
            file.name,
            plan.release,
            plan.released,
        )
        for line, cell in zip(lines, cells, strict=True)
    ], []


def _check_england(file: RawFile, line: wide.Line, cell: Cell, layout: ClaLayout) -> list[Fault]:
    """England must be a number in its unit: the bounds of hidden counts rest on it."""
    if cell.value % layout.england_unit == 0:  # False for NaN too
        return []
    return [
        Fault(
            file=file.name,
            row=line.number,
            column=layout.header,
            value=line.cells[layout.header],
            problem=f"England is printed to the nearest {layout.england_unit} in this release",
            remedy="fetch the file again",
        )
    ]
