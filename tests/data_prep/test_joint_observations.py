"""Several outcomes at once: nothing lost, every fault told, scores and borders read."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data_prep.errors import DataError
from data_prep.joint_observations import (
    describe_joint_counts,
    observe_joint_counts,
    read_borders,
    read_deprivation,
    without_authorities,
)
from data_prep.simulated import SimulationOptions, build_simulated

EXPOSURES = {"referrals": "population_0_17", "cpp_starts": "icpc"}


@pytest.fixture(scope="module")
def cube() -> xr.DataTree:
    """24 simulated LAs, 2010-2014, one return in twenty missing."""
    options = SimulationOptions(seed=1, las=24, first_year=2010, missing_returns_percent=5.0)
    return build_simulated(options)


def test_every_cell_is_used_or_dropped_with_its_reason(cube: xr.DataTree) -> None:
    joint = observe_joint_counts(cube, EXPOSURES)
    every = pd.concat([joint.cells, joint.dropped])[["outcome", "la", "year"]]
    assert len(every) == len(every.drop_duplicates()) == 2 * 24 * 5
    assert (joint.dropped["reason"] != "").all()
    assert len(joint.dropped) > 0
    assert joint.outcomes == ("referrals", "cpp_starts")
    assert joint.weights.dims == ("outcome", "la", "year")
    interval = (joint.cells["upper"] > joint.cells["lower"]).astype(int)
    assert interval.is_monotonic_increasing
    assert joint.las.columns.tolist() == ["name", "region", "la_type"]


def test_each_outcome_has_its_own_exposure(cube: xr.DataTree) -> None:
    joint = observe_joint_counts(cube, EXPOSURES)
    table = cube["cube"].to_dataset()
    for outcome, exposure in EXPOSURES.items():
        cells = joint.cells[joint.cells["outcome"] == outcome]
        wanted = [
            float(table[exposure].sel(la=row.la, year=row.year)) for row in cells.itertuples()
        ]
        assert cells["exposure"].tolist() == wanted


def test_authorities_left_out_stay_among_the_dropped(cube: xr.DataTree) -> None:
    joint = observe_joint_counts(cube, EXPOSURES)
    code = str(joint.las.index[3])
    less = without_authorities(joint, {code: "no score"})
    assert code not in less.las.index
    assert code not in set(less.cells["la"])
    assert len(less.cells) + len(less.dropped) == len(joint.cells) + len(joint.dropped)
    gone = less.dropped[(less.dropped["la"] == code) & (less.dropped["reason"] == "no score")]
    assert set(gone["outcome"]) == set(EXPOSURES)
    described = describe_joint_counts(less)
    assert described["las"] == 23
    assert described["cells"] == 2 * 24 * 5
    rows = [row for row in described["dropped"] if row["reason"].endswith("no score")]  # type: ignore
    assert rows
    assert all(str(joint.names[code]) in row["examples"][0] for row in rows)
    everyone = dict.fromkeys(joint.las.index, "no score")
    with pytest.raises(DataError, match="no usable figure is left: no score") as caught:
        without_authorities(joint, everyone)
    assert [fault.column for fault in caught.value.faults] == ["referrals", "cpp_starts"]


def test_faults_of_all_outcomes_are_told_once(cube: xr.DataTree) -> None:
    wrong = {"nothing": "population_0_17", "referrals": "referrals"}
    with pytest.raises(DataError) as caught:
        observe_joint_counts(cube, wrong, exclude=("S99",))
    problems = [fault.problem for fault in caught.value.faults]
    assert problems == [
        "the cube holds no such count",
        "no such local authority in the cube",
        "outcome and exposure are the same measure",
    ]


def test_an_outcome_without_any_figure_is_refused(cube: xr.DataTree) -> None:
    empty = cube.copy()
    table = empty["cube"].to_dataset().copy(deep=True)
    for suffix in ("", "_lower", "_upper"):
        table[f"referrals{suffix}"][:] = np.nan
    empty["cube"] = xr.DataTree(table)
    with pytest.raises(DataError, match="no usable local-authority figure is left"):
        observe_joint_counts(empty, EXPOSURES)


def test_scores_and_editions(cube: xr.DataTree) -> None:
    score = read_deprivation(cube, "idaci", 2010)
    assert score.index.tolist() == cube["cube"]["la"].values.tolist()
    assert score.between(0, 1).all()
    with pytest.raises(DataError, match="use one of: 2004, 2007, 2010, 2015, 2019"):
        read_deprivation(cube, "imd", 2012)
    bare = cube.copy()
    del bare["deprivation"]
    with pytest.raises(DataError, match="holds no deprivation scores"):
        read_deprivation(bare, "imd", 2010)


def test_borders_are_positions_and_those_of_absent_authorities_are_left_out(
    cube: xr.DataTree,
) -> None:
    las = [str(code) for code in cube["cube"]["la"].values]
    every = read_borders(cube, las)
    assert len(every) == cube["adjacency"].sizes["edge"]
    table = cube["adjacency"].to_dataset()
    assert [las[i] for i in every[:, 0]] == table["la_from"].values.tolist()
    some = read_borders(cube, las[:10])
    assert some.max() < 10
    assert len(some) == (every < 10).all(axis=1).sum()
    bare = cube.copy()
    del bare["adjacency"]
    with pytest.raises(DataError, match="border on each other"):
        read_borders(bare, las)


def test_true_parts_are_held_to_their_whole_where_asked_for() -> None:
    cube = build_simulated(SimulationOptions(seed=1, las=24, first_year=2010))
    table = cube["cube"].to_dataset()
    for part in ("", "_lower", "_upper"):
        table[f"referrals_nfa{part}"][2, 1] = float(table["referrals"][2, 1]) + 5
    cube["cube"] = xr.DataTree(table)
    exposures = {"referrals_nfa": "referrals"}
    counted = observe_joint_counts(cube, exposures)
    assert (counted.cells["lower"] > counted.cells["exposure"]).sum() == 1
    held = observe_joint_counts(cube, exposures, shares=("referrals_nfa",))
    assert (held.cells["upper"] <= held.cells["exposure"]).all()
    assert "more than referrals" in " ".join(held.dropped["reason"])
