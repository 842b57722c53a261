"""One page of every kind, made from small made-up runs; nothing is sampled."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import sampling, store
from experiments.__main__ import NOT_REPORTABLE, REPORTABLE, main
from experiments.compare import leave_one_out, read_side, write_comparison
from reports.comparison_report import render_comparison
from reports.data_report import render_data_report
from reports.findings_report import render_findings
from reports.la_report import Source, render_la_page
from reports.multiverse_report import render_multiverse
from reports.run_report import render_run
from reports.site import StoredRun, build_site
from tests.experiments.test_fit_formula import prior_draws
from tests.factories import edit_json, make_run, write_json
from tests.reports.cubes import FINDINGS, make_tree, write_cube
from tests.reports.test_findings_report import document, write_findings


def run_page(folder: Path) -> Path:
    return render_run(make_run(folder / "run"))


def failed_run_page(folder: Path) -> Path:
    """Not reportable, stale, with misfits and with most of its files gone."""
    run = make_run(folder / "run", criticised=False)
    verdict = json.loads((run / "verdict.json").read_text())
    check = verdict["predictive_checks"][0]
    gates = [gate | {"status": "fail"} for gate in verdict["gates"]]
    many = [check | {"status": "misfit", "label": f"Check {i}"} for i in range(5)]
    edit_json(run / "verdict.json", gates=gates, reportable=False, predictive_checks=many)
    for name in ("ranks.csv", "places.json", "diagnostics.csv"):
        (run / name).unlink()
    return render_run(run, ["code of the model changed"])


def formula_page(folder: Path) -> Path:
    """A formula's report, draws from the prior standing where a sampler's would."""
    world = SimulationOptions(name="small", las=15, first_year=2010, seed=3)
    save_cube(build_simulated(world), folder / "cubes" / "small.nc")
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "RESULTS", folder)
        patch.setattr(sampling, "compile_model", lambda model: model)
        patch.setattr(sampling, "sample", prior_draws)
        code = main(["fit", "--model", "formula", "--cube", "small"])
    root.handlers, root.level = kept, level
    assert code in (REPORTABLE, NOT_REPORTABLE)
    (run,) = (folder / "runs" / "formula").iterdir()
    return run / "report.html"


def data_page(folder: Path) -> Path:
    return render_data_report(write_cube(make_tree(), folder, FINDINGS))


def comparison_page(folder: Path) -> Path:
    sides = [
        read_side(make_run(folder / name, draws=20, seed=i), name)
        for i, name in enumerate(("first", "second"))
    ]
    scores = [leave_one_out(sides, {})]
    return render_comparison(write_comparison(folder / "c", sides, [], scores))


def multiverse_page(folder: Path) -> Path:
    levels = [("per child", "2010"), ("per child", "2015"), ("per referral", "2010")]
    document = {
        "schema": 1,
        "experiment": "deprivation",
        "title": "Gradients",
        "question": "How steep?",
        "cube": "small",
        "kind": "simulated England",
        "options": {
            "denominator": {"per child": "options.denominator = children", "per referral": "x"},
            "edition": {"2010": "options.edition = 2010", "2015": "options.edition = 2015"},
        },
        "separate": [],
        "sampler": {"draws": 750},
        "rules": [{"when": {"edition": "2015"}, "reason": "no scores"}],
    }
    write_json(folder / "multiverse.json", document)
    cells, curves = [], []
    for cell, (denominator, edition) in enumerate(levels, 1):
        at = {"cell": cell, "denominator": denominator, "edition": edition}
        state = ("reportable", "not reportable", "failed")[cell - 1]
        cells.append(at | {"state": state, "reason": "", "run": "1a2b", "seconds": 9.0})
        curves.append(
            {"curve": 1, "estimand": "ratio", "label": "Ratio per sd", "unit": "rate ratio"}
            | {"at": "", "reportable": cell == 1, "mean": 1 + cell / 10, "sd": 0.05}
            | {"lower": 0.9 + cell / 10, "upper": 1.1 + cell / 10, "reference": 1.0}
            | {"interval": "90% equal-tailed"}
            | at
        )
    pd.DataFrame(cells).assign(failed_gates="", misfits=0).to_csv(folder / "cells.csv", index=False)
    pd.DataFrame(curves).to_csv(folder / "curves.csv", index=False)
    share = {"curve": 1, "specifications": 3, "reportable": 1, "least": 1.1, "median": 1.2}
    share |= {"lower_quartile": 1.15, "upper_quartile": 1.25, "most": 1.3, "reference": 1.0}
    share |= {"between_sd": 0.1, "within_sd": 0.05, "above": 3, "below": 0}
    share |= {"clearly_above": 2, "clearly_below": 0}
    pd.DataFrame([share]).to_csv(folder / "shares.csv", index=False)
    part = {"curve": 1, "option": "edition", "alone": 0.4, "added": 0.3, "low": "2010"}
    part |= {"low_mean": 1.1, "high": "2015", "high_mean": 1.2}
    pd.DataFrame([part]).to_csv(folder / "variance.csv", index=False)
    return render_multiverse(folder)


def la_page(folder: Path) -> Path:
    cube = write_cube(make_tree(), folder, FINDINGS)
    sources = []
    for name in ("national_trend", "national_trend--linear", "national_trend--failed"):
        run = make_run(folder / name, n_las=9, draws=20, first_code="S90000001")
        sources.append(Source(run, name, "national_trend", ("code of the model changed",)))
    edit_json(run / "verdict.json", reportable=False)
    return render_la_page(folder / "la.html", cube, 2, sources, 3)


def findings_page(folder: Path) -> Path:
    write_findings(folder / "findings" / "x", document())
    return render_findings(folder / "findings" / "x")


def site_page(folder: Path) -> Path:
    """The index of a site of three runs, of which one is not reportable, and findings."""
    runs = []
    for number, name in enumerate(("first", "second", "third")):
        run = folder / "runs" / "national_trend" / name
        run.mkdir(parents=True)
        write_json(run / "spec.json", {"question": "A question " + "of many words " * 8})
        runs.append(StoredRun(run, number != 0, ("r_hat",) * (number == 0), "", ()))
    findings_page(folder)
    calibration = Path(__file__).parents[1] / "docs" / "calibration"
    return build_site(folder, runs, [], calibration=calibration).index


def calibration_page(folder: Path) -> Path:
    return site_page(folder).with_name("calibration.html")


PAGES: dict[str, Callable[[Path], Path]] = {
    "run": run_page,
    "failed run": failed_run_page,
    "formula": formula_page,
    "data": data_page,
    "comparison": comparison_page,
    "multiverse": multiverse_page,
    "authority": la_page,
    "findings": findings_page,
    "site": site_page,
    "calibration": calibration_page,
}
