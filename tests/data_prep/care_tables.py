"""Invented files in the layouts of the looked-after children and workforce publications."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from data_prep import register
from data_prep.register import ENGLAND, Authority
from data_prep.sources.cla import MEASURES_OF_RATES, MEASURES_OF_SERIES, RATES, SERIES
from data_prep.sources.cla_columns import LAYOUTS, SCILLY
from data_prep.sources.panel import Panel
from data_prep.sources.workforce_columns import RELEASES

type Table = list[list[str]]
type Edit = Callable[[Table], None]


def write_table(folder: Path, table: Table, name: str, encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(table)
    return path


def put(table: Table, area: str, column: str, text: str, **where: str) -> None:
    """Write one cell of the row of an area, told from others of its name by ``where``."""
    header = [name.strip() for name in table[0]]
    names = next(name for name in ("geog_n", "LA_name", "la_name") if name in header)
    (row,) = [
        row
        for row in table[1:]
        if row[header.index(names)] == area
        and all(row[header.index(key)] == value for key, value in where.items())
    ]
    row[header.index(column)] = text


def rename(table: Table, old: str, new: str) -> None:
    header = [name.strip() for name in table[0]]
    table[0][header.index(old)] = new


def number_of(authority: Authority) -> int:
    """A number from 100 to 999 that differs between neighbours in the list."""
    return 100 + int(authority.dfe_code) * 7 % 900


def cla_release(name: str) -> Table:
    """The table of one first release of looked-after children; unused columns hold ``x``."""
    (layout,) = [layout for layout in LAYOUTS if layout.plan.name == name]
    plan = layout.plan
    identity = [plan.la_code, "geog_l", "geog_c", "geog_n"][0 if plan.la_code else 1 :]
    others = sorted(plan.fingerprint - {layout.header})
    header = [*identity, layout.header, *others[:-1], f"{others[-1]} "]
    authorities = [a for a in register.authorities_in(plan.year) if a.dfe_code not in plan.may_lack]
    old_codes = {"E06000057": "E06000048", "E08000037": "E08000020"}
    unit = layout.england_unit
    total = round(sum(map(number_of, authorities)) / unit) * unit

    def row(la_code: str, level: str, code: str, area: str, number: int) -> list[str]:
        cells = [la_code, level, code, area][0 if plan.la_code else 1 :]
        return [*cells, str(number), *(["x"] * len(others))]

    is_early = plan.year == 2010
    national = ("National", "921", "England") if is_early else ("NATIONAL", "999", "ENGLAND")
    table = [header, row(ENGLAND, *national, total)]
    table.append(row("E12000001", "GOR" if is_early else "REGION", "A", "NORTH EAST", 990))
    for a in authorities:
        level = "" if a.dfe_code == SCILLY and plan.year == 2017 else "LA"
        code = old_codes.get(a.la_code, a.la_code)
        table.append(row(code, level, a.dfe_code, a.name, number_of(a)))
    return table


def _panel_row(panel: Panel, texts: dict[str, str]) -> list[str]:
    fixed = {
        "time_identifier": "Reporting year",
        "country_code": ENGLAND,
        "country_name": "England",
        **dict.fromkeys(panel.unused, "0"),
    }
    return [(fixed | texts).get(name, "") for name in panel.headers]


def _area(authorities: Sequence[Authority]) -> dict[str, str]:
    return {
        "geographic_level": "Local authority",
        "region_code": "E12000001",
        "region_name": "A region",
        "old_la_code": " / ".join(a.dfe_code for a in authorities),
        "new_la_code": " / ".join(a.la_code for a in authorities),
        "la_name": " / ".join(a.name for a in authorities),
    }


REGIONAL = {
    "geographic_level": "Regional",
    "region_code": "E12000001",
    "region_name": "North East",
}
NATIONAL = {"geographic_level": "National"}


def cla_rates(first: int = 2022, last: int = 2023) -> Table:
    """The rates table, with a line of an authority of another time in each year."""
    table = [list(RATES.headers)]
    for year in range(last, first - 1, -1):
        authorities = register.authorities_in(year)
        for category in sorted(RATES.categories):
            total = round(sum(map(number_of, authorities)), -1)

            def line(area: dict[str, str], number: int, population: int) -> list[str]:
                return _panel_row(
                    RATES,
                    {
                        **area,
                        "time_period": str(year),  # noqa: B023
                        "population_type": category,  # noqa: B023
                        "population_estimate": str(population),
                        "children_count": str(number),
                        "rate_per_10000": str(round(number / population * 1e4)),
                    },
                )

            table.append(line(NATIONAL, total, total * 100))
            table.append(line(REGIONAL, 990, 99000))
            for a in authorities:
                table.append(line(_area([a]), number_of(a), number_of(a) * 120))
            # Northamptonshire until 2021, Cumbria until 2023.
            code = "E10000021" if year > 2021 else "E06000063"
            gone = _area([register.authorities()[code]])
            table.append(line(gone, 1, 1))
            cells = dict.fromkeys(("children_count", "rate_per_10000"), "z")
            cells["population_estimate"] = "x"
            for column, text in cells.items():
                table[-1][table[0].index(column)] = text
    return table


SERIES_YEARS = range(1994, 2025)


def cla_series() -> Table:
    table = [list(SERIES.headers)]
    for year in SERIES_YEARS:
        for category in sorted(SERIES.categories):
            number = f"{year * 30}" if category in MEASURES_OF_SERIES else "x"
            texts = {"time_period": str(year), "population_count": category, "number": number}
            table.append(_panel_row(SERIES, NATIONAL | texts))
    return table


def staff(authority: Authority) -> dict[str, float]:
    """Figures of one authority, to one decimal."""
    employed = number_of(authority) + 0.4
    return {
        "permanent_workers": employed,
        "agency_workers": round(employed * 0.17, 1),
        "vacancies": round(employed * 0.2, 1),
        "leavers": round(employed * 0.15, 1),
        "case_holders": round(employed * 0.6, 1),
        "cases": float(round(employed * 0.6 * 16)),
    }


def _figures(release_index: int, total: dict[str, float]) -> dict[str, str]:
    """Printed figures and rates by header."""
    release = RELEASES[release_index]
    sums = total | {
        "social_workers": total["permanent_workers"] + total["agency_workers"],
        "posts": total["permanent_workers"] + total["vacancies"],
        "caseload": total["cases"] / total["case_holders"],
    }
    texts = {header: f"{sums[name]:.1f}" for name, header in release.measures.items()}
    if "cases" in release.measures:
        texts["cases"] = f"{total['cases']:.0f}"
    for ratio in release.ratios:
        rate = ratio.per * sums[ratio.measure] / sums[ratio.base]
        texts[ratio.header] = f"{rate:.{release.rate_decimals}f}"
    return texts


def _sum(authorities: Sequence[Authority]) -> dict[str, float]:
    rows = [staff(authority) for authority in authorities]
    return {name: round(sum(row[name] for row in rows), 1) for name in rows[0]}


def workforce_release(release_index: int) -> Table:
    """The table of September 2015 (0) or 2016 (1)."""
    release = RELEASES[release_index]
    plan = release.plan
    header = [*plan.headers, f"A1aa_FTE_Number_Age_{2015 + release_index}"]
    header = ["Country_code", "Country_name", "Region_code", "Region_name"] + [
        name for name in header if name not in ("Country_code", "Country_name")
        and not name.startswith("Region_")
    ]  # fmt: skip
    authorities = register.authorities_in(2016 + release_index)

    def line(texts: dict[str, str]) -> list[str]:
        fixed = {"Country_code": ENGLAND, "Country_name": "England", header[-1]: "5"}
        return [(fixed | texts).get(name, "") for name in header]

    national = _figures(release_index, _sum(authorities))
    for name, column in release.measures.items():
        if name != "caseload":
            national[column] = f"{round(_sum(authorities)[name], -1):,.0f}"
    region = {"Region_code": "E12000001", "Region_name": "North East"}
    table = [header, line(national), line(national | region)]
    joint = {code for pair in release.joint for code in pair}
    for a in authorities:
        place = {
            **region,
            "LA_code (9 digit)": a.la_code,
            "LA_name": a.name,
            "LA_code (3 digit)": a.dfe_code,
        }
        members = [b for b in authorities if b.dfe_code in joint] if a.dfe_code in joint else [a]
        figures = _figures(release_index, _sum(members))
        if any(a.dfe_code == silent for _, silent in release.joint):
            figures = dict.fromkeys(figures, ".")
        table.append(line(place | figures))
    table += [[""] * len(header)] * 3
    return table


def workforce_panel(first: int = 2021, last: int = 2022) -> Table:
    """The table of later Septembers; ``first`` and ``last`` are printed periods."""
    panel = RELEASES[2].plan
    assert isinstance(panel, Panel)
    table = [list(panel.headers)]
    together = {"318", "941"}
    for period in range(last, first - 1, -1):
        authorities = {a.dfe_code: a for a in register.authorities_in(period + 1)}
        when = {"time_period": str(period)}
        total = _figures(2, _sum(list(authorities.values())))
        table.append(_panel_row(panel, when | NATIONAL | total))
        table.append(_panel_row(panel, when | REGIONAL | total))
        partners = {"314": "318", "940": "941"}
        for code, authority in authorities.items():
            if code in together:
                continue
            members = [authority]
            if code in partners:
                members.append(authorities[partners[code]])
            texts = _figures(2, _sum(members))
            table.append(_panel_row(panel, when | _area(members) | texts))
    return table


RATE_CATEGORIES = tuple(MEASURES_OF_RATES)
