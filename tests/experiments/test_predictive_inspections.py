"""Checks of judgements: each fails on data made to violate it, none on the model's own data."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from experiments.predictive import Check
from experiments.predictive_inspections import check_inspections

LAS, INSPECTIONS, REPLICATES = 60, 300, 400
RNG = np.random.default_rng(3)
LA = np.arange(INSPECTIONS) % LAS
YEAR, FRAMEWORK = np.arange(INSPECTIONS) // 100, np.arange(INSPECTIONS) // 150
P = np.tile(np.linspace(0.05, 0.4, 100), 3)
REGIONS = [("North", "South", "East")[i // 20] for i in range(LAS)]
COORDS = {"year": [2012, 2013, 2014], "framework": ["SLAC", "CPI"], "la": list(range(LAS))}
CHECKS = [
    "events",
    "framework_departure",
    "year_departure",
    "region_departure",
    "calibration",
    "repeated_events",
]


def drawn(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.uniform(size=INSPECTIONS) < p).astype(int)


def trace(
    observed: np.ndarray, replicated: np.ndarray | None = None, worst: int = 1
) -> xr.DataTree:
    rng = np.random.default_rng(4)
    if replicated is None:
        replicated = np.stack([drawn(P, rng) for _ in range(REPLICATES)])
    constant = {"la": LA, "year": YEAR, "framework": FRAMEWORK}
    constant["y_worst"] = np.full(INSPECTIONS, worst)
    return xr.DataTree.from_dict(
        {
            "observed_data": xr.Dataset({"y": ("obs", observed)}),
            "constant_data": xr.Dataset({name: ("obs", v) for name, v in constant.items()}),
            "posterior_predictive": xr.Dataset(
                {"y": (("chain", "draw", "obs"), replicated.reshape(2, -1, INSPECTIONS))}
            ),
        }
    )


def checked(tree: xr.DataTree) -> dict[str, Check]:
    return {check.name: check for check in check_inspections(tree, COORDS, REGIONS)}


def test_data_of_the_model_pass() -> None:
    found = checked(trace(drawn(P, RNG)))
    assert list(found) == CHECKS
    assert {check.status for check in found.values()} == {"pass"}


def shifted(where: np.ndarray, to: float) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: drawn(np.where(where, to, P), rng)


def again(rng: np.random.Generator) -> np.ndarray:
    """The same number of events as expected, all in a few authorities."""
    return (LA < 14).astype(int)


@pytest.mark.parametrize(
    ("name", "make", "where"),
    [
        ("events", shifted(np.ones(INSPECTIONS, bool), 0.5), ""),
        ("framework_departure", shifted(FRAMEWORK == 1, 0.5), "CPI"),
        ("year_departure", shifted(YEAR == 1, 0.6), "2013"),
        ("region_departure", shifted(LA < 20, 0.6), "North"),
        ("calibration", lambda rng: drawn(P[::-1], rng), ""),
        ("repeated_events", again, ""),
    ],
)
def test_each_check_finds_its_violation(
    name: str, make: Callable[[np.random.Generator], np.ndarray], where: str
) -> None:
    check = checked(trace(make(np.random.default_rng(7))))[name]
    assert check.status == "misfit"
    assert where in check.where


def test_too_few_events_are_a_misfit_as_well() -> None:
    assert checked(trace(np.zeros(INSPECTIONS, int)))["events"].status == "misfit"


def test_all_grades_are_checked_where_there_are_four() -> None:
    rng = np.random.default_rng(9)
    shares = [0.05, 0.35, 0.4, 0.2]
    replicated = rng.choice(4, (REPLICATES, INSPECTIONS), p=shares)
    found = checked(trace(rng.choice(4, INSPECTIONS, p=shares), replicated, worst=3))
    assert list(found) == [*CHECKS, "grades"]
    assert found["grades"].status == "pass"
    other = rng.choice(4, INSPECTIONS, p=[0.3, 0.1, 0.4, 0.2])
    check = checked(trace(other, replicated, worst=3))["grades"]
    assert check.status == "misfit"
    assert "below outstanding" in check.where


def test_without_replicates_or_room_nothing_is_assessed() -> None:
    tree = trace(drawn(P, RNG))
    del tree["posterior_predictive"]
    assert {check.status for check in checked(tree).values()} == {"not assessed"}
    nothing = np.zeros((REPLICATES, INSPECTIONS), int)
    found = checked(trace(np.zeros(INSPECTIONS, int), nothing))
    assert found["events"].status == "not assessed"
