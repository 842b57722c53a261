"""The multiverse: a closed grid, cells that are runs, curves that pool nothing apart."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from data_prep.errors import DataError
from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import multiverse, store
from experiments.config import CONFIGS, load_experiment
from experiments.grid import Multiverse, list_cells
from experiments.multiverse import common_label, decompose, describe_curves, plan_multiverse
from experiments.schedule import Outcome
from reports import pages
from reports.multiverse_report import render_multiverse
from tests.reports.page import Page

GRID: dict[str, Any] = {
    "options": {
        "outcome": {
            "enquiries": {"options.outcomes": ["section47"]},
            "plans": {"options.outcomes": ["cpp_starts"]},
        },
        "measure": {
            "IMD": {"options.deprivation": "imd", "options.edition": 2015},
            "IDACI": {"options.deprivation": "idaci", "options.edition": 2015},
        },
    },
    "separate": ["outcome"],
    "sampler": {"draws": 300},
}


# ---------------------------------------------------------------------------------------- grid


def test_every_combination_is_a_cell_and_rules_leave_some_out() -> None:
    rule = {"when": {"outcome": "plans", "measure": ["IDACI"]}, "reason": "says nothing"}
    cells = list_cells(Multiverse(**GRID, exclude=(rule,)))
    assert [tuple(cell.levels.values()) for cell in cells] == [
        ("enquiries", "IMD"),
        ("enquiries", "IDACI"),
        ("plans", "IMD"),
        ("plans", "IDACI"),
    ]
    assert [cell.excluded for cell in cells] == ["", "", "", "says nothing"]
    assert cells[1].sets == (
        "options.outcomes=section47",
        "options.deprivation=idaci",
        "options.edition=2015",
        "sampler.draws=300",
    )
    # Cells that differ in the last option alone go to one worker.
    assert [cell.batch for cell in cells] == ["enquiries", "enquiries", "plans", "plans"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"separate": ["colour"]}, "no option 'colour'"),
        ({"exclude": [{"when": {"outcome": "x"}, "reason": "r"}]}, "has no level 'x'"),
        ({"exclude": [{"when": {"outcome": "plans"}, "reason": ""}]}, "at least 1 character"),
        ({"options": {"one": {"a": {}}}, "separate": []}, "needs two levels"),
        ({"options": GRID["options"] | {"s": {"a": {"sampler.seed": 1}, "b": {}}}}, "not the path"),
        ({"colour": 1}, "Extra inputs"),
    ],
)
def test_a_grid_is_closed(change: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Multiverse(**{**GRID, **change})


def grids() -> list[str]:
    return [p.stem for p in sorted(CONFIGS.glob("*.toml")) if "[multiverse]" in p.read_text()]


@pytest.mark.parametrize("name", grids())
def test_every_declared_cell_is_accepted_by_its_model(name: str) -> None:
    model, _, variant = name.partition("--")
    grid = load_experiment(model, variant or None).config.multiverse
    cells = [cell for cell in list_cells(grid) if not cell.excluded]
    found = {
        json.dumps(load_experiment(model, variant or None, cell.sets).resolved(), sort_keys=True)
        for cell in cells
    }
    # No two cells are one run.
    assert len(found) == len(cells) > 1
    declared = {
        e.name
        for e in load_experiment(model).spec.declared_estimands(load_experiment(model).options)
    }
    assert set(grid.estimands) <= declared
    assert set(grid.reference) <= declared


def test_the_deprivation_grid_has_more_than_a_hundred_cells() -> None:
    cells = list_cells(load_experiment("deprivation").config.multiverse)
    assert sum(not cell.excluded for cell in cells) == 108


def test_the_grid_is_no_part_of_a_run() -> None:
    assert "multiverse" not in load_experiment("deprivation").resolved()


# -------------------------------------------------------------------------------------- curves


def curve(**changes: Any) -> pd.DataFrame:
    """A balanced 2 x 3 curve: option a moves the log mean by 0.4, option b by 0.1 a level."""
    rows = [
        {"curve": 1, "a": a, "b": b, "unit": "rate ratio", "reportable": True, "reference": 1.0}
        | {"mean": np.exp(0.4 * (a == "y") + 0.1 * i), "sd": 0.05}
        for a in ("x", "y")
        for i, b in enumerate(("p", "q", "r"))
    ]
    table = pd.DataFrame(rows)
    return table.assign(lower=table["mean"] - 0.1, upper=table["mean"] + 0.1).assign(**changes)


def test_variance_is_shared_out_between_options() -> None:
    found = decompose(curve(), ["a", "b"]).set_index("option")
    a, b = 0.04, 0.1**2 * 2 / 3
    np.testing.assert_allclose(found.loc["a", "alone"], a / (a + b))
    np.testing.assert_allclose(found.loc["b", "added"], b / (a + b))
    np.testing.assert_allclose(found.loc["(together)", "alone"], 0, atol=1e-12)
    assert (found.loc["a", "low"], found.loc["b", "high"]) == ("x", "r")
    np.testing.assert_allclose(found.loc["a", "low_mean"], np.exp(0.1))


def test_what_options_do_together_belongs_to_none_of_them() -> None:
    table = curve()
    table["mean"] = np.where((table["a"] == "y") == (table["b"] == "q"), 2.0, 1.0)
    found = decompose(table[table["b"] != "r"], ["a", "b"]).set_index("option")
    np.testing.assert_allclose(found["alone"], [0, 0, 1], atol=1e-12)


def test_options_that_go_together_add_nothing_to_each_other() -> None:
    table = curve()
    kept = table[(table["a"] == "x") == (table["b"] == "p")]
    found = decompose(kept[kept["b"] != "r"].loc[lambda t: t.index.repeat(2)], ["a", "b"])
    found = found.set_index("option")
    np.testing.assert_allclose(found.loc["a", ["alone", "added"]].astype(float), [1, 0], atol=1e-9)


def test_curves_are_described_by_sign_and_size() -> None:
    table = curve(mean=[0.8, 0.95, 1.0, 1.05, 1.2, 1.5])
    table = table.assign(lower=table["mean"] - 0.1, upper=table["mean"] + 0.1)
    (row,) = describe_curves(table).to_dict("records")
    assert [row[k] for k in ("specifications", "above", "below")] == [6, 3, 2]
    assert [row[k] for k in ("clearly_above", "clearly_below")] == [1 + 1, 1]
    assert (row["least"], row["most"], row["median"]) == (0.8, 1.5, 1.025)
    (without,) = describe_curves(table.assign(reference=np.nan)).to_dict("records")
    assert "above" not in without


def test_labels_lose_what_cells_chose() -> None:
    assert common_label(["Ratio per sd (IMD 2010)", "Ratio per sd (IDACI 2015)"]) == "Ratio per sd"
    assert common_label(["Ratio", "Ratio"]) == "Ratio"


# ----------------------------------------------------------------------------- from end to end


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with a small cube, and a config whose grid is `GRID` and one more level."""
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 672, 320))
    cube = build_simulated(SimulationOptions(name="small", las=12, first_year=2010, seed=3))
    save_cube(cube, tmp_path / "results" / "cubes" / "small.nc")
    configs = tmp_path / "configs"
    configs.mkdir()
    base = (CONFIGS / "deprivation.toml").read_text().split("# Does the answer hang")[0]
    grid = """
[multiverse]
separate = ["outcome"]
estimands = ["ratio_per_sd"]
reference = { ratio_per_sd = 1.0 }
[multiverse.options.outcome]
"enquiries" = { "options.outcomes" = ["section47"] }
"plans" = { "options.outcomes" = ["cpp_starts"] }
[multiverse.options.edition]
"2010" = { "options.edition" = 2010 }
"2015" = { "options.edition" = 2015 }
"1990" = { "options.edition" = 2000 }
[[multiverse.exclude]]
when = { outcome = "plans", edition = "1990" }
reason = "there were no plans then"
"""
    (configs / "deprivation.toml").write_text(base + grid)
    monkeypatch.setattr("experiments.config.CONFIGS", configs)
    return tmp_path / "results"


def pretend_run(plan: multiverse.Plan, name: str, mean: float, *, reportable: bool) -> None:
    """A run as a fit leaves it, without draws."""
    prepared = plan.prepared[name]
    outcome = prepared.observations.outcomes[0]
    gate = {"name": "r_hat", "label": "rank R-hat", "blocking": True, "where": "x"}
    with store.new_run("deprivation", prepared.run_id) as folder:
        pd.DataFrame(
            {
                "estimand": ["ratio_per_sd", "la_rate", "ratio_per_sd"],
                "label": [f"Ratio ({name})"] * 3,
                "unit": "rate ratio",
                "mean": [mean, 5.0, np.nan],
                "sd": 0.05,
                "lower": mean - 0.1,
                "upper": mean + 0.1,
                "interval": "90% equal-tailed",
                "la": ["", "E1", ""],
                "outcome": outcome,
            }
        ).to_csv(folder / "estimands.csv", index=False)
        gates = [gate | {"status": "pass" if reportable else "fail"}]
        verdict = {"reportable": reportable, "gates": gates, "predictive_checks": []}
        store.write_json(folder / "verdict.json", verdict)
        store.write_json(folder / "provenance.json", {"seconds": {"sampling": 2.0}})


def test_cells_become_curves_tables_and_a_page(results: Path) -> None:
    plan = plan_multiverse("deprivation", cube="small")
    assert [len(plan.cells), len(plan.jobs), len(plan.impossible)] == [6, 4, 1]
    assert "no IMD scores of this edition" in plan.impossible["enquiries, 1990"]
    assert all("SET=" in job.command for job in plan.jobs)
    pretend_run(plan, "enquiries, 2010", 1.2, reportable=True)
    pretend_run(plan, "enquiries, 2015", 0.9, reportable=False)
    pretend_run(plan, "plans, 2010", 1.4, reportable=True)
    failed = plan.prepared["plans, 2015"].run_id
    outcomes = [Outcome("deprivation", failed, "failed", "its worker died 3 times")]
    folder = multiverse.write_multiverse(plan, outcomes)
    cells = pd.read_csv(folder / "cells.csv").set_index("cell")
    assert cells["state"].tolist() == [
        "reportable",
        "not reportable",
        "impossible",
        "reportable",
        "failed",
        "left out",
    ]
    assert cells.loc[5, "reason"] == "its worker died 3 times"
    curves = pd.read_csv(folder / "curves.csv")
    # Outcomes are never pooled; single authorities and blanks get no curve.
    assert curves.groupby("curve")["outcome"].agg(list).tolist() == [
        ["enquiries", "enquiries"],
        ["plans"],
    ]
    shares = pd.read_csv(folder / "shares.csv").set_index("curve")
    assert shares.loc[1, ["above", "below", "clearly_above", "clearly_below"]].tolist() == [
        1,
        1,
        1,
        0,
    ]
    page = render_multiverse(folder).read_text(encoding="utf-8")
    read = Page(page)
    assert read.unbalanced == []
    assert "2 of 5 specifications fitted and reportable" in page
    assert "Simulated England" in page
    assert "1 of 2 above 1 (1 with their whole interval), 1 below (0)" in page
    assert "1 specification did not pass every gate (hollow)" in page
    assert "there were no plans then" in page
    assert len(read.figures) == 2
    assert all("How to read" in f["text"] and "What it shows" in f["text"] for f in read.figures)
    assert len(list((folder / "curves").glob("*.png"))) == 2


def test_a_config_without_a_grid_is_bad_input() -> None:
    with pytest.raises(DataError, match="declares no grid"):
        plan_multiverse("national_trend")
