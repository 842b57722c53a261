"""Leaving out cells and authorities by a rule: each keeps its reason, nothing else changes."""

import numpy as np
import pytest
import xarray as xr

from data_prep.errors import DataError
from data_prep.observations import observe_counts, observe_shares
from data_prep.schema import CONFIDENCE
from data_prep.selection import leave_out_by_confidence, small_authorities
from data_prep.simulated import SimulationOptions, build_simulated


@pytest.fixture(scope="module")
def cube() -> xr.DataTree:
    return build_simulated(SimulationOptions(seed=3, las=40, first_year=2010, last_year=2014))


def flagged(cube: xr.DataTree, measure: str, *words: str) -> set[tuple[str, int]]:
    """LA and year of the cells of a measure that carry one of these flags."""
    flags = cube["cube"].to_dataset()[f"{measure}_confidence"].transpose("la", "year")
    la, year = np.nonzero(np.isin(flags.to_numpy(), [CONFIDENCE[word] for word in words]))
    return set(
        zip(flags["la"].values[la].tolist(), flags["year"].values[year].tolist(), strict=True)
    )


def places(rows: object) -> set[tuple[str, int]]:
    return set(zip(rows["la"], rows["year"], strict=True))  # type: ignore[index]


def test_flagged_figures_are_dropped_with_their_reason(cube: xr.DataTree) -> None:
    ask = {"outcome": "section47", "exposure": "population_0_17"}
    everything = observe_counts(cube, **ask)
    found = observe_counts(leave_out_by_confidence(cube, ("low", "aggregate")), **ask)
    gone = flagged(cube, "section47", "low", "aggregate")
    assert gone
    assert places(found.cells) == places(everything.cells) - gone
    for word in ("low", "aggregate"):
        text = f"section 47 enquiries: left out, confidence {word}"
        marked = found.dropped[found.dropped["reason"] == text]
        assert places(marked) == flagged(cube, "section47", word)


def test_a_flag_of_the_denominator_counts_too(cube: xr.DataTree) -> None:
    kept = observe_counts(
        leave_out_by_confidence(cube, ("low",)), outcome="section47", exposure="referrals"
    )
    gone = flagged(cube, "referrals", "low") | flagged(cube, "section47", "low")
    assert not places(kept.cells) & gone
    shares = observe_shares(
        leave_out_by_confidence(cube, ("low",)), part="rereferrals", whole="referrals"
    )
    assert not places(shares.cells) & flagged(cube, "referrals", "low")


def test_the_cube_itself_stays_as_it_was(cube: xr.DataTree) -> None:
    before = cube["cube"].to_dataset().copy(deep=True)
    marked = leave_out_by_confidence(cube, ("low",))
    xr.testing.assert_identical(cube["cube"].to_dataset(), before)
    xr.testing.assert_identical(marked["cube"].to_dataset()[list(before)], before)
    assert leave_out_by_confidence(cube, ()) is cube


def test_a_rule_that_leaves_out_nothing_is_refused(cube: xr.DataTree) -> None:
    late = cube.copy()
    table = cube["cube"].to_dataset()
    late["cube"] = xr.DataTree(
        table.drop_vars([name for name in table if str(name).endswith("_confidence")])
    )
    with pytest.raises(DataError, match="no figure of this cube carries such a flag"):
        leave_out_by_confidence(late, ("low",))


def test_small_authorities_are_those_with_few_children(cube: xr.DataTree) -> None:
    children = cube["cube"].to_dataset()["population_0_17"].mean("year")
    middle = int(children.median())
    small = small_authorities(cube, middle)
    assert set(small) == set(children["la"].values[(children < middle).to_numpy()])
    assert 0 < len(small) < children.sizes["la"]
    assert small_authorities(cube, 0) == ()
