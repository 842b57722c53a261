"""Files whose names and cells hold markup and formulas: the cube, its findings and its page."""

import ast
import csv
import io
from pathlib import Path

import pytest

from data_prep.__main__ import main
from data_prep.csv_safe import FORMULA_SIGNS
from reports import pages
from reports.data_report import render_data_report
from tests.data_prep.care_tables import write_table
from tests.data_prep.conftest import census_table
from tests.reports.page import Page

ROOT = Path(__file__).parents[2]
MARKUP, FORMULA = "<img src=x onerror=alert(1)>", '=HYPERLINK("http:")'


def test_markup_and_formulas_in_files_are_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    table = census_table(2013)
    name = table[0].index("geog_n")
    for row, text in ((5, FORMULA), (6, MARKUP), (7, "+SUM(A1)"), (8, "</script><script>")):
        table[row][name] = text
    # A rate that contradicts its count becomes a finding.
    table[5][table[0].index("Referrals1213Rate")] = "1.0"
    write_table(raw, table, f"{MARKUP}.csv")
    write_table(raw, [["a"], ["1"]], "=cmd|' '!A1.csv")
    arguments = ["--raw", str(raw), "--years", "2013", "--name", "x", "--out", str(tmp_path)]
    assert main(["cube", *arguments]) == 0
    assert "Referrals1213Rate contradicts" in capsys.readouterr().out

    text = (tmp_path / "x.findings.csv").read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert f"{MARKUP}.csv" in cells
    assert "'=cmd|' '!A1.csv" in cells
    assert not [cell for cell in cells if cell[:1] and cell[0] in FORMULA_SIGNS]

    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 1, 1))
    page = render_data_report(tmp_path / "x.nc").read_text(encoding="utf-8")
    assert MARKUP not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.csv" in page
    assert not [tag for tag, attributes in Page(page).tags if "onerror" in attributes]


def test_each_csv_and_page_of_data_has_one_writer() -> None:
    """Whoever writes CSV of official figures, or HTML, goes through what neutralises its cells."""
    csv_writers, unescaped = set(), set()
    for folder in ("data_prep", "reports"):
        for path in (ROOT / folder).rglob("*.py"):
            where = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
                if called in ("writer", "DictWriter", "to_csv", "savetxt"):
                    csv_writers.add(where)
                name = getattr(node, "id", "") if isinstance(node, ast.Name) else called
                if name in ("Markup", "to_html", "from_string"):
                    unescaped.add(where)
    assert csv_writers == {"data_prep/csv_safe.py", "reports/pages.py"}
    # Data for scripts are escaped in one place, and tested with the reports.
    assert unescaped == {"reports/pages.py"}
    assert pages.environment().autoescape is True
