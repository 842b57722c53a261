"""A fit of aftermath from end to end: run folder, report, last screen."""

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

SETS = ("sampler.draws=200", "sampler.tune=200", "sampler.chains=2")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Give the test runner its log handlers back."""
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    yield
    root.handlers, root.level = kept, level


def test_from_cube_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = build_simulated(
        SimulationOptions(name="small", las=24, first_year=2008, seed=3, inadequate_percent=25)
    )
    save_cube(cube, tmp_path / "cubes" / "small.nc")
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    sets = [word for text in SETS for word in ("--set", text)]
    code = main(["fit", "--model", "aftermath", "--cube", "small", *sets])
    assert code in (REPORTABLE, NOT_REPORTABLE)
    (run,) = (tmp_path / "runs" / "aftermath").iterdir()
    spec = json.loads((run / "spec.json").read_text())
    assert "descriptive difference-in-differences" in spec["answer"]
    assert "descriptive difference-in-differences" in spec["notes"][0]
    table = pd.read_csv(run / "estimands.csv")
    change = table[table["estimand"] == "change"]
    assert change["event_time"].tolist() == [0, 1, 2, 3]
    numbers = table[table["estimand"] == "judged_n"]
    assert len(numbers) == 7 * numbers["cohort"].nunique()
    verdict = json.loads((run / "verdict.json").read_text())
    assert {check["status"] for check in verdict["predictive_checks"]} <= {
        "pass",
        "misfit",
        "not assessed",
    }
    assert "Change in the first full year" in capsys.readouterr().out
    page = (run / "report.html").read_text(encoding="utf-8")
    for title in (
        "Years around the judgement",
        "Before the judgement: trend, pretended dates, breakdown",
        "Authorities behind every cell",
        "First full year by cohort",
    ):
        assert title in page
    assert "not estimable" in page
