"""Pages judged by axe-core in headless Chromium, as wide as a phone and as a desktop."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (390, 1280)
# WCAG 2.2 up to AA, and what axe calls good practice: headings in order, landmarks.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
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
# The page lies in a frame, for a headless window cannot be as narrow as a phone.
FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>frame</title>
<iframe title="page" style="width:{width}px;height:900px;border:0" srcdoc="{source}"></iframe>"""
# Presses every button of downloads in some places, and prints what would have been saved.
SAVES = """<!doctype html><meta charset="utf-8"><title>waiting</title>
<iframe id="page" style="width:1280px;height:800px;border:0" srcdoc="{source}"></iframe>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const saved = [], view = event.target.contentWindow, page = event.target.contentDocument;
  const note = function () {{ saved.push([this.download, this.href]); }};
  view.HTMLAnchorElement.prototype.click = note;
  for (const place of {places}) {{
    page.querySelectorAll(`${{place}} .files button`).forEach((button) => button.click());
    page.querySelectorAll(`${{place}} .files a`).forEach((link) => link.click());
  }}
  setTimeout(() => {{
    const out = document.createElement("p");
    out.id = "saved";
    out.textContent = JSON.stringify(saved);
    document.body.append(out);
  }}, 3000);
}});
</script>"""
# First all rules on the page as it is; then contrast alone, with nothing scrolled out of sight and
# no shadows behind text, for what is hidden or lies on a gradient cannot be judged.
JUDGE = """<script>{axe}</script><script>
const told = (items) => items.map((v) => ({{
  id: v.id, impact: v.impact, help: v.help,
  nodes: v.nodes.map((n) => [n.target.join(" "), n.failureSummary]),
}}));
addEventListener("load", async () => {{
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  const first = await axe.run(document, {{
    runOnly: {{ type: "tag", values: {tags} }}, rules: {{ "color-contrast": {{ enabled: false }} }},
  }});
  const style = document.createElement("style");
  style.textContent = "nav, th {{ position: static !important }} .table, .plot " +
    "{{ background: none !important; overflow: visible !important; max-height: none !important }}";
  document.head.append(style);
  const second = await axe.run(document, {{ runOnly: ["color-contrast"] }});
  const out = top.document.createElement("p");
  out.id = "judged";
  out.textContent = JSON.stringify({{
    passes: first.passes.length + second.passes.length,
    violations: told([...first.violations, ...second.violations]),
    open: told([...first.incomplete, ...second.incomplete]),
  }});
  top.document.body.append(out);
}});
</script>"""


@dataclass(frozen=True)
class Judgement:
    """What axe found on one page: how many rules were met, every violation in words, and what it
    left open, for somebody to look at.
    """

    passes: int
    violations: list[str]
    open: list[str]


def chromium(page: Path, profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Chromium on a page."""
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", *arguments, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)


def saved(page: Path, folder: Path, *places: str) -> dict[str, bytes]:
    """Files that the buttons and links of downloads below these places save, by name."""
    source = html.escape(page.read_text(encoding="utf-8"), quote=True)
    probe = folder / "saves.html"
    text = SAVES.format(source=source, places=json.dumps(places))
    probe.write_text(text, encoding="utf-8")
    done = chromium(probe, folder / "profile", "--virtual-time-budget=12000", "--dump-dom")
    found = re.search(r'<p id="saved">(.*?)</p>', done.stdout, re.S)
    if found is None:
        raise RuntimeError(f"nothing was saved from {page}:\n{done.stderr[-2000:]}")
    return {name: _content(uri) for name, uri in json.loads(html.unescape(found[1]))}


def _content(uri: str) -> bytes:
    kind, _, content = uri.partition(",")
    return base64.b64decode(content) if "base64" in kind else unquote(content).encode()


def judge(page: Path, folder: Path, width: int) -> Judgement:
    """Judge a page of this width in CSS pixels; ``folder`` holds what the browser writes."""
    text = page.read_text(encoding="utf-8")
    added = JUDGE.format(axe=AXE.read_text(encoding="utf-8"), tags=json.dumps(TAGS))
    text = text.replace("</body>", f"{added}</body>")
    frame = folder / f"frame-{width}-{os.getpid()}.html"
    frame.write_text(
        FRAME.format(width=width, source=html.escape(text, quote=True)), encoding="utf-8"
    )
    done = chromium(frame, folder / "profile", "--virtual-time-budget=60000", "--dump-dom")
    frame.unlink()
    found = re.search(r'<p id="judged">(.*?)</p>', done.stdout, re.S)
    if found is None:
        raise RuntimeError(f"axe did not come to an end on {page}:\n{done.stderr[-2000:]}")
    result = json.loads(html.unescape(found[1]))
    return Judgement(
        result["passes"], *([_words(v) for v in result[key]] for key in ("violations", "open"))
    )


def _words(item: dict[str, Any]) -> str:
    shown = [f"    {target}: {' '.join(why.split())}" for target, why in item["nodes"][:5]]
    count = len(item["nodes"])
    return "\n".join([f"{item['id']} ({item['impact']}, {count}): {item['help']}", *shown])
