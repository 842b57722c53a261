"""Small census files in the real layouts, with invented figures that are consistent."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep import register
from data_prep.indicators import MEASURES
from data_prep.sources.cin_columns import layout

_SIZES = {"population_0_17": 60_000, "referrals": 3_000, "cin_at_31_march": 2_000}

type Table = list[list[str]]


def _figures(year: int, index: int) -> dict[str, int]:
    """Figures of one authority by measure; parts are half of their wholes."""
    found: dict[str, int] = {}
    plan = layout(year)
    for name in MEASURES:
        whole = MEASURES[name].parent
        if whole in found:
            found[name] = found[whole] // 2
        elif any(name == count.measure for count in plan.counts):
            found[name] = _SIZES.get(name, 600) + 10 * index
    found["population_0_17"] = _SIZES["population_0_17"] + 100 * index
    return found


def _row(year: int, figures: dict[str, int], confidence: str) -> dict[str, str]:
    plan = layout(year)
    cells = {count.header: str(figures[count.measure]) for count in plan.counts}
    for banded in plan.banded:
        headers = (*banded.inside, *banded.outside)
        total = figures[banded.total]
        share = total // len(headers)
        for header in headers:
            cells[header] = str(share)
        cells[headers[-1]] = str(total - share * (len(headers) - 1))
    for ratio in plan.ratios:
        cells[ratio.header] = f"{figures[ratio.measure] / figures[ratio.base] * ratio.per:.1f}"
    for header in plan.confidences.values():
        if header:
            cells[header] = confidence
    return cells


def census_table(year: int) -> Table:
    """Header and rows of a whole file: England first, then the authorities of the year."""
    plan = layout(year)
    authorities = register.authorities_in(year)
    rows = [_figures(year, index) for index in range(len(authorities))]
    england = {name: sum(row[name] for row in rows) for name in rows[0]}
    # England carries Isle of Wight's code, as in the real files.
    lines = [
        {
            "geog_l": "National",
            "geog_c": "921" if year < 2013 else "",
            "new_la_code": "E06000046",
            "geog_n": "England",
            **_row(year, england, ""),
        }
    ]
    for authority, figures in zip(authorities, rows, strict=True):
        lines.append(
            {
                "geog_l": "LA",
                "geog_c": authority.dfe_code,
                "new_la_code": authority.la_code,
                "geog_n": authority.name,
                **_row(year, figures, "3"),
            }
        )
    header = list(plan.headers)
    return [header, *([line[name] for name in header] for line in lines)]


@pytest.fixture
def write_census(tmp_path: Path) -> Callable[..., Path]:
    """Write the file of a year below ``tmp_path / "raw"``, after ``edit`` changed its table."""

    def write(
        year: int,
        edit: Callable[[Table], None] | None = None,
        *,
        name: str = "",
        encoding: str = "utf-8",
    ) -> Path:
        table = census_table(year)
        if edit:
            edit(table)
        path = tmp_path / "raw" / (name or layout(year).file_name)
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file).writerows(table)
        return path

    return write


@pytest.fixture
def put() -> Callable[..., Callable[[Table], None]]:
    """Make an edit that puts texts into the row of one area."""

    def make(area: str, **texts: str) -> Callable[[Table], None]:
        def edit(table: Table) -> None:
            header = table[0]
            (row,) = [row for row in table[1:] if row[header.index("geog_n")] == area]
            for column, text in texts.items():
                row[header.index(column)] = text

        return edit

    return make
