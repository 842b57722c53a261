"""Figures of judgements: what they say, and what they say when something is missing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.answers import answer_panels, drawn_from
from reports.figures import Panel, house_style
from reports.run_folder import Run

AGAINST = ("deprivation alone", "base rate")
FORECASTS = ("all predictors", "deprivation alone")


def _estimates(samples: tuple[str, ...]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []

    def add(name: str, mean: float, half: float | None = None, **at: Any) -> None:
        row = {"estimand": name, "label": name, "unit": "", "mean": mean, **at}
        if half is not None:
            row |= {"sd": half / 1.6, "lower": mean - half, "upper": mean + half}
            row |= {"interval": "90% equal-tailed", "ess_bulk": 900, "ess_tail": 900, "r_hat": 1.0}
        rows.append(row)

    for predictor, ratio in (("Agency workers", 1.8), ("Re-referrals", 1.1)):
        add("odds_ratio", ratio, 0.4, predictor=predictor)
        add("p_raises", 0.97 if ratio > 1.5 else 0.6, predictor=predictor)
    for code, p in (("X1", 12.0), ("X2", 31.0)):
        add("p_inadequate", p, 9.0, la=code)
    for sample in samples:
        for name in FORECASTS:
            add(f"auc_{sample}", 0.7, 0.1, forecast=name)
        for name in AGAINST:
            add(f"log_gain_{sample}", 0.05, 0.04, against=name)
            add(f"brier_skill_{sample}", 0.1, 0.08, against=name)
            add(f"p_better_{sample}", 0.96, against=name)
            for end, value in (("score", 0.06), ("lower", 0.01), ("upper", 0.1)):
                add(f"issued_log_gain_{sample}", value, against=name, end=end)
        for fifth, predicted in enumerate((5, 10, 15, 20, 60), 1):
            add(f"calibration_predicted_{sample}", predicted, fifth=fifth)
            add(f"calibration_observed_{sample}", 10.0, fifth=fifth)
            add(f"calibration_inspections_{sample}", 20, fifth=fifth)
        add(f"inspections_{sample}", 100.0)
        add(f"events_{sample}", 10.0)
    return pd.DataFrame(rows)


def _panels(folder: Path, table: pd.DataFrame, **spec: Any) -> dict[str, Panel]:
    las = {code: {"name": f"Place {code}", "region": "North"} for code in ("X1", "X2")}
    document = {"model": "inadequacy", "figures": ["inadequacy"], "las": las, **spec}
    (folder / "spec.json").write_text(json.dumps(document))
    table.to_csv(folder / "estimands.csv", index=False)
    with house_style():
        return {panel.key: panel for panel in answer_panels(Run.read(folder))}


def test_every_panel_says_what_it_shows(tmp_path: Path) -> None:
    panels = _panels(tmp_path, _estimates(("in_sample", "later")))
    assert list(panels) == ["odds_ratio", "scores", "calibration", "p_inadequate"]
    assert all(panel.figure is not None and panel.read for panel in panels.values())
    run = Run.read(tmp_path)
    assert [key for key in panels if not drawn_from(run, key)] == []
    assert "Agency workers: 1.8" in panels["odds_ratio"].shows
    assert "10 inadequate of 100 inspections" in panels["scores"].shows
    assert "Out of time" in panels["scores"].shows
    assert "probability of a gain 0.96" in panels["scores"].shows
    assert "Outside its interval: fifth 5" in panels["calibration"].shows
    assert "Not for use" in panels["p_inadequate"].read


def test_in_sample_scores_alone_say_so(tmp_path: Path) -> None:
    panels = _panels(tmp_path, _estimates(("in_sample",)))
    assert "No later inspections were kept apart" in panels["scores"].shows


def test_no_authority_is_named_in_the_picture(tmp_path: Path) -> None:
    figure = _panels(tmp_path, _estimates(("in_sample",)))["p_inadequate"].figure
    assert figure is not None
    words = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "Place" not in words


@pytest.mark.parametrize("missing", ["odds_ratio", "p_inadequate", "log_gain_in_sample"])
def test_what_is_missing_is_not_drawn_and_the_reason_is_given(tmp_path: Path, missing: str) -> None:
    table = _estimates(("in_sample",))
    table = table[table["estimand"] != missing]
    reason = [{"estimand": missing, "reason": "too little is known"}]
    panels = _panels(tmp_path, table, not_estimable=reason)
    key = "scores" if missing.startswith("log_gain") else missing
    assert panels[key].figure is None
    assert "too little is known" in panels[key].missing


def test_without_an_auc_the_other_scores_stand(tmp_path: Path) -> None:
    table = _estimates(("in_sample", "later"))
    panels = _panels(tmp_path, table[~table["estimand"].str.startswith("auc")])
    figure = panels["scores"].figure
    assert figure is not None
    assert len(figure.axes) == 2
