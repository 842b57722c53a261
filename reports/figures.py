"""What every figure shares: the house style, the palette, the panel and its embedding."""

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from scipy.special import bdtr

from reports import wording

HERE = Path(__file__).parent
WIDTH = 7.0

# One accent for the model, one contrast for what was observed; both hold under the common forms of
# colour blindness and in grey.
INK = "#1c2733"
ACCENT = "#17597f"
ACCENT_SOFT = "#8db6d0"
ACCENT_PALE = "#d3e3ed"
OBSERVED = "#b8500f"
SOFT = "#5a6673"
GREY = "#8a96a3"
GREY_PALE = "#dfe4e9"
# Behind words that may cross lines.
BACKING = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}
LEGEND: dict[str, Any] = {"loc": "outside upper left", "ncols": 4}
# Okabe and Ito's order, for chains.
CHAINS = ("#17597f", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
DIVERGING = mpl.colors.LinearSegmentedColormap.from_list(
    "residual", ["#0c4468", "#7fadc9", "#f7f7f5", "#e9a777", "#9a3d05"]
)
# Signs that a URI within an attribute may hold as they are.
_PLAIN = " =:/.,;()-_!*~@$+?[]{}|^"
PAGE_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


# A file that the page offers, one of its columns, and the values of it that a figure shows.
Rows = tuple[str, str, Sequence[Any]]


@dataclass(frozen=True)
class Panel:
    """A figure with what a reader needs beside it, or the reason why there is none.

    ``interval`` says which interval the figure draws ("" for none). ``rows`` says which rows of a
    file of the page it draws; ``numbers`` is what it draws as a table, where no file holds that.
    """

    key: str
    title: str
    figure: Figure | None
    alt: str = ""
    read: str = ""
    shows: str = ""
    interval: str = ""
    missing: str = ""
    rows: Rows | None = None
    numbers: pd.DataFrame | None = None


def not_assessed(key: str, title: str, reason: str) -> Panel:
    """A panel that says why there is nothing to see."""
    return Panel(key, title, None, missing=reason)


def house_style() -> AbstractContextManager[Any]:
    """Figures are made and saved within this context."""
    return mpl.rc_context(fname=str(HERE / "house.mplstyle"))


def new_figure(height: float = 3.4, **subplots: Any) -> tuple[Figure, Any]:
    """A figure of the page's width (7 inches) and its axes."""
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots(**subplots)


def embed(figure: Figure, footer: str) -> tuple[str, int, int]:
    """A figure as a data URI with its width and height in CSS pixels.

    ``footer`` is printed within the picture, so that a copied figure still says what it shows.
    """
    width, height = figure.get_size_inches()
    engine = figure.get_layout_engine()
    if engine is not None:
        bottom = 0.22 / height
        engine.set(rect=(0, bottom, 1, 1 - bottom))  # type: ignore[call-arg]
    figure.text(
        1 - 0.05 / width,
        0.05 / height,
        footer,
        ha="right",
        va="bottom",
        fontsize=7.5,
        color=SOFT,
    )
    if engine is not None:
        # Laid out once, by the fast renderer; saving would do it again, slowly.
        FigureCanvasAgg(figure).get_renderer()
        engine.execute(figure)
        # Without any engine: saving draws a figure that has one, even an empty one, twice.
        with mpl.rc_context({"figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)
        _settle(figure)
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    uri = text_uri("image/svg+xml", _smaller(svg[svg.index("<svg") :]))
    return uri, round(width * 96), round(height * 96)


def text_uri(kind: str, text: str) -> str:
    """A text file as a data URI: as it stands, but for what would end an attribute or a URI.

    In base64 it would be a third longer, and pictures within pictures nearly twice as long.
    """
    return f"data:{kind};charset=utf-8,{quote(text, safe=_PLAIN)}"


def _settle(figure: Figure) -> None:
    """Round where the axes stand to a millionth of the figure.

    The layout's solver orders its unknowns by memory address, so its last digits differ from one
    drawing to the next, and the names of clip paths are hashes of all digits.
    """
    for axes in figure.axes:
        left, bottom, width, height = axes.get_position(original=True).bounds
        axes.set_position((round(left, 6), round(bottom, 6), round(width, 6), round(height, 6)))


def _smaller(svg: str) -> str:
    """The same picture in fewer characters: maps have thousands of points and hundreds of labels.

    Labels are set in the page's typeface, which stands once.
    """
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    svg = re.sub(r"(?<=[\"; ])font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r" transform=\"rotate\(-0 [^\"]*\"", "", svg)
    # A thousandth of a point, and a hundredth within outlines, which have most of the numbers.
    svg = re.sub(r"(\d\.\d{3})\d+", r"\1", svg)
    svg = re.sub(r"(?<= d=\")[^\"]+", lambda outline: _shorter(outline[0]), svg)
    svg = re.sub(r">\s+<", "><", svg)
    # Groups are numbered for nobody: what is referred to by name is no group.
    svg = re.sub(r"<g id=\"[^\"]*\">", "<g>", svg)
    return svg.replace("<defs>", f"<defs><style>text{{font-family:{PAGE_FONT}}}</style>", 1)


def _shorter(outline: str) -> str:
    """The same outline with the spaces and digits that nobody can see left out."""
    outline = re.sub(r"(\d\.\d\d)\d+", r"\1", outline)
    outline = re.sub(r"(\.\d*?)0+(?=\s|$)", lambda end: end[1].rstrip("."), outline)
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", outline).strip()


def contrast(one: Any, other: Any) -> float:
    """Contrast ratio of two colours, from 1 to 21, by WCAG 2.2."""
    lights = []
    for colour in (one, other):
        parts = np.array(mpl.colors.to_rgb(colour))
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(lights) / min(lights)


def readable_on(colour: Any) -> str:
    """Black or white, whichever stands out more; one of them always has a contrast of 4.5."""
    return max(("black", "white"), key=lambda text: contrast(text, colour))


# -- axes --------------------------------------------------------------------------------------


def year_axis(axes: Axes, years: Any, *, label: bool = True) -> None:
    """Whole years, financial years ending 31 March."""
    low, high = int(min(years)), int(max(years))
    axes.set_xlim(low - 0.6, high + 0.6)
    step = max(1, -(-(high - low + 1) // 14))
    axes.xaxis.set_major_locator(FixedLocator(list(range(low, high + 1, step))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    if label:
        axes.set_xlabel("Year ending 31 March")


def start_at_zero(axes: Axes) -> None:
    """A y axis from nought, with room for a point that is the highest of all."""
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def count_axis(axis: Any, bins: int = 5) -> None:
    """Few round ticks with thousands separated."""
    axis.set_major_locator(MaxNLocator(bins, min_n_ticks=3))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def tick(value: float) -> str:
    """A tick label: thousands separated, no trailing zeros, a true minus."""
    text = f"{abs(value):,.10g}" if abs(value) < 1e6 else f"{abs(value):,.0f}"
    return f"−{text}" if value < 0 else text


def short(name: str, limit: int = 34) -> str:
    """A name that fits beside a point; joined LAs have long ones."""
    return name if len(name) <= limit else name[: limit - 1].rstrip() + "…"


def folded(name: str, width: int = 26, lines: int = 3) -> str:
    """A label on as many lines as it needs; what ``lines`` lines do not hold is cut and marked."""
    rows = [""]
    for word in re.findall(r"[^\s_/-]+[\s_/-]*|[\s_/-]+", name):
        if rows[-1] and len((rows[-1] + word).rstrip()) > width:
            rows.append("")
        rows[-1] += word
    if len(rows) > lines:
        rows[lines - 1 :] = [short("".join(rows[lines - 1 :]), width)]
    return "\n".join(row.rstrip() for row in rows)


def breaks(axes: Axes, run: Any) -> list[str]:
    """Draw the knot and changes of definition on a year axis; returns what was drawn, in words."""
    drawn: list[str] = []
    low, high = axes.get_xlim()
    bottom, ceiling = axes.get_ylim()
    axes.set_ylim(bottom, ceiling + 0.1 * (ceiling - bottom))
    top = axes.get_xaxis_transform()
    note: Any = {"transform": top, "fontsize": 7.5, "color": SOFT, "va": "top", "bbox": BACKING}
    for regime in run.spec.get("regimes", []):
        first = regime.get("first_year")
        if first is None or not low < first - 0.5 < high:
            continue
        axes.axvline(first - 0.5, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)))
        # After its line, unless there is no room left to write.
        after = high - first > 0.25 * (high - low)
        align: Any = {"ha": "left" if after else "right"}
        axes.text(first - 0.5 + (0.1 if after else -0.1), 0.99, regime["name"], **align, **note)
        drawn.append(f"{regime['name']} from {first}")
    knot = run.spec.get("knot")
    if wording.is_number(knot) and low < float(knot) < high:
        axes.axvline(float(knot), color=GREY, linewidth=0.9, linestyle=(0, (5, 3)))
        axes.text(float(knot) - 0.1, 0.99, f"knot {knot:.0f}", ha="right", **note)
        drawn.append(f"knot at {knot:.0f}")
    return drawn


def band(axes: Axes, years: Any, lower: Any, upper: Any, **style: Any) -> None:
    """An interval by year; bars where a single year leaves no band to draw."""
    if len(years) > 1:
        axes.fill_between(years, lower, upper, linewidth=0, **style)
    else:
        colour = style.get("color", ACCENT_SOFT)
        axes.vlines(years, lower, upper, color=colour, linewidth=6, label=style.get("label", ""))


def name_points(axes: Axes, x: Any, y: Any, names: dict[int, str]) -> None:
    """Name points, those first in ``names`` first; a name that would cover another is left out."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    placed: list[tuple[float, float]] = []
    for i, name in names.items():
        across, up = (x[i] - left) / (right - left), (y[i] - bottom) / (top - bottom)
        if any(abs(across - a) < 0.4 and abs(up - u) < 0.06 for a, u in placed):
            continue
        placed.append((across, up))
        offset, align = ((-6, 0), "right") if across > 0.5 else ((6, 0), "left")
        style: Any = {"textcoords": "offset points", "fontsize": 8, "va": "center", "ha": align}
        axes.annotate(name, (x[i], y[i]), offset, **style)


@cache
def simultaneous_band(
    n: int, points: int = 50, width: float = 0.9
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the ECDF of ``n`` uniform draws stays, at all of ``points`` places at once.

    Simulated after Säilynoja, Bürkner and Vehtari (2022), Statistics and Computing 32: the
    pointwise level is set so that a share ``width`` of uniform samples stays inside everywhere.

    Returns
    -------
    Places in (0, 1), lower and upper bound of ECDF minus place.
    """
    place = np.arange(1, points) / points
    cells = np.random.default_rng(1).multinomial(n, np.full(points, 1 / points), size=1000)
    counts = cells.cumsum(axis=1)[:, :-1]
    # Distribution function of every count from -1 to n at every place.
    cdf = np.vstack([np.zeros_like(place), bdtr(np.arange(n + 1)[:, None], n, place)])
    column = np.arange(points - 1)
    below, above = cdf[counts + 1, column], 1 - cdf[counts, column]
    level = np.quantile(2 * np.minimum(below, above).min(axis=1), 1 - width)
    lower = (cdf[1:] < level / 2).sum(axis=0) / n - place
    upper = (cdf[1:] < 1 - level / 2).sum(axis=0) / n - place
    return place, lower, upper


def ecdf_difference(uniform: np.ndarray, place: np.ndarray) -> np.ndarray:
    """ECDF of values in (0, 1) at ``place``, minus ``place``."""
    return np.searchsorted(np.sort(uniform), place, side="right") / len(uniform) - place
