"""The report of a run: complete, self-contained, equal to its files, and honest where they are not
there.
"""

import html as html_module
import itertools
import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import CATALOGUE, load_model
from reports.answers import DRAWN_FROM
from reports.computation import _what_was_learnt
from reports.run_folder import Run
from reports.run_report import SECTIONS, render_run
from reports.tables import advisory, judge, total_rows
from tests.factories import edit_json, make_run, without_groups
from tests.processes import printed_by
from tests.reports.page import Page, addresses, content_of, pictures

Render = Callable[[Path], str]
HOSTILE = "<script>alert(\"x\")</script> & 'Sons' $x^2$"


def plain(html: str) -> str:
    """The words of a page."""
    body = re.sub(r"<(script|style)>.*?</\1>", " ", html, flags=re.S)
    return " ".join(html_module.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_nothing_is_loaded_from_elsewhere(report: str) -> None:
    loads = [
        value
        for _, attributes in Page(report).tags
        for name in ("src", "href", "action", "srcset", "data")
        if (value := attributes.get(name))
    ]
    assert loads
    assert [value for value in loads if not value.startswith(("data:", "#"))] == []
    assert addresses(report) == []
    assert "default-src 'none'" in report


def test_figures_load_nothing_either(report: str) -> None:
    assert pictures(report)
    for svg in pictures(report):
        sources = set(re.findall(r"(?:href|src)=\"([^\"#][^\"]{0,30})", svg))
        assert all(source.startswith("data:image/png;base64,") for source in sources)
        assert "<script" not in svg


def test_page_is_well_formed_and_small(report: str) -> None:
    page = Page(report)
    assert page.unbalanced == []
    assert page.stack == []
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert len(report) < 3_000_000


def test_headings_step_down_one_level_at_a_time(report: str) -> None:
    levels = [level for level, _ in Page(report).headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_sections_stand_in_reading_order(report: str) -> None:
    titles = [text for level, text in Page(report).headings if level == 2]
    assert titles == [heading for _, heading, _ in SECTIONS]


def test_every_figure_has_its_two_lines_and_an_alt_text(report: str) -> None:
    figures = Page(report).figures
    assert len(figures) >= 15
    for figure in figures:
        shows, read = re.search(r"What it shows(.*)How to read(.*)", figure["text"], re.S).groups()  # type: ignore[union-attr]
        assert len(shows.strip()) > 20, figure["id"]
        assert len(read.strip()) > 20, figure["id"]
        assert len(figure["alt"]) > 20, figure["id"]
        assert "nan" not in shows.lower().split()


def test_every_table_has_a_caption_and_scopes(report: str) -> None:
    tables = re.findall(r"<table.*?</table>", report, re.S)
    assert tables
    for table in tables:
        assert "<caption>" in table
        assert "<th>" not in table


def test_numbers_equal_those_of_the_csv(report: str, complete_run: Path) -> None:
    table = pd.read_csv(complete_run / "estimands.csv")
    printed = Page(report).means
    assert set(printed) == set(table["estimand"])
    for name, rows in table.groupby("estimand"):
        cells = printed[str(name)]
        assert len(cells) == len(rows)
        for (text, raw), mean in zip(cells, rows["mean"], strict=True):
            assert float(raw) == pytest.approx(mean, rel=1e-12)
            if text.startswith(("<", ">")):
                continue
            places = len(text.partition(".")[2])
            value = float(text.replace(",", "").replace("−", "-"))
            assert abs(value - mean) <= 0.5001 * 10.0**-places or value % 10 == 0


def test_download_is_the_file_itself(report: str, complete_run: Path) -> None:
    for name in ("estimands.csv", "diagnostics.csv"):
        uri = re.search(rf'download="{name}" href="(data:text/csv[^"]+)"', report)
        assert uri
        assert content_of(uri[1]).encode() == (complete_run / name).read_bytes()


def test_simulated_is_said_on_page_and_in_every_figure(report: str) -> None:
    assert "Simulated England" in plain(report)
    assert pictures(report)
    assert all("Simulated England" in svg for svg in pictures(report))


def test_zeros_are_printed(report: str) -> None:
    assert re.search(r"Divergences</th><td>0</td>", report)
    assert re.search(r"Tree-depth hits</th><td>0</td>", report)


def test_rendering_again_gives_the_same_bytes(complete_run: Path, report: str) -> None:
    again = render_run(complete_run).read_text(encoding="utf-8")
    assert again == report
    assert [path.name for path in complete_run.iterdir() if path.name.startswith(".tmp")] == []


def test_published_data_are_not_called_simulated(copied: Path, rendered: Render) -> None:
    spec = json.loads((copied / "spec.json").read_text())
    data = spec["data"] | {"kind": "published England"}
    edit_json(copied / "spec.json", data=data, notes=[])
    (copied / "config.toml").unlink()
    edit_json(copied / "provenance.json", command="make fit")
    text = plain(rendered(copied))
    assert "Published England" in text
    assert "imulated" not in text


@pytest.mark.parametrize(
    ("group", "section"),
    [
        ("prior_predictive", "What the prior expects"),
        ("posterior_predictive", "Replicated and observed data by year"),
        ("criticism", "Calibration cell by cell: LOO-PIT"),
        ("constant_data", "Reliability of leave-one-out: Pareto k"),
        ("posterior", "Do the chains agree?"),
    ],
)
def test_missing_group_is_not_assessed(
    copied: Path, rendered: Render, group: str, section: str
) -> None:
    without_groups(copied, group)
    page = rendered(copied)
    assert f"{section} not assessed" in plain(page)
    assert "Provenance" in plain(page)


def test_missing_sampler_statistics_are_no_zeros(copied: Path, rendered: Render) -> None:
    without_groups(copied, "sample_stats", "prior")
    page = rendered(copied)
    assert re.search(r"Divergences</th><td>not assessed</td>", page)
    assert "no sampler statistics by chain" in page


def test_bare_folder_renders_and_never_passes(copied: Path, rendered: Render) -> None:
    for name in copied.iterdir():
        if name.name != "spec.json":
            name.unlink()
    page = rendered(copied)
    text = plain(page)
    assert "Not reportable" in text
    assert "no verdict" in text
    assert 'class="verdict fail"' in page
    assert 'class="verdict pass"' not in page
    assert text.count("not assessed") > 8


def test_folder_without_spec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"spec\.json"):
        render_run(tmp_path)


def test_failed_gate_is_unmissable(copied: Path, rendered: Render) -> None:
    verdict = json.loads((copied / "verdict.json").read_text())
    gates = verdict["gates"]
    gates[0] |= {"status": "fail", "value": 1.31, "where": "level[E06000002]"}
    gates[3] |= {"status": "fail", "value": 12, "where": "chain 1"}
    edit_json(copied / "verdict.json", gates=gates, reportable=False)
    page = rendered(copied)
    text = plain(page)
    assert "Completed, not reportable" in text
    assert "Failed: Rank R-hat and Divergences." in text
    assert "1.310" in text
    assert "level[Northmere 2]" in text
    assert "do not quote them" in text
    assert "NOT REPORTABLE" in pictures(page)[0]


@pytest.mark.parametrize("status", ["fail", "not assessed", None])
def test_reportable_needs_every_blocking_gate(copied: Path, status: str | None) -> None:
    """A verdict that contradicts its own gates is not believed."""
    run = Run.read(copied)
    assert judge(run).reportable
    run.verdict["gates"][1]["status"] = status
    assert not judge(run).reportable


def test_advisory_gates_do_not_block(copied: Path) -> None:
    run = Run.read(copied)
    run.verdict["gates"][1] |= {"status": "fail", "blocking": False}
    assert judge(run).reportable


@pytest.mark.parametrize("status", ["misfit", "not assessed"])
def test_a_check_that_was_not_made_is_no_misfit(
    copied: Path, rendered: Render, status: str
) -> None:
    verdict = json.loads((copied / "verdict.json").read_text())
    check = verdict["predictive_checks"][0] | {"status": status}
    edit_json(copied / "verdict.json", predictive_checks=[check])
    text = plain(rendered(copied))
    assert ("does not reproduce the features" in text) == (status == "misfit")
    assert ("What is not assessed has not passed" in text) == (status == "not assessed")


def test_pareto_k_is_said_to_limit_leave_one_out_and_not_the_fit(
    copied: Path, rendered: Render
) -> None:
    check = {"name": "pareto_k", "label": "Pareto k of leave-one-out", "status": "fail"}
    check |= {"value": 3, "limit": 0, "where": "", "text": "3 of 117 cells above 0.7: a refit"}
    edit_json(copied / "verdict.json", advisory=[check])
    (row,) = advisory(Run.read(copied), sensitivity=False)
    assert (row["status"], row["css"]) == ("leave-one-out limited", "misfit")
    assert row["text"].startswith("3 of 117 cells above 0.7: a refit. This is a limit of the")
    assert "not a fault of the fit" in row["text"]
    page = rendered(copied)
    assert "Completed and reportable" in page
    assert 'class="tag fail"' not in page


def test_england_totals_say_why_the_model_left_them_out(copied: Path) -> None:
    run = Run.read(copied)
    run.spec["national_series"] = [
        {"year": year, "total": 9, "lower": 9, "upper": 9, "used": used}
        for year, used in ((2001, False), (2004, True), (2006, False), (2011, False), (2020, False))
    ]
    run.spec["data"]["years"] = [2005, 2006, 2007, 2012]
    why = {row["year"]: (row["used"], row["why"]) for row in total_rows(run)}
    assert why["2004"] == ("in the model", "")
    assert "denominator" in why["2001"][1]
    assert "figures of authorities are in" in why["2006"][1]
    assert "not filled" in why["2011"][1]
    assert "after the last year" in why["2020"][1]
    run.spec["options"] = [{"name": "national_totals", "value": False}]
    assert "option national_totals" in total_rows(run)[0]["why"]


def test_the_place_of_an_observation_is_named(copied: Path) -> None:
    run = Run.read(copied)
    assert run.cells is not None
    cell = run.cells.iloc[3]
    assert run.named("la_year[obs=3]") == f"la_year[{cell['name']} {cell['year']}]"
    assert run.named("la_year[obs=99999]") == "la_year[obs=99999]"


def test_verdict_without_gates_is_no_pass(copied: Path) -> None:
    run = Run.read(copied)
    run.verdict["gates"] = []
    assert not judge(run).reportable


def test_many_misfits_fold_into_one_line_with_their_number(copied: Path, rendered: Render) -> None:
    verdict = json.loads((copied / "verdict.json").read_text())
    check = verdict["predictive_checks"][0]
    many = [check | {"status": "misfit", "label": f"Check {i}, referrals"} for i in range(17)]
    edit_json(copied / "verdict.json", predictive_checks=many)
    page = rendered(copied)
    assert '<details class="warning misfits">' in page
    assert (
        "17 named misfits: check 0, referrals; check 1, referrals; check 2, referrals; 14 more"
        in (plain(page))
    )
    assert page.count(">named misfit</strong>") == 17
    assert page.index("17 named misfits") < page.index("<figure")
    edit_json(copied / "verdict.json", predictive_checks=many[:1])
    assert '<details class="warning misfits" open>' in rendered(copied)


def test_options_are_read_as_words(copied: Path, rendered: Render) -> None:
    options = [
        {"name": "outcomes", "value": ["referrals", "section47"], "choices": [], "meaning": "m"},
        {"name": "curvature", "value": False, "choices": [True, False], "meaning": "m"},
        {"name": "adjustment", "value": [], "choices": [], "meaning": "m"},
    ]
    edit_json(copied / "spec.json", options=options)
    page = rendered(copied)
    assert "<b>referrals, section47</b>" in page
    assert "<b>no</b>" in page
    assert "<b>none</b>" in page
    assert "[" not in page[page.index("Options of this run") : page.index("Priors beside")]


def test_what_the_data_taught_names_most_least_and_conflict() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(0, 1, 4000)
    said = _what_was_learnt(
        {
            "sharp": (before, 0.2 + 0.05 * before),
            "vague": (before, 0.9 * before),
            "far": (before, rng.normal(4, 0.2, 4000)),
        }
    )
    assert "least for sharp (5%), most for vague (90%)" in said
    assert "taught little about vague (90%)" in said
    assert "median of far" in said
    assert _what_was_learnt({}) == ""


def test_incomplete_loosened_and_misfit_are_said(copied: Path, rendered: Render) -> None:
    verdict = json.loads((copied / "verdict.json").read_text())
    checks = [verdict["predictive_checks"][0] | {"status": "misfit", "where": "2014"}]
    changes = {"completed": False, "loosened": ["r_hat 1.05"], "predictive_checks": checks}
    edit_json(copied / "verdict.json", **changes)
    text = plain(rendered(copied))
    assert "Not completed, not reportable" in text
    assert "limits loosened r_hat 1.05" in text
    assert text.index("named misfit Highest LA rate, 2014") < text.index("Data used and dropped")


def test_not_estimable_keeps_its_reason(copied: Path, rendered: Render) -> None:
    table = pd.read_csv(copied / "estimands.csv", dtype={"year": "Int64", "year_from": "Int64"})
    numbers = ["mean", "sd", "lower", "upper", "ess_bulk", "ess_tail", "r_hat"]
    table.loc[table["estimand"] == "slope_change", numbers] = None
    table.to_csv(copied / "estimands.csv", index=False)
    reason = "no year before the knot"
    gap = {"estimand": "slope_change", "reason": reason}
    edit_json(copied / "spec.json", not_estimable=[gap])
    text = plain(rendered(copied))
    assert f"not estimable Change of annual growth at the knot: {reason}" in text
    assert f"not estimable {reason}" in text
    assert " nan" not in text.lower()


def test_hostile_names_are_escaped(tmp_path: Path, rendered: Render) -> None:
    page = rendered(make_run(tmp_path / "run", n_las=6, names={0: HOSTILE, 1: 'A "quoted" name'}))
    assert "<script>alert" not in page
    assert HOSTILE in html_module.unescape(page)
    assert pictures(page)
    assert not [svg for svg in pictures(page) if "<script>alert" in svg]
    assert Page(page).unbalanced == []


@pytest.mark.parametrize(
    "shape",
    [
        {"years": (2014,), "n_las": 12},
        {"n_las": 1},
        {"years": (2014,), "n_las": 1},
        {"years": (2010, 2012), "n_las": 3},
    ],
    ids=["one year", "one LA", "one cell", "gap"],
)
def test_small_runs_render(tmp_path: Path, rendered: Render, shape: dict) -> None:
    text = plain(rendered(make_run(tmp_path / "run", **shape)))
    assert "Completed and reportable" in text


def test_unknown_la_is_named_by_its_code(copied: Path, rendered: Render) -> None:
    spec = json.loads((copied / "spec.json").read_text())
    del spec["las"]["E06000001"]
    edit_json(copied / "spec.json", las=spec["las"])
    assert "E06000001" in plain(rendered(copied))


def test_unknown_model_shows_its_headline(copied: Path, rendered: Render) -> None:
    edit_json(copied / "spec.json", model="another", figures=["another"])
    page = rendered(copied)
    assert "figure-headline" in page


def test_reports_import_no_model() -> None:
    code = (
        "import sys, reports.run_report; "
        "print([m for m in ('pymc', 'models', 'data_prep', 'arviz', 'matplotlib.pyplot') "
        "if m in sys.modules])"
    )
    assert printed_by(code) == ["[]"]


def test_figures_name_the_estimands_that_they_draw(report: str, complete_run: Path) -> None:
    held = set(pd.read_csv(complete_run / "estimands.csv")["estimand"])
    tags = Page(report).tags
    drawn = {
        attributes["id"]: set(filter(None, (attributes.get("data-values") or "").split("|")))
        for tag, attributes in tags
        if tag == "figure"
    }
    assert drawn["figure-national_rate"] == {"national_rate"}
    assert drawn["figure-map-la_growth"] == {"la_growth"}
    # Its own table has ranks, too.
    assert drawn["figure-chosen-la_rate"] == set()
    assert set().union(*drawn.values()) <= held


@pytest.mark.parametrize("model", CATALOGUE)
def test_every_estimand_that_a_figure_names_is_declared_by_some_model(model: str) -> None:
    spec = load_model(model)
    declared = {estimand.name for estimand in spec.declared_estimands(spec.options())}
    patterns = {name for names in DRAWN_FROM.values() for name in names}
    found = {name for name in declared if any(fnmatchcase(name, p) for p in patterns)}
    headline = {e.name for e in spec.declared_estimands(spec.options()) if e.headline}
    assert found & headline
