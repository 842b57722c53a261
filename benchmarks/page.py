"""The benchmark's page: tables as CSV, one figure, and ``benchmarks.md`` with the machine."""

import platform
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.bench import Bench
from benchmarks.running import LABELS, OTHER_DENSITY, TOOLS, Settings
from benchmarks.scale import growth
from benchmarks.tasks import TASKS
from experiments.provenance import machine
from reports.figures import ACCENT, GREY, LEGEND, OBSERVED, SOFT, embed, house_style, tick

# What is asked for of smallest ESS per second, ours warm over a peer's: to the last draw, and in
# sampling alone.
GOALS = {
    **{("trend", "stan"): 8.0, ("shares", "stan"): 4.0, ("horseshoe", "stan"): 1.0},
    **{("trend", "brms"): 300.0, ("shares", "brms"): 200.0, ("horseshoe", "brms"): 20.0},
}
SAMPLING_GOALS = {("trend", "stan"): 8.0, ("shares", "stan"): 5.0, ("horseshoe", "stan"): 4.0}
# A warm fit, from command to report, over sampling alone: at most so many times it and so many
# seconds more. A gradient over its floor.
WHOLE_FIT = (1.5, 5.0)
GRADIENT = 2.0
HEADER = """# Speed beside other tools

Written by `make bench`; do not edit. Data are simulated England, exact and complete counts. PyMC
and the peers written by hand get the same priors and the same likelihood; bambi and brms get the
nearest that their formulas can say (years as independent effects), with priors of their own, brms'
horseshoe with ours. Peers written by hand get the usual parameterisation that samples best, not
ours (docs/decisions/parameterisation.md). Rounds take the tools in turn, each fit in a process of
its own. The first round starts with no compiled code (cold), later rounds find what the first
compiled (warm).

*To draws* is the time from the start of the process to the last draw, *all* the time to its end:
ours then also holds log likelihood, diagnostics, leave-one-out criticism, ranks and the report. ESS
is the smallest bulk effective sample size of any parameter; *headline* that of the answers a report
opens with.
"""


def write_page(bench: Bench, settings: Settings, folder: Path, *, quick: bool) -> list[Path]:
    """Write the tables, the figure and the page into ``folder``; their paths."""
    tables = folder / "benchmarks"
    tables.mkdir(parents=True, exist_ok=True)
    written = []
    for name in ("fits", "means", "gradients"):
        path = tables / f"{name}.csv"
        getattr(bench, name).to_csv(path, index=False, float_format="%.6g")
        written.append(path)
    picture = tables / "ess_per_second.svg"
    with house_style():
        uri, *_ = embed(plot_rates(bench.fits), "simulated England")
    picture.write_bytes(unquote_to_bytes(uri.partition(",")[2]))
    page = folder / "benchmarks.md"
    page.write_text(_page(bench, settings, quick=quick), encoding="utf-8")
    return [*written, picture, page]


def warm(fits: pd.DataFrame) -> pd.DataFrame:
    """Fits that found compiled code; all of them where there was one round alone."""
    return fits[~fits["cold"]] if (~fits["cold"]).any() else fits


def ratios(fits: pd.DataFrame) -> pd.DataFrame:
    """Ours over each peer, warm, in smallest ESS per second: to draws, and in sampling alone.

    Returns
    -------
    ``task, tool``, the two ratios ``total`` and ``sampling`` with the ``_low`` and ``_high`` of
    single rounds, ours over the peer's of the same round, and the ``_goal`` of each.
    """
    rows = []
    found = warm(fits)
    for (task, tool), peer in found.groupby(["task", "tool"], sort=False):
        if tool == "ours" or (tool in OTHER_DENSITY and (task, tool) not in GOALS):
            continue
        mine = found[(found["task"] == task) & (found["tool"] == "ours")].set_index("repeat")
        own = peer.set_index("repeat")
        each = (mine["ess_per_second"] / own["ess_per_second"]).dropna()
        sampling = (mine["ess_per_second_sampling"] / own["ess_per_second_sampling"]).dropna()
        if each.empty:
            continue
        place = (str(task), str(tool))
        row: dict[str, object] = {"task": task, "tool": tool}
        for name, values, goals in (
            ("total", each, GOALS),
            ("sampling", sampling, SAMPLING_GOALS),
        ):
            row |= {
                name: values.median(),
                f"{name}_low": values.min(),
                f"{name}_high": values.max(),
                f"{name}_goal": goals.get(place, np.nan),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def plot_rates(fits: pd.DataFrame) -> Figure:
    """Smallest ESS per second to the last draw, a panel for each task, a point for each fit."""
    tasks = list(dict.fromkeys(fits["task"]))
    figure = Figure(figsize=(7.0, 0.6 + 1.5 * len(tasks)))
    panels = figure.subplots(len(tasks), 1, squeeze=False, sharex=True)[:, 0]
    for axes, task in zip(panels, tasks, strict=True):
        own = fits[fits["task"] == task]
        tools = [tool for tool in TOOLS if tool in set(own["tool"])]
        for place, tool in enumerate(reversed(tools)):
            for cold, colour in ((True, GREY), (False, ACCENT if tool == "ours" else OBSERVED)):
                rates = own[(own["tool"] == tool) & (own["cold"] == cold)]["ess_per_second"]
                face = "white" if cold else colour
                axes.plot(rates, [place] * len(rates), "o", color=colour, markerfacecolor=face)
        axes.set_yticks(range(len(tools)), [LABELS[tool] for tool in reversed(tools)])
        axes.set_ylim(-0.6, len(tools) - 0.4)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(visible=True, axis="x")
        axes.set_title(TASKS[task].title)
    panels[-1].set_xlabel("Smallest bulk ESS per second, from start to last draw (log scale)")
    handles = [
        panels[0].plot([], [], "o", color=GREY, markerfacecolor="white")[0],
        panels[0].plot([], [], "o", color=SOFT)[0],
    ]
    figure.legend(handles, ["cold", "warm"], **LEGEND)
    return figure


SCALE_HEADER = """# Speed against size

Written by `make bench-scale`; do not edit. Simulated England, exact and complete counts over 13
years: the trend model with more and more areas, and the model of deprivation with more and more
outcomes. A size whose first fit takes more than two minutes is fitted once. *Exponent* is how a
time grows with size: 1 in proportion, 2 with its square.
"""


def write_scale_page(table: pd.DataFrame, settings: Settings, folder: Path) -> list[Path]:
    """Write the table of `benchmarks.scale.run_scale` and its page into ``folder``."""
    (folder / "benchmarks").mkdir(parents=True, exist_ok=True)
    path = folder / "benchmarks" / "scale.csv"
    table.to_csv(path, index=False, float_format="%.6g")
    head = ["size", "", "s all", "to draws", "compile", "sampling", "MiB", "ESS", "ESS/s", "R-hat"]
    columns = ["wall", "draws_at", "compile", "sampling", "peak_memory_mib", "least_ess"]
    columns += ["ess_per_second", "most_r_hat"]
    parts = [SCALE_HEADER, _about(settings)]
    for study in dict.fromkeys(table["study"]):
        rows = []
        for row in table[table["study"] == study].to_dict("records"):
            named = [f"{row['size']:,}", "cold" if row["cold"] else "warm"]
            if row["status"] != "done":
                rows.append([*named, f"not done: {row['status']}", *[""] * 7])
                continue
            rows.append([*named, *(_number(row[column]) for column in columns)])
        parts.append(f"## By {study}\n\n{_table(head, rows)}")
        if "wall" not in table:
            continue
        rest = table.assign(rest=table["wall"] - table["compile"] - table["sampling"])
        sampling, beside = (growth(rest, name).get(study) for name in ("sampling", "rest"))
        if beside is not None:
            parts.append(
                f"Exponent of sampling {_number(sampling)}, of all but sampling and compiling "
                f"{_number(beside)}.\n"
            )
    page = folder / "benchmarks-scale.md"
    page.write_text("\n".join(parts), encoding="utf-8")
    return [path, page]


def _about(settings: Settings) -> str:
    about = machine()
    return (
        f"Machine: {about['processor']}, {settings.cores} cores used, {about['system']}, Python "
        f"{platform.python_version()}. {settings.chains} chains of {settings.tune} + "
        f"{settings.draws} draws.\n"
    )


def _acceptance() -> str:
    unlike = [
        f"{task.own_target_accept:g} with our model and {task.target_accept:g} with forms written "
        f"by hand and with brms ({task.name}), for theirs diverge below that"
        for task in TASKS.values()
        if task.own_target_accept != task.target_accept
    ]
    return f"Acceptance asked for: {'; '.join(['0.8', *unlike])}; bambi keeps its own.\n"


def _page(bench: Bench, settings: Settings, *, quick: bool) -> str:
    parts = [HEADER]
    if quick:
        parts.append("**A quick run on a small world: its numbers say nothing about speed.**\n")
    versions = ", ".join(dict.fromkeys(bench.fits["version"]))
    parts += [_about(settings), f"Versions: {versions}.\n", _acceptance()]
    parts.append(
        "![Smallest ESS per second by tool](benchmarks/ess_per_second.svg)\n\n"
        "Medians over rounds; every fit is in `benchmarks/fits.csv`.\n"
    )
    for task in dict.fromkeys(bench.fits["task"]):
        parts.append(f"## {TASKS[task].title}\n\n{_fit_table(bench, str(task))}")
    parts.append(
        "## Ours over peers\n\nSmallest ESS per second, both warm; a goal is what was asked "
        "for. That of brms is of its own density, not of ours.\n\n" + _ratio_table(bench)
    )
    parts.append(
        "## Means\n\nDifferences of posterior means from ours, in Monte Carlo standard errors; the "
        "limit is kept by all of them at once with probability 0.999 when means agree. The "
        "benchmark fails where they differ.\n\n" + _means_table(bench)
    )
    times, more = WHOLE_FIT
    parts.append(
        f"## One command\n\nOurs, warm, from the command to the report; asked for is at most "
        f"{times:g} times the sampling and {more:g} s.\n\n" + _whole_fit_table(bench)
    )
    parts.append(
        "## One gradient\n\nThe floor is a bare compiled loop over the special functions that the "
        "likelihood and its gradient need, one number at a time as libraries work them out; asked "
        f"for is at most {GRADIENT:g} times it. Ours take four numbers at once: beside a gradient "
        "stand the same with the library's functions and the same loop with ours.\n\n"
        + _gradient_table(bench)
    )
    return "\n".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _fit_table(bench: Bench, task: str) -> str:
    head = [
        "tool",
        "s to draws, cold",
        "warm",
        "s all, warm",
        "compile, cold",
        "warm",
        "sampling",
        "ESS",
        "headline ESS",
        "ESS/s",
        "headline ESS/s",
        "worst R-hat",
        "divergences",
        "MiB",
        "gradients a draw",
    ]
    rows = []
    fits = bench.fits[bench.fits["task"] == task]
    for tool in dict.fromkeys(fits["tool"]):
        own = fits[fits["tool"] == tool]
        cold, hot = own[own["cold"]], warm(own)
        gradients = (own["gradients"] / own["kept"]).median()
        rows.append(
            [
                LABELS[str(tool)],
                _number(cold["draws_at"].median()),
                _number(hot["draws_at"].median()),
                _number(hot["wall"].median()),
                _number(cold["compile"].astype(float).median()),
                _number(hot["compile"].astype(float).median()),
                _number(hot["sampling"].median()),
                _number(hot["least_ess"].median()),
                _number(hot["least_ess_headline"].median()),
                _spread(hot["ess_per_second"]),
                _number(hot["headline_ess_per_second"].median()),
                f"{own['most_r_hat'].max():.3f}",
                str(int(own["divergences"].sum())),
                _number(own["peak_memory_mib"].max()),
                _number(gradients),
            ]
        )
    rows += [[LABELS[tool], why, *[""] * (len(head) - 2)] for tool, why in bench.absent.items()]
    return _table(head, rows)


def _ratio_table(bench: Bench) -> str:
    found = ratios(bench.fits)
    if found.empty:
        return "No peer was run.\n"
    rows = []
    for row in found.to_dict("records"):
        cells = [TASKS[str(row["task"])].title, LABELS[str(row["tool"])]]
        for name in ("total", "sampling"):
            middle, low, high = (_number(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
            goal = row[f"{name}_goal"]
            said = "" if np.isnan(goal) else f"{_number(goal)}: {_met(row[name] >= goal)}"
            cells += [f"{middle} ({low} to {high})", said]
        rows.append(cells)
    head = ["model", "over", "to draws (rounds)", "goal", "sampling alone (rounds)", "goal"]
    return _table(head, rows)


def _met(is_met: bool) -> str:
    return "met" if is_met else "not met"


def _whole_fit_table(bench: Bench) -> str:
    """Warm fits of ours, from command to report, against their sampling."""
    times, more = WHOLE_FIT
    rows = []
    found = warm(bench.fits)
    for task, own in found[found["tool"] == "ours"].groupby("task", sort=False):
        wall, sampling = own["wall"].median(), own["sampling"].median()
        limit = times * sampling + more
        numbers = map(_number, (sampling, wall, limit))
        rows.append([TASKS[str(task)].title, *numbers, _met(wall <= limit)])
    return _table(["model", "s sampling", "s all", "at most", "goal"], rows)


def _means_table(bench: Bench) -> str:
    if bench.means.empty:
        return "No peer was run.\n"
    rows = [
        [
            TASKS[str(row["task"])].title,
            LABELS[str(row["tool"])],
            str(row["status"]),
            *(_number(row.get(name)) for name in ("scalars", "largest", "limit")),
            "" if row["status"] == "other density" else f"`{row['where']}`",
            _number(row.get("posterior_sds")),
        ]
        for _, row in bench.means.iterrows()
    ]
    head = ["model", "tool", "", "means", "largest", "limit", "at", "in posterior sds"]
    return _table(head, rows)


def _gradient_table(bench: Bench) -> str:
    rows = [
        [TASKS[row["task"]].title, str(row["cells"])]
        + [
            _number(row[name])
            for name in ("gradient_ms", "library_ms", "floor_ms", "native_floor_ms", "ratio")
        ]
        + [_met(row["ratio"] <= GRADIENT)]
        for row in bench.gradients.to_dict("records")
    ]
    head = [
        "model",
        "cells",
        "ms a gradient",
        "by library functions",
        "ms of the floor",
        "by our functions",
        "gradient over floor",
        "goal",
    ]
    return _table(head, rows)


def _spread(values: pd.Series) -> str:
    """Median and range over rounds."""
    if len(values) < 2:
        return _number(values.median())
    return f"{_number(values.median())} ({_number(values.min())} to {_number(values.max())})"


def _number(value: object) -> str:
    """Three figures, blank where there is none."""
    number = float("nan" if value is None else str(value))
    if np.isnan(number):
        return ""
    if number and abs(number) < 100:
        return f"{number:.3g}"
    return f"{number:,.0f}"
