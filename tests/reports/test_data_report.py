"""The data report: complete, self-contained, equal to its cube, and honest where groups are not
there.
"""

import html as html_module
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from data_prep.checks import Finding
from data_prep.cube import derive_register
from data_prep.geography import stable_units
from data_prep.indicators import INDICATORS
from data_prep.rates import derive_rates
from data_prep.schema import SIMULATED
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions
from reports import data_tables, pages
from reports.cube_file import CubeFile, Regime, _regimes
from reports.data_report import SECTIONS, render_data_report
from tests.processes import printed_by
from tests.reports.cubes import FINDINGS, FORMULA, HOSTILE, MISPRINTS, make_tree, write_cube
from tests.reports.page import Page, addresses, content_of, pictures

Render = Callable[[Path], str]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cube(make_tree(), tmp_path_factory.mktemp("cubes"), FINDINGS)


@pytest.fixture(scope="module")
def cube(path: Path) -> CubeFile:
    return CubeFile.read(path)


@pytest.fixture(scope="module")
def report(path: Path) -> str:
    return render_data_report(path).read_text(encoding="utf-8")


@pytest.fixture
def drawn_not(monkeypatch: pytest.MonkeyPatch) -> Render:
    """Render without drawing pictures, which is most of the time."""

    def undrawn(figure: Figure, footer: str) -> tuple[str, int, int]:
        return "data:image/svg+xml;charset=utf-8,", 672, 320

    monkeypatch.setattr(pages, "embed", undrawn)
    return lambda path: render_data_report(path).read_text(encoding="utf-8")


def plain(html: str) -> str:
    """The words of a page."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", html, flags=re.S)
    return " ".join(html_module.unescape(re.sub(r"<[^>]+>", " ", body)).split())


# ------------------------------------------------------------------------------ the page itself


def test_nothing_is_loaded_from_elsewhere(report: str) -> None:
    loads = [
        value
        for _, attributes in Page(report).tags
        for name in ("src", "href", "action", "srcset", "data")
        if (value := attributes.get(name))
    ]
    assert [value for value in loads if not value.startswith(("data:", "#"))] == []
    assert addresses(report) == []
    assert "default-src 'none'" in report


def test_page_is_well_formed_and_small(report: str) -> None:
    page = Page(report)
    assert page.unbalanced == []
    assert page.stack == []
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert len(report.encode()) < 5_000_000


def test_sections_stand_in_reading_order_under_one_title(report: str) -> None:
    headings = Page(report).headings
    assert [text for level, text in headings if level == 2] == [title for _, title, _ in SECTIONS]
    levels = [level for level, _ in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_figure_has_its_two_lines_and_an_alt_text(report: str) -> None:
    figures = Page(report).figures
    assert len(figures) == 6
    for figure in figures:
        shows, read = re.search(r"What it shows(.*)How to read(.*)", figure["text"], re.S).groups()  # type: ignore[union-attr]
        assert len(shows.strip()) > 20, figure["id"]
        assert len(read.strip()) > 20, figure["id"]
        assert len(figure["alt"]) > 20, figure["id"]
        assert "nan" not in shows.lower().split()


def test_figures_say_which_england_they_show(report: str) -> None:
    found = pictures(report)
    assert len(found) == 6
    for svg in found:
        assert "Published England" in svg
        assert "<script" not in svg


def test_every_table_has_a_caption_and_scopes(report: str) -> None:
    tables = re.findall(r"<table.*?</table>", report, re.S)
    assert len(tables) >= 10
    for table in tables:
        assert "<caption>" in table
        assert "<th>" not in table


def test_rendering_again_gives_the_same_bytes(path: Path, report: str) -> None:
    assert render_data_report(path).read_text(encoding="utf-8") == report
    assert [item.name for item in path.parent.iterdir() if item.name.startswith(".tmp")] == []


def test_markup_in_names_and_findings_is_escaped(report: str) -> None:
    assert "<script>alert" not in report
    assert HOSTILE in plain(report)
    assert "a <b>.csv" in plain(report)
    # In the data of the profile too, where a closing tag would end the script.
    (data,) = re.findall(r'id="profile-data">(.*?)</script>', report, re.S)
    assert json.loads(data)["las"][0] == HOSTILE
    assert not [svg for svg in pictures(report) if "<script>alert" in svg]


# ------------------------------------------------------------------------------ what it says


def test_it_says_what_the_cube_is(report: str, cube: CubeFile) -> None:
    text = plain(report)
    for expected in ("Small England", "published England", cube.attributes["cube_hash"]):
        assert expected in text
    assert "2009–2012" in text
    assert "2006, 2009–2012" in text
    assert "make report CUBE=small" in text


def test_every_measure_and_indicator_appears(report: str, cube: CubeFile) -> None:
    text = plain(report)
    assert len(cube.measures) > 25
    for name, measure in cube.measures.items():
        assert f"{measure.label} {name}" in text
        assert measure.definition in text
    for indicator in cube.indicators:
        assert f"{indicator.label} {indicator.unit}" in text


def test_every_finding_appears(report: str, path: Path) -> None:
    text = plain(report)
    for finding in FINDINGS:
        shown = " ".join(finding.problem.split())
        assert shown in text
        for part in (finding.la, finding.file, finding.remedy):
            assert part in text
    assert f"'{FORMULA}" in text
    assert "No check failed; 17 warnings" in text
    uri = re.search(r'download="small.findings.csv" href="(data:text/csv[^"]+)"', report)
    assert uri
    assert content_of(uri[1]).encode() == path.with_suffix(".findings.csv").read_bytes()


def test_a_fail_in_the_findings_is_unmissable(tmp_path: Path, drawn_not: Render) -> None:
    found = [*FINDINGS, Finding("bounds", "FAIL", "out of order", "report it")]
    text = plain(drawn_not(write_cube(make_tree(las=3), tmp_path, found)))
    assert "1 check failed" in text
    assert "FAIL out of order" in text


def test_coverage_counts_cells(report: str, cube: CubeFile) -> None:
    (table,) = re.findall(r"Indicators: authorities with numerator.*?</table>", report, re.S)
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", table)
    assert len(rows) == len(cube.indicators)
    for row, indicator in zip(rows, cube.indicators, strict=True):
        series = cube.rates[indicator.name]
        for text, number, bounds in zip(
            re.findall(r"<td[^>]*>([^<]*)</td>", row),
            series.has_number.sum(axis=0),
            series.has_bounds.sum(axis=0),
            strict=True,
        ):
            expected = f"{number}+{bounds}" if bounds else str(number) if number else "·"
            assert text == expected


def test_hover_text_names_who_is_missing_and_why(cube: CubeFile) -> None:
    name, series = next(
        (name, found)
        for name, found in data_tables.measure_series(cube).items()
        if found.is_missing.any() and found.has_number.any(axis=0).all()
    )
    rows = data_tables.coverage(cube, {name: series}, {name: ("", "")})
    la, year = np.argwhere(series.is_missing)[0]
    assert f"{series.reason[la, year]}: " in rows[0].cells[year].hover
    assert cube.la_names[la] in rows[0].cells[year].hover


def test_misprinted_rates_are_listed_and_no_others(report: str, cube: CubeFile) -> None:
    (table,) = re.findall(r'id="mismatches">.*?</table>', report, re.S)
    listed = re.findall(
        r"<th scope=\"row\">(.*?)</th><td class=\"n\">(\d+)</td>.*?data-v=\"(.*?)\"", table
    )
    expected = [(html_module.escape(cube.la_names[la]), str(y)) for la, y, _ in MISPRINTS]
    assert [(la, year) for la, year, _ in listed] == expected
    for (_, _, found), (_, _, moved) in zip(listed, MISPRINTS, strict=True):
        # Populations are rounded, so that the distance to the nearest bound is a little less.
        assert 0.8 * abs(moved) < abs(float(found)) < abs(moved) + 0.1
        assert np.sign(float(found)) == np.sign(moved)
    assert "2 do not." in plain(report)


def test_indicators_that_were_printed_but_are_none_are_compared_too(report: str) -> None:
    assert re.search(r"Initial assessments % of referrals \d", plain(report))


def test_simulated_is_said(tmp_path: Path, drawn_not: Render) -> None:
    tree = make_tree(las=3)
    tree.attrs["kind"] = SIMULATED
    text = plain(drawn_not(write_cube(tree, tmp_path)))
    assert "nothing here describes a real authority" in text
    assert "Simulated figures are not checked against files" in text
    assert "published england" not in text.lower()
    assert "Department for Education" not in text


# ------------------------------------------------------------------------------ what is not there


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("national", "no year has figures of authorities and of England"),
        ("indicators", "The cube says of no indicators"),
        ("printed", "the cube holds no printed rate"),
        ("provenance", "does not say where its figures come from"),
        ("neighbours", '"beside":["Others of its region,'),
        ("register", "No authority was joined"),
    ],
)
def test_a_group_may_be_absent(tmp_path: Path, drawn_not: Render, group: str, said: str) -> None:
    tree = make_tree(las=4)
    del tree[group]
    page = drawn_not(write_cube(tree, tmp_path, FINDINGS))
    assert said.lower() in plain(page).lower() or said in page
    assert Page(page).unbalanced == []
    assert [text for level, text in Page(page).headings if level == 2] == [s[1] for s in SECTIONS]


def test_checks_of_a_published_cube_without_findings_are_not_assessed(
    tmp_path: Path, drawn_not: Render
) -> None:
    page = drawn_not(write_cube(make_tree(las=3), tmp_path))
    assert 'class="verdict fail"' in page
    assert "Checks not assessed" in plain(page)


@pytest.mark.parametrize(
    ("las", "years"), [(2, (2010, 2010)), (2, (2001, 2024)), (30, (2014, 2014))]
)
def test_small_and_long_windows_render(tmp_path: Path, las: int, years: tuple[int, int]) -> None:
    page = render_data_report(write_cube(make_tree(las, years), tmp_path, [])).read_text()
    assert Page(page).unbalanced == []
    assert " nan" not in plain(page).lower()
    assert "No check failed; 0 warnings" in plain(page)


def test_a_cube_without_hidden_or_national_counts_renders(
    tmp_path: Path, drawn_not: Render
) -> None:
    tree = make_tree(las=3)
    cube = tree["cube"].to_dataset()
    kept = [name for name in cube.data_vars if str(name).startswith(("referrals", "population"))]
    tree["cube"] = xr.DataTree(cube[[k for k in kept if "_nfa" not in str(k) and "_not_" not in k]])
    text = plain(drawn_not(write_cube(tree, tmp_path, [])))
    assert "The cube holds no hidden count." in text
    assert "2 and 1" in text


def test_what_is_no_cube_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no cube"):
        render_data_report(tmp_path / "absent.nc")
    xr.Dataset({"x": 1}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ValueError, match="no group /cube"):
        render_data_report(tmp_path / "other.nc")


# ------------------------------------------------------------------------------ numbers


@pytest.fixture(scope="module")
def simulated() -> xr.DataTree:
    return build_simulated(
        SimulationOptions(las=25, first_year=2008, last_year=2014, national_years=(2003,))
    )


def test_rates_are_those_of_the_other_half_of_the_project(
    simulated: xr.DataTree, tmp_path: Path
) -> None:
    cube = CubeFile.read(write_cube(simulated, tmp_path))
    assert len(cube.indicators) > 15
    for indicator in cube.indicators:
        for group in ("cube", "national"):
            expected = derive_rates(simulated[group].to_dataset(), INDICATORS[indicator.name])
            found = cube.rate(indicator, group)
            assert expected is not None
            assert found is not None
            for end in ("value", "lower", "upper"):
                np.testing.assert_array_equal(getattr(found, end), getattr(expected, end))
            gone = found.is_missing
            assert list(found.reason[gone]) == [
                str(reason).replace("_", " ") for reason in expected.reason[gone]
            ]


def test_profile_data_are_the_rates(cube: CubeFile) -> None:
    data = data_tables.profile_data(cube)
    assert data["years"] == cube.years
    letters = data["reasons"]
    for entry, indicator in zip(data["indicators"], cube.indicators, strict=True):
        series = cube.rates[indicator.name]
        for la, words in enumerate(entry["las"]):
            for year, word in enumerate(words.split(" ")):
                if word in letters:
                    assert series.is_missing[la, year]
                    assert letters[word] == series.reason[la, year]
                    continue
                lower, _, upper = word.partition(":")
                ends = (series.lower, series.upper) if upper else (series.value, series.value)
                assert float(lower) == pytest.approx(ends[0][la, year], rel=1e-3)
                assert float(upper or lower) == pytest.approx(ends[1][la, year], rel=1e-3)


def test_neighbours_are_of_the_latest_edition_out_by_then(cube: CubeFile) -> None:
    found = cube.neighbours
    assert found is not None
    edition, rows = found
    assert int(edition) <= cube.years[-1]
    assert len(rows) == len(cube.las)
    assert all(i not in row and len(set(row)) == len(row) for i, row in enumerate(rows))


def _sum(lower: float, upper: float, without_return: int = 0) -> data_tables.Sum:
    return data_tables.Sum("m", 2010, lower, upper, 950.0, 1050.0, without_return)


def test_a_sum_agrees_where_bounds_overlap() -> None:
    assert _sum(900, 960).verdict == "agree within bounds"
    assert _sum(900, 960).gap == 0
    assert _sum(1040, 2000).verdict == "agree within bounds"


def test_a_sum_that_falls_short_is_odd_only_when_complete() -> None:
    assert _sum(800, 855).verdict == "authorities fall short"
    assert _sum(800, 855).gap == pytest.approx(-10)
    assert _sum(800, 855, 2).verdict == "returns missing"
    assert not _sum(800, 855, 2).is_odd


def test_a_sum_above_england_is_odd_whatever_is_missing() -> None:
    assert _sum(1155, 1200, 2).verdict == "authorities exceed England"
    assert _sum(1155, 1200, 2).gap == pytest.approx(10)


@pytest.mark.parametrize("part", ["children in need", "looked-after"])
def test_missing_returns_are_found_by_source(part: str, tmp_path: Path) -> None:
    """Other sources of the year do not make up for a missing return; two measures are none."""
    tree = make_tree(las=3)
    data = tree["cube"].to_dataset()
    measures = CubeFile.read(write_cube(tree, tmp_path)).measures.values()
    chosen = [measure for measure in measures if part in measure.source]
    assert 0 < len(chosen) < len(measures)
    for measure in chosen:
        for end, value in (("", np.nan), ("_lower", np.nan), ("_upper", np.nan), ("_status", 4)):
            data[f"{measure.name}{end}"][2, 1] = value
    tree["cube"] = xr.DataTree(data)
    rows = data_tables.missing_returns(CubeFile.read(write_cube(tree, tmp_path)))
    found = [(row["la"], row["year"], row["source"]) for row in rows]
    wanted = [(str(data["la_name"].values[2]), "2010", chosen[0].source)]
    assert found == (wanted if part == "children in need" else [])


def test_joined_and_renamed_units_are_told_apart(tmp_path: Path) -> None:
    units = stable_units(2019, 2021)
    shape = (len(units), 1)
    some = {"referrals": (("la", "year"), np.ones(shape), {"long_name": "Referrals"})}
    some |= {f"referrals_{end}": (("la", "year"), np.ones(shape)) for end in ("lower", "upper")}
    flags = {"flag_meanings": "exact rounded"}
    some["referrals_status"] = (("la", "year"), np.zeros(shape, "int8"), flags)
    some["referrals_low_reliability"] = (("la", "year"), np.zeros(shape, "int8"))
    coordinates = {
        "la": [unit.code for unit in units],
        "year": [2020],
        "la_name": ("la", [unit.name for unit in units]),
    }
    tree = xr.DataTree.from_dict(
        {"/cube": xr.Dataset(some, coordinates), "/register": derive_register(units)}
    )
    tree.attrs["name"] = "joined"
    cube = CubeFile.read(write_cube(tree, tmp_path))
    several, renamed = data_tables.joined(cube)
    assert all(row["code"].startswith("J") and len(row["members"]) > 1 for row in several)
    assert "Dorset" in {m["name"] for row in several for m in row["members"]}
    assert "Buckinghamshire" in [row["name"] for row in renamed]


def test_joint_returns_stand_with_what_was_joined(tmp_path: Path, drawn_not: Render) -> None:
    finding = Finding(
        "joint returns", "WARNING", "left out", "", "<a>.csv", "A & B", None, "2020: x"
    )
    none = Finding("joint returns", "PASS", "nothing to report")
    for findings, said in (([finding], True), ([none], False)):
        html = drawn_not(write_cube(make_tree(las=2), tmp_path, findings))
        (section,) = re.findall(r'id="joined".*?</section>', html, re.S)
        assert ("Authorities that report one figure together" in section) == said
        assert ("A &amp; B" in section) == said
        assert "<a>" not in section


def test_regimes_are_read_back() -> None:
    text = "child protection register: -2008; child protection plans: 2009-; a: b: 2010-2010"
    assert list(_regimes(text)) == [
        Regime("child protection register", None, 2008),
        Regime("child protection plans", 2009, None),
        Regime("a: b", 2010, 2010),
    ]
    assert list(_regimes("")) == []


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(0.04, 1, "0.0"), (-0.04, 1, "0.0"), (3.2, 1, "+3.2"), (-1234.5, 1, "−1,234.5")],
)
def test_signed(value: float, places: int, text: str) -> None:
    assert data_tables.signed(value, places) == text


def test_the_report_imports_neither_data_nor_models() -> None:
    code = (
        "import sys, reports.data_report; "
        "print([m for m in ('pymc', 'models', 'data_prep', 'xarray', 'matplotlib.pyplot') "
        "if m in sys.modules])"
    )
    assert printed_by(code) == ["[]"]
