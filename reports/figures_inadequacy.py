"""Answer figures of ``inadequacy``: odds ratios, scores, calibration, authorities."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from scipy.special import betaincinv

from reports.figures import (
    ACCENT,
    ACCENT_SOFT,
    GREY,
    INK,
    LEGEND,
    OBSERVED,
    Panel,
    count_axis,
    new_figure,
    not_assessed,
    tick,
)
from reports.figures_trend import plot_caterpillar
from reports.run_folder import Run
from reports.wording import count, estimate, listing, number, probability

SAMPLES = {"in_sample": "in sample", "later": "out of time"}
COLOURS = {"in_sample": ACCENT_SOFT, "later": ACCENT}
USE = (
    "Not for use in deciding about any one authority: the figures say little beside what "
    "inspectors see, and the bars are as long as they are."
)


def inadequacy_panels(run: Run) -> list[Panel]:
    """Odds ratios; scores and calibration in sample and, where there are any, out of time; and
    authorities in the latest year.
    """
    return [_odds_ratios(run), _scores(run), _calibration(run), _authorities(run)]


def _reason(run: Run, estimand: str) -> str:
    reasons = [
        row["reason"]
        for row in run.spec.get("not_estimable", [])
        if row.get("estimand") == estimand
    ]
    if reasons:
        return f"not estimable: {'; '.join(reasons)}"
    return f"estimands.csv holds no {estimand}"


def plot_odds_ratios(rows: pd.DataFrame) -> Figure:
    """Odds ratios (``predictor, mean, lower, upper``) on a log scale, one at the line."""
    figure, axes = new_figure(1.3 + 0.36 * len(rows))
    place = np.arange(len(rows))[::-1]
    axes.axvline(1, color=INK, linewidth=0.8)
    clear = ((rows["lower"] > 1) | (rows["upper"] < 1)).to_numpy()
    colours = np.where(clear, ACCENT, ACCENT_SOFT)
    axes.hlines(place, rows["lower"], rows["upper"], color=colours, linewidth=6)
    axes.scatter(rows["mean"], place, color=INK, s=20, zorder=3)
    axes.set_yticks(place, [str(name) for name in rows["predictor"]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xscale("log")
    low, high = min(0.5, rows["lower"].min() / 1.1), max(2.0, rows["upper"].max() * 1.1)
    axes.set_xlim(low, high)
    marks = [m for m in (0.1, 0.2, 0.33, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20) if low <= m <= high]
    axes.xaxis.set_major_locator(FixedLocator(marks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Odds ratio of an inadequate judgement per sd of the figure")
    axes.grid(True, axis="x")
    return figure


def _odds_ratios(run: Run) -> Panel:
    key, title = "odds_ratio", "Odds of an inadequate judgement by figure"
    rows = run.estimand(key)
    if rows.empty:
        return not_assessed(key, title, _reason(run, key))
    raises = run.estimand("p_raises").set_index("predictor")["mean"]
    records: list[Any] = rows.to_dict("records")
    shows = "; ".join(
        f"{row['predictor']}: {estimate(row).mean} ({estimate(row).interval}), probability "
        f"{probability(raises.get(row['predictor']))} of higher odds"
        for row in records
    )
    return Panel(
        key,
        title,
        plot_odds_ratios(rows),
        alt="Odds ratio of each predictor with its interval around a line at one.",
        read="Points are posterior means, bars intervals. Right of one, higher figures go with "
        "higher odds, other predictors alike; dark bars are clear of one. The prior draws small "
        "effects towards one.",
        shows=f"{shows}.",
        interval=run.interval,
    )


def plot_scores(rows: list[tuple[str, str, pd.DataFrame, float]]) -> Figure:
    """Scores, a panel each: ``(title, label column, rows with a sample, worthless value)``."""
    longest = max(table[column].nunique() for _, column, table, _ in rows)
    figure, grid = new_figure(1.6 + 0.55 * longest, ncols=len(rows), squeeze=False)
    for axes, (title, column, table, worthless) in zip(grid[0], rows, strict=True):
        labels = list(dict.fromkeys(table[column]))
        axes.axvline(worthless, color=INK, linewidth=0.8)
        for sample, shift in (("in_sample", 0.14), ("later", -0.14)):
            own = table[table["sample"] == sample]
            place = np.array([len(labels) - 1 - labels.index(name) for name in own[column]])
            style: dict[str, Any] = {"color": COLOURS[sample]}
            axes.hlines(place + shift, own["lower"], own["upper"], linewidth=5, **style)
            label = SAMPLES[sample] if len(own) else ""
            axes.scatter(own["mean"], place + shift, s=22, zorder=3, label=label, color=INK)
            axes.scatter(own["mean"], place + shift, s=10, zorder=4, **style)
        axes.set_yticks(range(len(labels)), [name.replace(" ", "\n") for name in labels[::-1]])
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.set_title(title)
        axes.grid(True, axis="x")
        count_axis(axes.xaxis, 4)
    handles = [
        axes.plot([], [], color=COLOURS[sample], linewidth=5, label=words)[0]
        for sample, words in SAMPLES.items()
        if any((table["sample"] == sample).any() for _, _, table, _ in rows)
    ]
    figure.legend(handles=handles, **LEGEND)
    return figure


def _both(run: Run, name: str) -> pd.DataFrame:
    parts = [run.estimand(f"{name}_{sample}").assign(sample=sample) for sample in SAMPLES]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _scores(run: Run) -> Panel:
    key, title = "scores", "How well the figures tell inspections apart"
    auc, gain, skill = (_both(run, name) for name in ("auc", "log_gain", "brier_skill"))
    if gain.empty:
        return not_assessed(key, title, _reason(run, "log_gain_in_sample"))
    panels = [
        ("Gain of log score over", "against", gain, 0.0),
        ("Brier skill against", "against", skill, 0.0),
    ]
    if len(auc):
        panels.insert(0, ("AUC of", "forecast", auc, 0.5))
    sample = "later" if (gain["sample"] == "later").any() else "in_sample"
    better = run.estimand(f"p_better_{sample}").set_index("against")["mean"]
    issued = run.estimand(f"issued_log_gain_{sample}")
    own = gain[gain["sample"] == sample].to_dict("records")
    parts = []
    for row in own:
        ends = issued[issued["against"] == row["against"]].set_index("end")["mean"]
        parts.append(
            f"over {row['against']} {number(row['mean'], places=3)} "
            f"({number(row['lower'], places=3)} to {number(row['upper'], places=3)}) nats per "
            f"inspection, probability of a gain {probability(better[row['against']])}; of the "
            f"probabilities as issued {number(ends['score'], places=3)} "
            f"({number(ends['lower'], places=3)} to {number(ends['upper'], places=3)})"
        )
    scored, events = (
        run.estimand(f"{name}_{sample}")["mean"] for name in ("inspections", "events")
    )
    of = f"{count(events.iloc[0])} inadequate of {count(scored.iloc[0])} inspections"
    shows = f"{SAMPLES[sample].capitalize()} ({of}), gain of log score {'; '.join(parts)}."
    if sample == "in_sample":
        shows += " No later inspections were kept apart to be scored."
    return Panel(
        key,
        title,
        plot_scores(panels),
        alt="AUC, gain of log score and Brier skill with intervals, in sample and out of time.",
        read="Right of the line is better than chance, the base rate or deprivation alone. Bars "
        "hold the uncertainty of the probabilities and of which inspections happened to come. In "
        "sample the fit has seen the judgements and flatters itself; only out of time tells.",
        shows=shows,
        interval=run.interval,
    )


def plot_calibration(tables: dict[str, pd.DataFrame]) -> Figure:
    """Observed against predicted per cent by fifth (``predicted, observed, lower, upper``)."""
    figure, axes = new_figure(3.6)
    top = 1.08 * max(table[["predicted", "upper"]].to_numpy().max() for table in tables.values())
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
    for sample, table in tables.items():
        x = table["predicted"] + (0.004 * top if sample == "later" else -0.004 * top)
        axes.vlines(x, table["lower"], table["upper"], color=COLOURS[sample], linewidth=2)
        colour = OBSERVED if sample == "later" else COLOURS[sample]
        axes.scatter(x, table["observed"], color=colour, s=24, zorder=3, label=SAMPLES[sample])
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("Predicted: mean probability of a fifth of inspections, %")
    axes.set_ylabel("Observed: inadequate, %")
    figure.legend(**LEGEND)
    return figure


def _calibration(run: Run) -> Panel:
    key, title = "calibration", "Calibration curve of the probabilities"
    tables = {}
    for sample in SAMPLES:
        parts = {
            name: run.estimand(f"calibration_{name}_{sample}").set_index("fifth")["mean"]
            for name in ("predicted", "observed", "inspections")
            if len(run.estimand(f"calibration_{name}_{sample}"))
        }
        if len(parts) < 3:
            continue
        table = pd.DataFrame(parts)
        events = table["observed"] / 100 * table["inspections"]
        # Jeffreys' interval of a share.
        for end, tail in (("lower", 0.05), ("upper", 0.95)):
            table[end] = 100 * betaincinv(events + 0.5, table["inspections"] - events + 0.5, tail)
        tables[sample] = table
    if not tables:
        return not_assessed(key, title, _reason(run, "calibration_predicted_in_sample"))
    sample = "later" if "later" in tables else "in_sample"
    table = tables[sample]
    outside = (table["predicted"] < table["lower"]) | (table["predicted"] > table["upper"])
    numbers = listing([str(fifth) for fifth in table.index[outside]])
    first, last = table.iloc[0], table.iloc[-1]
    shows = (
        f"{SAMPLES[sample].capitalize()}: {count(first['observed'])}% of the lowest fifth were "
        f"inadequate where {count(first['predicted'])}% were predicted, and "
        f"{count(last['observed'])}% of the highest where {count(last['predicted'])}% were. "
        + (f"Outside its interval: fifth {numbers}." if numbers else "No fifth lies outside.")
    )
    return Panel(
        key,
        title,
        plot_calibration(tables),
        alt="Observed against predicted share of inadequate judgements by fifth of inspections.",
        read="On the dashed line, as many were inadequate as predicted. Each point is a fifth of "
        "the inspections by probability. A flat row of points means that the probabilities differ "
        "more than the inspections did.",
        shows=shows,
        interval="90% of a share of so many inspections",
    )


def _authorities(run: Run) -> Panel:
    key, title = "p_inadequate", "If inspected in the latest year"
    rows = run.estimand(key)
    if rows.empty:
        return not_assessed(key, title, _reason(run, key))
    width = float((rows["upper"] - rows["lower"]).median())
    low, high = rows["mean"].quantile([0.1, 0.9])
    return Panel(
        key,
        title,
        # No authority is named in the picture: its order would be read as a ranking.
        plot_caterpillar(
            rows,
            [""] * len(rows),
            "Probability of inadequate, %",
            from_zero=True,
            ends=0,
        ),
        alt=f"Probability of an inadequate judgement of {len(rows)} authorities with intervals.",
        read="Each authority is a point (posterior mean) with its interval: what the model says of "
        f"an inspection that reads its newest figures. {USE}",
        shows=f"Four fifths of {count(len(rows))} authorities lie between {count(low)}% and "
        f"{count(high)}%; the median interval is {count(width)} points wide.",
        interval=run.interval,
    )
