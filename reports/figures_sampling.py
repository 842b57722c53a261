"""Figures about computation: prior against posterior, and whether chains agree."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    CHAINS,
    GREY,
    GREY_PALE,
    INK,
    LEGEND,
    count_axis,
    ecdf_difference,
    folded,
    new_figure,
    simultaneous_band,
)

COLUMNS = 3
# Shared labels stand at the left, clear of the footer.
LEFT: dict[str, Any] = {"fontsize": 9, "x": 0.01, "ha": "left"}


def _grid(n: int, row_height: float) -> tuple[Figure, list[Any]]:
    rows = -(-n // COLUMNS)
    figure, grid = new_figure(0.6 + row_height * rows, nrows=rows, ncols=COLUMNS, squeeze=False)
    for axes in grid.ravel()[n:]:
        axes.set_visible(False)
    return figure, list(grid.ravel()[:n])


def plot_prior_posterior(names: list[str], prior: Any, posterior: Any) -> Figure:
    """Histograms of prior (grey) and posterior (accent) draws, one panel per parameter.

    ``prior`` and ``posterior`` map names to draws.
    """
    figure, panels = _grid(len(names), 1.7)
    for axes, name in zip(panels, names, strict=True):
        before, after = prior.get(name), posterior[name]
        ends = [after.min(), after.max()]
        if before is not None:
            ends += np.quantile(before, [0.02, 0.98]).tolist()
        edges = np.linspace(min(ends), max(ends), 61)
        if before is not None:
            heights = np.histogram(before, edges, density=True)[0]
            axes.stairs(heights, edges, fill=True, color=GREY_PALE, label="prior")
            axes.stairs(heights, edges, color=GREY, linewidth=0.8)
        heights = np.histogram(after, edges, density=True)[0]
        axes.stairs(heights, edges, fill=True, color=ACCENT, alpha=0.85, label="posterior")
        axes.set_title(folded(name, 28), fontsize=8)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        count_axis(axes.xaxis, 4)
    figure.supxlabel(
        "Value on the parameter's own scale; height is density", fontsize=9, x=0.01, ha="left"
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, **LEGEND)
    return figure


def plot_chain_ranks(ranks: dict[str, np.ndarray], sizes: dict[str, int]) -> Figure:
    """ECDF of each chain's normalised ranks minus the diagonal, one panel per parameter.

    ``ranks`` maps names to (chain, draw) in (0, 1); ``sizes`` to the effective draws of a chain,
    which set the width of the simultaneous 90 % band.
    """
    figure, panels = _grid(len(ranks), 1.7)
    for axes, (name, values) in zip(panels, ranks.items(), strict=True):
        place, lower, upper = simultaneous_band(sizes[name])
        axes.fill_between(place, lower, upper, color=GREY_PALE, linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.7)
        for chain, uniform in enumerate(values):
            colour = CHAINS[chain % len(CHAINS)]
            difference = ecdf_difference(uniform, place)
            axes.plot(place, difference, color=colour, linewidth=1, label=f"chain {chain}")
        axes.set_title(folded(name, 28), fontsize=8)
        count_axis(axes.yaxis, 3)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    figure.supxlabel(
        "Rank among the draws of all chains, as a share", fontsize=9, x=0.01, ha="left"
    )
    figure.supylabel("ECDF minus diagonal", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, **LEGEND | {"ncols": 6})
    return figure
