"""Tables of the data report: rows and cells as text, counted from the arrays of a cube."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports import wording
from reports.cube_file import CubeFile, Finding, Indicator, Series

# What the groups of a cube are for; the file itself says how large each is.
GROUPS = {
    "cube": "measures by authority and year",
    "indicators": "indicators that the measures allow",
    "national": "England as published, by year",
    "inspections": "judgements of inspectors",
    "deprivation": "deprivation of each authority, by edition of the index",
    "neighbours": "statistical neighbours, nearest first, by edition of the model",
    "adjacency": "pairs of authorities that share a border",
    "boundaries": "outlines for maps",
    "register": "authorities that each unit joins",
    "provenance": "file that each figure was taken from",
    "printed": "rates and per cents as the publisher printed them",
    "truth": "parameters that simulated figures were drawn from",
}
# Authorities of a cell that hover text names; the others are counted.
_NAMED = 6
# A return counts as missing when so much of what one source collected is not available; a source
# of fewer measures, as populations, is not taken for a return.
_RETURN_MISSING = 0.8
_RETURN_LEAST = 5
# Why a cell holds no number, as one letter in the data of the profile.
REASON_LETTERS = {
    "not available": "a",
    "not applicable": "p",
    "not collected": "c",
    "nothing to divide by": "d",
}


@dataclass(frozen=True)
class HeatCell:
    """A cell of a heat table: ``first`` and ``second`` are the parts filled, in per cent."""

    text: str
    hover: str
    first: float = 0
    second: float = 0
    css: str = ""


@dataclass(frozen=True)
class HeatRow:
    """A row of a heat table."""

    label: str
    note: str
    cells: list[HeatCell]


def figures(value: float) -> str:
    """Three significant figures, and never less than the whole number."""
    return wording.number(value, places=max(0, wording.decimals(value)) if value % 1 else 0)


def distance(value: float) -> str:
    """A difference of counts: whole where it is."""
    return wording.number(value, places=0 if value == round(value) else 1)


def span(lower: float, upper: float, unit: str = "") -> str:
    """Bounds in words."""
    text = figures(lower) if lower == upper else f"{figures(lower)} to {figures(upper)}"
    return f"{text} {unit}".strip()


# -- coverage ------------------------------------------------------------------------------------


def coverage(cube: CubeFile, series: dict[str, Series], labels: dict[str, tuple[str, str]]) -> Any:
    """How many authorities have a number, and bounds only, by year: rows of a heat table."""
    return [
        HeatRow(
            *labels[name],
            [_coverage_cell(cube, found, column) for column in range(len(cube.years))],
        )
        for name, found in series.items()
    ]


def _coverage_cell(cube: CubeFile, series: Series, column: int) -> HeatCell:
    total = len(cube.las)
    number, bounds = (int(has[:, column].sum()) for has in (series.has_number, series.has_bounds))
    year = cube.years[column]
    if not number and not bounds:
        reason = Counter(series.reason[:, column]).most_common(1)[0][0]
        return HeatCell("·", f"{year}: no authority has a figure ({reason})", css="none")
    lines = [f"{year}: {number} of {total} with a number"]
    if bounds:
        lines.append(f"{bounds} within bounds only: {_names(cube, series.has_bounds[:, column])}")
    gone = series.is_missing[:, column]
    for reason, _ in Counter(series.reason[gone, column]).most_common():
        where = gone & (series.reason[:, column] == reason)
        lines.append(f"{int(where.sum())} {reason}: {_names(cube, where)}")
    text = f"{number}+{bounds}" if bounds else str(number)
    return HeatCell(text, "; ".join(lines), 100 * number / total, 100 * (number + bounds) / total)


def _names(cube: CubeFile, where: np.ndarray) -> str:
    return wording.listing([cube.la_names[i] for i in np.flatnonzero(where)], _NAMED)


def measure_series(cube: CubeFile) -> dict[str, Series]:
    """Every measure of the cube."""
    return {name: cube.measure(name) for name in cube.measures}


def measure_labels(cube: CubeFile) -> dict[str, tuple[str, str]]:
    """Label and note of every measure's row."""
    return {name: (m.label, f"{name} ({m.units})") for name, m in cube.measures.items()}


def indicator_labels(cube: CubeFile) -> dict[str, tuple[str, str]]:
    """Label and note of every indicator's row."""
    return {i.name: (i.label, i.unit) for i in cube.indicators}


# -- reasons -------------------------------------------------------------------------------------


def reasons(cube: CubeFile) -> tuple[list[str], list[dict[str, Any]]]:
    """Cells of each measure by status: the statuses that occur, and one row a measure."""
    counts = {}
    for name in cube.measures:
        series = cube.measure(name)
        counts[name] = Counter(series.reason.ravel())
    used = [status for status in cube.statuses if any(count[status] for count in counts.values())]
    rows = [
        {
            "label": cube.label(name),
            "cells": [wording.count(count[status]) for status in used],
            "unreliable": int(cube.values("cube", f"{name}_low_reliability").sum()),
        }
        for name, count in counts.items()
    ]
    return used, rows


def missing_returns(cube: CubeFile) -> list[dict[str, str]]:
    """Authorities and years in which nearly everything that a source collected is not available."""
    rows = []
    for source in dict.fromkeys(measure.source for measure in cube.measures.values()):
        reasons = [
            cube.measure(m.name).reason for m in cube.measures.values() if m.source == source
        ]
        collected = sum((reason != "not collected").astype(int) for reason in reasons)
        absent = np.asarray(sum((reason == "not available").astype(int) for reason in reasons))
        gone = absent >= np.maximum(_RETURN_MISSING * np.asarray(collected), _RETURN_LEAST)
        rows += [
            {
                "la": cube.la_names[la],
                "year": str(cube.years[year]),
                "source": source,
                "missing": f"{absent[la, year]} of {np.asarray(collected)[la, year]}",
            }
            for la, year in zip(*np.nonzero(gone), strict=True)
        ]
    return rows


# -- hidden counts -------------------------------------------------------------------------------


def hidden(cube: CubeFile) -> list[HeatRow]:
    """Share of the authorities with a figure whose figure is hidden, by measure and year."""
    rows = []
    for name, measure in cube.measures.items():
        series = cube.measure(name)
        if not series.has_bounds.any():
            continue
        cells = []
        for column, year in enumerate(cube.years):
            bounds = int(series.has_bounds[:, column].sum())
            known = bounds + int(series.has_number[:, column].sum())
            if not known:
                cells.append(HeatCell("·", f"{year}: no figures", css="none"))
                continue
            share = 100 * bounds / known
            width = (series.upper - series.lower)[:, column][series.has_bounds[:, column]]
            hover = f"{year}: {bounds} of {known} figures hidden"
            if bounds:
                middle, most = np.median(width), width.max()
                hover += (
                    f"; bounds span {distance(middle)} at the median, {distance(most)} at most; "
                    f"{_names(cube, series.has_bounds[:, column])}"
                )
            text = f"{share:.0f}%" if share >= 0.5 or not bounds else "<1%"
            cells.append(HeatCell(text, hover, 0, share, "" if bounds else "zero"))
        rows.append(HeatRow(measure.label, measure.units, cells))
    return rows


def widths(cube: CubeFile) -> list[dict[str, Any]]:
    """Hidden counts of each measure and how far their bounds lie apart."""
    rows = []
    for name, measure in cube.measures.items():
        series = cube.measure(name)
        wide = (series.upper - series.lower)[series.has_bounds]
        if not len(wide):
            continue
        rows.append(
            {
                "label": measure.label,
                "units": measure.units,
                "cells": wording.count(len(wide)),
                "small": wording.count(int((series.upper[series.has_bounds] <= 5).sum())),
                "median": distance(float(np.median(wide))),
                "largest": distance(float(wide.max())),
            }
        )
    return rows


# -- authorities against England -----------------------------------------------------------------


@dataclass(frozen=True)
class Sum:
    """The sum of authorities beside England's total, one measure and year."""

    measure: str
    year: int
    lower: float
    upper: float
    england_lower: float
    england_upper: float
    without_return: int

    @property
    def least_gap(self) -> float:
        """The least that the sum can lie above England's total, % of it."""
        return 100 * (self.lower / self.england_upper - 1)

    @property
    def most_gap(self) -> float:
        """The most that the sum can lie above England's total, % of it."""
        # England's lower bound is below half a rounding unit for totals that round to nothing.
        return 100 * (self.upper / max(self.england_lower, 1) - 1)

    @property
    def gap(self) -> float:
        """How far the two lie apart at least, % of England; 0 where their bounds overlap."""
        return max(self.least_gap, 0) or min(self.most_gap, 0)

    @property
    def verdict(self) -> str:
        """England's total estimates missing returns, so that a sum without them falls short."""
        if self.lower > self.england_upper:
            return "authorities exceed England"
        if self.upper >= self.england_lower:
            return "agree within bounds"
        return "returns missing" if self.without_return else "authorities fall short"

    @property
    def is_odd(self) -> bool:
        return self.verdict in ("authorities exceed England", "authorities fall short")


def sums(cube: CubeFile) -> list[Sum]:
    """Every measure and year that has figures of authorities and of England."""
    found = []
    for name, measure in cube.measures.items():
        if not measure.is_additive or name not in cube.names("national"):
            continue
        series, england = cube.measure(name), cube.measure(name, "national")
        for column, year in enumerate(cube.years):
            if year not in cube.national_years:
                continue
            row = cube.national_years.index(year)
            known = ~series.is_missing[:, column]
            if not known.any() or not england.upper[row] > 0:
                continue
            found.append(
                Sum(
                    name,
                    year,
                    float(np.nansum(series.lower[:, column])),
                    float(np.nansum(series.upper[:, column])),
                    float(england.lower[row]),
                    float(england.upper[row]),
                    int((series.reason[:, column] == "not available").sum()),
                )
            )
    return found


def sum_rows(cube: CubeFile, found: Sequence[Sum]) -> list[HeatRow]:
    """Difference between authorities and England by measure and year."""
    by_cell = {(item.measure, item.year): item for item in found}
    return [
        HeatRow(
            cube.label(name),
            cube.measures[name].units,
            [_sum_cell(by_cell.get((name, year)), year) for year in cube.years],
        )
        for name in dict.fromkeys(item.measure for item in found)
    ]


def _sum_cell(item: Sum | None, year: int) -> HeatCell:
    if item is None:
        return HeatCell("·", f"{year}: no figures of both", css="none")
    text = signed(item.gap, 1 if abs(item.gap) >= 0.05 else 2) if item.gap else "0"
    hover = (
        f"{year}: authorities {span(item.lower, item.upper)}, England "
        f"{span(item.england_lower, item.england_upper)}; {item.verdict}"
    )
    if item.without_return:
        text += f" ({item.without_return})"
        hover += f"; {wording.quantity(item.without_return, 'authority', 'authorities')} missing"
    css = "odd" if item.is_odd else "short" if item.verdict == "returns missing" else "fine"
    return HeatCell(text, hover, css=css)


def signed(value: float, places: int) -> str:
    """A difference with its sign, a plain zero where it rounds to nothing."""
    text = wording.number(value, places=places)
    is_zero = not text.strip("−0.,")
    return text.lstrip("−") if is_zero else text if text.startswith("−") else f"+{text}"


# -- printed rates -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Printed rates of one measure over one base beside what the counts give."""

    label: str
    unit: str
    printed: int
    difference: np.ndarray
    half_unit: np.ndarray
    apart: np.ndarray
    worst: list[dict[str, str]]

    @property
    def compared(self) -> int:
        return len(self.difference)


def comparisons(cube: CubeFile) -> list[Comparison]:
    """Each printed rate against its counts: ``difference`` is 0 within the bounds of the counts.

    The counts are those of the release that printed the figure. A figure is apart when rounding of
    the printed figure does not explain the difference. Figures whose own release gives no counts,
    or whose base may be zero, are not compared.
    """
    printed = cube.printed
    if printed is None:
        return []
    names = {(i.numerator, i.denominator, i.per): i for i in cube.indicators}
    keys = [
        (str(m), str(b), float(p))
        for m, b, p in zip(printed.measure, printed.base, printed.per, strict=True)
    ]
    found = []
    for key in sorted(set(keys), key=lambda key: _place(cube, names.get(key), key)):
        chosen = np.array([other == key for other in keys])
        found.append(_compare(cube, key, names.get(key), chosen))
    return found


def _place(cube: CubeFile, indicator: Indicator | None, key: tuple) -> tuple:
    order = cube.indicators.index(indicator) if indicator else len(cube.indicators)
    return order, key


def _compare(
    cube: CubeFile, key: tuple[str, str, float], indicator: Indicator | None, chosen: np.ndarray
) -> Comparison:
    measure, base, per = key
    printed = cube.printed
    assert printed is not None
    unit = indicator.unit if indicator else _unit(cube, base, per)
    label = cube.label(measure)
    la, year = printed.la[chosen], printed.year[chosen]
    value, half = printed.printed[chosen], printed.half_unit[chosen]
    # Of the figure's own release: the cube's counts may be another release's.
    least, most = printed.rebuilt_lower[chosen], printed.rebuilt_upper[chosen]
    usable = np.isfinite(least) & np.isfinite(most)
    difference = np.where(value < least, value - least, np.where(value > most, value - most, 0))
    # The least slack: a printed figure may lie exactly at the edge of its rounding.
    apart = usable & (np.abs(difference) > half + 1e-6)
    order = np.flatnonzero(apart)[np.argsort(-np.abs(difference[apart]), kind="stable")]
    source = printed.source[chosen]
    worst = [
        {
            "la": cube.la_names[la[i]],
            "year": str(cube.years[year[i]]),
            "label": label,
            "unit": unit,
            "printed": wording.number(value[i], places=1),
            "rebuilt": rebuilt(least[i], most[i]),
            "difference": signed(difference[i], 1),
            "raw": f"{difference[i]:.6g}",
            "source": str(source[i]),
        }
        for i in order
    ]
    return Comparison(
        label, unit, int(chosen.sum()), difference[usable], half[usable], apart[usable], worst
    )


def rebuilt(least: float, most: float) -> str:
    """What the counts allow, to one decimal more than was printed."""
    low, high = wording.number(least, places=2), wording.number(most, places=2)
    return low if low == high else f"{low} to {high}"


def _unit(cube: CubeFile, base: str, per: float) -> str:
    label = wording.within_sentence(cube.label(base))
    return f"% of {label}" if per == 100 else f"per {per:,.0f} {label}"


# -- findings, places, sources -------------------------------------------------------------------


def finding_groups(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings by check, in the file's order; a check that passed has no rows."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.check, []).append(finding)
    return [
        {
            "check": check,
            "levels": Counter(item.level for item in items),
            "passed": all(item.level == "PASS" for item in items),
            "findings": items,
            # Said once where all findings have the same.
            "remedy": items[0].remedy if len({item.remedy for item in items}) == 1 else "",
        }
        for check, items in groups.items()
    ]


def joined(cube: CubeFile) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Units of several authorities, and units that are one area under several codes."""
    if not cube.has("register"):
        return [], []
    columns = ("unit", "member_code", "member_name", "from_year", "to_year")
    members: dict[str, list[dict[str, str]]] = {}
    for unit, code, name, first, last in zip(
        *(cube.values("register", column) for column in columns), strict=True
    ):
        years = f"{first} to {last}" if int(last) < 9999 else f"from {first}"
        members.setdefault(str(unit), []).append({"code": code, "name": name, "years": years})
    several: list[dict[str, Any]] = []
    renamed: list[dict[str, Any]] = []
    for code, name in zip(cube.las, cube.la_names, strict=True):
        found = members.get(code, [])
        if len(found) > 1:
            row = {"code": code, "name": name, "members": found}
            (several if code.startswith("J") else renamed).append(row)
    return several, renamed


def sources(cube: CubeFile) -> tuple[list[dict[str, Any]], list[HeatRow]]:
    """Files with their number and release, and which of them gave each measure by year."""
    if not cube.has("provenance"):
        return [], []
    files = cube.texts("provenance", "source_file")
    releases = cube.texts("provenance", "release")
    years = {int(y): i for i, y in enumerate(cube.values("provenance", "year"))}
    used: Counter[int] = Counter()
    rows = []
    for name, measure in cube.measures.items():
        if name not in cube.names("provenance"):
            continue
        index = cube.values("provenance", name)
        cells = []
        for year in cube.years:
            column = index[:, years[year]] if year in years else np.array([], int)
            count = Counter(int(i) for i in column if i >= 0)
            used += count
            if not count:
                cells.append(HeatCell("·", f"{year}: no source", css="none"))
                continue
            ordered = count.most_common()
            hover = "; ".join(f"{files[i]}: {n} authorities" for i, n in ordered)
            text = " ".join(str(i + 1) for i, _ in ordered)
            cells.append(HeatCell(text, f"{year}: {hover}"))
        rows.append(HeatRow(measure.label, name, cells))
    listed = [
        {"number": i + 1, "file": file, "release": release, "cells": wording.count(used[i])}
        for i, (file, release) in enumerate(zip(files, releases, strict=True))
    ]
    return listed, rows


def group_rows(cube: CubeFile) -> list[dict[str, str]]:
    """Every group of the file: what it is for and its size."""
    return [
        {
            "name": f"/{name}",
            "holds": GROUPS.get(name, "not described here"),
            "size": " × ".join(f"{size} {dim}" for dim, size in sizes.items()) or "–",
        }
        for name, sizes in sorted(cube.contents.items())
    ]


# -- profile -------------------------------------------------------------------------------------


def default_la(cube: CubeFile) -> int:
    """The authority whose series are the fullest; the first of them in the file's order."""
    known = sum(series.has_number.sum(axis=1) for series in cube.rates.values())
    return int(np.argmax(known)) if cube.rates else 0


def profile_data(cube: CubeFile) -> dict[str, Any]:
    """Every authority's series for the page's own script.

    A series is text, one word a year: a number, ``lower:upper``, or a letter that says why there is
    none.
    """
    return {
        "las": cube.la_names,
        "years": cube.years,
        "nationalYears": cube.national_years,
        "default": default_la(cube),
        "beside": [label for label, _ in cube.peers],
        "neighbours": [others for _, others in cube.peers],
        "reasons": {letter: text for text, letter in REASON_LETTERS.items()},
        "indicators": [
            {
                "label": indicator.label,
                "unit": indicator.unit,
                "breaks": [[regime.first, regime.name] for regime in cube.breaks(indicator)],
                "las": [_words(cube.rates[indicator.name].at(i)) for i in range(len(cube.las))],
                "england": _england(cube, indicator),
            }
            for indicator in cube.indicators
        ],
    }


def _england(cube: CubeFile, indicator: Indicator) -> str:
    series = cube.rate(indicator, "national")
    return "" if series is None else _words(series)


def _words(series: Series) -> str:
    return " ".join(
        f"{value:.4g}"
        if np.isfinite(value)
        else f"{lower:.4g}:{upper:.4g}"
        if np.isfinite(upper)
        else REASON_LETTERS.get(str(reason), "a")
        for value, lower, upper, reason in zip(
            series.value, series.lower, series.upper, series.reason, strict=True
        )
    )
