"""Stacks of published England: who is judged, who is set aside, who is held against them."""

from pathlib import Path

import pytest
import xarray as xr

from data_prep.published import build_published
from data_prep.schema import cube_hash
from models.aftermath import SPEC, AftermathOptions
from models.aftermath_data import FIRST_EVENT, LAST_EVENT, event_cells

RAW = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]


@pytest.fixture(scope="module")
def england() -> xr.DataTree:
    tree = build_published(RAW, (2010, 2024))[0]
    tree.attrs["cube_hash"] = cube_hash(tree)
    return tree


def test_stacks_of_section_47(england: xr.DataTree) -> None:
    observations = SPEC.observe(england, AftermathOptions())
    stacks = {s.cohort: (len(s.judged), len(s.comparison)) for s in observations.stacks}
    # Cohort 2010 has no year before, and nobody was judged inadequate in the year to March 2021.
    assert min(stacks) == 2011
    assert 2021 not in stacks
    assert stacks[2013] == (16, 48)
    assert stacks[2020] == (10, 36)
    assert sum(judged for judged, _ in stacks.values()) == 86
    cells = event_cells(observations).groupby("event_time")["judged"].sum()
    assert cells[1] == 79


# Judged authorities by event year, -3 to 3: the window's ends cut the first and the last cohorts.
JUDGED = {
    "2009_to_2018": {
        "section47": [46, 46, 55, 55, 56, 56, 56],
        "icpc": [46, 46, 55, 55, 56, 56, 56],
        "cpp_starts": [46, 47, 58, 57, 58, 58, 58],
        "icpc_15_days": [45, 45, 55, 55, 56, 56, 56],
    },
    "since_2018": {
        "section47": [29, 30, 30, 30, 23, 18, 15],
        "icpc": [29, 30, 30, 30, 23, 18, 15],
        "cpp_starts": [29, 30, 30, 30, 23, 18, 15],
        "icpc_15_days": [29, 29, 29, 29, 23, 18, 15],
    },
}


@pytest.mark.parametrize("frameworks", JUDGED)
def test_both_eras_have_years_before_and_after(england: xr.DataTree, frameworks: str) -> None:
    for outcome, expected in JUDGED[frameworks].items():
        options = AftermathOptions(outcome=outcome, frameworks=frameworks)
        cells = event_cells(SPEC.observe(england, options))
        numbers = cells.groupby("event_time")["judged"].sum()
        assert numbers.index.tolist() == list(range(FIRST_EVENT, LAST_EVENT + 1))
        assert numbers.tolist() == expected, outcome
