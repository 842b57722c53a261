"""The report in a real browser, where there is one: quiet console, nothing wider than a phone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reports.run_report import render_run
from tests.factories import make_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
)

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
  out.textContent = `width=${{page.documentElement.scrollWidth}} shown=${{shown.length}} ` +
    `sorted=${{sorted}} buttons=${{page.querySelectorAll("button.csv").length}}`;
  document.body.append(out);
}});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(tmp_path_factory.mktemp("browser") / "run", names={0: "A" * 60 + " + B" * 20})
    return render_run(run)


def chromium(page: Path, profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", *arguments, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


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
    found = re.search(r"width=(\d+) shown=(\d+) sorted=(\w+) buttons=(\d+)</p>", done.stdout)
    assert found, done.stderr[-2000:]
    assert int(found[1]) <= width
    assert found[2] == "1"
    assert found[3] == "true"
    assert int(found[4]) >= 5
