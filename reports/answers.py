"""Which figures answer which model's question: one function per model in one small table."""

from collections.abc import Callable
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from reports import figures_trend as plots
from reports.figures import ACCENT, ACCENT_SOFT, INK, Panel, new_figure, not_assessed
from reports.figures_aftermath import aftermath_panels
from reports.figures_deprivation import deprivation_panels
from reports.figures_formula import formula_panels
from reports.figures_funnel import funnel_panels
from reports.figures_inadequacy import inadequacy_panels
from reports.figures_timeliness import timeliness_panels
from reports.run_folder import Run
from reports.wording import (
    Estimate,
    count,
    estimate,
    is_number,
    listing,
    number,
    quantity,
    with_unit,
)

OBSERVED_NOTE = (
    "Points are published counts over their population: they scatter around an expected rate, so "
    "points outside the band are no misfit by themselves."
)


def answer_panels(run: Run) -> list[Panel]:
    """Panels for the figures that ``spec.json`` names, or the headline estimands as they are."""
    named = run.spec.get("figures") or [run.spec.get("model", "")]
    panels = [panel for name in named if name in ANSWERS for panel in ANSWERS[name](run)]
    return panels or [headline_panel(run)]


def headline_panel(run: Run) -> Panel:
    """Headline estimands as a plain list of intervals, for models without a figure of their own."""
    headline = [e["name"] for e in run.spec.get("estimands", []) if e.get("headline")]
    rows = pd.concat([run.estimand(name) for name in headline] or [run.estimands[:0]])
    title = "Headline estimands"
    if rows.empty or rows["unit"].nunique() > 1:
        return not_assessed("headline", title, "no figure is declared for this model")
    rows = rows.head(30).iloc[::-1]
    figure, axes = new_figure(1.2 + 0.26 * len(rows))
    place = np.arange(len(rows))
    axes.hlines(place, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=5)
    axes.scatter(rows["mean"], place, color=ACCENT, s=22, zorder=3)
    axes.set_yticks(place, [_row_name(run, row) for _, row in rows.iterrows()])
    axes.set_xlabel(rows["unit"].iloc[0])
    axes.grid(True, axis="x")
    axes.axvline(0, color=INK, linewidth=0.6)
    return Panel(
        "headline",
        title,
        figure,
        alt="Means and intervals of the headline estimands.",
        read="Each point is a posterior mean and each bar its interval.",
        shows=f"First: {_row_name(run, rows.iloc[-1])}, {estimate(dict(rows.iloc[-1]))}.",
        interval=run.interval,
    )


def _row_name(run: Run, row: pd.Series) -> str:
    known = set(run.spec.get("las", {}))
    parts = [str(row["label"])]
    for key in row.index[11:]:
        if pd.notna(row[key]):
            parts.append(run.la_name(row[key]) if row[key] in known else str(row[key]))
    return " ".join(parts)


# -- national_trend ------------------------------------------------------------------------------


def national_trend(run: Run) -> list[Panel]:
    """Rate, changes, LA fan, spread, caterpillars and ranks."""
    panels = [
        _national_rate(run),
        _national_change(run),
        _la_fan(run),
        _spread(run),
        _la_rates(run),
        _growth(run),
        _ranks(run),
    ]
    return panels


def _absent(key: str, title: str, run: Run, estimand: str) -> Panel:
    reasons = [
        row["reason"]
        for row in run.spec.get("not_estimable", [])
        if row.get("estimand") == estimand
    ]
    if reasons:
        return not_assessed(key, title, f"not estimable: {'; '.join(reasons)}")
    return not_assessed(key, title, f"estimands.csv holds no {estimand}")


def _at(rows: pd.DataFrame, **where: int) -> Estimate | None:
    for key, value in where.items():
        rows = rows[rows[key] == value]
    return estimate(dict(rows.iloc[0])) if len(rows) else None


def _extreme(rows: pd.DataFrame, key: str, *, lowest: bool = False) -> pd.Series:
    """The row with the highest or lowest value of ``key``."""
    values = rows[key].to_numpy(dtype=float)
    return rows.iloc[int(values.argmin() if lowest else values.argmax())]


def observed_rates(run: Run) -> pd.DataFrame | None:
    """Rate of all cells together by year (``year, rate``), intervals at their midpoint."""
    if run.cells is None:
        return None
    sums = run.cells.groupby("year", as_index=False)[["y", "exposure"]].sum()
    return sums.assign(rate=run.per * sums["y"] / sums["exposure"])


def england_totals(run: Run) -> pd.DataFrame:
    """England totals as rates; years whose population the run does not tell are left out."""
    rows = []
    for row in run.spec.get("national_series", []):
        if not is_number(row.get("exposure")) or not is_number(row.get("total")):
            continue
        scale = run.per / float(row["exposure"])
        total = float(row["total"])
        ends = [row.get(end) if is_number(row.get(end)) else total for end in ("lower", "upper")]
        rows.append(
            (int(row["year"]), total * scale, ends[0] * scale, ends[1] * scale, bool(row["used"]))
        )
    return pd.DataFrame(rows, columns=["year", "rate", "lower", "upper", "used"])


def _national_rate(run: Run) -> Panel:
    key, title = "national_rate", "The national rate by year"
    rate = run.estimand(key).sort_values("year")
    if rate.empty:
        return _absent(key, title, run, key)
    totals = england_totals(run)
    figure = plots.plot_national_rate(run, rate, observed_rates(run), totals)
    first, last = int(rate["year"].iloc[0]), int(rate["year"].iloc[-1])
    start, end = _at(rate, year=first), _at(rate, year=last)
    peak = int(_extreme(rate, "mean")["year"])
    shows = f"Expected rate in {last}: {end}."
    if last > first:
        shows = f"Expected rate: {start} in {first} and {end} in {last}, highest in {peak}."
    years = set(run.years) - set(rate["year"])
    if years:
        shows += f" No estimate for {listing([str(year) for year in sorted(years)])}."
    unseen = [row for row in run.spec.get("national_series", []) if row.get("used")]
    if unseen and totals.empty:
        shows += (
            " England totals that the model used are not drawn: the run does not give their "
            "population."
        )
    read = f"The line is the posterior mean, the band its interval. {OBSERVED_NOTE}"
    if run.spec.get("regimes") or run.spec.get("knot"):
        read += " Vertical lines mark changes of definition (dotted) and the knot (dashed)."
    return Panel(
        key,
        title,
        figure,
        alt=f"Line of the expected national rate from {first} to {last} with its interval, over "
        "observed rates.",
        read=read,
        shows=shows,
        interval=run.interval,
    )


def _national_change(run: Run) -> Panel:
    key, title = "national_change", "Change between years"
    changes = run.estimand(key)
    if changes.empty:
        return _absent(key, title, run, key)
    unit = str(changes["unit"].iloc[0])
    figure = plots.plot_changes(run, changes, unit)
    # The change over the whole span stands beside the steps that make it up.
    first, last = changes["year_from"].min(), changes["year"].max()
    is_whole = (changes["year_from"] == first) & (changes["year"] == last)
    steps = changes[~is_whole] if len(changes) > 1 else changes
    up = int((steps["lower"] > 0).sum())
    down = int((steps["upper"] < 0).sum())
    largest = steps.iloc[int(steps["mean"].abs().argmax())]
    shows = (
        f"Of {quantity(len(steps), 'change')} from one year to the next, {up} are clearly upward "
        f"and {down} clearly downward (interval clear of zero). Largest: "
        f"{estimate(dict(largest))} from {largest['year_from']} to {largest['year']}."
    )
    knot = run.estimand("slope_change")
    if len(knot):
        shows += f" {knot['label'].iloc[0]}: {estimate(dict(knot.iloc[0]))}."
    return Panel(
        key,
        title,
        figure,
        alt="Change of the national rate between years, with intervals, around a line at zero.",
        read="Points are posterior means, bars intervals; a bar clear of zero is a clear change.",
        shows=shows,
        interval=run.interval,
    )


def _latest(run: Run) -> tuple[pd.DataFrame, int]:
    """LA rates of the latest year that has them."""
    rates = run.estimand("la_rate")
    if rates.empty:
        return rates, 0
    year = int(rates["year"].max())
    return rates[rates["year"] == year], year


def _la_fan(run: Run) -> Panel:
    key, title = "la_fan", "Local authorities over time"
    rates = run.estimand("la_rate")
    if rates.empty:
        return _absent(key, title, run, "la_rate")
    figure = plots.plot_la_fan(run, rates, run.estimand("national_rate").sort_values("year"))
    latest, year = _latest(run)
    low, high = latest["mean"].quantile([0.1, 0.9])
    n = latest["la"].nunique()
    shows = (
        f"In {year} the middle four fifths of {count(n)} LAs lie between {number(low)} and "
        f"{with_unit(number(high), run.rate_unit)} (of posterior means)."
    )
    return Panel(
        key,
        title,
        figure,
        alt="Posterior mean rate of every LA by year, with bands that hold the middle of the LAs.",
        read="Each grey line is one LA's posterior mean. Bands hold the middle 50% and 80% of LAs: "
        "they show differences between LAs, not uncertainty.",
        shows=shows,
    )


def _spread(run: Run) -> Panel:
    key, title = "spread", "How far LAs differ"
    spreads = []
    for name in ("between_la_sd", "la_ratio_90_10"):
        rows = run.estimand(name).sort_values("year")
        if len(rows):
            spreads.append((str(rows["label"].iloc[0]), str(rows["unit"].iloc[0]), rows))
    if not spreads:
        return _absent(key, title, run, "between_la_sd")
    sentences = []
    for label, _, rows in spreads:
        first, last = rows.iloc[0], rows.iloc[-1]
        text = f"{label}: {estimate(dict(last))} in {last['year']}"
        if len(rows) > 1:
            text += f", {estimate(dict(first))} in {first['year']}"
            apart = last["lower"] > first["upper"] or last["upper"] < first["lower"]
            text += "; the two intervals do not overlap" if apart else "; the two intervals overlap"
        sentences.append(f"{text}.")
    return Panel(
        key,
        title,
        plots.plot_spread(run, spreads),
        alt="Spread between LAs by year with intervals.",
        read="Higher means that LAs differ more. Lines are posterior means, bands intervals.",
        shows=" ".join(sentences),
        interval=run.interval,
    )


def _la_rates(run: Run) -> Panel:
    key, title = "la_rates", "Local authorities in the latest year"
    latest, year = _latest(run)
    if latest.empty:
        return _absent(key, title, run, "la_rate")
    national = run.estimand("national_rate")
    national = national[national["year"] == year]
    reference = float(national["mean"].iloc[0]) if len(national) else None
    names = [run.la_name(code) for code in latest["la"]]
    figure = plots.plot_caterpillar(
        latest,
        names,
        f"{run.outcome}, {year}\n{run.rate_unit}",
        reference=reference,
        reference_label=f"national rate {year}",
        from_zero=True,
    )
    highest, lowest = _extreme(latest, "mean"), _extreme(latest, "mean", lowest=True)
    shows = f"{run.la_name(highest['la'])}: {estimate(dict(highest))}."
    if len(latest) > 1:
        shows = (
            f"Highest is {run.la_name(highest['la'])}, {estimate(dict(highest))}; lowest is "
            f"{run.la_name(lowest['la'])}, {estimate(dict(lowest))}."
        )
    if reference is not None:
        above, below = (latest["lower"] > reference).sum(), (latest["upper"] < reference).sum()
        shows += (
            f" {count(above)} of {count(len(latest))} LAs are clearly above the national rate and "
            f"{count(below)} clearly below."
        )
    return Panel(
        key,
        title,
        figure,
        alt=f"Rates of {len(latest)} LAs in {year} from lowest to highest with intervals.",
        read="Each LA is a point (posterior mean) with its interval; dark ones are clear of the "
        "dashed line. Names mark the extremes; the table below has all.",
        shows=shows,
        interval=run.interval,
    )


def _growth(run: Run) -> Panel:
    key, title = "la_growth", "Level and growth of local authorities"
    growth = run.estimand("la_growth")
    latest, year = _latest(run)
    if growth.empty or latest.empty:
        return _absent(key, title, run, "la_growth")
    unit = str(growth["unit"].iloc[0])
    rising, falling = int((growth["lower"] > 0).sum()), int((growth["upper"] < 0).sum())
    fastest = _extreme(growth, "mean")
    shows = (
        f"{count(rising)} of {count(len(growth))} LAs clearly rise and {count(falling)} clearly "
        f"fall; fastest growth: {run.la_name(fastest['la'])}, {estimate(dict(fastest))}."
    )
    return Panel(
        key,
        title,
        plots.plot_level_growth(run, latest, growth, year, unit),
        alt=f"Growth of each LA against its rate in {year}.",
        read="Each point is one LA; the grey bar is the interval of its growth. The LAs that grow "
        "fastest and slowest are named where there is room.",
        shows=shows,
        interval=run.interval,
    )


def _ranks(run: Run) -> Panel:
    key, title = "la_rank", "How sure the ranks are"
    rank = run.estimand(key)
    if rank.empty:
        return _absent(key, title, run, key)
    p_top = run.estimand("la_p_top_fifth")
    width = float((rank["upper"] - rank["lower"]).median())
    shows = f"The median rank interval is {count(width)} places wide, of {count(len(rank))}."
    if len(p_top):
        sure = int((p_top["mean"] >= 0.9).sum())
        unsure = int(((p_top["mean"] > 0.1) & (p_top["mean"] < 0.9)).sum())
        shows += (
            f" {count(sure)} LAs belong to the highest fifth with probability 0.9 or more; for "
            f"{count(unsure)} it is between 0.1 and 0.9."
        )
    return Panel(
        key,
        title,
        plots.plot_ranks(rank, p_top),
        alt="Rank of each LA with its interval, and its probability of being in the highest fifth.",
        read="Above, each LA's mean rank and interval; below, its probability of being in the "
        "highest fifth: dark bars are undecided. A league table is as sure as its bars are short.",
        shows=shows,
        interval=run.interval,
    )


ANSWERS: dict[str, Callable[[Run], list[Panel]]] = {
    "national_trend": national_trend,
    "deprivation": deprivation_panels,
    "funnel": funnel_panels,
    "timeliness": timeliness_panels,
    "formula": formula_panels,
    "inadequacy": inadequacy_panels,
    "aftermath": aftermath_panels,
}

# Estimands behind each figure, by the figure's key, for those who download its numbers. A key that
# ends in an underline stands for all that begin so.
DRAWN_FROM: dict[str, tuple[str, ...]] = {
    "national_rate": ("national_rate",),
    "national_change": ("national_change", "slope_change"),
    "la_fan": ("la_rate", "national_rate"),
    "spread": ("between_la_sd", "la_ratio_90_10"),
    "la_rates": ("la_rate", "national_rate"),
    "la_growth": ("la_growth", "la_rate"),
    "la_rank": ("la_rank", "la_p_top_fifth"),
    "gradient": ("gradient", "la_rate", "fifth_rate", "fifth_ratio"),
    "gradient_ratios": ("ratio_per_sd", "fifth_ratio", "share_explained"),
    "gradient_drift": ("ratio_per_sd_by_year", "ratio_growth"),
    "level_correlation": ("level_correlation",),
    "against_expectation_": ("la_observed_ratio",),
    "flow": ("stage_per_referrals_by_fifth",),
    "gates_by_year": ("share_by_year", "gate_ratio_by_year"),
    "gate_deprivation": ("ratio_per_sd", "fifth_ratio"),
    "gate_correlations": ("child_rate_correlation", "gate_correlation"),
    "la_gate_": ("la_gate",),
    "effect": ("within_change", "between_change", "p_*_below_margin", "effect", "effect_ratio"),
    "la_within_change": ("la_within_change",),
    "la_mean": ("la_mean", "mean"),
    "odds_ratio": ("odds_ratio", "p_raises"),
    "scores": ("auc_*", "log_gain_*", "brier_skill_*", "p_better_*", "issued_log_gain_*"),
    "calibration": ("calibration_*",),
    "p_inadequate": ("p_inadequate",),
    "event_study": ("event_path", "change", "main_change", "level_before"),
    "before": ("placebo_change", "pre_trend", "breakdown_*"),
    "treated_cells": ("judged_n", "comparison_n"),
    "cohorts": ("cohort_change",),
}


def drawn_from(run: Run, key: str) -> list[str]:
    """Estimands of the run that a figure shows; none where it shows something else."""
    kind, _, rest = key.partition("-")
    if kind == "map":
        patterns: tuple[str, ...] = (rest.partition("-")[0],)
    else:
        patterns = DRAWN_FROM.get(key, ())
        for beginning, names in DRAWN_FROM.items():
            if beginning.endswith("_") and key.startswith(beginning):
                patterns = names
    held = list(dict.fromkeys(run.estimands["estimand"]))
    return [name for name in held if any(fnmatchcase(str(name), p) for p in patterns)]
