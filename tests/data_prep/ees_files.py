"""Small files in the layouts of Explore Education Statistics, with invented figures.

Figures are consistent: parts are half of their wholes, bands add up, tables of one release agree,
and England is the sum of the authorities to the nearest 10.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data_prep import register
from data_prep.indicators import MEASURES
from data_prep.sources.ees import IDENTITY, Count, Ratio, Table
from data_prep.sources.population import POPULATION

LAST_YEAR = 2022
_SIZES = {"population_0_17": 60_000, "referrals": 3_000, "cin_at_31_march": 2_000}

type Rows = list[list[str]]
type Edit = Callable[[Rows], None]


def _figures(table: Table, size: int) -> dict[str, int]:
    """Figures of an area by measure and band; ``size`` tells areas and years apart."""
    found: dict[str, int] = {}
    for name in MEASURES:
        whole = MEASURES[name].parent
        found[name] = found[whole] // 2 if whole else _SIZES.get(name, 600) + size
    for group in table.bands:
        share = found[group.total] // len(group.bands)
        found |= dict.fromkeys(group.bands, share)
        found[group.bands[-1]] = found[group.total] - share * (len(group.bands) - 1)
        found |= {measure: sum(found[band] for band in inside) for measure, inside in group.sums}
    return found


def make_rows(table: Table, last_year: int = LAST_YEAR, *, newest: bool = False) -> Rows:
    """Header and rows of a whole file, latest year first, as published.

    ``newest`` takes the latest name of each column and leaves rates per child out, as releases from
    2025 do.
    """
    columns: list[Count | Ratio] = [*table.counts, *table.ratios]
    if newest:
        columns = [c for c in columns if isinstance(c, Count) or c.base != "population_0_17"]
    names = [column.headers[-1 if newest else 0] for column in columns]
    filters = [column.headers[0] for column in table.dimensions]
    rows: Rows = [[*IDENTITY, *filters, *names]]
    for period in range(last_year - table.lag, (table.first_year or 0) - table.lag - 1, -1):
        year = period + table.lag
        authorities = register.authorities_in(year)
        figures = [_figures(table, 10 * i + year - 2000) for i in range(len(authorities))]
        england = {name: sum(one[name] for one in figures) for name in figures[0]}
        unit = int(table.england_unit)
        england = {name: round(value / unit) * unit for name, value in england.items()}
        areas = [(None, england), *zip(authorities, figures, strict=True)]
        for authority, found in areas:
            level = "Local authority" if authority else "National"
            place = (
                [authority.dfe_code, authority.la_code, authority.name] if authority else [""] * 3
            )
            cells = [
                str(found[c.name])
                if isinstance(c, Count)
                else f"{found[c.measure] / found[c.base] * c.per:.1f}"
                for c in columns
            ]
            identity = [str(period), "Reporting year", level, register.ENGLAND, *place]
            rows.append([*identity, *(column.keep[0] for column in table.dimensions), *cells])
        region = [str(period), "Reporting year", "Regional", register.ENGLAND, "", "", ""]
        cells = ["1"] * len(columns)
        rows.append([*region, *(column.keep[0] for column in table.dimensions), *cells])
    return rows


def write_rows(path: Path, rows: Rows, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def write_release(
    folder: Path, tables: Iterable[Table], last_year: int = LAST_YEAR, *, edits: dict[str, Edit]
) -> None:
    """Write ``tables`` and the population of one release below ``folder``."""
    for table in (*tables, POPULATION):
        rows = make_rows(table, last_year)
        edits.get(table.name, lambda rows: None)(rows)
        write_rows(folder / f"{table.stem}_{last_year}.csv", rows)


def find_row(rows: Rows, period: int, area: str) -> list[str]:
    """The row of an authority by name, or of England."""
    level = "National" if area == "England" else "Local authority"
    name = "" if area == "England" else area
    (row,) = [row for row in rows if (row[0], row[2], row[6]) == (str(period), level, name)]
    return row


def put(period: int, area: str, **texts: str) -> Edit:
    """Make an edit that puts texts into the row of one area and period; names of columns that are
    no Python names are given with ``put_cells``.
    """
    return put_cells(period, area, texts)


def put_cells(period: int, area: str, texts: dict[str, str]) -> Edit:
    def edit(rows: Rows) -> None:
        row = find_row(rows, period, area)
        for column, text in texts.items():
            row[rows[0].index(column)] = text

    return edit


def together(edits: Sequence[Edit]) -> Edit:
    def edit(rows: Rows) -> None:
        for one in edits:
            one(rows)

    return edit
