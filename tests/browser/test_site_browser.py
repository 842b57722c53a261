"""The site and the findings in a real browser: quiet console, a table that works, no overflow."""

import re
from pathlib import Path

import pytest

from tests.browser.axe import CHROMIUM, chromium
from tests.every_page import site_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

PROBE = """<!doctype html><meta charset="utf-8"><title>waiting</title>
<iframe id="page" style="width:{width}px;height:800px;border:0" srcdoc="{source}"></iframe>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const page = event.target.contentDocument;
  const out = document.createElement("p");
  out.textContent = `width=${{page.documentElement.scrollWidth}}`;
  const box = page.querySelector("input[type=search]");
  if (box) {{
    const choice = page.querySelector("select[data-filters]");
    const rows = [...page.querySelectorAll("#run-table tbody tr")];
    const shown = () => rows.filter((row) => !row.hidden).length;
    const counts = [shown()];
    box.value = "second national";
    box.dispatchEvent(new Event("input"));
    counts.push(shown());
    choice.value = "not-reportable";
    choice.dispatchEvent(new Event("change"));
    counts.push(shown());
    box.value = "";
    box.dispatchEvent(new Event("input"));
    counts.push(shown());
    out.textContent += ` shown=${{counts.join(",")}}`;
  }}
  document.body.append(out);
}});
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of three runs, of which one is not reportable, and findings."""
    return site_page(tmp_path_factory.mktemp("results")).parent


@pytest.mark.parametrize("page", ["index.html", "calibration.html", "findings/x/findings.html"])
def test_console_is_quiet(site: Path, tmp_path: Path, page: str) -> None:
    done = chromium(site / page, tmp_path, "--dump-dom")
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert "onerror=alert(1)" not in re.sub(r"&lt;img[^&]*&gt;", "", done.stdout)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", ["index.html", "calibration.html", "findings/x/findings.html"])
def test_nothing_overflows_and_the_table_works(
    site: Path, tmp_path: Path, page: str, width: int
) -> None:
    source = (site / page).read_text(encoding="utf-8").replace("&", "&amp;").replace('"', "&quot;")
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=width, source=source), encoding="utf-8")
    done = chromium(probe, tmp_path / "profile", "--virtual-time-budget=8000", "--dump-dom")
    found = re.search(r"width=(\d+)(?: shown=([\d,]+))?</p>", done.stdout)
    assert found, done.stderr[-2000:]
    assert int(found[1]) <= width
    if page == "index.html":
        assert found[2] == "3,1,0,1"
