"""Reports of a model whose outcomes are counted of different things: flows, shares, rates."""

import json
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import pytest

from reports.answers import answer_panels, drawn_from
from reports.criticism import predictive_panels
from reports.figures import house_style
from reports.figures_deprivation import outcome_labels
from reports.figures_funnel import plot_by_year
from reports.run_folder import Run
from tests.factories import edit_json

LABELS = {
    "referrals": "Referrals",
    "referrals_nfa": "Referrals with no further action",
    "section47": "Section 47 enquiries",
    "cpp_starts": "Child protection plans started",
}
GATES = [name for name in LABELS if name != "referrals"]


def _estimates(las: list[str]) -> pd.DataFrame:
    """Made-up estimands in the layout of ``estimands.csv``."""
    rows: list[dict[str, Any]] = []

    def add(name: str, mean: float, **at: Any) -> None:
        row = {"estimand": name, "label": name.replace("_", " "), "unit": "per 100", "mean": mean}
        row |= {"sd": 0.02 * abs(mean), "lower": mean - 0.03, "upper": mean + 0.03}
        row |= {"interval": "90% equal-tailed", "ess_bulk": 900.0, "ess_tail": 800.0, "r_hat": 1.0}
        rows.append(row | at)

    for place, name in enumerate(GATES):
        for fifth in range(1, 6):
            add("stage_per_referrals_by_fifth", 20 - 5 * place + fifth, outcome=name, fifth=fifth)
        for year in (2012, 2013, 2014):
            by_year = "share_by_year" if name == "referrals_nfa" else "gate_ratio_by_year"
            add(by_year, 30.0 + place, outcome=name, year=year)
        for number, code in enumerate(las):
            add("la_gate", 60.0 + 10 * number, outcome=name, la=code)
    for name, ratio in zip(LABELS, (1.3, 1.0, 0.8, 1.2), strict=True):
        add("ratio_per_sd", ratio, outcome=name)
        add("fifth_ratio", ratio**3, outcome=name)
    names = list(LABELS)
    for k, name in enumerate(names):
        for other in names[:k]:
            add("child_rate_correlation", 0.5, outcome=name, other_outcome=other)
            add("gate_correlation", -0.4, outcome=name, other_outcome=other)
    return pd.DataFrame(rows)


@pytest.fixture
def funnel_run(copied: Path) -> Path:
    """The complete run, its cells dealt out to four outcomes, with estimands of gates."""
    spec = json.loads((copied / "spec.json").read_text(encoding="utf-8"))
    of_referrals = {"per": 100, "unit": "per 100 referrals"}
    by_outcome = dict.fromkeys(GATES, of_referrals)
    by_outcome["referrals"] = {"per": 10_000, "unit": "per 10,000 children"}
    edit_json(
        copied / "spec.json",
        figures=["funnel"],
        outcomes=[{"name": name, "label": label} for name, label in LABELS.items()],
        exposure=spec["exposure"] | {"by_outcome": by_outcome},
    )
    with netCDF4.Dataset(copied / "trace.nc", "a") as trace:
        group = trace["constant_data"]
        cells = len(group["la"])
        group.createVariable("outcome", "f8", ("obs",))[:] = np.arange(cells) % len(LABELS)
    _estimates(list(spec["las"])).to_csv(copied / "estimands.csv", index=False)
    return copied


def test_every_question_has_a_figure(funnel_run: Path) -> None:
    run = Run.read(funnel_run)
    with house_style():
        panels = {panel.key: panel for panel in answer_panels(run)}
    run.close()
    own = [f"la_gate_{name}" for name in GATES]
    assert list(panels) == ["flow", "gates_by_year", "gate_deprivation", "gate_correlations", *own]
    assert all(panel.figure is not None for panel in panels.values())
    assert all(panel.alt and panel.read and panel.shows for panel in panels.values())
    assert [key for key in panels if not drawn_from(run, key)] == []
    assert "share a term" in panels["gate_correlations"].alt + str(
        [axes.get_title(loc="left") for axes in panels["gate_correlations"].figure.axes]  # type: ignore[union-attr]
    )
    shows = panels["gate_deprivation"].shows
    assert "Clearly narrower in more deprived LAs: section 47 enquiries." in shows
    assert "Interval holds 1 in more deprived LAs: referrals with no further action." in shows
    assert shows.startswith("Per standard deviation.")
    assert "Fifths clearly apart: referrals, section 47 enquiries and child protection" in shows


def test_a_published_ratio_above_all_intervals_lies_inside_its_axes(funnel_run: Path) -> None:
    run = Run.read(funnel_run)
    rows = run.estimand("gate_ratio_by_year").copy()
    rows[["mean", "lower", "upper"]] *= 0.01
    with house_style():
        figure = plot_by_year(run, rows, outcome_labels(run))
    run.close()
    drawn = [
        (points.get_offsets()[:, 1].max(), axes.get_ylim()[1])
        for axes in figure.axes
        for points in axes.collections
        if points.get_label() == "observed"
    ]
    assert drawn
    assert all(highest < 0.97 * top for highest, top in drawn)


def test_each_outcome_is_shown_on_its_own_scale(funnel_run: Path) -> None:
    run = Run.read(funnel_run)
    assert run.scale_of("Referrals") == (10_000, "per 10,000 children")
    assert run.scale_of("Section 47 enquiries") == (100, "per 100 referrals")
    assert run.scale_of("") == (run.per, run.rate_unit)
    with house_style():
        panels = {panel.title: panel for panel in predictive_panels(run)}
    run.close()
    for label, unit in (
        ("Referrals", "per 10,000 children"),
        ("Section 47 enquiries", "per 100 referrals"),
    ):
        figure = panels[f"Replicated and observed data by year: {label}"].figure
        assert figure is not None
        assert figure.axes[0].get_ylabel().lower() == unit


def test_what_is_absent_is_said(funnel_run: Path) -> None:
    table = pd.read_csv(funnel_run / "estimands.csv")
    table[table["estimand"] == "ratio_per_sd"].to_csv(funnel_run / "estimands.csv", index=False)
    run = Run.read(funnel_run)
    with house_style():
        panels = answer_panels(run)
    run.close()
    assert len(panels) == 4
    assert all(panel.figure is None and panel.missing for panel in panels)
