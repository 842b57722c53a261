"""Every figure of every page offers its numbers, and no cell of its own table is a formula."""

import csv
import io
import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import csv_safe
from reports import pages
from reports.run_report import render_run
from tests.every_page import PAGES
from tests.reports.page import content_of

texts = st.one_of(st.text(), st.builds("".join, st.tuples(st.sampled_from("=+-@\t\r"), st.text())))


def rows_of(uri: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content_of(uri), newline="")))


def files_of(page: str) -> dict[str, list[dict[str, str]]]:
    """Files that the page offers whole, by the name under which figures call them."""
    links = re.findall(r"<a id=\"([\w-]+)-csv\"[^>]* href=\"(data:text/csv[^\"]+)\"", page)
    return {name: rows_of(uri) for name, uri in links}


def numbers_of(page: str) -> dict[str, list[dict[str, str]]]:
    """Rows that each figure with a picture offers, by the figure's id."""
    files, found = files_of(page), {}
    for attributes, content in re.findall(r"<figure([^>]*)>(.*?)</figure>", page, re.S):
        if 'class="plot"' not in content:
            continue
        given = {
            key: unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', attributes)
        }
        own = re.search(r"download=\"[^\"]+\.csv\" href=\"(data:text/csv[^\"]+)\"", content)
        if own:
            found[given["id"]] = rows_of(own[1])
        else:
            values = given.get("data-values", "").split("|")
            rows = files.get(given.get("data-file", ""), [])
            found[given["id"]] = [row for row in rows if row[given["data-column"]] in values]
    return found


@pytest.mark.parametrize("kind", PAGES)
def test_every_figure_offers_its_numbers(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 1, 1))
    page = PAGES[kind](tmp_path).read_text(encoding="utf-8")
    found = numbers_of(page)
    assert found or kind == "site"
    assert [name for name, rows in found.items() if not rows] == []
    for rows in found.values():
        assert "nan" not in {cell for row in rows for cell in row.values()}
    # Words of the page, figures and captions too: what is missing is said in words.
    assert (
        re.findall(r"\bnan\b", re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page, flags=re.S))
        == []
    )
    if found:
        assert 'line.className = "files"' in page, "the script of downloads is missing"


def test_numbers_are_those_of_the_run(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 1, 1))
    found = numbers_of(render_run(copied).read_text(encoding="utf-8"))
    las = json.loads((copied / "spec.json").read_text(encoding="utf-8"))["las"]
    cells = pd.DataFrame(found["figure-pareto_k"])
    assert set(cells["la"]) == set(las)
    assert cells.columns[-3:].tolist() == ["residual", "loo_pit", "pareto_k"]
    assert len(cells) == len(found["figure-residual_map"])
    years = pd.DataFrame(found["figure-ppc_year"])
    assert set(years["year"]) == set(cells["year"])
    numbers = years[["replicated_lower", "replicated_median", "replicated_upper"]].astype(float)
    assert numbers.T.apply(lambda row: row.is_monotonic_increasing).all()
    prior = pd.DataFrame(found["figure-prior_posterior"])
    assert prior["group"].tolist() == ["prior", "posterior"] * (len(prior) // 2)
    regions = pd.DataFrame(found["figure-region_residuals"])
    own = cells.assign(region=cells["la"].map(lambda code: las[code]["region"]))
    for (region, year), rows in own.groupby(["region", "year"]):
        z = regions[(regions["region"] == region) & (regions["year"] == year)].iloc[0]
        mine = rows["residual"].astype(float)
        expected = mine.sum() / np.sqrt(len(mine))
        assert float(z["residual_in_standard_errors"]) == pytest.approx(expected, abs=1e-3)


@given(texts)
def test_cells_are_made_harmless_as_in_files_of_data(text: str) -> None:
    """Reports import nothing of the data's code, so that each has its own."""
    assert pages.neutralise(text) == csv_safe.neutralise(text)
    table = pd.DataFrame({"name": [text, None], "value": [1.23456789, np.nan]})
    rows = list(csv.reader(io.StringIO(pages.table_csv(table), newline="")))
    assert rows[1:] == [[csv_safe.neutralise(text), "1.23457"], ["", ""]]


def test_counts_are_whole_and_other_numbers_are_short() -> None:
    table = pd.DataFrame({"value": [280_123.0, 11_012_345.0, -250_000.4, 0.000123456789, 5.0]})
    lines = pages.table_csv(table).splitlines()
    assert lines == ["value", "280123", "11012345", "-250000", "0.000123457", "5"]
