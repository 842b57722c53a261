"""Authorities of a run: who is chosen, and how sure the report is of their ranks."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.authorities import (
    Reference,
    against,
    choose,
    quantities,
    rank_words,
    ranked,
    sureness,
)
from reports.figures_maps import map_panels, residual_map_panels
from reports.run_folder import Run
from tests.factories import edit_json, make_run, without_groups

OWN = "E06000006"
MARKUP = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def run(complete_run: Path) -> Run:
    return Run.read(complete_run)


def test_quantities_are_estimates_of_authorities_with_their_ranks(run: Run) -> None:
    found = {one.key: one for one in ranked(run)}
    assert list(found) == ["la_rate", "la_growth"]
    rate = found["la_rate"]
    assert rate.year == 2014
    assert len(rate.table) == 12
    assert rate.reference.label == "England"
    national = run.estimand("national_rate").set_index("year")["mean"]
    assert rate.reference.value == pytest.approx(national[2014])
    # Growth has no estimate of England in this run.
    growth = found["la_growth"]
    assert growth.reference.label == "median authority"
    assert growth.reference.value == pytest.approx(growth.table["mean"].median())


def test_growth_is_held_against_england_over_the_same_years_alone(copied: Path) -> None:
    path = copied / "estimands.csv"
    table = pd.read_csv(path)
    row = table[table["estimand"] == "slope_change"].assign(estimand="annual_growth", mean=5.5)
    pd.concat([table, row]).to_csv(path, index=False)
    assert ranked(Run.read(copied))[1].reference == Reference(5.5, "England")
    # England's series begins before that of authorities.
    first = table[(table["estimand"] == "national_rate") & (table["year"] == 2005)]
    pd.concat([table, row, first.assign(year=2001)]).to_csv(path, index=False)
    assert ranked(Run.read(copied))[1].reference.label == "median authority"


def test_chosen_are_extremes_median_own_and_neighbours_in_order(run: Run) -> None:
    rate = ranked(run)[0]
    near = run.places["neighbours"][OWN]
    chosen = choose(rate, OWN, near)
    assert chosen["mean"].is_monotonic_decreasing
    assert chosen.loc[OWN, "role"] == "own"
    order = rate.table["mean"].sort_values(ascending=False).index
    assert set(order[:3]) | set(order[-3:]) <= {*chosen.index}
    assert set(near) <= {*chosen.index}
    assert order[6] in chosen.index
    # Without one's own nobody is marked as such.
    assert "own" not in set(choose(rate)["role"])
    assert set(choose(rate, "E99999999", ["E88888888"])["role"]) == {"highest", "lowest", "median"}


@pytest.mark.parametrize(
    ("top", "bottom", "end"),
    [
        (0.95, 0.0, "one can be sure that it is among the highest."),
        (0.0, 0.9, "one can be sure that it is among the lowest."),
        (0.06, 0.02, "one can be sure that it is among neither."),
        (0.08, 0.08, "undecided."),
        (0.6, 0.0, "undecided."),
        (0.11, 0.0, "undecided."),
    ],
)
def test_sureness_follows_its_rule(top: float, bottom: float, end: str) -> None:
    said = sureness({"rank": 3.0, "p_top_fifth": top, "p_bottom_fifth": bottom})
    assert said.endswith(end)


def test_what_is_not_known_is_not_said() -> None:
    assert "not assessed" in sureness({"rank": np.nan})
    assert rank_words({"rank": np.nan}) == ""
    assert (
        rank_words({"rank": 33.6, "rank_lower": 20, "rank_upper": 57, "authorities": 152})
        == "34 of 152 (20 to 57)"
    )


def test_against_needs_the_whole_interval(run: Run) -> None:
    reference = ranked(run)[0].reference
    value = reference.value
    assert against({"lower": value + 1, "upper": value + 2}, reference) == "above"
    assert against({"lower": value - 2, "upper": value - 1}, reference) == "below"
    assert against({"lower": value - 1, "upper": value + 1}, reference) == "interval holds it"
    assert against({"lower": None, "upper": 1}, reference) == "not assessed"


def explorer(page: str) -> dict:  # type: ignore[type-arg]
    found = re.search(r'<script type="application/json" id="la-data">(.*?)</script>', page, re.S)
    assert found
    return dict(json.loads(found[1]))


def test_script_draws_what_the_file_holds(report: str, complete_run: Path) -> None:
    data = explorer(report)
    table = pd.read_csv(complete_run / "estimands.csv")
    rates = table[(table["estimand"] == "la_rate") & (table["year"] == 2014)].set_index("la")
    ranks = pd.read_csv(complete_run / "ranks.csv")
    ranks = ranks[ranks["estimand"] == "la_rate"].set_index("la")
    quantity = data["quantities"][0]
    assert len(data["las"]) == len(quantity["rows"]) == 12
    for la, row in zip(data["las"], quantity["rows"], strict=True):
        assert row["m"] == pytest.approx(rates.loc[la["code"], "mean"], rel=1e-4)
        assert row["u"] == pytest.approx(rates.loc[la["code"], "upper"], rel=1e-4)
        low, high = ranks.loc[la["code"], ["rank_lower", "rank_upper"]]
        assert row["rank"][::2] == [low, high]
    assert data["without"] == [{"name": "Never Fitted", "tile": [0, 3]}]
    assert [data["las"][i]["code"] for i in data["las"][5]["near"]] == [
        "E06000003",
        "E06000004",
        "E06000005",
    ]


def test_pictures_of_a_run_that_is_not_reportable_say_so(
    report: str, copied: Path, rendered: Callable[[Path], str]
) -> None:
    assert explorer(report)["stamp"] == "Simulated England"
    edit_json(copied / "verdict.json", reportable=False)
    assert explorer(rendered(copied))["stamp"] == "Simulated England · NOT REPORTABLE"


def test_no_name_ends_the_script(tmp_path: Path, rendered: Callable[[Path], str]) -> None:
    run = make_run(tmp_path / "run", names={0: MARKUP})
    places = json.loads((run / "places.json").read_text())
    places["las"]["E09999999"]["name"] = MARKUP
    edit_json(run / "places.json", las=places["las"])
    page = rendered(run)
    assert MARKUP not in page
    assert explorer(page)["las"][0]["name"] == MARKUP


def test_runs_without_ranks_say_how_to_get_them(
    copied: Path, rendered: Callable[[Path], str]
) -> None:
    (copied / "ranks.csv").unlink()
    (copied / "places.json").unlink()
    page = rendered(copied)
    assert 'id="la-data"' not in page
    assert "the run holds no ranks" in page.replace("The run", "the run")
    assert "Map of residuals" in page
    assert quantities(Run.read(copied))
    assert ranked(Run.read(copied)) == []


def test_maps_name_what_is_missing(run: Run, copied: Path) -> None:
    panels = map_panels(run)
    assert [panel.key for panel in panels] == ["map-la_rate", "map-la_growth"]
    assert "Without estimate: Never Fitted." in panels[0].shows
    assert "Invented outlines" in panels[0].read
    edit_json(copied / "places.json", tiles={}, outlines={})
    for panel in (*map_panels(Run.read(copied)), *residual_map_panels(Run.read(copied))):
        assert panel.missing == "the cube holds no boundaries"


def test_residuals_of_the_last_year_where_authorities_have_levels(run: Run, copied: Path) -> None:
    panel = residual_map_panels(run)[0]
    assert "in 2014" in panel.read
    # 2 standard errors: each is one cell's residual.
    cells, residual = run.cells, run.variable("criticism", "residual")
    assert cells is not None
    assert residual is not None
    last = residual[(cells["year"] == 2014).to_numpy()]
    assert panel.shows.startswith(f"{int((np.abs(last) >= 2).sum())} of {len(last)} authorities")
    without_groups(copied, "posterior")
    assert "over the years" in residual_map_panels(Run.read(copied))[0].read


def test_what_is_not_to_be_put_in_order_does_not_sort(
    copied: Path, rendered: Callable[[Path], str]
) -> None:
    assert "data-unordered" not in _headings(rendered(copied))
    ranks = pd.read_csv(copied / "ranks.csv")
    ranks[ranks["estimand"] != "la_growth"].to_csv(copied / "ranks.csv", index=False)
    page = rendered(copied)
    (heading,) = re.findall(r"<th[^>]*data-unordered[^>]*>([^<]*)", page)
    assert "rowth" in heading
    assert "map-la_growth" not in page
    assert [one["key"] for one in explorer(page)["quantities"]] == ["la_rate"]
    # Without ranks nothing is known of what may be ordered.
    (copied / "ranks.csv").unlink()
    assert "data-unordered" not in _headings(rendered(copied))


def _headings(page: str) -> str:
    return " ".join(re.findall(r"<th[^>]*>", page))
