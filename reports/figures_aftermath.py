"""Answer figures of ``aftermath``: the event study, checks with pretended dates, and the cells."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_PALE,
    ACCENT_SOFT,
    GREY,
    INK,
    OBSERVED,
    SOFT,
    Panel,
    new_figure,
    not_assessed,
)
from reports.run_folder import Run
from reports.wording import capital, count, estimate, number

_MAIN = "main_change"


def aftermath_panels(run: Run) -> list[Panel]:
    """Years around the judgement, pretended dates and breakdown, and the authorities behind."""
    return [_event_study(run), _checks(run), _cells(run), _cohorts(run)]


def _event(years: Any) -> str:
    """Years since publication with their sign: −1, 0, +1."""
    return f"{int(years):+d}".replace("-", "−") if years else "0"


def plot_event_study(path: pd.DataFrame, change: pd.DataFrame, judged: pd.Series) -> Figure:
    """Contrasts between judged and comparison authorities above, the model's changes below.

    ``path`` and ``change`` have ``event_time, mean, lower, upper, unit``; ``judged`` is the number
    of judged authorities by event time.
    """
    figure, axes = new_figure(5.6, nrows=2, sharex=True, height_ratios=(3, 2))
    above, below = axes
    for axis in axes:
        axis.axhline(0, color=INK, linewidth=0.8)
        axis.axvline(-0.5, color=GREY, linewidth=0.9, linestyle=(0, (5, 3)))
        axis.grid(True, axis="y")
    above.vlines(path["event_time"], path["lower"], path["upper"], color="#e3b79a", linewidth=6)
    above.scatter(path["event_time"], path["mean"], color=OBSERVED, s=26, zorder=3)
    above.scatter([-1], [0], facecolor="white", edgecolor=OBSERVED, s=30, zorder=3)
    above.set_ylabel("Judged against comparison,\n" + str(path["unit"].iloc[0]))
    above.set_title("Figures: difference less that of year −1", fontsize=9, loc="left")
    below.vlines(change["event_time"], change["lower"], change["upper"], color=ACCENT_SOFT, lw=6)
    below.scatter(change["event_time"], change["mean"], color=ACCENT, s=26, zorder=3)
    below.set_ylabel("Change,\n" + str(change["unit"].iloc[0]))
    below.set_title(
        "Model: change beyond level, nation and what carries over", fontsize=9, loc="left"
    )
    events = sorted({-1, *path["event_time"].astype(int), *change["event_time"].astype(int)})
    labels = [f"{_event(k)}\nn={int(judged.get(k, 0))}" for k in events]
    below.set_xticks(events, labels)
    below.set_xlabel("Years since publication, and judged authorities with a figure")
    return figure


def _event_study(run: Run) -> Panel:
    key, title = "event_study", "Years around the judgement"
    path, change = run.estimand("event_path"), run.estimand("change")
    cells, main = run.estimand("judged_n"), run.estimand(_MAIN)
    if path.empty or change.empty or cells.empty:
        return not_assessed(key, title, "estimands.csv holds no path or no change")
    judged = cells.groupby(cells["event_time"].astype(int))["mean"].sum()
    shows = "The first full year is not estimable."
    if len(main):
        shows = f"Year +1: {estimate(dict(main.iloc[0]))}."
    level = run.estimand("level_before")
    if len(level):
        shows += (
            f" Before the judgement the level of the judged differed by "
            f"{estimate(dict(level.iloc[0]))}."
        )
    return Panel(
        key,
        title,
        plot_event_study(path, change, judged),
        alt="Judged against comparison authorities by year since publication, and the model's "
        "changes.",
        read="Above, figures of judged less comparison authorities of the same stack, from the "
        "year before: left of the dashed line nothing should be seen. Below, the change that "
        "answers. Where a bad year led to the judgement the two part: above, its passing looks "
        "like a change. A descriptive difference-in-differences, not an effect by assignment.",
        shows=shows,
        interval=run.interval,
    )


def plot_checks(rows: pd.DataFrame, unit: str) -> Figure:
    """Contrasts before the judgement (``text, mean, lower, upper``) as bars around zero."""
    figure, axes = new_figure(1.3 + 0.45 * len(rows))
    place = np.arange(len(rows))[::-1]
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(place, rows["lower"], rows["upper"], color="#e3b79a", linewidth=6)
    axes.scatter(rows["mean"], place, color=OBSERVED, s=28, zorder=3)
    axes.set_yticks(place, rows["text"])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(capital(unit))
    axes.grid(True, axis="x")
    return figure


def _checks(run: Run) -> Panel:
    key, title = "before", "Before the judgement: trend, pretended dates, breakdown"
    rows = [
        dict(row) | {"text": f"Pretended judgement in year {_event(row['event_time'])}"}
        for _, row in run.estimand("placebo_change").iterrows()
    ]
    rows += [
        dict(row) | {"text": "Trend from year −3 to −1, a year"}
        for _, row in run.estimand("pre_trend").iterrows()
    ]
    if not rows:
        return not_assessed(key, title, "no two years before the judgement are known")
    table = pd.DataFrame(rows)
    clear = table[(table["lower"] > 0) | (table["upper"] < 0)]
    shows = (
        "Every interval holds zero: nothing was found where nothing should be."
        if clear.empty
        else f"Clear of zero before the judgement: {'; '.join(clear['text'])}."
    )
    for name, words in (
        ("breakdown_ratio", "times the largest step between years before"),
        ("breakdown_trend", "per cent a year as a steady drift"),
    ):
        found = run.estimand(name)
        largest = found["mean"].to_numpy(float)
        if len(largest) and largest[0] > 0:
            # Of draws as few as a tail has: two figures.
            held = number(float(largest[0]), places=1 - math.floor(math.log10(largest[0])))
            shows += f" The answer holds up to {held} {words}."
        elif len(largest):
            shows += " The interval of year +1 holds zero anyway: no breakdown point."
            break
    return Panel(
        key,
        title,
        plot_checks(table, str(rows[0]["unit"])),
        alt="Contrasts between judged and comparison authorities in years before the judgement.",
        read="Each bar is a movement of judged against comparison authorities before a judgement. "
        "The breakdown point says how far their paths would have to part after it, for no reason "
        "of the judgement, to leave nothing of the answer.",
        shows=shows,
        interval=run.interval,
    )


def plot_cells(judged: pd.DataFrame, comparison: pd.DataFrame) -> Figure:
    """Authorities by cohort and event time: judged in large, comparison in small figures."""
    figure, axes = new_figure(1.2 + 0.32 * len(judged))
    numbers = np.stack([judged.to_numpy(int), comparison.to_numpy(int)], axis=-1)
    axes.imshow(numbers[..., 0], cmap=_pale(), aspect="auto", vmin=0)
    for row in range(len(judged)):
        for column in range(judged.shape[1]):
            n, m = numbers[row, column]
            text = f"{n}  ({m})" if n else "not estimable"
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=8 if n else 6.5,
                color=INK if n else SOFT,
            )
    axes.set_xticks(range(judged.shape[1]), [_event(k) for k in judged.columns])
    axes.set_yticks(range(len(judged)), [str(int(cohort)) for cohort in judged.index])
    axes.set_xlabel("Years since publication")
    axes.set_ylabel("Cohort: year of publication")
    axes.grid(False)
    return figure


def _pale() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pale", ["#ffffff", ACCENT_PALE, ACCENT_SOFT])


def _cells(run: Run) -> Panel:
    key, title = "treated_cells", "Authorities behind every cell"
    tables = [
        run.estimand(name).pivot(index="cohort", columns="event_time", values="mean")
        for name in ("judged_n", "comparison_n")
        if len(run.estimand(name))
    ]
    if len(tables) < 2:
        return not_assessed(key, title, "estimands.csv holds no numbers of authorities")
    judged, comparison = tables
    after = [column for column in judged.columns if int(column) >= 0]
    empty = int((judged[after] == 0).to_numpy().sum())
    return Panel(
        key,
        title,
        plot_cells(judged, comparison),
        alt="Number of judged and comparison authorities by cohort and year since publication.",
        read="Judged authorities with a figure, and in brackets those that they are held against. "
        "Averages over cohorts weigh each judged authority alike.",
        shows=f"{count(judged.max(axis=1).sum())} judgements in {count(len(judged))} cohorts; "
        f"{count(empty)} cells after publication have nobody and are not estimable.",
    )


def plot_cohorts(rows: pd.DataFrame, unit: str) -> Figure:
    """Change of each cohort in one year (``cohort, mean, lower, upper``)."""
    figure, axes = new_figure(1.3 + 0.28 * len(rows))
    place = np.arange(len(rows))[::-1]
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(place, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=5)
    axes.scatter(rows["mean"], place, color=ACCENT, s=24, zorder=3)
    axes.set_yticks(place, [str(int(cohort)) for cohort in rows["cohort"]])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_ylabel("Cohort")
    axes.set_xlabel(f"Change in year +1, {unit}")
    axes.grid(True, axis="x")
    return figure


def _cohorts(run: Run) -> Panel:
    key, title = "cohorts", "First full year by cohort"
    rows = run.estimand("cohort_change")
    rows = rows[rows["event_time"] == 1] if len(rows) else rows
    if rows.empty:
        return not_assessed(key, title, "no cohort has a figure in year +1")
    clear = int(((rows["lower"] > 0) | (rows["upper"] < 0)).sum())
    return Panel(
        key,
        title,
        plot_cohorts(rows, str(rows["unit"].iloc[0])),
        alt="Change in the first full year for each cohort with its interval.",
        read="Each cohort is drawn towards the mean of all; how far hangs on how much cohorts "
        "differ and on how many authorities stand behind it.",
        shows=f"Of {count(len(rows))} cohorts, {count(clear)} are clear of zero.",
        interval=run.interval,
    )
