"""Every kind of page meets WCAG 2.2 AA as far as axe-core can tell, on a phone and on a desktop."""

import os
from pathlib import Path

import pytest

from tests.browser.axe import AXE, CHROMIUM, WIDTHS, judge
from tests.every_page import PAGES

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path"),
    pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: run 'make test-browser'"),
]


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
