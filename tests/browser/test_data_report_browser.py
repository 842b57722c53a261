"""The data report in a real browser, where there is one."""

import re
from pathlib import Path

import pytest

from reports.data_report import render_data_report
from tests.browser.axe import CHROMIUM, chromium
from tests.reports.cubes import FINDINGS, make_tree, write_cube

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

# As wide as a phone in a frame: a headless window cannot be.
PROBE = """<!doctype html><meta charset="utf-8"><title>waiting</title>
<iframe id="page" style="width:{width}px;height:800px;border:0" srcdoc="{source}"></iframe>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const page = event.target.contentDocument;
  const search = page.getElementById("findings-search");
  search.value = "CHANGED place 13";
  search.dispatchEvent(new Event("input"));
  const rows = [...page.querySelectorAll("details.group tbody tr")];
  const found = rows.filter((row) => !row.hidden).length;
  const groups = [...page.querySelectorAll("details.group")].filter((g) => !g.hidden && g.open);
  const choice = page.getElementById("profile-la");
  const before = page.getElementById("profile-panels").innerHTML;
  choice.value = [...choice.options].find((option) => option.value !== choice.value).value;
  choice.dispatchEvent(new Event("change"));
  const panels = page.querySelectorAll("#profile-panels svg");
  const marks = page.querySelectorAll("#profile-panels circle").length;
  const out = document.createElement("p");
  out.textContent = `width=${{page.documentElement.scrollWidth}} found=${{found}} ` +
    `groups=${{groups.length}} options=${{choice.options.length}} panels=${{panels.length}} ` +
    `marks=${{marks}} changed=${{before !== page.getElementById("profile-panels").innerHTML}} ` +
    `scripts=${{page.querySelectorAll("#profile-panels script, option script").length}} ` +
    `nan=${{page.getElementById("profile-panels").innerHTML.includes("NaN")}}`;
  document.body.append(out);
}});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_data_report(write_cube(make_tree(), tmp_path_factory.mktemp("browser"), FINDINGS))


def test_console_is_quiet(page: Path, tmp_path: Path) -> None:
    done = chromium(page, tmp_path, "--dump-dom")
    assert "17 of 17 findings" in done.stdout, "the page's script did not run"
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_search_and_profile_work_and_nothing_overflows(
    page: Path, tmp_path: Path, width: int
) -> None:
    source = page.read_text(encoding="utf-8").replace("&", "&amp;").replace('"', "&quot;")
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=width, source=source), encoding="utf-8")
    done = chromium(probe, tmp_path / "profile", "--virtual-time-budget=8000", "--dump-dom")
    found = dict(
        re.findall(r"(\w+)=(\w+)", (re.search(r"width=\d+ found.*?</p>", done.stdout) or [""])[0])
    )
    assert found, done.stderr[-2000:]
    assert int(found["width"]) <= width
    assert found["found"] == "1"
    assert found["groups"] == "1"
    assert found["options"] == "9"
    assert int(found["panels"]) > 15
    assert int(found["marks"]) > 30
    assert found["changed"] == "true"
    assert found["scripts"] == "0"
    assert found["nan"] == "false"
