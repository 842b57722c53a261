"""Every kind of page meets WCAG 2.2 AA as far as axe-core can tell, on a phone and on a desktop."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from experiments.compare import leave_one_out, read_side, write_comparison
from reports.comparison_report import render_comparison
from reports.data_report import render_data_report
from reports.findings_report import render_findings
from reports.la_report import Source, render_la_page
from reports.multiverse_report import render_multiverse
from reports.run_report import render_run
from reports.site import StoredRun, build_site
from tests.browser.axe import AXE, CHROMIUM, WIDTHS, judge
from tests.factories import edit_json, make_run, write_json
from tests.reports.cubes import FINDINGS, make_tree, write_cube
from tests.reports.test_findings_report import document, write_findings

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path"),
    pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: run 'make test-browser'"),
]


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
    calibration = Path(__file__).parents[2] / "docs" / "calibration"
    return build_site(folder, runs, [], calibration=calibration).index


PAGES = {
    "run": run_page,
    "failed run": failed_run_page,
    "data": data_page,
    "comparison": comparison_page,
    "multiverse": multiverse_page,
    "authority": la_page,
    "findings": findings_page,
    "site": site_page,
}


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return PAGES[request.param](tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("width", WIDTHS)
def test_page_breaks_no_rule(page: Path, tmp_path: Path, width: int) -> None:
    found = judge(page, tmp_path, width)
    assert found.violations == []
    assert found.passes > 25


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("named", os.environ.get("CSC_PAGES", "").split() or [None])
def test_pages_that_were_named_break_no_rule(named: str | None, tmp_path: Path, width: int) -> None:
    if named is None:
        pytest.skip("no page was named: make test-browser PAGES='a.html b.html'")
    found = judge(Path(named).resolve(), tmp_path, width)
    assert found.violations == []


BAD = """<!doctype html><html><head><title>bad</title></head><body>
<h1>One</h1><h3>Three</h3><p style="color:#aaa;background:#fff">pale</p>
<img src="data:image/svg+xml,"><input type="text">
<div class="table" style="width:90px;overflow:auto"><table><caption>t</caption>
<tr><td>unbreakable_unbreakable_unbreakable</td></tr></table></div>
</body></html>"""


def test_a_bad_page_is_told_from_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(BAD, encoding="utf-8")
    found = {words.split(" ")[0] for words in judge(path, tmp_path, 390).violations}
    assert {
        "color-contrast",
        "heading-order",
        "html-has-lang",
        "image-alt",
        "label",
        "scrollable-region-focusable",
    } <= found
