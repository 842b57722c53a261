"""The windows of published England that every source takes part in."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data_prep.checks import FAIL, Finding
from data_prep.published import build_published
from data_prep.schema import cube_hash

RAW = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]

WINDOWS = {(2010, 2014): 152, (2010, 2024): 150, (2013, 2024): 150}


@pytest.fixture(scope="module", params=WINDOWS, ids=lambda window: f"{window[0]}-{window[1]}")
def built(request: pytest.FixtureRequest) -> tuple[xr.DataTree, list[Finding]]:
    return build_published(RAW, request.param, (2001, request.param[1]))


def test_no_check_fails(built: tuple[xr.DataTree, list[Finding]]) -> None:
    assert not [finding for finding in built[1] if finding.level == FAIL]


def test_units_are_as_many_as_the_reorganisations_leave(
    built: tuple[xr.DataTree, list[Finding]],
) -> None:
    cube = built[0]["cube"].to_dataset()
    years = [int(year) for year in cube["year"].values]
    assert cube.sizes["la"] == WINDOWS[years[0], years[-1]]


def test_every_number_has_a_source(built: tuple[xr.DataTree, list[Finding]]) -> None:
    tree, _ = built
    cube, provenance = tree["cube"].to_dataset(), tree["provenance"].to_dataset()
    sources = provenance["source_file"].values
    for measure in (name for name in provenance.data_vars if name in cube):
        known = np.isfinite(cube[f"{measure}_upper"].values)
        assert (provenance[measure].values[known] >= 0).all(), measure
        assert provenance[measure].values.max() < len(sources)


def test_bounds_hold_every_number(built: tuple[xr.DataTree, list[Finding]]) -> None:
    cube = built[0]["cube"].to_dataset()
    for measure in (name for name in cube.data_vars if f"{name}_lower" in cube):
        value = cube[measure].values
        number = np.isfinite(value)
        assert (cube[f"{measure}_lower"].values[number] <= value[number]).all(), measure
        assert (cube[f"{measure}_upper"].values[number] >= value[number]).all(), measure


# Authorities with a number by the first and the latest release, where the files tell both.
def test_the_preferred_release_decides() -> None:
    first = build_published(RAW, (2013, 2014), prefer="first")[0]
    latest = build_published(RAW, (2013, 2014), prefer="latest")[0]
    cells = {"la": "E10000028", "year": 2013}
    assert first["cube"]["rereferrals"].sel(cells).item() == 2_165
    assert latest["cube"]["rereferrals"].sel(cells).item() == 1_044
    assert "same" not in first["cube"]["rereferrals"].attrs["regimes"]
    release = latest["provenance"]["release"].values
    index = latest["provenance"]["rereferrals"].sel(cells).item()
    assert "2024" in str(release[index])
    assert cube_hash(first) != cube_hash(latest)


def test_the_build_is_deterministic() -> None:
    one, other = (build_published(RAW, (2019, 2021))[0] for _ in range(2))
    assert cube_hash(one) == cube_hash(other)


def test_small_authorities_stay_in_unless_left_out() -> None:
    tree, findings = build_published(RAW, (2010, 2014), least_children=5_000)
    assert tree["cube"].sizes["la"] == 150
    assert [f.la for f in findings if f.check == "small authorities"] == [
        "Isles of Scilly",
        "City of London",
    ]


def test_returns_that_were_not_made_are_missing() -> None:
    cube = build_published(RAW, (2010, 2024))[0]["cube"].to_dataset()
    names = [str(name) for name in cube["la_name"].values]
    for name, year in (
        ("Newham", 2012),
        ("Havering", 2012),
        ("Norfolk", 2013),
        ("Cornwall", 2014),
        ("South Tyneside", 2015),
        ("Hackney", 2021),
        ("Hackney", 2022),
        ("Hampshire", 2024),
        ("Herefordshire, County of", 2024),
    ):
        found = cube["referrals_upper"].sel(year=year).values[names.index(name)]
        assert np.isnan(found), (name, year)
    unreliable = cube["referrals_low_reliability"].sel(year=2024).values
    assert {names[at] for at in np.flatnonzero(unreliable)} == {
        "Hampshire",
        "Herefordshire, County of",
    }
