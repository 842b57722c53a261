"""Inspections of published England beside their figures, where the official files are at hand."""

from pathlib import Path

import pytest
import xarray as xr

from data_prep.errors import DataError
from data_prep.published import build_published
from data_prep.schema import cube_hash
from models.inadequacy import SPEC, InadequacyOptions

RAW = Path(__file__).parents[2] / ".." / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]


@pytest.fixture(scope="module")
def cube() -> xr.DataTree:
    tree, _ = build_published(RAW, range(2010, 2025), [])
    # Given when a cube is saved; what is observed carries it.
    tree.attrs["cube_hash"] = cube_hash(tree)
    return tree


def test_the_years_of_the_study_hold_few_events(cube: xr.DataTree) -> None:
    seen = SPEC.observe(cube, InadequacyOptions(), years=(2012, 2014))
    assert len(seen.inspections) == 140
    assert seen.inadequate.sum() == 25
    assert set(seen.frameworks) == {"SLAC", "CPI"}
    assert not seen.inspections["began_known"].any()
    assert seen.deprivation_edition == 2010


def test_agency_rates_are_not_measurable_in_2012_and_are_under_ilacs(cube: xr.DataTree) -> None:
    with pytest.raises(DataError) as error:
        SPEC.observe(cube, InadequacyOptions(predictors=("agency_share",)), years=(2012, 2014))
    problems = [fault.problem for fault in error.value.faults]
    assert [text.split(" of its")[0] for text in problems] == [
        "not measurable under SLAC: known for 0%",
        "not measurable under CPI: known for 0%",
    ]
    options = InadequacyOptions(
        frameworks=("ILACS",), predictors=("sa_45_days_share", "rereferral_share", "agency_share")
    )
    seen = SPEC.observe(cube, options, years=(2018, 2024))
    assert len(seen.inspections) == 212
    assert seen.inadequate.sum() == 30
    assert seen.figures.known.mean() > 0.97
    assert seen.latest_year == 2024


def test_the_year_before_is_not_there_for_the_first_framework(cube: xr.DataTree) -> None:
    """Re-referrals are published from 2010-11 on: too late for most of SLAC's inspections."""
    with pytest.raises(DataError, match=r"rereferral_share.*not measurable under SLAC"):
        SPEC.observe(cube, InadequacyOptions(), years=(2010, 2014))
