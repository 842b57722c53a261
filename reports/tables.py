"""Tables of a run report: verdict, data, estimands, provenance, as plain rows for the templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.authorities import Quantity, rank_words
from reports.run_folder import SUMMARY_COLUMNS, Run
from reports.wording import (
    NOT_ASSESSED,
    NOT_ESTIMABLE,
    QUANTILE_ERROR,
    capital,
    count,
    estimate,
    is_number,
    limit,
    listing,
    number,
    plain,
    probability,
    quantity,
    with_unit,
    within_sentence,
)

# Tables longer than this start closed.
LONG = 30

GATES = {
    "r_hat": ("Rank R-hat", "below"),
    "ess_bulk": ("Bulk effective sample size", "at least"),
    "ess_tail": ("Tail effective sample size", "at least"),
    "divergences": ("Divergences", "at most"),
    "tree_depth": ("Tree-depth hits", "at most"),
    "tree_depth_hits": ("Tree-depth hits", "at most"),
    "e_bfmi": ("E-BFMI", "at least"),
}
LIMITED_LOO = (
    "This is a limit of the approximation by weights (PSIS), not a fault of the fit: rates, "
    "changes and intervals in this report stand without it. To compare predictions, make compare "
    "with UNIT= fits again without the cells."
)
# Advisory checks that belong to the sensitivity section, by how their names start.
SENSITIVITY = ("power", "sensitivity", "influence", "prior")


@dataclass(frozen=True)
class Verdict:
    """What may be said of the run: ``state`` is a CSS class, ``headline`` and ``detail`` words."""

    state: str
    headline: str
    detail: str
    gates: list[dict[str, str]]
    loosened: list[str]
    misfits: list[dict[str, str]]

    @property
    def reportable(self) -> bool:
        return self.state == "pass"


def judge(run: Run) -> Verdict:
    """The verdict as printed. It repeats ``verdict.json`` but never reads more into it: without a
    verdict, or with a blocking gate that did not pass, nothing is reportable.
    """
    verdict = run.verdict
    gates = [_gate(run, gate) for gate in verdict.get("gates", [])]
    blocking = [gate for gate in gates if gate["blocking"]]
    failed = [gate["label"] for gate in blocking if gate["status"] == "fail"]
    unknown = [gate["label"] for gate in blocking if gate["status"] not in ("pass", "fail")]
    reasons = []
    if failed:
        reasons.append(f"failed: {listing(failed, 10)}")
    if unknown:
        reasons.append(f"{NOT_ASSESSED}: {listing(unknown, 10)}")
    if verdict and not blocking:
        reasons.append("no blocking gate was recorded")
    if not verdict:
        state, headline = "fail", "Not reportable"
        reasons = ["the run has no verdict, so nothing was assessed"]
    elif not verdict.get("completed"):
        state, headline = "fail", "Not completed, not reportable"
    elif verdict.get("reportable") and not reasons:
        state, headline = "pass", "Completed and reportable"
        reasons = [f"all {count(len(blocking))} blocking gates passed"]
    else:
        state, headline = "fail", "Completed, not reportable"
        reasons = reasons or ["the verdict gives no reason"]
    detail = "; ".join(reasons)
    return Verdict(
        state,
        headline,
        capital(detail) + ".",
        gates,
        [_text(item) for item in verdict.get("loosened", [])],
        [row for row in checks(run) if row["status"] != "pass"],
    )


def _gate(run: Run, gate: dict[str, Any]) -> dict[str, str]:
    name = str(gate.get("name", ""))
    label, comparison = GATES.get(name, (gate.get("label") or name.replace("_", " "), "limit"))
    places = 3 if name == "r_hat" else 2 if name == "e_bfmi" else None

    def show(value: Any) -> str:
        return number(value, places=places) if places and is_number(value) else plain(value)

    status = str(gate.get("status") or NOT_ASSESSED)
    return {
        "label": label,
        "status": status,
        "value": NOT_ASSESSED if gate.get("value") is None else show(gate["value"]),
        "limit": "" if gate.get("limit") is None else f"{comparison} {limit(gate['limit'])}",
        "where": run.named(str(gate.get("where") or "")),
        # A gate that does not say is taken to block.
        "blocking": "blocking" if gate.get("blocking", True) else "",
        "css": status.replace(" ", "-"),
    }


def _text(item: Any) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{key} {plain(value)}" for key, value in item.items())
    return str(item)


def checks(run: Run) -> list[dict[str, str]]:
    """Predictive checks fixed beforehand."""
    rows = []
    for check in run.verdict.get("predictive_checks", []):
        # One rounding for the row: the replicated interval of a few hundred draws sets it.
        error = None
        if is_number(check.get("lower")) and is_number(check.get("upper")):
            error = QUANTILE_ERROR * (float(check["upper"]) - float(check["lower"])) / 3.29 / 20
        status = str(check.get("status") or NOT_ASSESSED)
        rows.append(
            {
                "label": str(check.get("label") or check.get("name", "")),
                "statistic": str(check.get("statistic") or ""),
                "observed": number(check.get("observed"), mcse=error),
                "interval": f"{number(check.get('lower'), mcse=error)} to "
                f"{number(check.get('upper'), mcse=error)}",
                "p": probability(check.get("p")),
                "status": status,
                "css": status.replace(" ", "-"),
                "where": run.named(str(check.get("where") or "")),
            }
        )
    return rows


def misfit_summary(misfits: list[dict[str, str]]) -> str:
    """How many checks did not pass, and which: one line that stands for all of them."""
    parts = []
    for status, singular, plural in (
        ("misfit", "named misfit", ""),
        (NOT_ASSESSED, f"predictive check {NOT_ASSESSED}", f"predictive checks {NOT_ASSESSED}"),
    ):
        labels = [row["label"] for row in misfits if row["status"] == status]
        if labels:
            # Labels hold commas of their own.
            named = "; ".join(within_sentence(label) for label in labels[:3])
            more = f"; {count(len(labels) - 3)} more" if len(labels) > 3 else ""
            parts.append(f"{quantity(len(labels), singular, plural)}: {named}{more}")
    return ". ".join(parts)


def option_rows(run: Run) -> list[dict[str, str]]:
    """Options as one reads them: several values are listed, yes and no are words."""

    def words(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return ", ".join(map(words, value)) or "none"
        if isinstance(value, dict):
            return ", ".join(f"{key}: {words(item)}" for key, item in value.items()) or "none"
        return limit(value) if isinstance(value, float) else str(value)

    return [
        {
            "name": str(row["name"]),
            "value": words(row.get("value")),
            "meaning": str(row.get("meaning") or ""),
            "choices": words(row.get("choices") or []) if row.get("choices") else "",
        }
        for row in run.spec.get("options", [])
    ]


def advisory(run: Run, *, sensitivity: bool) -> list[dict[str, str]]:
    """Advisory checks of the criticism section or of the sensitivity section."""
    rows = []
    for check in run.verdict.get("advisory", []):
        name = str(check.get("name", ""))
        if name.startswith(SENSITIVITY) != sensitivity:
            continue
        status = str(check.get("status") or NOT_ASSESSED)
        text = str(check.get("text") or "")
        if name == "pareto_k" and status == "fail":
            # The limit of an approximation that the answer does without, and no fault of the fit.
            status, css = "leave-one-out limited", "misfit"
            text = f"{text}. {LIMITED_LOO}"
        else:
            css = status.replace(" ", "-")
        rows.append(
            {
                "label": str(check.get("label") or name.replace("_", " ")),
                "status": status,
                "css": css,
                "value": plain(check.get("value")),
                "limit": limit(check.get("limit")),
                "where": run.named(str(check.get("where") or "")),
                "text": text,
            }
        )
    return rows


def data_rows(run: Run) -> list[tuple[str, str]]:
    """Cells offered, used and dropped, with what does not add up said."""
    data = run.spec.get("data", {})
    rows = []
    years, national = data.get("years") or [], data.get("national_years") or []
    if years:
        rows.append(("Years with LA figures", _years(years)))
    rows.append(("Years known from England totals only", _years(national) if national else "0"))
    for key, label in (
        ("las", "Local authorities"),
        ("cells", str(data.get("cells_are") or "Cells (LA by year)")),
        ("used", "Cells used"),
        ("exact", "of which exact"),
        ("interval", "of which known as an interval"),
    ):
        if is_number(data.get(key)):
            rows.append((label, count(data[key])))
    dropped = sum(int(row.get("cells", 0)) for row in data.get("dropped", []))
    rows.append(("Cells dropped", count(dropped)))
    if is_number(data.get("cells")) and is_number(data.get("used")):
        lost = int(data["cells"]) - int(data["used"]) - dropped
        if lost:
            rows.append(("Cells unaccounted for", count(lost)))
    return rows


def total_rows(run: Run) -> list[dict[str, str]]:
    """England totals by year, as published, and whether the model used them, or why not."""
    rows = []
    for row in run.spec.get("national_series", []):
        ends = [count(row.get(end)) for end in ("lower", "upper")]
        rows.append(
            {
                "year": str(row["year"]),
                "total": count(row.get("total")),
                "bounds": "" if "–" in ends or ends[0] == ends[1] else f"{ends[0]} to {ends[1]}",
                "used": "in the model" if row.get("used") else "not in the model",
                "why": "" if row.get("used") else _why_unused(run, row),
            }
        )
    return rows


def _why_unused(run: Run, row: dict[str, Any]) -> str:
    """Why an England total was left out, by the rule that totals stand in for earlier years."""
    year = int(row["year"])
    if year in run.years:
        return "the figures of authorities are in, of which it is the sum"
    if run.years and year > max(run.years):
        return "after the last year with figures of authorities"
    if run.years and year > min(run.years):
        return "a year without figures of authorities is not filled"
    options = {str(option["name"]): option.get("value") for option in run.spec.get("options", [])}
    if options.get("national_totals") is False:
        return "the option national_totals leaves totals out"
    return "England's denominator of that year is not known"


def _years(years: list[int]) -> str:
    """``2001 to 2014``, with gaps written out."""
    spans: list[list[int]] = []
    for year in sorted(int(year) for year in years):
        if spans and year == spans[-1][1] + 1:
            spans[-1][1] = year
        else:
            spans.append([year, year])
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in spans)


# -- estimands -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class EstimandTable:
    """All rows of one estimand as text."""

    name: str
    label: str
    unit: str
    definition: str
    about: str
    coordinates: list[str]
    rows: list[dict[str, Any]]
    reasons: list[str]

    @property
    def long(self) -> bool:
        return len(self.rows) > LONG


def estimand_tables(run: Run) -> list[EstimandTable]:
    """Every estimand of the file or of the spec, in the spec's order."""
    declared = {row["name"]: row for row in run.spec.get("estimands", [])}
    reasons: dict[str, list[str]] = {}
    for row in run.spec.get("not_estimable", []):
        reasons.setdefault(str(row["estimand"]), []).append(str(row["reason"]))
    names = list(dict.fromkeys([*declared, *run.estimands["estimand"], *reasons]))
    everywhere = [name for name in run.estimands.columns if name not in SUMMARY_COLUMNS]
    groups = dict(list(run.estimands.groupby("estimand", sort=False)))
    tables = []
    for name in names:
        part = groups.get(name, run.estimands[:0])
        used = [key for key in everywhere if part[key].notna().any()]
        spec = declared.get(name, {})
        first: Any = part.iloc[0] if len(part) else {}
        tables.append(
            EstimandTable(
                str(name),
                str(spec.get("label") or first.get("label") or name),
                str(spec.get("unit") or first.get("unit") or ""),
                str(spec.get("definition") or ""),
                str(spec.get("about") or ""),
                used,
                [_estimand_row(run, row, used) for row in part.to_dict("records")],
                reasons.get(str(name), []),
            )
        )
    return tables


def gaps(run: Run) -> list[tuple[str, str]]:
    """What the data cannot give, by its label, and why."""
    labels = {str(row["name"]): str(row["label"]) for row in run.spec.get("estimands", [])}
    return [
        (labels.get(str(row["estimand"]), str(row["estimand"])), str(row["reason"]))
        for row in run.spec.get("not_estimable", [])
    ]


def _estimand_row(run: Run, row: dict[Any, Any], coordinates: list[str]) -> dict[str, Any]:
    text = estimate(row)
    known = is_number(row["mean"])
    return {
        "at": [_label(run, key, row[key]) for key in coordinates],
        "mean": text.mean,
        "interval": text.interval,
        "value": repr(float(row["mean"])) if known else "",
        "ess": _smallest(row),
        "r_hat": number(row["r_hat"], places=3) if is_number(row["r_hat"]) else "–",
    }


def _smallest(row: dict[Any, Any]) -> str:
    known = [float(row[key]) for key in ("ess_bulk", "ess_tail") if is_number(row[key])]
    return count(min(known)) if known else "–"


def _label(run: Run, key: str, value: Any) -> str:
    if pd.isna(value):
        return ""
    if key == "la":
        return run.la_name(str(value))
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


@dataclass(frozen=True)
class LaTable:
    """One row per LA: every estimand that has one value an LA, or the latest year's."""

    columns: list[str]
    rows: list[dict[str, Any]]
    # Columns that are not to be put in order.
    unordered: list[bool]


def la_table(run: Run, found: Sequence[Quantity] = ()) -> LaTable:
    """Join what is known of each LA; the table sorts and filters in the page.

    Ranks, where ``found`` knows them, stand below estimates. What a run with ranks gives none for
    is not to be put in order, in the page either.
    """
    by_name = {(one.estimand, one.outcome): one for one in found}
    unordered = []
    with_la = run.estimands[run.estimands["la"].notna()]
    others = [
        name for name in run.estimands.columns if name not in (*SUMMARY_COLUMNS, "la", "year")
    ]
    columns: list[str] = []
    cells: dict[Any, dict[Any, dict[str, Any]]] = {}
    outcomes = {str(row["name"]): str(row["label"]) for row in run.spec.get("outcomes", [])}
    keys = ["estimand", "outcome"] if "outcome" in others else ["estimand"]
    others = [name for name in others if name != "outcome"]
    for key, part in with_la.groupby(keys, sort=False, dropna=False):
        name = tuple(str(item) for item in key)
        if part[others].notna().any(axis=None):
            continue
        label = str(part["label"].iloc[0])
        if outcome := outcomes.get(name[-1]):
            label = f"{outcome}: {label}" if len(outcomes) > 1 else label
        if part["year"].notna().any():
            year = part["year"].max()
            part = part[part["year"] == year]
            label += f", {year}"
        unit = str(part["unit"].iloc[0])
        columns.append(f"{label} ({unit})" if with_unit("1", unit) != "1" else label)
        quantity = by_name.get(_quantity_name(name))
        unordered.append(run.has_ranks and quantity is not None and not quantity.is_ranked)
        records: list[Any] = part.to_dict("records")
        cells[name] = {row["la"]: row for row in records}
    rows = []
    codes = sorted(with_la["la"].unique(), key=lambda code: run.la_name(code))
    for code in codes:
        values = []
        for name, by_la in cells.items():
            row = by_la.get(code)
            quantity = by_name.get(_quantity_name(name))
            is_ranked = quantity is not None and quantity.is_ranked and code in quantity.table.index
            text = estimate(row) if row else None
            values.append(
                {
                    "mean": text.mean if text else NOT_ESTIMABLE,
                    "interval": text.interval if text else "",
                    "value": repr(float(row["mean"])) if row and is_number(row["mean"]) else "",
                    "rank": rank_words(quantity.table.loc[code].to_dict())
                    if quantity is not None and is_ranked
                    else "",
                }
            )
        rows.append({"name": run.la_name(code), "region": run.la_region(code), "cells": values})
    return LaTable(columns, rows, unordered)


def _quantity_name(name: tuple[str, ...]) -> tuple[str, str]:
    """Estimand and outcome, blank where it has none."""
    return name[0], name[1] if len(name) > 1 and name[1] != "nan" else ""


def regime_rows(run: Run) -> list[dict[str, str]]:
    """Estimands against the sd of the offset between definitions."""
    rows = []
    for row in run.spec.get("regime_sensitivity", []):
        # The interval's width stands in for the sd, and the estimand's own effective sample size
        # for that of each fit, where the table does not carry them.
        sd = None
        if is_number(row.get("lower")) and is_number(row.get("upper")):
            sd = (float(row["upper"]) - float(row["lower"])) / 3.29
        own = run.estimand(str(row.get("estimand")))
        ess = {key: own[key].min() if len(own) else 400 for key in ("ess_bulk", "ess_tail")}
        text = estimate({"sd": sd, **ess, **row})
        rows.append(
            {
                "label": str(row.get("label") or row.get("estimand")),
                "unit": str(row.get("unit", "")),
                "offset": f"{plain(row.get('offset_sd_percent'))}%",
                "mean": text.mean,
                "interval": text.interval,
            }
        )
    return rows


def provenance_rows(run: Run) -> list[tuple[str, str]]:
    """``provenance.json`` as rows, nested tables on one line; the command stands elsewhere."""
    rows = []
    for key, value in run.provenance.items():
        if key == "command":
            continue
        if isinstance(value, dict):
            text = ", ".join(f"{name} {_plain_or_text(item)}" for name, item in value.items())
        elif isinstance(value, list):
            text = ", ".join(map(str, value))
        else:
            text = str(value)
        rows.append((key.replace("_", " "), text))
    return rows


def _plain_or_text(item: Any) -> str:
    if isinstance(item, float):
        return number(item, places=1)
    return str(item)
