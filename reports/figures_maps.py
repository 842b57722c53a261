"""Maps of authorities: as they lie, and with one square of the same size for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.authorities import SEQUENTIAL, Quantity, ranked, split_by_side
from reports.figures import (
    DIVERGING,
    GREY,
    INK,
    SOFT,
    WIDTH,
    Panel,
    count_axis,
    not_assessed,
    readable_on,
)
from reports.run_folder import Run
from reports.wording import capital, count, listing, number, quantity, with_unit

NO_ESTIMATE = "#ffffff"
_NARROW = float(np.cos(np.radians(52.8)))
_HATCH = {"uncertain": "////", "absent": "xxxx"}
NO_MAP = "the cube holds no boundaries"
# Residuals further than this from zero, in standard errors, are drawn without hatching.
_CLEAR = 2.0


@dataclass(frozen=True)
class Shading:
    """What to draw of each authority: ``value`` and ``is_clear`` by code; others have none."""

    value: pd.Series
    is_clear: pd.Series
    label: str
    clear_words: str
    colours: Colormap
    norm: Normalize
    mark: float | None = None
    mark_label: str = ""


def map_panels(run: Run) -> list[Panel]:
    """A map of each quantity, or one panel that says why there is none."""
    found = ranked(run)
    if not found:
        return []
    if not run.places.get("tiles"):
        reason = NO_MAP if run.places else "the run holds no places"
        return [not_assessed("maps", "Maps", reason)]
    return [_map_of(run, one) for one in found]


def _map_of(run: Run, shown: Quantity) -> Panel:
    table, reference = shown.table, shown.reference
    low, high = (table[end].astype(float) for end in ("lower", "upper"))
    value = table["mean"].astype(float)
    split = split_by_side(shown)
    name = reference.words
    held = with_unit(number(reference.value), shown.unit)
    shading = Shading(
        value,
        (low > reference.value) | (high < reference.value),
        shown.axis.replace("\n", ", "),
        f"hatched: interval holds {name} ({held})",
        SEQUENTIAL,
        Normalize(*shown.ends),
        reference.value,
        reference.label,
    )
    without = [code for code in run.places["tiles"] if code not in value.index]
    names = [str(run.places["las"].get(code, {}).get("name") or code) for code in without]
    return Panel(
        f"map-{shown.key}",
        f"Map. {shown.title}",
        plot_map(run.places, shading),
        alt=f"Two maps of {len(value)} authorities shaded by {shown.title.lower()}: by their "
        "outlines, and with one square of the same size for each. The table of authorities has the "
        "numbers.",
        read="Left, authorities as they lie; right, one square of the same size for each, near "
        "where it lies, so that London can be read. Darker is higher. Hatching covers authorities "
        f"whose interval holds {name}: their colour may be chance. "
        f"{run.places.get('attribution', '')}".rstrip(),
        shows=f"Of {count(len(value))} authorities {count(split['above'])} lie clearly above "
        f"{name} and {count(split['below'])} clearly below; {count(split['neither'])} are hatched."
        + (f" Without estimate: {listing(names, 8)}." if names else " None is without estimate."),
        interval=run.interval,
    )


def residual_map_panels(run: Run) -> list[Panel]:
    """Maps of what the model leaves of authorities, one for each outcome.

    Where the model fits a level to each authority its mean residual is near zero whatever the data:
    there the last year is shown, else the mean over all years.
    """
    cells, residual = run.cells, run.variable("criticism", "residual")
    key, title = "residual_maps", "Map of residuals"
    if not run.places.get("tiles"):
        return [not_assessed(key, title, NO_MAP if run.places else "the run holds no places")]
    if cells is None or residual is None:
        return [not_assessed(key, title, "the run holds no leave-one-out residuals")]
    table = cells.assign(residual=residual)
    has_levels = _fits_authorities(run)
    panels: list[Panel] = []
    for number_, (name, part) in enumerate(table.groupby("outcome", sort=False)):
        outcome = str(name)
        last = int(part["year"].max())
        part = part[part["year"] == last] if has_levels else part
        when = f"in {last}" if has_levels else "over the years"
        by = part.groupby("la")["residual"]
        # The mean of n standard normals times sqrt(n) is standard normal again.
        z: pd.Series = by.sum() / np.sqrt(by.size())
        clear = z.abs() >= _CLEAR
        shading = Shading(
            z,
            clear,
            f"Residual {when}, in standard errors",
            f"hatched: within {_CLEAR:g} standard errors",
            DIVERGING,
            Normalize(-4, 4),
        )
        alike, pairs = _alike(z, run.places["tiles"])
        panels.append(
            Panel(
                f"{key}-{number_}" if number_ else key,
                f"{title}: {outcome}" if outcome else title,
                plot_map(run.places, shading),
                alt=f"Two maps of {len(z)} authorities shaded by their residual {when}: by "
                "outline, and with one square for each.",
                read=f"Orange: the authority's counts {when} lie above prediction; blue: "
                "below. Patches of one colour would mean that places near one another share "
                "something that the model leaves out.",
                shows=f"{count(clear.sum())} of {quantity(len(z), 'authority', 'authorities')} "
                f"lie {_CLEAR:g} standard errors or more from prediction, where about "
                f"{count(0.0455 * len(z))} would by chance. Residuals of squares that touch have "
                f"correlation {number(alike, places=2)} over {count(pairs)} pairs.",
                numbers=_residual_rows(run, z, when),
            )
        )
    return panels


def _residual_rows(run: Run, z: pd.Series, when: str) -> pd.DataFrame:
    names = [run.la_name(str(code)) for code in z.index]
    columns = {"la": z.index, "name": names, "when": when}
    return pd.DataFrame({**columns, "residual_in_standard_errors": z.to_numpy(dtype=float)})


def _fits_authorities(run: Run) -> bool:
    """Whether the model has an effect of each authority."""
    group = run.group("posterior")
    if group is None:
        return False
    return any(
        "la" in variable.dimensions for name, variable in group.variables.items() if name != "la"
    )


def _alike(z: pd.Series, tiles: Mapping[str, Any]) -> tuple[float, int]:
    """Correlation of values on squares that share an edge, and the number of such pairs."""
    at = {tuple(square): float(z[code]) for code, square in tiles.items() if code in z.index}
    pairs = [
        (value, at[other])
        for (column, row), value in at.items()
        for other in ((column + 1, row), (column, row + 1))
        if other in at
    ]
    if len(pairs) < 3:
        return float("nan"), len(pairs)
    # Each pair both ways round, for neither is the first.
    both = np.array([*pairs, *[(b, a) for a, b in pairs]])
    return float(np.corrcoef(both.T)[0, 1]), len(pairs)


def plot_map(places: Mapping[str, Any], shading: Shading) -> Figure:
    """Outlines on the left, squares on the right, one colour bar and one legend for both."""
    figure = Figure(figsize=(WIDTH, 5.3))
    left, right = figure.subplots(ncols=2, width_ratios=[1, 1.1])
    outlines = {
        code: [np.array(polygon[0], float) * [_NARROW, 1.0] for polygon in geometry["coordinates"]]
        for code, geometry in places["outlines"].items()
    }
    _shade(left, outlines, shading, is_raster=True)
    squares = {
        code: [np.array([(-0.48, -0.48), (0.48, -0.48), (0.48, 0.48), (-0.48, 0.48)]) + square]
        for code, square in places["tiles"].items()
    }
    _shade(right, squares, shading, is_raster=False)
    right.invert_yaxis()
    _letter(right, places, shading)
    for axes in (left, right):
        axes.autoscale_view()
        axes.set_aspect("equal")
        axes.set_axis_off()
    bar = figure.colorbar(
        ScalarMappable(shading.norm, shading.colours),
        ax=[left, right],
        orientation="horizontal",
        shrink=0.6,
        aspect=36,
        pad=0.02,
        extend="both",
    )
    bar.set_label(capital(shading.label))
    bar.outline.set_visible(False)
    count_axis(bar.ax.xaxis)
    if shading.mark is not None:
        bar.ax.axvline(shading.mark, color=INK, linewidth=1.2)
    handles = [
        Patch(facecolor=GREY, edgecolor="white", hatch=_HATCH["uncertain"], linewidth=0),
        Patch(facecolor=NO_ESTIMATE, edgecolor=SOFT, hatch=_HATCH["absent"], linewidth=0.6),
    ]
    words = [shading.clear_words, "no estimate"]
    figure.legend(handles, words, loc="outside upper left", ncols=2)
    return figure


def _shade(
    axes: Axes, shapes: Mapping[str, list[np.ndarray]], shading: Shading, *, is_raster: bool
) -> None:
    """Fill shapes by value; hatch what is not clear, and cross what has no estimate."""
    known = [code for code in shapes if code in shading.value.index]
    for clear in (True, False):
        codes = [code for code in known if bool(shading.is_clear[code]) == clear]
        parts = [shape for code in codes for shape in shapes[code]]
        values = np.array([shading.value[code] for code in codes for _ in shapes[code]], float)
        _add(axes, parts, shading.colours(shading.norm(values)), "white", 0.3, "", is_raster)
        if not clear:
            _add(axes, parts, "none", "white", 0.0, _HATCH["uncertain"], is_raster)
    absent = [shape for code in shapes if code not in shading.value.index for shape in shapes[code]]
    _add(axes, absent, NO_ESTIMATE, SOFT, 0.6, _HATCH["absent"], is_raster)


def _add(
    axes: Axes,
    parts: list[np.ndarray],
    face: Any,
    edge: str,
    width: float,
    hatch: str,
    is_raster: bool,
) -> None:
    if not parts:
        return
    # Thousands of vector points for each map would make a slow page.
    axes.add_collection(
        PolyCollection(
            parts,
            facecolors=face,
            edgecolors=edge,
            linewidths=width,
            hatch=hatch or None,
            rasterized=is_raster,
            # Blended edges would make the picture three times as large.
            antialiaseds=not is_raster,
            clip_on=False,
        )
    )


def _letter(axes: Axes, places: Mapping[str, Any], shading: Shading) -> None:
    """Three letters of each name within its square."""
    for code, (column, row) in places["tiles"].items():
        name = str(places["las"].get(code, {}).get("name") or code)
        colour = SOFT
        if code in shading.value.index:
            colour = readable_on(shading.colours(shading.norm(float(shading.value[code]))))
        axes.text(
            column,
            row,
            name[:3],
            fontsize=5.2,
            ha="center",
            va="center",
            color=colour,
            clip_on=False,
            # Within its square, which has its place in the layout.
            in_layout=False,
        )
