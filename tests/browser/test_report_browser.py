"""The report in a real browser, where there is one: quiet console, nothing wider than a phone."""

import base64
import html
import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from reports.run_report import render_run
from tests.browser.axe import CHROMIUM, chromium
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


SAVES = """<!doctype html><meta charset="utf-8"><title>waiting</title>
<iframe id="page" style="width:1280px;height:800px;border:0" srcdoc="{source}"></iframe>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const saved = [], view = event.target.contentWindow, page = event.target.contentDocument;
  const note = function () {{ saved.push([this.download, this.href]); }};
  view.HTMLAnchorElement.prototype.click = note;
  for (const place of ["#figure-national_rate", "#la-tiles + div", "#la-caterpillar + div"]) {{
    page.querySelectorAll(`${{place}} .files button`).forEach((button) => button.click());
  }}
  setTimeout(() => {{
    const out = document.createElement("p");
    out.id = "saved";
    out.textContent = JSON.stringify(saved);
    document.body.append(out);
  }}, 3000);
}});
</script>"""


def test_figures_are_saved_as_svg_png_and_csv(page: Path, tmp_path: Path) -> None:
    source = html.escape(page.read_text(encoding="utf-8"), quote=True)
    probe = tmp_path / "saves.html"
    probe.write_text(SAVES.format(source=source), encoding="utf-8")
    done = chromium(probe, tmp_path / "profile", "--virtual-time-budget=12000", "--dump-dom")
    found = re.search(r'<p id="saved">(.*?)</p>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    saved = dict(json.loads(html.unescape(found[1])))
    assert set(saved) == {
        "national_rate.svg",
        "national_rate.png",
        "national_rate.csv",
        "la-tiles.svg",
        "la-tiles.png",
        "la-caterpillar.svg",
        "la-caterpillar.png",
    }
    for name, href in saved.items():
        kind, _, content = href.partition(",")
        if name.endswith(".png"):
            assert kind == "data:image/png;base64"
            picture = base64.b64decode(content)
            assert picture.startswith(b"\x89PNG")
            # More than a blank sheet.
            assert len(picture) > 10_000, name
        elif name.endswith(".csv"):
            lines = unquote(content).splitlines()
            assert len(lines) == 11
            assert all(line.startswith("national_rate,") for line in lines[1:])
        else:
            assert kind.startswith("data:image/svg+xml")
            text = base64.b64decode(content).decode() if "base64" in kind else unquote(content)
            assert text.lstrip().startswith("<svg")
            assert ElementTree.fromstring(text).tag.endswith("svg")
