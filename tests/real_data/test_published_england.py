"""The official census files, where they are at hand."""

import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data_prep.checks import FAIL, Finding
from data_prep.published import build_published
from data_prep.schema import CONFIDENCE, STATUS

RAW = Path(__file__).parents[2] / ".." / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]

LEEDS, CITY, SCILLY = "E08000035", "E09000001", "E06000053"


@pytest.fixture(scope="module")
def built() -> tuple[xr.DataTree, list[Finding]]:
    return build_published(RAW, range(2010, 2018), range(2001, 2018))


@pytest.fixture(scope="module")
def cube(built: tuple[xr.DataTree, list[Finding]]) -> xr.Dataset:
    return built[0]["cube"].to_dataset()


def cell(cube: xr.Dataset, la: str, year: int, measure: str) -> tuple[float, float, int]:
    found = cube.sel(la=la, year=year)
    return (
        found[f"{measure}_lower"].item(),
        found[f"{measure}_upper"].item(),
        found[f"{measure}_status"].item(),
    )


def test_the_study_window_has_152_units_and_builds_in_seconds() -> None:
    start = time.perf_counter()
    tree, findings = build_published(RAW, [2010, 2014], [2001, 2014])
    assert time.perf_counter() - start < 30
    assert dict(tree["cube"].to_dataset().sizes) == {"la": 152, "year": 5}
    assert not [finding for finding in findings if finding.level == FAIL]


# LAs with a number, 2010-2014, as counted by hand in the files.
COUNTED = {
    "rereferrals": (0, 136, 140, 148, 149),
    "referrals_nfa": (0, 0, 144, 148, 148),
    "section47": (132, 147, 145, 150, 151),
    "cpp_starts": (152, 151, 150, 150, 150),
    "cpp_at_31_march": (138, 150, 150, 149, 152),
    "cin_at_31_march": (144, 148, 150, 149, 150),
    "initial_assessments_10_days": (142, 145, 141, 139, 123),
    "core_assessments_35_days": (151, 151, 142, 139, 121),
    "icpc_15_days": (133, 147, 140, 146, 148),
    "cpp_open_2_years": (0, 0, 103, 106, 97),
    "single_assessments": (0, 0, 0, 0, 107),
}


@pytest.mark.parametrize("measure", COUNTED)
def test_coverage(cube: xr.Dataset, measure: str) -> None:
    window = cube[measure].sel(year=slice(2010, 2014))
    assert tuple(np.isfinite(window.values).sum(axis=0)) == COUNTED[measure]


def test_england_is_not_isle_of_wight(built: tuple[xr.DataTree, list[Finding]]) -> None:
    tree, _ = built
    wight = tree["cube"]["referrals"].sel(la="E06000046")
    assert (wight < 5_000).all()
    referrals = tree["national"]["referrals"]
    assert referrals.sel(year=2013) == 593_500
    assert referrals.sel(year=2008) == 538_500


def test_separators_are_read(cube: xr.Dataset) -> None:
    assert cube["referrals"].sel(la="E06000047", year=2010) == 6_322


@pytest.mark.parametrize(
    ("la", "year"),
    [("E09000025", 2012), ("E09000016", 2012), ("E10000020", 2013), ("E06000052", 2014)],
)
def test_missing_returns_are_missing(cube: xr.Dataset, la: str, year: int) -> None:
    assert cell(cube, la, year, "referrals")[2] == STATUS["not_available"]


def test_pilots_have_no_initial_assessments(cube: xr.Dataset) -> None:
    for year in (2012, 2013):
        assert cell(cube, "E09000012", year, "initial_assessments")[2] == STATUS["not_applicable"]
    pilot = cube["initial_assessments_confidence"].sel(la="E09000012", year=2012)
    assert pilot == CONFIDENCE["pilot"]
    assert cell(cube, "E09000007", 2014, "initial_assessments")[2] == STATUS["not_applicable"]


def test_2012_zeros_of_authorities_without_durations_are_not_counts(cube: xr.Dataset) -> None:
    for measure in ("initial_assessments_10_days", "cpp_open_2_years"):
        assert cell(cube, "E09000025", 2012, measure)[2] == STATUS["not_available"]


def test_large_hidden_counts_are_not_read_as_small(cube: xr.Dataset) -> None:
    assert cell(cube, "E06000030", 2010, "section47")[1] > 40_000
    lower, upper, _ = cell(cube, "E06000032", 2010, "children_referred")
    assert lower > 600
    assert upper == 1_387
    assert cell(cube, "E06000012", 2011, "core_assessments")[0] >= 80
    # A later release prints 168.
    lower, upper, _ = cell(cube, "E09000009", 2017, "cpp_reviewed_on_time")
    assert lower <= 168 <= upper
    assert cell(cube, CITY, 2011, "referrals") == (30, 30, STATUS["derived"])


def test_small_hidden_counts_are_one_to_five(cube: xr.Dataset) -> None:
    assert cell(cube, "E08000021", 2014, "referrals_nfa") == (1, 5, STATUS["suppressed"])
    assert cell(cube, SCILLY, 2013, "section47") == (1, 5, STATUS["suppressed"])


def test_2017_open_episodes_stand_under_last_years_header(cube: xr.Dataset) -> None:
    total = cube["cin_at_31_march"].sel(year=2017).sum()
    assert total == 389_431


def test_long_windows_join_nothing_before_2019(cube: xr.Dataset) -> None:
    assert cube.sizes["la"] == 152
    assert "E06000057" in cube["la"].values
    assert not [code for code in cube["la"].values if code.startswith("J")]
