"""Reports of a model with several outcomes: gradients, and criticism of each outcome apart."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import pytest

from reports.answers import answer_panels, drawn_from
from reports.figures import house_style
from reports.figures_deprivation import scores
from reports.run_folder import Run
from tests.factories import edit_json

OUTCOMES = ("referrals", "section47")
LABELS = {"referrals": "Referrals", "section47": "Section 47 enquiries"}


def _estimates(las: list[str]) -> pd.DataFrame:
    """Made-up estimands in the layout of ``estimands.csv``."""
    rng = np.random.default_rng(3)
    rows: list[dict[str, Any]] = []

    def add(name: str, mean: float, unit: str = "rate ratio", **at: Any) -> None:
        rows.append(
            {
                "estimand": name,
                "label": name.replace("_", " "),
                "unit": unit,
                "mean": mean,
                "sd": 0.02 * mean,
                "lower": 0.97 * mean,
                "upper": 1.03 * mean,
                "interval": "90% equal-tailed",
                "ess_bulk": 900.0,
                "ess_tail": 800.0,
                "r_hat": 1.001,
                **at,
            }
        )

    rate = "per 10,000 children"
    for outcome, ratio in zip(OUTCOMES, (1.2, 0.9), strict=True):
        add("ratio_per_sd", ratio, outcome=outcome)
        add("fifth_ratio", ratio**3, outcome=outcome)
        add("share_explained", 0.2, "share of variance", outcome=outcome)
        for number in range(1, 6):
            add("fifth_rate", 40.0 + 5 * number, rate, outcome=outcome, fifth=number)
        for percentile in range(0, 101, 5):
            add("gradient", 40 + percentile / 4, rate, outcome=outcome, percentile=percentile)
        for code in las:
            add("la_rate", float(rng.uniform(30, 80)), rate, outcome=outcome, la=code)
            add("la_observed_ratio", float(rng.uniform(0.5, 2)), outcome=outcome, la=code)
        for year in (2012, 2013, 2014):
            add("ratio_per_sd_by_year", ratio, outcome=outcome, year=year)
        add("ratio_growth", 1.0, "per cent a year", outcome=outcome)
    add("level_correlation", 0.6, "correlation", outcome="section47", other_outcome="referrals")
    return pd.DataFrame(rows)


@pytest.fixture
def joint_run(copied: Path) -> Path:
    """The complete run, its cells dealt out to two outcomes, with estimands of gradients."""
    spec = json.loads((copied / "spec.json").read_text(encoding="utf-8"))
    las = list(spec["las"])
    edit_json(
        copied / "spec.json",
        figures=["deprivation"],
        outcomes=[{"name": name, "label": LABELS[name]} for name in OUTCOMES],
    )
    with netCDF4.Dataset(copied / "trace.nc", "a") as trace:
        group = trace["constant_data"]
        la = group["la"][...].astype(int)
        for name, values in (
            ("outcome", np.arange(len(la)) % 2),
            ("deprivation", np.linspace(-2, 2, len(las))[la]),
        ):
            group.createVariable(name, "f8", ("obs",))[:] = values
    _estimates(las).to_csv(copied / "estimands.csv", index=False)
    return copied


def test_every_question_has_a_figure(joint_run: Path) -> None:
    run = Run.read(joint_run)
    with house_style():
        panels = {panel.key: panel for panel in answer_panels(run)}
    run.close()
    assert list(panels) == [
        "gradient",
        "gradient_ratios",
        "gradient_drift",
        "level_correlation",
        "against_expectation_referrals",
        "against_expectation_section47",
    ]
    assert all(panel.figure is not None for panel in panels.values())
    assert all(panel.alt and panel.read and panel.shows for panel in panels.values())
    assert [key for key in panels if not drawn_from(run, key)] == []
    assert "Clearly higher in more deprived LAs: referrals." in panels["gradient_ratios"].shows
    assert "Clearly lower: section 47 enquiries." in panels["gradient_ratios"].shows
    drawn = panels["gradient"].figure
    assert drawn is not None
    assert [axes.get_title(loc="left") for axes in drawn.axes] == list(LABELS.values())


def test_points_stand_where_authorities_are_deprived(joint_run: Path) -> None:
    run = Run.read(joint_run)
    score = scores(run)
    run.close()
    assert sorted(score.index) == sorted(run.spec["las"])
    assert score[list(run.spec["las"])].is_monotonic_increasing


def test_outcomes_are_criticised_apart(joint_run: Path, rendered: Callable[[Path], str]) -> None:
    page = rendered(joint_run)
    for title in ("Replicated and observed data by year", "What the prior expects"):
        for label in LABELS.values():
            assert f"{title}: {label}" in page
    assert "Referrals: la observed ratio" in page, "the table of authorities has both outcomes"


def test_what_is_absent_is_said(joint_run: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(joint_run, tmp_path / "bare"))
    table = pd.read_csv(bare / "estimands.csv")
    table[table["estimand"] == "la_rate"].to_csv(bare / "estimands.csv", index=False)
    run = Run.read(bare)
    with house_style():
        panels = answer_panels(run)
    run.close()
    assert [panel.missing for panel in panels] == [
        "estimands.csv holds no gradient",
        "estimands.csv holds no ratio_per_sd",
    ]
