"""The report in a real browser, where there is one: quiet console, nothing wider than a phone."""

import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reports.run_report import render_run
from tests.browser.axe import CHROMIUM, chromium, saved
from tests.every_page import PAGES
from tests.factories import make_run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

# Reports the page's own width inside a frame as narrow as a phone: a headless window cannot be.
PROBE = """<!doctype html><meta charset="utf-8"><title>waiting</title>
<iframe id="page" style="width:{width}px;height:800px;border:0" srcdoc="{source}"></iframe>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const page = event.target.contentDocument;
  const box = page.querySelector("input[type=search]");
  box.value = "Northmere 12";
  box.dispatchEvent(new Event("input"));
  page.querySelector("#la-table thead th:nth-child(3) button").click();
  const shown = [...page.querySelectorAll("#la-table tbody tr")].filter((row) => !row.hidden);
  const cells = [...page.querySelectorAll("#la-table tbody tr td:nth-child(3)")];
  const values = cells.map((cell) => Number(cell.dataset.v));
  const sorted = values.every((value, i) => i === 0 || values[i - 1] <= value);
  const out = document.createElement("p");
  const own = page.getElementById("la-own"), quantity = page.getElementById("la-quantity");
  own.value = [...own.options].find((option) => option.text === "Northmere 7").value;
  quantity.value = "1";
  quantity.dispatchEvent(new Event("change"));
  const chosen = [...page.querySelectorAll("#la-chosen tbody th")].map((th) => th.firstChild.data);
  out.textContent = `said=${{page.getElementById("la-said").textContent}}; ` +
    `chosen=${{chosen.join(", ")}}; ` +
    `marks=${{page.querySelectorAll("#la-caterpillar .mark").length}} ` +
    `tiles=${{page.querySelectorAll("#la-tiles .mark").length}} ` +
    `static=${{[...page.querySelectorAll(".static")].some((e) => e.offsetHeight)}} ` +
    `nan=${{/NaN|undefined/.test(page.querySelector(".explorer").innerHTML)}} ` +
    `width=${{page.documentElement.scrollWidth}} shown=${{shown.length}} ` +
    `sorted=${{sorted}} buttons=${{page.querySelectorAll("button.csv").length}}`;
  document.body.append(out);
}});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(tmp_path_factory.mktemp("browser") / "run", names={0: "A" * 60 + " + B" * 20})
    return render_run(run)


def test_console_is_quiet(page: Path, tmp_path: Path) -> None:
    done = chromium(page, tmp_path, "--dump-dom")
    assert "CSV of this table" in done.stdout, "the page's script did not run"
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_the_table_works(page: Path, tmp_path: Path, width: int) -> None:
    source = page.read_text(encoding="utf-8").replace("&", "&amp;").replace('"', "&quot;")
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=width, source=source), encoding="utf-8")
    done = chromium(probe, tmp_path / "profile", "--virtual-time-budget=8000", "--dump-dom")
    explored = re.search(
        r"said=(.*?); chosen=(.*?); marks=(\d+) tiles=(\d+) static=(\w+) nan=(\w+)", done.stdout
    )
    assert explored, done.stderr[-2000:]
    assert explored[1].startswith("Northmere 7: ")
    assert "rank " in explored[1]
    names = explored[2].split(", ")
    assert {"Northmere 4", "Northmere 5", "Northmere 6", "Northmere 7"} <= set(names)
    # One authority of the map was not fitted.
    assert (explored[3], explored[4], explored[5], explored[6]) == ("12", "13", "false", "false")
    found = re.search(r"width=(\d+) shown=(\d+) sorted=(\w+) buttons=(\d+)</p>", done.stdout)
    assert found, done.stderr[-2000:]
    assert int(found[1]) <= width
    assert found[2] == "1"
    assert found[3] == "true"
    assert int(found[4]) >= 5


def check_files(found: dict[str, bytes]) -> dict[str, list[dict[str, str]]]:
    """Each file is what its name says; rows of those that are CSV."""
    tables = {}
    for name, content in found.items():
        if name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
            # More than a blank sheet.
            assert len(content) > 10_000, name
        elif name.endswith(".svg"):
            assert content.lstrip().startswith(b"<svg")
            assert ElementTree.fromstring(content.decode("utf-8")).tag.endswith("svg")
        else:
            tables[name] = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
            assert tables[name], name
    return tables


def all_kinds(*names: str) -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in ("svg", "png", "csv")}


def test_figures_are_saved_as_svg_png_and_csv(page: Path, tmp_path: Path) -> None:
    drawn = ("#la-tiles + div", "#la-caterpillar + div")
    figures = ("#figure-national_rate", "#figure-residual_map", "#figure-ppc_year")
    found = saved(page, tmp_path, *figures, *drawn)
    assert set(found) == all_kinds(
        "national_rate", "residual_map", "ppc_year", "la-tiles", "la-caterpillar"
    )
    tables = check_files(found)
    assert [row["estimand"] for row in tables["national_rate.csv"]] == ["national_rate"] * 10
    assert len(tables["residual_map.csv"]) > 100
    assert len(tables["la-tiles.csv"]) == 12
    row = tables["la-caterpillar.csv"][0]
    assert float(row["lower"]) < float(row["mean"]) < float(row["upper"])
    assert row["authorities"] == "12"


def test_the_profile_of_an_authority_is_saved_whole(tmp_path: Path) -> None:
    found = saved(PAGES["data"](tmp_path), tmp_path, "#figure-statuses", "#profile-panels + div")
    assert set(found) == all_kinds("statuses", "profile-panels")
    tables = check_files(found)
    rows = tables["profile-panels.csv"]
    assert len({row["indicator"] for row in rows}) > 15
    assert all(row["value"] or row["upper"] or row["reason"] for row in rows)
    assert any(row["england"] for row in rows)
    panels = ElementTree.fromstring(found["profile-panels.svg"].decode("utf-8"))
    assert len(list(panels)) == 1 + len({row["indicator"] for row in rows})


@pytest.mark.parametrize(
    ("kind", "figure", "kinds"),
    [
        ("findings", "finding_1", {"svg", "png", "csv"}),
        ("authority", "profile", {"svg", "png", "csv"}),
        ("calibration", "timeliness", {"png", "csv"}),
    ],
)
def test_other_pages_offer_the_same(
    kind: str, figure: str, kinds: set[str], tmp_path: Path
) -> None:
    found = saved(PAGES[kind](tmp_path), tmp_path, f"#figure-{figure}", f"#figure-finding-{figure}")
    assert {name.rpartition(".")[2] for name in found} == kinds
    check_files(found)
