"""The page of one authority: what reportable runs say, and silence of those that are not."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports import pages
from reports.cube_file import CubeFile, Series
from reports.la_report import Source, cell_text, published_rows, render_la_page
from tests.factories import edit_json, make_run
from tests.reports.cubes import FINDINGS, HOSTILE, make_tree, write_cube
from tests.reports.page import Page
from tests.reports.test_run_report import plain

# The third authority of the cube, and of runs that name the same authorities.
PLACE, CODE = 2, "S90000003"
Made = Callable[..., str]


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cube(make_tree(), tmp_path_factory.mktemp("cube"), FINDINGS)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    names = {0: HOSTILE, PLACE: "Bramblestead"}
    for name, seed in (("base", 1), ("variant", 2), ("failed", 3)):
        run = make_run(
            folder / name, n_las=9, draws=20, names=names, seed=seed, first_code="S90000001"
        )
        edit_json(run / "spec.json", title=f"Trend {name}", cannot_say=[f"Cannot {name}."])
    gates = json.loads((folder / "failed" / "verdict.json").read_text())["gates"]
    gates[0] |= {"status": "fail", "value": 1.3}
    edit_json(folder / "failed" / "verdict.json", reportable=False, gates=gates)
    # A number that must not be seen anywhere.
    table = pd.read_csv(folder / "failed" / "estimands.csv")
    table.loc[table["la"] == CODE, ["mean", "lower", "upper"]] = 98765.0
    table.to_csv(folder / "failed" / "estimands.csv", index=False)
    return folder


@pytest.fixture
def made(cube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 672, 320))

    def render(sources: list[Source], passed_over: int = 0, place: int = PLACE) -> str:
        page = render_la_page(tmp_path / "p.html", cube, place, sources, passed_over)
        return page.read_text(encoding="utf-8")

    return render


def sources_of(stored: Path) -> list[Source]:
    return [
        Source(stored / "base", "national_trend", "national_trend"),
        Source(stored / "variant", "national_trend--linear", "national_trend", ("code changed",)),
        Source(stored / "failed", "national_trend--break_2008", "national_trend"),
    ]


def test_each_reportable_run_speaks_and_the_others_are_named(made: Made, stored: Path) -> None:
    page = made(sources_of(stored), 7)
    text = plain(page)
    assert "1 model and 1 variant speak on it" in text
    assert "not reportable national_trend--break_2008: Failed: Rank R-hat." in text
    assert "98,765" not in page
    assert "Cannot failed" not in page
    assert "Cannot base." in text
    assert "7 other stored runs" in text
    assert "stale" in text
    row = pd.read_csv(stored / "base" / "estimands.csv")
    row = row[(row["estimand"] == "la_rate") & (row["la"] == CODE) & (row["year"] == 2014)]
    shown = re.search(r"What it shows ([\d.]+) per 10,000 children \(", text)
    assert shown
    assert float(shown[1]) == pytest.approx(row["mean"].iloc[0], rel=0.02)


def test_page_is_sound_and_escapes_names(made: Made, stored: Path) -> None:
    page = made(sources_of(stored), place=0)
    read = Page(page)
    assert (read.unbalanced, read.stack) == ([], [])
    ids = [attributes["id"] for _, attributes in read.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert HOSTILE not in page
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    levels = [level for level, _ in read.headings]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert "<th>" not in page


def test_without_runs_the_published_figures_stand_alone(made: Made) -> None:
    text = plain(made([]))
    assert "0 models and 0 variants speak on it" in text
    assert "No reportable run of a model's base experiment" in text
    assert "Published figures" in text


def test_an_authority_that_was_not_fitted_has_no_estimate(
    made: Made, stored: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "other", n_las=2, draws=20, first_code="S90000001")
    text = plain(made([Source(run, "national_trend", "national_trend")]))
    assert "no estimate Section 47 enquiries: " in text


def test_unranked_estimates_have_no_rank(made: Made, stored: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "unranked", n_las=9, draws=20, first_code="S90000001")
    ranks = pd.read_csv(run / "ranks.csv")
    ranks[ranks["estimand"] != "la_growth"].to_csv(run / "ranks.csv", index=False)
    text = plain(made([Source(run, "national_trend", "national_trend")]))
    assert re.search(r"Authority growth|growth", text)
    assert "No rank is given." in text


def test_published_rows_are_the_cube_s_rates(cube: Path) -> None:
    file = CubeFile.read(cube)
    rows = {row["label"]: row for row in published_rows(file, PLACE)}
    indicator = next(i for i in file.indicators if i.label in rows)
    series = file.rates[indicator.name]
    own = series.at(PLACE)
    texts = rows[indicator.label]["own"]
    assert len(texts) == len(file.years)
    for i, text in enumerate(texts):
        assert text == cell_text(own, i)
    _, peers = file.peers[PLACE]
    for i, text in enumerate(rows[indicator.label]["peers"]):
        values = series.value[peers, i]
        if text != "–":
            assert float(text.replace(",", "")) == pytest.approx(np.nanmedian(values), abs=0.5)
            assert 2 * np.isfinite(values).sum() >= len(peers)


def test_cells_say_number_bounds_or_reason() -> None:
    nan = np.nan
    series = Series(
        np.array([1234.5, nan, nan, nan]),
        np.array([1234.5, 1.0, 2.01, nan]),
        np.array([1234.5, 5.0, 2.04, nan]),
        np.array(["exact", "suppressed", "derived", "not available"], object),
    )
    assert [cell_text(series, i) for i in range(4)] == [
        "1,234",
        "1.0 to 5.0",
        "2.0",
        "not available",
    ]
