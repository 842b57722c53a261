"""The figure of a calibration study, from its folder: ECDF of ranks less uniform, with its band."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import ACCENT, ACCENT_PALE, GREY, OBSERVED, SOFT, house_style

_COLUMNS = 4
_TITLES = {"parameter": 0, "estimand": 1, "data": 2}


def plot_calibration(summary: pd.DataFrame, ranks: pd.DataFrame, band: pd.DataFrame) -> Figure:
    """One panel for each quantity, a line for each of its coordinates.

    ``summary``, ``ranks`` and ``band`` are the tables of those names in the study's folder. Lines
    that leave the band are drawn in the contrasting colour and named.
    """
    order = summary.assign(place=summary["kind"].map(_TITLES)).sort_values("place", kind="stable")
    names = list(dict.fromkeys(order["quantity"]))
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(9.0, 1.0 + 1.45 * rows))
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    u = np.concatenate([[0], band["u"], [1]])
    lower, upper = (np.concatenate([[0], band[side], [0]]) for side in ("lower", "upper"))
    for axes, name in zip(grid.flat, names, strict=False):
        axes.fill_between(u, lower, upper, color=ACCENT_PALE, linewidth=0)
        axes.axhline(0, color=GREY, linewidth=0.6)
        outside = []
        for row in summary[summary["quantity"] == name].itertuples():
            same = (ranks["quantity"] == name) & (ranks["coordinate"] == row.coordinate)
            rank = ranks.loc[same, "rank"].to_numpy()
            ecdf = (rank[:, None] <= np.arange(len(band))).mean(axis=0)
            inside = row.band == "inside"
            axes.plot(
                u,
                np.concatenate([[0], ecdf - band["u"], [0]]),
                color=ACCENT if inside else OBSERVED,
                linewidth=0.9 if inside else 1.5,
            )
            if not inside:
                outside.append(f"{row.coordinate} p {row.p:.2g}".strip())
        axes.set_title(name, fontsize=8, pad=3)
        if outside:
            # Where the line is not.
            below = summary.loc[summary["quantity"] == name, "largest_difference"].sum() < 0
            where = {"y": 0.97, "va": "top"} if below else {"y": 0.03, "va": "bottom"}
            text = "\n".join(outside)
            style: Any = {"ha": "center", "fontsize": 7, "color": OBSERVED, **where}
            axes.text(x=0.5, s=text, transform=axes.transAxes, **style)
    for place, axes in enumerate(grid.flat):
        # The lowest panel of each column carries the axis.
        axes.tick_params(labelbottom=place + _COLUMNS >= len(names))
        if place >= len(names):
            axes.set_axis_off()
    figure.supxlabel("Rank of the true value among posterior draws, as a share", fontsize=9)
    figure.supylabel("ECDF less uniform", fontsize=9)
    first, count = summary.iloc[0], len(summary)
    lines = [
        f"{first['replicates']} of {first['asked']} replicates, {first['status']}"
        f" ({first['failed']} failed, {first['divergent']} with divergences); "
        f"{(summary['band'] == 'outside').sum()} of {count} lines leave their 95 % band",
        "Shaded: where 95 % of lines stay throughout if fits are calibrated.",
    ]
    figure.suptitle("\n".join(lines), fontsize=8.5, color=SOFT, x=0.01, ha="left")
    return figure


def write_figure(folder: Path, path: Path) -> None:
    """Draw the study in ``folder`` and save it as PNG."""
    tables = {
        name: pd.read_csv(folder / f"{name}.csv", dtype={"coordinate": str})
        for name in ("summary", "ranks", "band")
    }
    for name in ("summary", "ranks"):
        tables[name]["coordinate"] = tables[name]["coordinate"].fillna("")
    with house_style():
        figure = plot_calibration(**tables)
        figure.savefig(path, dpi=130, metadata={"Software": None})
