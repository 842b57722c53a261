"""A fit of several outcomes from end to end: run folder, report, last screen."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import store
from experiments.__main__ import NOT_REPORTABLE, REPORTABLE, main

SETS = (
    "options.outcomes=referrals,cpp_starts",
    "sampler.draws=200",
    "sampler.tune=200",
    "sampler.chains=2",
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Give the test runner its log handlers back."""
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    yield
    root.handlers, root.level = kept, level


def test_two_outcomes_from_cube_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = build_simulated(SimulationOptions(name="small", las=24, first_year=2010, seed=3))
    save_cube(cube, tmp_path / "cubes" / "small.nc")
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    sets = [word for text in SETS for word in ("--set", text)]
    code = main(["fit", "--model", "deprivation", "--cube", "small", *sets])
    assert code in (REPORTABLE, NOT_REPORTABLE)
    (run,) = (tmp_path / "runs" / "deprivation").iterdir()
    spec = json.loads((run / "spec.json").read_text())
    assert [outcome["name"] for outcome in spec["outcomes"]] == ["referrals", "cpp_starts"]
    assert spec["outcome"]["label"] == "Referrals, Child protection plans started"
    assert spec["question"] == "How do demand and response vary with the deprivation of an area?"
    table = pd.read_csv(run / "estimands.csv")
    per_sd = table[table["estimand"] == "ratio_per_sd"]
    assert per_sd["outcome"].tolist() == ["referrals", "cpp_starts"]
    checks = json.loads((run / "verdict.json").read_text())["predictive_checks"]
    names = [check["name"] for check in checks]
    assert {name.removesuffix("_referrals") for name in names if name.endswith("_referrals")} == {
        name.removesuffix("_cpp_starts") for name in names if name.endswith("_cpp_starts")
    }
    screen = capsys.readouterr().out
    assert "Rate ratio per sd of deprivation (IMD 2010) referrals" in screen
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Referrals: authorities against expectation" in page
    assert "Replicated and observed data by year: Child protection plans started" in page
