"""What an answer leans on, from a run's ``sensitivity.json``; nothing where it was not computed."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_PALE,
    GREY,
    INK,
    OBSERVED,
    SOFT,
    WIDTH,
    Panel,
    count_axis,
    folded,
    short,
)
from reports.run_folder import Run
from reports.wording import listing, number, quantity

# Rows of the influence figure and its table.
SHOWN = 12
# Estimands of the figure of hyperpriors: more would not be read.
MOST_ESTIMANDS = 14


def sensitivity_panels(run: Run) -> list[Panel]:
    """Power-scaling and influence, or no panels where neither was computed."""
    document = run.sensitivity
    if not document:
        return []
    scaling = pd.DataFrame(document["hyperpriors"])
    influence = pd.DataFrame(document["influence"])
    panels = []
    if len(scaling):
        panels.append(_scaling_panel(run, scaling, float(document["limits"]["moves"])))
    if len(influence):
        panels.append(_influence_panel(run, influence, float(document["limits"]["shift"])))
    return panels


def _named(run: Run, row: Any) -> str:
    outcomes = {str(o["name"]): str(o["label"]) for o in run.spec.get("outcomes", [])}
    at = ", ".join(outcomes.get(part, part) for part in str(row["at"]).split(", ") if part)
    return f"{row['label']}{f', {at}' if at else ''}"


def _scaling_panel(run: Run, table: pd.DataFrame, limit: float) -> Panel:
    table = table.assign(name=[_named(run, row) for row in table.to_dict("records")])
    moving = table[table["moves"]]
    if moving.empty:
        shows = f"No hyperprior moves a headline estimand by more than the limit of {limit:g}."
    else:
        worst = moving.sort_values("value").iloc[-1]
        shows = (
            f"{quantity(len(moving), 'pair')} of {len(table)} lie above the limit of {limit:g}; "
            f"the most is {worst['hyperprior']} on {worst['name']} "
            f"({number(worst['value'], places=2)}). Where a hyperprior moves an answer, its reason "
            "in the prior table matters."
        )
    largest = table.groupby("name")["value"].max().sort_values(ascending=False)
    names = [n for n in dict.fromkeys(table["name"]) if n in set(largest.index[:MOST_ESTIMANDS])]
    if len(names) < len(largest):
        shows += f" Shown: the {len(names)} of {len(largest)} estimands that move most."
    return Panel(
        "power_scaling",
        "How much each hyperprior moves the answer",
        plot_scaling(table, names, limit),
        alt="Power-scaling sensitivity of each headline estimand to each hyperprior.",
        read="Each number says how far the estimand's distribution moves when that prior alone is "
        f"made a little stronger or weaker; above {limit:g} it counts as moving it.",
        shows=shows,
        numbers=table[["name", "hyperprior", "value", "moves"]],
    )


def plot_scaling(table: pd.DataFrame, names: list[str], limit: float) -> Figure:
    """Estimands by hyperpriors; what moves is filled."""
    hyperpriors = list(dict.fromkeys(table["hyperprior"]))
    grid = table.pivot_table(index="name", columns="hyperprior", values="value", aggfunc="max")
    grid = grid.reindex(index=names, columns=hyperpriors)
    figure = Figure(figsize=(WIDTH, 1.2 + 0.24 * len(names)))
    axes = figure.subplots()
    for row, name in enumerate(names):
        for column, hyperprior in enumerate(hyperpriors):
            value = float(np.asarray(grid.loc[name, hyperprior]))
            moves = value > limit
            if moves:
                axes.fill(
                    [column - 0.5, column + 0.5, column + 0.5, column - 0.5],
                    [row - 0.5, row - 0.5, row + 0.5, row + 0.5],
                    color=ACCENT_PALE,
                    linewidth=0,
                )
            text = "–" if np.isnan(value) else f"{value:.3f}"
            style: Any = {"fontsize": 8, "ha": "center", "va": "center"}
            axes.text(column, row, text, color=INK if moves else SOFT, **style)
    axes.set_xticks(range(len(hyperpriors)), hyperpriors, fontsize=7.5, rotation=30, ha="left")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(names)), [folded(name, 46, 2) for name in names], fontsize=8)
    axes.set_xlim(-0.5, len(hyperpriors) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _influence_panel(run: Run, table: pd.DataFrame, limit: float) -> Panel:
    table = table.assign(
        name=[_named(run, row) for row in table.to_dict("records")],
        la_name=[run.la_name(str(code)) for code in table["la"]],
    )
    known = table[table["shift"].notna()].copy()
    unknown = table.loc[table["shift"].isna(), "la"].nunique()
    every = table["la"].nunique()
    known["size"] = known["shift"].astype(float).abs()
    # Each authority once, by the estimand that its absence moves most.
    known = known.sort_values("size", ascending=False).drop_duplicates("la").head(SHOWN)
    large = known[known["size"] > limit]
    shows = (
        f"Without {listing(list(large['la_name']), 5)} some estimand moves by more than {limit:g} "
        "posterior sd."
        if len(large)
        else f"No authority that was assessed moves a headline estimand by more than {limit:g} "
        "posterior sd."
    )
    if unknown:
        shows += (
            f" {unknown} of {every} authorities were not assessed: their importance weights cannot "
            "be trusted and they were not refitted (REFITS= takes more)."
        )
    return Panel(
        "influence",
        "Which authority moves the answer",
        plot_influence(known, limit) if len(known) else None,
        alt="Shift of the most affected estimand when each of the most influential authorities is "
        "left out.",
        read="Each row leaves one authority out: how far the mean of the estimand that moves most "
        "goes, in posterior sds. Filled: from a refit; open: from importance weights.",
        shows=shows,
        missing="no authority could be assessed",
        numbers=known[["la", "la_name", "name", "shift", "how"]],
    )


def plot_influence(table: pd.DataFrame, limit: float) -> Figure:
    """One row an authority, the most influential first."""
    figure = Figure(figsize=(WIDTH, 1.0 + 0.36 * len(table)))
    axes = figure.subplots()
    y = np.arange(len(table))
    shift = table["shift"].astype(float).to_numpy()
    for place in (-limit, limit):
        axes.axvline(place, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.axvline(0, color=GREY, linewidth=0.9)
    colours = np.where(np.abs(shift) > limit, OBSERVED, ACCENT).tolist()
    axes.hlines(y, 0, shift, color=colours, linewidth=1.4)
    faces = np.where(table["how"] == "refit", colours, "white").tolist()
    axes.scatter(shift, y, c=faces, edgecolors=colours, s=26, zorder=3)
    labels = [
        f"{short(row['la_name'])}\n{folded(row['name'], 44, 2)}" for row in table.to_dict("records")
    ]
    axes.set_yticks(y, labels, fontsize=7.5)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlabel("Shift of the mean when it is left out, in posterior sds")
    count_axis(axes.xaxis)
    return figure
