"""``python -m data_prep profile``: the series of one authority, as a table and a picture."""

import argparse
import difflib
import re
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import INDICATORS, Indicator
from data_prep.rates import NOTHING_TO_DIVIDE_BY, Rates, derive_rates, regimes_of
from data_prep.schema import PUBLISHED, cubes_folder, indicator_unit, load_cube

CUBES = cubes_folder()
NEIGHBOURS = "statistical neighbours"
# Simulated and published cubes name the same table of codes (la, rank, edition).
NEIGHBOUR_CODES = ("neighbour", "neighbour_code")
PROFILES = CUBES.parent / "profiles"
MARKERS = {
    "not_available": ":",
    "not_applicable": ".",
    "not_collected": "~",
    NOTHING_TO_DIVIDE_BY: "/",
}
LEGEND = (
    ": not available   . not applicable   ~ not collected   / nothing to divide by   "
    "1.2-3.4 known within bounds   | a definition begins"
)
_LABEL, _CELL = 22, 12
_COLUMNS = 4
_OWN, _FAINT, _ENGLAND, _BREAK = "#17597f", "#cfd8df", "#1c2733", "#b8500f"


@dataclass(frozen=True)
class Profile:
    """One authority's series of one indicator, with what stands beside them, by year of the cube.

    ``england`` is None where the cube has none; ``neighbours`` are the statistical neighbours, or
    the other authorities of the region where the cube has no neighbours of this one.
    """

    indicator: Indicator
    years: list[int]
    own: Rates
    england: Rates | None
    neighbours: list[Rates]

    @property
    def median(self) -> Rates | None:
        """Median of the neighbours that have a figure: bounds are medians of bounds."""
        known = [n for n in self.neighbours if not n.is_missing.all()]
        if not known:
            return None
        lower, upper = (_median([getattr(n, end) for n in known]) for end in ("lower", "upper"))
        # A number only where every neighbour that is known has one.
        complete = ~np.any([n.is_hidden for n in known], axis=0)
        value = np.where(complete, _median([n.value for n in known]), np.nan)
        return Rates(value, lower, upper, np.full(len(self.years), "not_available", object))

    @property
    def breaks(self) -> list[tuple[int, str]]:
        """First years of definitions that begin after the first year shown, with their names."""
        return [
            (regime.first_year, regime.name)
            for regime in regimes_of(self.indicator)
            if regime.first_year is not None and self.years[0] < regime.first_year <= self.years[-1]
        ]


def _median(rows: list[np.ndarray]) -> np.ndarray:
    stacked = np.array(rows)
    found = np.full(stacked.shape[1], np.nan)
    some = np.isfinite(stacked).any(axis=0)
    found[some] = np.nanmedian(stacked[:, some], axis=0)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--la", required=True, help="name, part of a name, or code")
    parser.add_argument(
        "--cube",
        default="",
        help="name in results/cubes or path; the newest published cube, else simulated",
    )
    parser.add_argument("--out", type=Path, default=PROFILES, help="folder of the picture")


def run(args: argparse.Namespace) -> int:
    """Print and draw the profile that ``args`` ask for; 0 when written.

    Raises
    ------
    DataError
        When there is no such cube, or not one such authority in it.
    """
    path = find_cube(args.cube)
    tree = load_cube(path)
    cube = tree["cube"].to_dataset()
    la = find_la(args.la, cube)
    profiles = derive_profiles(tree, la)
    if not profiles:
        raise DataError(
            [
                Fault(
                    file=str(path),
                    problem="the cube holds no indicator",
                    remedy="build it with the measures of one",
                )
            ]
        )
    print(describe_profile(tree, la, profiles, shutil.get_terminal_size((120, 24)).columns))
    name = re.sub(r"[^a-z0-9]+", "-", str(cube["la_name"].values[la]).lower()).strip("-")[:60]
    picture = args.out / f"{tree.attrs.get('name') or path.stem}-{name}.png"
    draw_profile(tree, la, profiles, picture)
    print(f"Picture: {picture}")
    return 0


def find_cube(text: str) -> Path:
    """The cube named, or the newest of published England, or simulated England.

    Raises
    ------
    DataError
        When no cube is named and there is none; one that is named is checked when it is loaded.
    """
    if text:
        return Path(text) if text.endswith(".nc") or "/" in text else CUBES / f"{text}.nc"
    newest = sorted(CUBES.glob("*.nc"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest:
        with xr.open_dataset(path, engine="netcdf4") as root:
            if root.attrs.get("kind") == PUBLISHED:
                return path
    if newest:
        return newest[0]
    raise DataError(
        [
            Fault(
                file=str(CUBES),
                problem="no cube there",
                remedy="build one with 'make cube' or 'make simulate', or name one with CUBE=",
            )
        ]
    )


def find_la(text: str, cube: xr.Dataset) -> int:
    """The place of the authority whose code or name ``text`` is, or the only one that contains it.

    Raises
    ------
    DataError
        When none or several do; the nearest names are told.
    """
    codes = [str(code) for code in cube["la"].values]
    names = [str(name) for name in cube["la_name"].values]
    sought = text.strip().casefold()
    folded = [name.casefold() for name in names]
    exact = [i for i, code in enumerate(codes) if sought and sought in (code.casefold(), folded[i])]
    found = exact or [i for i, name in enumerate(folded) if sought and sought in name]
    if len(found) == 1:
        return found[0]
    if found:
        problem, near = "more than one authority is called so", [names[i] for i in found]
    else:
        problem = "no authority of this cube is called so"
        # A word of a name may be near where the whole is not: Bristol, City of.
        words = {word: i for i, name in enumerate(folded) for word in (*name.split(), name)}
        close = difflib.get_close_matches(sought, words, n=5, cutoff=0.7)
        near = list(dict.fromkeys(names[words[word]] for word in close))
    remedy = f"write one of: {', '.join(near[:12])}" if near else "write a name, or a code"
    if not near:
        remedy += f", such as {names[0]} or {codes[0]}, or choose another cube with CUBE="
    raise DataError([Fault(column="--la", value=text, problem=problem, remedy=remedy)])


def derive_profiles(tree: xr.DataTree, la: int) -> list[Profile]:
    """Series of the authority at place ``la``, one for each indicator that the cube can give."""
    cube = tree["cube"].to_dataset()
    years = [int(year) for year in cube["year"].values]
    national = tree["national"].to_dataset().reindex(year=years) if "national" in tree else None
    if national is not None:
        # Years without totals are filled by reindex; they have no status of their own.
        for name in [str(n) for n in national.data_vars if str(n).endswith("_status")]:
            national[name] = national[name].fillna(4)
    neighbours, _ = find_peers(tree, la)
    profiles = []
    for indicator in INDICATORS.values():
        rates = derive_rates(cube, indicator)
        if rates is None:
            continue
        england = None if national is None else derive_rates(national, indicator)
        beside = [rates.at(other) for other in neighbours]
        profiles.append(Profile(indicator, years, rates.at(la), england, beside))
    return profiles


def find_peers(tree: xr.DataTree, la: int) -> tuple[list[int], str]:
    """Places of the authorities to draw beside the one at ``la``, and what they are to it.

    Its statistical neighbours, nearest first; without any, the rest of its region.
    """
    neighbours = find_neighbours(tree)[la]
    if neighbours:
        return neighbours, NEIGHBOURS
    cube = tree["cube"].to_dataset()
    if "region" not in cube.coords:
        return [], NEIGHBOURS
    regions = [str(region) for region in cube["region"].values]
    region = regions[la]
    return [i for i, other in enumerate(regions) if region and other == region and i != la], region


def find_neighbours(tree: xr.DataTree) -> list[list[int]]:
    """Places of the statistical neighbours of each authority, nearest first; empty without any.

    Of several editions the latest that was out by the end of the window counts, else the first.
    """
    cube = tree["cube"].to_dataset()
    place = {str(code): at for at, code in enumerate(cube["la"].values)}
    found: list[list[int]] = [[] for _ in place]
    table = tree["neighbours"].to_dataset() if "neighbours" in tree else None
    if table is None or not table.sizes["edition"]:
        return found
    last = int(cube["year"].values[-1])
    editions = sorted(table["edition"].values, key=int)
    out = [edition for edition in editions if int(edition) <= last]
    codes_of = table[next(name for name in NEIGHBOUR_CODES if name in table)]
    chosen = codes_of.sel(edition=out[-1] if out else editions[0]).transpose("la", ...)
    for code, named in zip(chosen["la"].values, chosen.values, strict=True):
        if (at := place.get(str(code))) is not None:
            others = [place.get(str(name)) for name in dict.fromkeys(named)]
            found[at] = [other for other in others if other is not None and other != at]
    return found


# -- the table -----------------------------------------------------------------------------------


def describe_profile(
    tree: xr.DataTree, la: int, profiles: Sequence[Profile], width: int = 120
) -> str:
    """The table in words: one block an indicator, no line wider than ``width`` where it can be."""
    cube = tree["cube"].to_dataset()
    name, code = (str(cube[key].values[la]) for key in ("la_name", "la"))
    years = profiles[0].years
    each = max(1, (width - _LABEL) // _CELL)
    blocks = [
        f"{name} ({code}) in {tree.attrs.get('name', '')}: {tree.attrs.get('kind', '')}, "
        f"years ending 31 March {years[0]}-{years[-1]}",
        LEGEND,
    ]
    peers, beside = find_peers(tree, la)
    named = ", ".join(str(cube["la_name"].values[other]) for other in peers)
    is_near = beside == NEIGHBOURS
    if peers:
        words = f"Neighbours: {named}" if is_near else f"Others of its region, {beside}: {named}"
        blocks.append("\n".join(textwrap.wrap(words, width)))
    usual = "neighbours' median" if is_near else "region's median"
    for start in range(0, len(years), each):
        chosen = slice(start, start + each)
        blocks.append(f"\n{'':{_LABEL}}" + "".join(f"{year:>{_CELL}}" for year in years[chosen]))
        for profile in profiles:
            blocks += _block(profile, chosen, usual)
    return "\n".join(blocks)


def _block(profile: Profile, chosen: slice, usual: str) -> list[str]:
    indicator = profile.indicator
    starts = {year for year, _ in profile.breaks}
    lines = [f"{indicator.label}, {indicator_unit(indicator)}"]
    rows = (("authority", profile.own), ("England", profile.england))
    for label, rates in (*rows, (usual, profile.median)):
        if rates is None:
            continue
        cells = [
            f"{'|' if year in starts else ''}{cell_text(rates, i)}"
            for i, year in enumerate(profile.years)
        ]
        lines.append(f"  {label:{_LABEL - 2}}" + "".join(f"{c:>{_CELL}}" for c in cells[chosen]))
    return lines


def cell_text(rates: Rates, i: int) -> str:
    """A cell: the number, bounds where the count is hidden, or the marker of the reason."""
    if np.isfinite(rates.value[i]):
        return _figure(rates.value[i])
    if np.isfinite(rates.upper[i]):
        lower, upper = _figure(rates.lower[i]), _figure(rates.upper[i])
        return lower if lower == upper else f"{lower}-{upper}"
    return MARKERS.get(str(rates.reason[i]), MARKERS["not_available"])


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


# -- the picture ---------------------------------------------------------------------------------


def draw_profile(tree: xr.DataTree, la: int, profiles: Sequence[Profile], path: Path) -> Path:
    """Small multiples of all series as a PNG, written whole or not at all."""
    from matplotlib import rc_context

    # Names of authorities hold no mathematics.
    with rc_context({"font.size": 8, "text.parse_math": False}):
        figure = _figure_of(tree, la, profiles)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".tmp-{path.name}")
        try:
            figure.savefig(partial, format="png", dpi=150)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def _figure_of(tree: xr.DataTree, la: int, profiles: Sequence[Profile]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = -(-len(profiles) // _COLUMNS)
    height = 2.05 * rows + 1.25
    figure = Figure(figsize=(12, height))
    panels = list(figure.subplots(rows, _COLUMNS, squeeze=False).ravel())
    figure.subplots_adjust(
        left=0.06, right=0.985, top=1 - 0.95 / height, bottom=0.62 / height, wspace=0.3, hspace=0.55
    )
    for axes in panels[len(profiles) :]:
        axes.remove()
    for axes, profile in zip(panels, profiles, strict=False):
        _draw_panel(axes, profile)
    names = tree["cube"].to_dataset()["la_name"].values
    name = textwrap.shorten(str(names[la]), 90, placeholder=" …")
    kind = str(tree.attrs.get("kind", ""))
    figure.text(0.012, 1 - 0.3 / height, name, fontsize=14, weight="bold", va="center")
    shown = f"{kind[:1].upper()}{kind[1:]}, {tree.attrs.get('name', '')}"
    figure.text(0.985, 1 - 0.3 / height, shown, ha="right", va="center", color="#5a6673")
    marks = [
        Line2D([], [], color=_OWN, marker="o", markersize=3, label="authority"),
        Line2D([], [], color=_OWN, linewidth=4, alpha=0.5, label="bounds of a hidden count"),
        Line2D([], [], color="#5a6673", marker="x", markersize=4, linewidth=0, label="no figure"),
        Line2D([], [], color=_ENGLAND, linestyle=(0, (4, 2)), linewidth=1, label="England"),
        Line2D([], [], color=_FAINT, label=find_peers(tree, la)[1]),
        Line2D([], [], color=_BREAK, linestyle=(0, (2, 2)), label="a definition begins"),
    ]
    if not profiles[0].neighbours:
        del marks[4]
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (0.005, 1 - 0.58 / height)}
    figure.legend(handles=marks, ncols=6, frameon=False, **place)
    figure.text(0.5, 0.2 / height, "Year ending 31 March", ha="center")
    return figure


def _draw_panel(axes: Any, profile: Profile) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    years = np.array(profile.years)
    own = profile.own
    for other in profile.neighbours:
        axes.plot(years, other.middle, color=_FAINT, linewidth=0.8)
    if profile.england is not None:
        line: dict[str, Any] = {"color": _ENGLAND, "linewidth": 1, "linestyle": (0, (4, 2))}
        # A year on its own has no line to show it.
        axes.plot(years, profile.england.middle, marker=".", markersize=2.5, **line)
    axes.plot(years, own.value, color=_OWN, marker="o", markersize=3, linewidth=1.5, zorder=3)
    hidden, gone = own.is_hidden, own.is_missing
    # A bound far above every number would flatten the rest: it runs off the panel.
    top = _ceiling(profile)
    bar: dict[str, Any] = {"color": _OWN, "linewidth": 4, "alpha": 0.5, "zorder": 3}
    axes.vlines(years[hidden], own.lower[hidden], np.minimum(own.upper[hidden], top), **bar)
    axes.set_ylim(0, top)
    at_foot: dict[str, Any] = {
        "transform": axes.get_xaxis_transform(),
        "clip_on": False,
        "zorder": 4,
    }
    axes.plot(
        years[gone], np.full(gone.sum(), 0.04), "x", color="#5a6673", markersize=3.5, **at_foot
    )
    for year, _ in profile.breaks:
        axes.axvline(year - 0.5, color=_BREAK, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.set_xlim(years[0] - 0.6, years[-1] + 0.6)
    axes.set_title(profile.indicator.label, fontsize=9, weight="bold", loc="left", pad=5)
    unit = "\n".join(textwrap.wrap(indicator_unit(profile.indicator), 24))
    axes.set_ylabel(unit, fontsize=7, color="#5a6673")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _ceiling(profile: Profile) -> float:
    """Top of a panel: above every number, and every bound that is no more than twice as high."""
    series = [profile.own, *profile.neighbours]
    if profile.england is not None:
        series.append(profile.england)
    numbers = [value for rates in series for value in rates.value if np.isfinite(value)]
    bounds = [value for rates in series for value in rates.upper if np.isfinite(value)]
    if not numbers:
        return 1.06 * max(bounds, default=1) or 1
    most = max(numbers)
    return 1.06 * max([most, *(bound for bound in bounds if bound <= 2 * most)]) or 1
