"""The site: every stored page under one index, links that hold, states that cannot be missed."""

import json
import shutil
import zipfile
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from reports.findings_report import render_findings
from reports.site import (
    StoredRun,
    build_site,
    calibration_studies,
    failures_by_reason,
    stale_findings,
)
from tests.factories import edit_json
from tests.reports.page import Page
from tests.reports.test_findings_report import HOSTILE, document, write_findings

ROOT = Path(__file__).parents[2]
CALIBRATION = ROOT / "docs" / "calibration"


@pytest.fixture(scope="module")
def results(complete_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with runs, a comparison, a multiverse, findings and a cube."""
    folder = tmp_path_factory.mktemp("results")
    for name in ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"):
        run = folder / "runs" / "national_trend" / name
        run.mkdir(parents=True)
        for file in ("spec.json", "verdict.json", "provenance.json"):
            shutil.copy(complete_run / file, run / file)
        (run / "report.html").write_text(f"<body>\n<header>{name}</header>\n</body>\n")
    edit_json(run / "spec.json", question=f"Which {HOSTILE}?")
    settings = "options.trend=linear sampler.draws=300 data.years=2012-2014 data.exclude="
    edit_json(run / "provenance.json", command=f'make fit MODEL=national_trend SET="{settings}"')
    (folder / "runs" / "national_trend" / "bbbbbbbbbbbb" / "report.html").unlink()
    write_findings(folder / "findings" / "simulated", document())
    render_findings(folder / "findings" / "simulated")
    comparison = folder / "comparisons" / "two"
    comparison.mkdir(parents=True)
    (comparison / "report.html").write_text("<body><header></header></body>")
    runs = [{"name": HOSTILE, "reportable": False, "cube": "simulated"}]
    (comparison / "comparison.json").write_text(json.dumps({"title": "T", "runs": runs}))
    multiverse = folder / "multiverse" / "deprivation"
    multiverse.mkdir(parents=True)
    (multiverse / "multiverse.json").write_text(json.dumps({"question": "?", "cube": "x"}))
    pd.DataFrame({"state": ["reportable", "failed", "left out"]}).to_csv(multiverse / "cells.csv")
    authority = folder / "authorities" / "one"
    authority.mkdir(parents=True)
    title = escape(f"Page of {HOSTILE}")
    (authority / "page.html").write_text(f"<title>{title}</title><body>\n<header></header></body>")
    options = SimulationOptions(name="small", las=6, first_year=2010, last_year=2012, seed=3)
    save_cube(build_simulated(options), folder / "cubes" / "small.nc")
    return folder


def stored(results: Path) -> list[StoredRun]:
    folders = sorted((results / "runs" / "national_trend").iterdir())
    return [
        StoredRun(folders[0], True, (), "", ()),
        StoredRun(folders[1], False, ("r_hat", HOSTILE), "", ()),
        StoredRun(folders[2], True, (), "", (f"cube {HOSTILE} was built again",)),
    ]


@pytest.fixture(scope="module")
def site(results: Path) -> Path:
    failures = [{"experiment": "funnel", "run_id": "x", "reason": HOSTILE, "when": "now"}]
    return build_site(results, stored(results), failures, calibration=CALIBRATION).index.parent


def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_every_link_is_relative_and_leads_somewhere(site: Path) -> None:
    found = pages(site)
    ids = {path: {a.get("id") for _, a in page.tags} for path, page in found.items()}
    followed = 0
    for path, page in found.items():
        for tag, attributes in page.tags:
            address = attributes.get("href") or attributes.get("src") or ""
            if tag == "link" or not address or address.startswith("data:"):
                continue
            parts = urlsplit(address)
            assert not parts.scheme, address
            assert not parts.netloc, address
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.name}: {address}"
            if parts.fragment:
                assert parts.fragment in ids[target], f"{path.name}: {address}"
            followed += 1
    assert followed > 40


def test_states_of_runs_cannot_be_missed(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.unbalanced == []
    states = [a["data-state"] for tag, a in page.tags if tag == "tr" and "data-state" in a]
    # The latest first.
    assert states == ["reportable stale", "not-reportable no-report", "reportable"]
    assert "authorities/one/page.html" in text
    assert "<code>trend=linear years=2012-2014</code>" in text
    assert "3 runs: 1 not reportable, 1 stale" in text
    assert '<section class="verdict fail"' in text
    for words in ("NOT REPORTABLE", "STALE", "make report RUN=bbbbbbbbbbbb", "1 of 2 specificat"):
        assert words in text
    stale = site / "runs" / "national_trend" / "cccccccccccc" / "report.html"
    assert "STALE." in stale.read_text(encoding="utf-8")
    good = site / "runs" / "national_trend" / "aaaaaaaaaaaa" / "report.html"
    assert "STALE." not in good.read_text(encoding="utf-8")


def test_findings_are_stale_where_what_they_rest_on_changed(results: Path) -> None:
    content = document(cube={"name": "small", "kind": "simulated England", "hash": "other"})
    runs = frozenset({("national_trend", "aaaaaaaaaaaa"), ("funnel", "x")})
    assert stale_findings(content, results, runs, "new") == [
        "the cube was built again with other contents",
        "the rules changed",
        "1 run that they rest on is stale",
    ]
    assert stale_findings(document(), results, frozenset(), "h") == []


def test_every_template_of_a_page_has_the_place_of_the_navigation() -> None:
    templates = ROOT / "reports" / "templates"
    for path in templates.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        if "<!doctype html>" in text:
            assert text.count("\n<header>\n") == 1, path.name


def test_every_page_carries_the_navigation(site: Path) -> None:
    for path, page in pages(site).items():
        assert [a.get("aria-label") for tag, a in page.tags if tag == "nav"].count("Site") == 1, (
            path
        )


def test_hostile_names_inject_nothing(site: Path) -> None:
    for path in (site / "index.html", site / "findings" / "simulated" / "findings.html"):
        html = path.read_text(encoding="utf-8")
        assert HOSTILE not in html
        page = Page(html)
        assert page.unbalanced == []
        assert [tag for tag, _ in page.tags].count("script") == 1
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
        assert not [tag for tag, a in page.tags if tag == "img" and a.get("src") == "x"]


def test_the_archive_holds_the_folder(site: Path) -> None:
    archive = site.parent / "site.zip"
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
    files = {f"site/{path.relative_to(site).as_posix()}" for path in site.rglob("*.html")}
    assert names == files
    assert not list(site.parent.glob(".tmp-*"))


def test_the_same_pages_make_the_same_archive(results: Path, site: Path) -> None:
    before = (results / "site.zip").read_bytes()
    failures = [{"experiment": "funnel", "run_id": "x", "reason": HOSTILE, "when": "now"}]
    again = build_site(results, stored(results), failures, calibration=CALIBRATION)
    assert again.archive.read_bytes() == before
    assert (again.pages, again.absent) == (6, 1)


def test_an_empty_store_has_an_index_that_says_how_to_begin(tmp_path: Path) -> None:
    site = build_site(tmp_path / "results", [], [], calibration=tmp_path)
    html = site.index.read_text(encoding="utf-8")
    assert Page(html).unbalanced == []
    for command in ("make fit", "make findings", "make compare", "make multiverse", "make calib"):
        assert command in html
    assert "calibration.html" not in html


def test_studies_of_calibration_are_told_as_they_are(tmp_path: Path) -> None:
    table = pd.read_csv(CALIBRATION / "timeliness.csv").assign(status="unfinished")
    table.to_csv(tmp_path / "timeliness.csv", index=False)
    assert calibration_studies(tmp_path) == []
    shutil.copy(CALIBRATION / "timeliness.png", tmp_path / "timeliness.png")
    (study,) = calibration_studies(tmp_path)
    assert not study["finished"]
    outside = int((table["band"] == "outside").sum())
    assert study["outside"].startswith(f"{outside} of {len(table)} quantities")
    assert np.sum([row["outside"] for row in study["rows"]]) == outside


def test_fits_that_failed_alike_are_one_row() -> None:
    failures = [
        {"experiment": "deprivation", "run_id": run, "reason": f"run {run} is refused"}
        for run in ("aaa", "bbb")
    ]
    failures.append({"experiment": "funnel", "run_id": "ccc", "reason": "no start was found"})
    first, second = failures_by_reason(failures)
    assert first == {
        "experiment": "deprivation",
        "reason": "run (its id) is refused",
        "ids": ["aaa", "bbb"],
    }
    assert second == {"experiment": "funnel", "reason": "no start was found", "ids": ["ccc"]}
