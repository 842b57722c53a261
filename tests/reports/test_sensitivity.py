"""The sensitivity section of a report: what was computed, and what could not be."""

import json
from collections.abc import Callable
from pathlib import Path

from experiments import store
from tests.reports.page import Page


def test_the_report_shows_it_in_place_of_not_computed(
    copied: Path, rendered: Callable[[Path], str]
) -> None:
    assert "figure-power_scaling" not in rendered(copied)
    code = next(iter(json.loads((copied / "spec.json").read_text())["las"]))
    scaling = {"estimand": "e", "label": "Rate", "at": "2014", "hyperprior": "level_sd"}
    influence = {"estimand": "e", "label": "Rate", "at": "2014", "pareto_k": 0.9}
    store.write_json(
        copied / "sensitivity.json",
        {
            "schema": 1,
            "limits": {"moves": 0.05, "shift": 0.5, "pareto_k": 0.7},
            "hyperpriors": [
                {**scaling, "value": 0.21, "moves": True},
                {**scaling, "hyperprior": "slope_sd", "value": 0.01, "moves": False},
            ],
            "influence": [
                {**influence, "la": code, "shift": -0.8, "without": 1.0, "how": "refit"},
                {**influence, "la": "other", "shift": None, "without": None, "how": "not assessed"},
            ],
        },
    )
    page = rendered(copied)
    read = Page(page)
    assert read.unbalanced == []
    shown = {f["id"]: f["text"] for f in read.figures}
    assert "1 pair of 2 lie above the limit of 0.05" in shown["figure-power_scaling"]
    assert "level_sd on Rate, 2014 (0.21)" in shown["figure-power_scaling"]
    assert "Without Northmere 1 some estimand moves" in shown["figure-influence"]
    assert "1 of 2 authorities were not assessed" in shown["figure-influence"]
    assert "Sensitivity checks" not in page
