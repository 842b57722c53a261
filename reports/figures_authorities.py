"""Chosen authorities of a run: their estimates, and how sure their ranks are."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.authorities import Quantity, choose, rank_words, ranked, sureness
from reports.figures import (
    ACCENT,
    GREY,
    GREY_PALE,
    INK,
    OBSERVED,
    WIDTH,
    Panel,
    count_axis,
    folded,
    not_assessed,
)
from reports.run_folder import Run
from reports.wording import capital, count, estimate, number

_COLOURS = {"own": OBSERVED, "statistical neighbour": ACCENT}


def chosen_panels(run: Run) -> list[Panel]:
    """Extremes and median of each quantity that may be put in order."""
    found = ranked(run)
    if not found:
        return [not_assessed("chosen", "How sure are the ranks?", _why_none(run))]
    return [chosen_panel(run, quantity) for quantity in found]


def _why_none(run: Run) -> str:
    if run.has_ranks:
        return "the run has no estimand by authority that may be put in order"
    return "the run holds no ranks: 'make report RUN=' adds them while cube and code are unchanged"


def chosen_panel(
    run: Run, quantity: Quantity, own: str | None = None, neighbours: tuple[str, ...] = ()
) -> Panel:
    """Chosen authorities of one quantity, with one's own where it is given."""
    rows = choose(quantity, own, neighbours)
    names = [run.la_name(str(code)) for code in rows.index]
    width = float((quantity.table["rank_upper"] - quantity.table["rank_lower"]).median())
    total = len(quantity.table)
    shows = f"The median interval of a rank is {count(width)} places wide, of {count(total)}."
    if own in rows.index:
        record: dict[str, Any] = {str(key): value for key, value in rows.loc[str(own)].items()}
        shows = (
            f"{run.la_name(str(own))}: {estimate(record)}; rank {rank_words(record)}. "
            f"{sureness(record)}"
        )
    return Panel(
        f"chosen-{quantity.key}",
        quantity.title,
        plot_chosen(quantity, rows, names, run.interval),
        alt=f"{quantity.title}: estimates of {len(rows)} authorities with intervals, and the "
        "interval of each one's rank.",
        read="Left, posterior mean and interval, the dashed line is "
        f"{quantity.reference.words} ({number(quantity.reference.value)}); right, the rank (1 is "
        f"the highest of {count(total)}) with its interval. A rank is as sure as its bar is short.",
        shows=shows,
        interval=run.interval,
        numbers=_rows(rows, names),
    )


def _rows(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """What the figure draws: estimates and ranks of the chosen authorities."""
    drawn = ["role", "mean", "lower", "upper", "unit", "rank", "rank_lower", "rank_upper"]
    table = rows[[*drawn, "p_top_fifth", "p_bottom_fifth"]].rename_axis("la").reset_index()
    table.insert(1, "name", names)
    return table


def plot_chosen(quantity: Quantity, rows: pd.DataFrame, names: list[str], interval: str) -> Figure:
    """A row for each authority, highest first: estimate on the left, rank on the right."""
    figure = Figure(figsize=(WIDTH, 1.25 + 0.24 * len(rows)))
    left, right = figure.subplots(ncols=2, sharey=True, width_ratios=[3, 2])
    place = np.arange(len(rows))
    colours = [_COLOURS.get(role, GREY) for role in rows["role"]]
    left.axvline(quantity.reference.value, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    left.hlines(place, rows["lower"], rows["upper"], color=colours, linewidth=4, alpha=0.6)
    left.scatter(rows["mean"], place, color=colours, s=22, zorder=3)
    labels = [_label(name, role) for name, role in zip(names, rows["role"], strict=True)]
    left.set_yticks(place, labels, fontsize=8)
    for text, role in zip(left.get_yticklabels(), rows["role"], strict=True):
        text.set_fontweight("bold" if role == "own" else "normal")
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_xlabel(folded(capital(quantity.axis.replace("\n", ", ")), 44))
    count_axis(left.xaxis)
    right.hlines(place, rows["rank_lower"], rows["rank_upper"], color=colours, lw=4, alpha=0.6)
    right.scatter(rows["rank"], place, color=colours, s=22, zorder=3)
    total = int(quantity.table["authorities"].max())
    right.set_xlim(0, total + 1)
    right.set_xticks(sorted({1, round(total / 4), round(total / 2), round(3 * total / 4), total}))
    right.set_xlabel("Rank, 1 is the highest")
    fifth = -(-total // 5)
    right.axvspan(0, fifth + 0.5, color=GREY_PALE, alpha=0.5, linewidth=0, zorder=0)
    right.axvspan(total - fifth + 0.5, total + 1, color=GREY_PALE, alpha=0.5, linewidth=0, zorder=0)
    for axes in (left, right):
        axes.grid(False)
        axes.grid(True, axis="x")
    return figure


def _label(name: str, role: str) -> str:
    return f"{folded(name, 30, 2)} (median)" if role == "median" else folded(name, 30, 2)
