"""The profile of one authority: found by name or code, printed with its reasons, drawn."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data_prep import profile
from data_prep.__main__ import main
from data_prep.errors import DataError
from data_prep.indicators import INDICATORS
from data_prep.profile import (
    LEGEND,
    NEIGHBOURS,
    Profile,
    cell_text,
    derive_profiles,
    describe_profile,
    draw_profile,
    find_cube,
    find_la,
    find_neighbours,
    find_peers,
)
from data_prep.rates import Rates
from data_prep.schema import save_cube
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions

NAN = float("nan")
NAMES = ("Leeds", "Bristol, City of", "East Sussex", "West Sussex", "Sussex", "<b>$x^2$</b>")


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    found = build_simulated(
        SimulationOptions(las=6, first_year=2006, last_year=2013, national_years=(2003,), seed=3)
    )
    cube = found["cube"].to_dataset().assign_coords(la_name=("la", np.array(NAMES)))
    found["cube"] = xr.DataTree(cube)
    return found


@pytest.fixture(scope="module")
def cube(tree: xr.DataTree) -> xr.Dataset:
    return tree["cube"].to_dataset()


@pytest.mark.parametrize(
    ("text", "name"),
    [("Leeds", 0), (" lEEDS ", 0), ("bristol", 1), ("east", 2), ("Sussex", 4), ("east sussex", 2)],
)
def test_an_authority_is_found_by_name(cube: xr.Dataset, text: str, name: int) -> None:
    assert find_la(text, cube) == name


def test_an_authority_is_found_by_code(cube: xr.Dataset) -> None:
    code = str(cube["la"].values[3])
    assert find_la(code.lower(), cube) == 3


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("Leds", "no authority", "write one of: Leeds"),
        ("Bristl", "no authority", "Bristol, City of"),
        ("t sussex", "more than one", "East Sussex, West Sussex"),
        ("zzzz", "no authority", "a name, or a code, such as Leeds"),
        ("  ", "no authority", "a name, or a code"),
    ],
)
def test_other_texts_are_refused_with_the_nearest(
    cube: xr.Dataset, text: str, problem: str, remedy: str
) -> None:
    with pytest.raises(DataError) as caught:
        find_la(text, cube)
    (fault,) = caught.value.faults
    assert problem in fault.problem
    assert remedy in fault.remedy


def series(*cells: tuple[float, float, float]) -> Rates:
    value, lower, upper = (np.array(column) for column in zip(*cells, strict=True))
    return Rates(value, lower, upper, np.array(["not_available"] * len(cells), object))


def exact(value: float) -> tuple[float, float, float]:
    return value, value, value


def test_cells_are_numbers_bounds_or_markers() -> None:
    rates = series(exact(12.34), exact(1234.5), (NAN, 0.5, 4.0), (NAN, 2.0, 2.01), exact(NAN))
    texts = [cell_text(rates, i) for i in range(5)]
    assert texts == ["12.3", "1,234", "0.5-4.0", "2.0", ":"]
    for reason, marker in profile.MARKERS.items():
        gone = Rates(*(np.array([NAN]),) * 3, np.array([reason], object))
        assert cell_text(gone, 0) == marker
        assert f"{marker} {reason.replace('_', ' ')}" in LEGEND


def beside(*neighbours: Rates) -> Profile:
    years = [2010 + i for i in range(len(neighbours[0].value))]
    return Profile(INDICATORS["cpp_rate"], years, neighbours[0], None, list(neighbours))


def test_the_median_is_of_neighbours_with_a_figure() -> None:
    one, two = series(exact(1), exact(NAN)), series(exact(3), exact(5))
    three = series(exact(8), exact(NAN))
    median = beside(one, two, three).median
    assert median is not None
    np.testing.assert_array_equal(median.value, [3, 5])
    np.testing.assert_array_equal(median.lower, [3, 5])


def test_the_median_of_hidden_counts_is_an_interval() -> None:
    median = beside(series(exact(4)), series((NAN, 1, 9)), series(exact(6))).median
    assert median is not None
    assert np.isnan(median.value[0])
    assert (median.lower[0], median.upper[0]) == (4, 6)


def test_without_neighbours_there_is_no_median() -> None:
    assert Profile(INDICATORS["cpp_rate"], [2010], series(exact(1)), None, []).median is None
    assert beside(series(exact(NAN))).median is None


def test_profiles_hold_every_indicator_beside_england_and_neighbours(tree: xr.DataTree) -> None:
    profiles = derive_profiles(tree, 2)
    cube, national = tree["cube"].to_dataset(), tree["national"].to_dataset()
    assert len(profiles) > 15
    found = {item.indicator.name: item for item in profiles}["referral_rate"]
    expected = 1e4 * cube["referrals"][2] / cube["population_0_17"][2]
    np.testing.assert_allclose(found.own.value, expected.values)
    of_years = national.sel(year=cube["year"])
    assert found.england is not None
    np.testing.assert_allclose(
        found.england.value, (1e4 * of_years["referrals"] / of_years["population_0_17"]).values
    )
    assert len(found.neighbours) == len(find_neighbours(tree)[2]) == 5
    assert 2 not in find_neighbours(tree)[2]
    assert found.breaks == [(2010, "child-level census")]


def test_years_without_england_totals_are_blank(tree: xr.DataTree) -> None:
    shorter = tree.copy()
    national = tree["national"].to_dataset()
    shorter["national"] = xr.DataTree(national.sel(year=national["year"] > 2009))
    (found, *_) = derive_profiles(shorter, 0)
    assert found.england is not None
    assert list(found.england.is_missing[:4]) == [True] * 4
    assert cell_text(found.england, 0) == ":"


@pytest.mark.parametrize("width", [60, 100, 400])
def test_the_table_says_all_within_its_width(tree: xr.DataTree, width: int) -> None:
    profiles = derive_profiles(tree, 0)
    text = describe_profile(tree, 0, profiles, width)
    lines = text.splitlines()
    assert lines[0].startswith("Leeds (")
    assert "simulated England" in lines[0]
    assert LEGEND in text
    for item in profiles:
        assert item.indicator.label in text
    rows = [line for line in lines if line.startswith("  ")]
    assert max(map(len, rows)) <= width
    years = [word for line in lines for word in line.split() if line.split()[0] == word == "2006"]
    assert len(years) == 1
    assert text.count("authority  ") >= len(profiles)
    assert "England" in text
    assert "neighbours' median" in text
    # The year in which a definition begins is marked in the row of the authority.
    assert "|" in next(line for line in rows if "authority" in line) or width == 60


def test_neighbours_of_published_cubes_are_found_under_their_name(tree: xr.DataTree) -> None:
    other = tree.copy()
    table = tree["neighbours"].to_dataset().rename(neighbour="neighbour_code")
    other["neighbours"] = xr.DataTree(table)
    assert find_peers(other, 1) == (find_neighbours(tree)[1], NEIGHBOURS)


def test_without_neighbours_the_region_stands_beside(tree: xr.DataTree) -> None:
    cube = tree["cube"].to_dataset()
    regions = ("A", "A", "B", "A", "", "")
    cube = cube.assign_coords(region=("la", np.array(regions)))
    bare = xr.DataTree.from_dict({"/cube": cube})
    assert find_peers(bare, 0) == ([1, 3], "A")
    assert find_peers(bare, 2) == ([], "B")
    assert find_peers(bare, 4) == ([], "")
    text = describe_profile(bare, 0, derive_profiles(bare, 0))
    assert "region's median" in text
    assert "Others of its region, A: Bristol, City of, West Sussex" in " ".join(text.split())


def test_groups_may_be_absent(tree: xr.DataTree, tmp_path: Path) -> None:
    cube = tree["cube"].to_dataset().drop_vars("region")
    bare = xr.DataTree.from_dict({"/cube": cube})
    bare.attrs |= tree.attrs
    profiles = derive_profiles(bare, 5)
    text = describe_profile(bare, 5, profiles)
    assert "median" not in text
    assert "England  " not in text
    path = draw_profile(bare, 5, profiles, tmp_path / "x.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_and_draws(
    tree: xr.DataTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_cube(tree, tmp_path / "some.nc")
    out = tmp_path / "out"
    words = ["profile", "--la", "bristol", "--cube", str(path), "--out", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Bristol, City of (" in printed
    picture = out / "simulated-bristol-city-of.png"
    assert f"Picture: {picture}" in printed
    assert [item.name for item in out.iterdir()] == [picture.name]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert 20_000 < picture.stat().st_size < 2_000_000
    assert main(["profile", "--la", "nowhere", "--cube", str(path)]) == 2


def test_a_cube_without_an_indicator_is_refused(tree: xr.DataTree, tmp_path: Path) -> None:
    cube = tree["cube"].to_dataset()
    names = [name for name in cube.data_vars if str(name).startswith("caseload")]
    bare = xr.DataTree.from_dict({"/cube": cube[names]})
    bare.attrs |= tree.attrs
    path = save_cube(bare, tmp_path / "bare.nc")
    assert main(["profile", "--la", "Leeds", "--cube", str(path)]) == 2


def test_without_a_name_the_newest_published_cube_is_taken(
    tree: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "CUBES", tmp_path)
    with pytest.raises(DataError, match="no cube there"):
        find_cube("")
    small = tree.copy()
    save_cube(small, tmp_path / "simulated.nc")
    assert find_cube("").name == "simulated.nc"
    small.attrs["kind"] = "published England"
    save_cube(small, tmp_path / "published-2006-2013.nc")
    small.attrs["kind"] = "simulated England"
    save_cube(small, tmp_path / "zz.nc")
    assert find_cube("").name == "published-2006-2013.nc"
    assert find_cube("some") == tmp_path / "some.nc"
    assert find_cube("a/b.nc") == Path("a/b.nc")
