"""The page of a comparison: estimands side by side, predictions, and what the configs change."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    CHAINS,
    GREY,
    INK,
    OBSERVED,
    WIDTH,
    Panel,
    count_axis,
    folded,
    house_style,
    not_assessed,
)
from reports.pages import download, environment, show_panel, write_page
from reports.run_folder import SUMMARY_COLUMNS
from reports.wording import capital, count, estimate, listing, number, quantity

TABLES = ("estimands", "configs", "predictive", "pointwise")
# A forest with more rows than this says nothing at a glance; the file has them all.
MOST_ROWS = 15


def render_comparison(folder: Path) -> Path:
    """Write ``report.html`` into a comparison's folder.

    Raises
    ------
    FileNotFoundError
        When the folder holds no comparison.
    """
    document = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    tables = {
        name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
        for name in ("estimands", "predictive")
    }
    configs = pd.read_csv(folder / "configs.csv", dtype=str, keep_default_na=False)
    kinds = list(dict.fromkeys(run["kind"] for run in document["runs"]))
    stamp = " and ".join(capital(kind) for kind in kinds)
    with house_style():
        # A key names the estimand or the hold-out whose numbers are drawn.
        forests = [
            show_panel(panel, stamp, ("estimands", "estimand", [panel.key.split("-")[1]]))
            for panel in forest_panels(document, tables["estimands"])
        ]
        kinds_held = list(dict.fromkeys(tables["predictive"]["holdout"]))
        predictions = [
            show_panel(panel, stamp, ("predictive", "holdout", [kind]))
            for panel, kind in zip(
                score_panels(document, tables["predictive"]), kinds_held or [""], strict=True
            )
        ]
    html = (
        environment()
        .get_template("comparison.html")
        .render(
            document=document,
            kind=stamp,
            is_simulated=any("simulated" in kind.lower() for kind in kinds),
            verdict=verdict(document),
            forests=forests,
            predictions=predictions,
            scores=score_rows(tables["predictive"]),
            configs=configs.to_dict("records"),
            names=[run["name"] for run in document["runs"]],
            downloads={name: download(folder / f"{name}.csv") for name in TABLES},
        )
    )
    return write_page(folder / "report.html", html)


def verdict(document: dict[str, Any]) -> dict[str, str]:
    """Whether the runs may be compared, in a line."""
    unfit = [run["name"] for run in document["runs"] if not run["reportable"]]
    runs = quantity(len(document["runs"]), "run")
    if document["refused"]:
        headline = f"{runs}: predictions are not comparable"
        detail = ". ".join(document["refused"]) + "."
    else:
        headline = f"{runs} of the same {count(document['runs'][0]['cells'])} observations"
        detail = "They saw the same cells under the same rules for intervals."
    if unfit:
        detail += f" Not reportable, so not to be quoted: {listing(unfit, 8)}."
    state = "fail" if unfit or document["refused"] else "pass"
    return {"state": state, "headline": headline, "detail": detail}


def forest_panels(document: dict[str, Any], table: pd.DataFrame) -> list[Panel]:
    """One forest for each headline estimand, rows by what it is about, a colour for each run."""
    coordinates = [c for c in table if c not in (*SUMMARY_COLUMNS, "run", "shared")]
    panels = []
    for name in document["headline"]:
        rows = table[(table["estimand"] == name) & table["mean"].notna()]
        if "la" in coordinates:
            rows = rows[rows["la"].isna()]
        if rows.empty:
            continue
        used = [c for c in coordinates if rows[c].notna().any()]
        at = rows[used].apply(lambda row: ", ".join(_place(v) for v in row if pd.notna(v)), axis=1)
        rows = rows.assign(at=at if used else "")
        for unit, part in rows.groupby("unit", sort=False, dropna=False):
            panels.append(_forest_panel(document, str(name), str(unit), part))
    return panels


def _place(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _forest_panel(document: dict[str, Any], name: str, unit: str, part: pd.DataFrame) -> Panel:
    places = list(dict.fromkeys(part["at"]))
    shown = places if len(places) <= MOST_ROWS else places[-MOST_ROWS:]
    part = part[part["at"].isin(shown)]
    label = str(part["label"].iloc[0])
    runs = [run["name"] for run in document["runs"] if run["name"] in set(part["run"])]
    shows = _largest_gap(part)
    if len(shown) < len(places):
        shows += f" Shown: the last {len(shown)} of {len(places)}."
    absent = [run["name"] for run in document["runs"] if run["name"] not in runs]
    if absent:
        shows += f" {listing(absent, 6)} answer in another unit or not at all."
    return Panel(
        f"forest-{name}-{unit}".replace(" ", "_"),
        label,
        plot_forest(part, runs, shown, unit),
        alt="Mean and interval of the estimand in every run.",
        read="Each point is a run's posterior mean with its interval. Runs share their data: "
        "overlap of intervals is no test of their difference.",
        shows=shows,
        interval=str(part["interval"].dropna().iloc[0]) if part["interval"].notna().any() else "",
    )


def _largest_gap(part: pd.DataFrame) -> str:
    """Where runs differ most, in units of a usual posterior sd."""
    by_place = part.groupby("at")
    gap = (by_place["mean"].max() - by_place["mean"].min()) / by_place["sd"].median()
    gap = gap[np.isfinite(gap)]
    if gap.empty:
        return "Only one run answers."
    at = str(gap.idxmax())
    rows = part[part["at"] == at].sort_values("mean")
    low, high = ({str(k): v for k, v in rows.iloc[i].items()} for i in (0, -1))
    where = f" ({at})" if at else ""
    return (
        f"The runs differ most{where} by {number(gap.max(), places=1)} posterior sds: from "
        f"{estimate(low)} in {low['run']} to {estimate(high)} in {high['run']}."
    )


def plot_forest(part: pd.DataFrame, runs: list[str], places: list[str], unit: str) -> Figure:
    """Rows by place, a little apart for each run."""
    figure = Figure(figsize=(WIDTH, 1.1 + 0.2 * len(places) * (len(runs) + 0.8)))
    axes = figure.subplots()
    step = 0.8 / max(len(runs), 1)
    for number_, run in enumerate(runs):
        own = part[part["run"] == run].set_index("at").reindex(places)
        y = np.arange(len(places)) + step * (number_ - (len(runs) - 1) / 2)
        colour = CHAINS[number_ % len(CHAINS)]
        axes.hlines(y, own["lower"], own["upper"], color=colour, linewidth=2)
        axes.plot(own["mean"], y, "o", color=colour, markersize=4.5, label=folded(run, 30))
    axes.set_yticks(range(len(places)), [folded(p, 34, 2) for p in places])
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.set_xlabel(capital(unit))
    count_axis(axes.xaxis)
    figure.legend(loc="outside upper left", ncols=3)
    return figure


def score_panels(document: dict[str, Any], table: pd.DataFrame) -> list[Panel]:
    """How far each run predicts worse than the best, for each kind of hold-out."""
    if table.empty:
        reason = "; ".join(document["refused"]) or "nothing was held out"
        return [not_assessed("predictive", "Which run predicts best?", reason)]
    panels = []
    for kind, part in table.groupby("holdout", sort=False):
        best, *others = part.sort_values("elpd", ascending=False).to_dict("records")
        clear = [
            str(row["run"]) for row in others if abs(row["difference"]) > 2 * row["difference_se"]
        ]
        shows = f"{best['run']} predicts best. "
        shows += (
            f"Worse by more than twice the standard error: {listing(clear, 8)}."
            if clear
            else "No other run is worse by more than twice the standard error: undecided."
        )
        panels.append(
            Panel(
                f"score-{kind}".replace(" ", "_"),
                capital(str(kind)),
                plot_scores(part),
                alt="Difference in log predictive density from the best run, with standard errors.",
                read="Differences of summed log predictive densities from the best run, with two "
                "standard errors. Within a few units of nought, runs predict alike.",
                shows=shows,
                interval="2 standard errors either way",
            )
        )
    return panels


def plot_scores(part: pd.DataFrame) -> Figure:
    """One row a run."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.32 * len(part)))
    axes = figure.subplots()
    y = np.arange(len(part))
    axes.axvline(0, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    low = part["difference"] - 2 * part["difference_se"].fillna(0)
    high = part["difference"] + 2 * part["difference_se"].fillna(0)
    axes.hlines(y, low, high, color=ACCENT, linewidth=2)
    colours = [
        INK if d == 0 else OBSERVED if h < 0 else ACCENT
        for d, h in zip(part["difference"], high, strict=True)
    ]
    axes.scatter(part["difference"], y, c=colours, s=24, zorder=3)
    axes.set_yticks(y, [folded(str(name), 34, 2) for name in part["run"]])
    axes.set_ylim(len(part) - 0.5, -0.5)
    axes.set_xlabel("Log predictive density less that of the best run")
    count_axis(axes.xaxis)
    return figure


def score_rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """The numbers behind the figures."""

    def with_error(value: float, error: float) -> str:
        return f"{number(value, places=1)} ± {number(error, places=1)}"

    return [
        {
            "holdout": str(row["holdout"]),
            "run": str(row["run"]),
            "elpd": with_error(row["elpd"], row["se"]),
            "difference": "best"
            if not np.isfinite(row["difference_se"])
            else with_error(row["difference"], row["difference_se"]),
            "weight": number(row["weight"], places=2),
            "units": count(row["units"]),
            "note": str(row["note"]),
        }
        for row in table.to_dict("records")
    ]
