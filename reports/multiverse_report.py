"""The page of a multiverse: specification curves, what moves them, and every cell's state."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_SOFT,
    GREY,
    GREY_PALE,
    INK,
    OBSERVED,
    SOFT,
    WIDTH,
    Panel,
    count_axis,
    house_style,
)
from reports.pages import download, environment, show_panel, write_page
from reports.wording import capital, count, limit, number, quantity, with_unit

TABLES = ("cells", "curves", "shares", "variance")
TOGETHER = "(together)"


def render_multiverse(folder: Path) -> Path:
    """Write ``report.html`` and a picture of each curve into a multiverse's folder.

    Raises
    ------
    FileNotFoundError
        When the folder holds no multiverse.
    """
    document = json.loads((folder / "multiverse.json").read_text(encoding="utf-8"))
    tables = {
        name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
        for name in TABLES
    }
    # A level may look like a number or a year, and is a name all the same.
    for option in document["options"]:
        for name in ("cells", "curves"):
            tables[name][option] = tables[name][option].astype(str)
    pictures = folder / "curves"
    pictures.mkdir(exist_ok=True)
    for old in pictures.glob("*.png"):
        old.unlink()
    kind = str(document["kind"])
    stamp = capital(kind)
    with house_style():
        panels = []
        for number_, part in tables["curves"].groupby("curve"):
            panel = curve_panel(document, part, tables)
            assert panel.figure is not None
            # Embedding prints the kind of data into the figure, and so into its picture too.
            panels.append(show_panel(panel, stamp, ("curves", "curve", [number_])))
            panel.figure.savefig(
                pictures / f"{number_:02d}-{panel.key}.png", dpi=110, metadata={"Software": None}
            )
    html = (
        environment()
        .get_template("multiverse.html")
        .render(
            document=document,
            kind=stamp,
            is_simulated="simulated" in kind.lower(),
            states=state_rows(tables["cells"]),
            verdict=verdict(tables["cells"]),
            summary=summary_rows(document, tables),
            panels=panels,
            cells=cell_rows(document, tables["cells"]),
            downloads={name: download(folder / f"{name}.csv") for name in TABLES},
        )
    )
    return write_page(folder / "report.html", html)


def curve_name(document: dict[str, Any], part: pd.DataFrame) -> str:
    """The question that a curve asks: its estimand and what was kept apart."""
    first = part.iloc[0]
    apart = ", ".join(str(first[name]) for name in document["separate"])
    if apart:
        return f"{first['label']}: {apart}"
    # Without coordinates the cell is blank.
    return f"{first['label']} {first['at'] if pd.notna(first['at']) else ''}".strip()


def verdict(cells: pd.DataFrame) -> dict[str, str]:
    """What became of the grid, in a line."""
    counts = cells["state"].value_counts()
    good = int(counts.get("reportable", 0))
    asked = len(cells) - int(counts.get("left out", 0))
    whole = good == asked
    headline = f"{count(good)} of {count(asked)} specifications fitted and reportable"
    unfit = int(counts.get("not reportable", 0))
    detail = (
        "Every one of them passed every gate."
        if whole
        else f"{quantity(unfit, 'fitted specification')} did not pass every gate: drawn hollow, "
        "and counted."
    )
    return {"state": "pass" if whole else "fail", "headline": headline, "detail": detail}


def state_rows(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """How many cells came to what, zeros printed."""
    states = ("reportable", "not reportable", "failed", "impossible", "not run", "left out")
    counts = cells["state"].value_counts()
    rows = [(state, count(counts.get(state, 0))) for state in states]
    seconds = cells["seconds"].dropna()
    if len(seconds):
        rows.append(("time of all fits, one after the other", f"{seconds.sum() / 60:.1f} min"))
        rows.append(("time of a fit, median", f"{seconds.median():.1f} s"))
    return rows


def summary_rows(document: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[dict[str, str]]:
    """One row a curve: its specifications by sign and size, and what moves it."""
    rows = []
    shares = by_curve(tables["shares"])
    for number_, part in tables["curves"].groupby("curve"):
        row, first = shares[int(str(number_))], part.iloc[0]
        mover = largest_mover(tables["variance"], int(str(number_)))
        unit = str(first["unit"])
        ends = [_rounded(row[name], row["between_sd"]) for name in ("least", "median", "most")]
        rows.append(
            {
                "name": curve_name(document, part),
                "unit": "" if with_unit("1", unit) == "1" else unit,
                "specifications": count(row["specifications"]),
                "median": ends[1],
                "range": f"{ends[0]} to {ends[2]}",
                "signs": signs(row),
                "mover": mover[0],
                "share": mover[1],
            }
        )
    return rows


def by_curve(table: pd.DataFrame) -> dict[int, dict[Any, Any]]:
    """Rows of a table with one row a curve."""
    return {int(row["curve"]): row for row in table.to_dict("records")}


def _rounded(value: Any, sd: Any) -> str:
    return number(value, sd=sd if sd > 0 else None)


def signs(row: Mapping[Any, Any]) -> str:
    """How many specifications lie on either side of the reference; blank without one."""
    if not np.isfinite(row.get("reference", np.nan)):
        return "no reference declared"
    total = count(row["specifications"])
    return (
        f"{count(row['above'])} of {total} above {limit(row['reference'])} "
        f"({count(row['clearly_above'])} with their whole interval), {count(row['below'])} below "
        f"({count(row['clearly_below'])})"
    )


def largest_mover(variance: pd.DataFrame, curve: int) -> tuple[str, str]:
    """The option that explains most by itself, with its share, and how far it moves the answer."""
    own = variance[(variance["curve"] == curve) & (variance["option"] != TOGETHER)]
    if own.empty:
        return "–", ""
    top = own.sort_values("alone", kind="stable").iloc[-1]
    words = (
        f"{top['option']}, from {number(top['low_mean'])} ({top['low']}) to "
        f"{number(top['high_mean'])} ({top['high']})"
    )
    return words, f"{100 * top['alone']:.0f}%"


def cell_rows(document: dict[str, Any], cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Every cell with its state; a cell that is not reportable is marked, never dropped."""
    css = {"reportable": "pass", "not reportable": "fail", "failed": "fail"}
    return [
        {
            "cell": row["cell"],
            "levels": [row[name] for name in document["options"]],
            "state": row["state"],
            "css": css.get(row["state"], "not-assessed"),
            "reason": "" if pd.isna(row["reason"]) else row["reason"],
            "run": "" if pd.isna(row["run"]) else row["run"],
            "seconds": number(row["seconds"], places=1),
            "misfits": count(row["misfits"]),
        }
        for row in cells.to_dict("records")
    ]


def curve_panel(
    document: dict[str, Any], part: pd.DataFrame, tables: dict[str, pd.DataFrame]
) -> Panel:
    """A specification curve with its option matrix."""
    number_ = int(part["curve"].iloc[0])
    shares = by_curve(tables["shares"])[number_]
    pooled = [n for n in document["options"] if n not in document["separate"]]
    mover, share = largest_mover(tables["variance"], number_)
    together = tables["variance"].query("curve == @number_ and option == @TOGETHER")["alone"]
    shows = (
        f"{quantity(int(shares['specifications']), 'specification')}, means from "
        f"{_rounded(shares['least'], shares['between_sd'])} to "
        f"{_rounded(shares['most'], shares['between_sd'])}: {signs(shares)}. "
    )
    if share:
        shows += (
            f"The choice of {mover}, moves it most: {share} of the variance between specifications"
        )
        shows += (
            f"; {100 * float(together.iloc[0]):.0f}% is of no single option."
            if len(together)
            else "."
        )
    if not part["reportable"].all():
        bad = int((~part["reportable"]).sum())
        shows += f" {quantity(bad, 'specification')} did not pass every gate (hollow)."
    ratio = shares["between_sd"] / shares["within_sd"]
    shows += (
        f" The sd of means between specifications is {number(ratio, places=2)} times a usual "
        "posterior sd."
    )
    first = part.iloc[0]
    key = "-".join(
        str(text).lower().replace(" ", "_")
        for text in (first["estimand"], *(first[n] for n in document["separate"]))
    )
    return Panel(
        key,
        curve_name(document, part),
        plot_curve(part, pooled),
        alt="Means and intervals of every specification in order of size, and below them the "
        "options that each chose.",
        read="Each column is one specification: its mean and interval above, and the options that "
        "it chose below. Counts of specifications describe the declared grid; they are not "
        "probabilities.",
        shows=shows,
        interval=str(first["interval"]),
    )


def plot_curve(part: pd.DataFrame, options: list[str]) -> Figure:
    """Specifications in order of their mean; below them a row for each level of each option."""
    table = part.sort_values(["mean", "cell"], ignore_index=True)
    rows = [(option, level) for option in options for level in pd.unique(part[option])]
    height = 2.3 + 0.19 * len(rows)
    figure = Figure(figsize=(WIDTH, height))
    above, below = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [1.75, 0.19 * len(rows) + 0.1]}
    )
    x = np.arange(len(table))
    colours = np.where(table["reportable"], ACCENT, OBSERVED)
    width = float(np.clip(160 / len(table), 1.0, 4.0))
    above.vlines(x, table["lower"], table["upper"], color=ACCENT_SOFT, linewidth=width)
    faces = np.where(table["reportable"], ACCENT, "white")
    above.scatter(x, table["mean"], s=18, c=faces, edgecolors=colours, linewidths=1.1, zorder=3)
    reference = table["reference"].iloc[0]
    if np.isfinite(reference):
        above.axhline(reference, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    above.set_ylabel(capital(str(table["unit"].iloc[0])))
    count_axis(above.yaxis)
    above.tick_params(bottom=False, labelbottom=False)
    _matrix(below, table, rows)
    return figure


def _matrix(axes: Axes, table: pd.DataFrame, rows: list[tuple[str, str]]) -> None:
    x = np.arange(len(table))
    for place, (option, level) in enumerate(rows):
        chosen = (table[option] == level).to_numpy()
        axes.scatter(x[~chosen], np.full((~chosen).sum(), place), s=5, c=GREY_PALE, linewidths=0)
        axes.scatter(x[chosen], np.full(chosen.sum(), place), s=16, c=INK, linewidths=0)
    first = [i for i, (option, _) in enumerate(rows) if i == 0 or rows[i - 1][0] != option]
    for place in first[1:]:
        axes.axhline(place - 0.5, color=GREY_PALE, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [level for _, level in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-0.8, len(table) - 0.2)
    axes.tick_params(bottom=False, labelbottom=False, left=False)
    for place in first:
        axes.text(
            1.01,
            place,
            rows[place][0],
            transform=axes.get_yaxis_transform(),
            fontsize=8,
            color=SOFT,
            va="center",
        )
    axes.set_xlabel("Specifications, in order of their mean")
    for side in axes.spines.values():
        side.set_visible(False)
    axes.grid(visible=False)
