"""Predictive checks: each fails on data made to violate it, and passes on the model's own data."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from experiments.predictive import Check, check_predictive

LAS, YEARS, REPLICATES = 30, 8, 400
SCATTER, LEVEL_SD = 0.15, 0.3
CHECKS = (
    "year_range",
    "year_departure",
    "region_departure",
    "la_spread",
    "scatter",
    "largest_residual",
    "carry_over",
    "unequal_scatter",
)
RNG = np.random.default_rng(3)
LEVEL = RNG.normal(0, LEVEL_SD, (LAS, 1))
TREND = np.linspace(0, 0.2, YEARS)
REGIONS = [("North", "South", "East")[i % 3] for i in range(LAS)]
EXPOSURE = 1_000_000.0

# Changes an authority's table of log rates and of their scatter (standard normal), both (la, year).
Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def counts(rng: np.random.Generator, change: Change | None = None) -> np.ndarray:
    """Counts (la, year) of about 5000, so that Poisson noise is small beside the scatter."""
    log_rate, noise = LEVEL + TREND + np.log(0.005), rng.normal(size=(LAS, YEARS))
    if change:
        log_rate, noise = change(log_rate, noise)
    return rng.poisson(EXPOSURE * np.exp(log_rate + SCATTER * noise)).astype(float)


def trace(
    observed: np.ndarray,
    replicates: int = REPLICATES,
    years: int = YEARS,
    seed: int = 4,
    **kept: np.ndarray,
) -> xr.DataTree:
    rng = np.random.default_rng(seed)
    la, year = np.divmod(np.arange(LAS * years), years)
    known = kept.get("known", np.ones(LAS * years, bool))
    y = observed[:, :years].ravel()
    replicated = np.stack([counts(rng)[:, :years].ravel() for _ in range(replicates)])
    lower, upper = np.where(known, y, 1.0), np.where(known, y, 5.0)
    constant = {"la": la, "year": year, "y_lower": lower, "y_upper": upper}
    constant["exposure"] = np.full(y.size, EXPOSURE)
    return xr.DataTree.from_dict(
        {
            "observed_data": xr.Dataset({"y": ("obs", np.where(known, y, 3.0))}),
            "constant_data": xr.Dataset({name: ("obs", v) for name, v in constant.items()}),
            "posterior_predictive": xr.Dataset(
                {"y": (("chain", "draw", "obs"), replicated.reshape(2, -1, y.size))}
            ),
        }
    )


def check(
    tree: xr.DataTree, years: list[int] | None = None, regions: list[str] = REGIONS
) -> dict[str, Check]:
    coords = {"la": [f"E{i}" for i in range(LAS)], "year": years or list(range(2007, 2007 + YEARS))}
    found = {item.name: item for item in check_predictive(tree, coords, regions)}
    assert tuple(found) == CHECKS
    return found


def data(change: Change | None = None) -> np.ndarray:
    return counts(np.random.default_rng(5), change)


def test_the_model_s_own_data_pass_every_check() -> None:
    for item in check(trace(data())).values():
        assert item.status == "pass", item
        assert item.lower is not None
        assert item.upper is not None
        assert item.lower < item.upper


def test_false_alarms_are_as_rare_as_the_tail_says() -> None:
    """Two in a hundred by design; of 8 checks on 20 sets of data no more than 10 may fail."""
    tree = trace(data())
    replicated = tree["posterior_predictive"]["y"].to_numpy().reshape(REPLICATES, -1)
    misfits = 0
    for index in range(20):
        tree["observed_data"] = xr.DataTree(xr.Dataset({"y": ("obs", replicated[index])}))
        constant = tree["constant_data"].to_dataset()
        same = {"y_lower": ("obs", replicated[index]), "y_upper": ("obs", replicated[index])}
        tree["constant_data"] = xr.DataTree(constant.assign(same))
        misfits += sum(item.status == "misfit" for item in check(tree).values())
    assert misfits <= 10


def steeper(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return log_rate + np.linspace(0, 0.3, YEARS), noise


def odd_year(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_rate = log_rate.copy()
    log_rate[:, 3] += 0.2
    return log_rate, noise


def odd_region(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    high = np.array([[0.2 * (region == "South")] for region in REGIONS])
    return log_rate + high, noise


def alike(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return log_rate - LEVEL, noise


def unruly(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return log_rate, 1.6 * noise


def smooth(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return log_rate, 0.5 * noise


def one_error(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_rate = log_rate.copy()
    log_rate[7, 2] += np.log(3)
    return log_rate, noise


def carried(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    noise = noise.copy()
    for year in range(1, YEARS):
        noise[:, year] = 0.8 * noise[:, year - 1] + 0.6 * noise[:, year]
    return log_rate, noise


def a_few_unruly(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = np.where(np.arange(LAS) < LAS // 5, 2.2, 0.6)[:, None]
    return log_rate, share * noise


@pytest.mark.parametrize(
    ("name", "change", "where"),
    [
        ("year_range", steeper, ""),
        ("year_departure", odd_year, "2010"),
        ("region_departure", odd_region, "South"),
        ("la_spread", alike, ""),
        ("scatter", unruly, ""),
        ("scatter", smooth, ""),
        ("largest_residual", one_error, ""),
        ("carry_over", carried, ""),
        ("unequal_scatter", a_few_unruly, ""),
    ],
)
def test_data_that_violate_a_check_are_a_named_misfit(
    name: str, change: Change, where: str
) -> None:
    item = check(trace(data(change)))[name]
    assert item.status == "misfit", item
    assert item.where == where
    assert item.observed is not None
    assert item.lower is not None
    assert item.upper is not None
    assert not item.lower <= item.observed <= item.upper


def test_a_departure_can_only_be_too_large() -> None:
    tree = trace(data())
    mean = tree["posterior_predictive"]["y"].mean(("chain", "draw")).to_numpy()
    tree["observed_data"] = xr.DataTree(xr.Dataset({"y": ("obs", mean)}))
    found = check(tree)
    assert found["year_departure"].status == found["region_departure"].status == "pass"


def test_cells_known_as_intervals_take_no_part() -> None:
    known = np.random.default_rng(6).random(LAS * YEARS) > 0.1
    broken = data()
    broken.ravel()[~known] *= 1000
    assert {item.status for item in check(trace(broken, known=known)).values()} == {"pass"}


@pytest.mark.parametrize("missing", ["replicates", "exact cells"])
def test_without_evidence_nothing_is_assessed(missing: str) -> None:
    if missing == "replicates":
        tree = trace(data())
        del tree["posterior_predictive"]
    else:
        tree = trace(data(), known=np.zeros(LAS * YEARS, bool))
    for item in check(tree).values():
        assert item.status == "not assessed"
        assert item.where
        assert item.observed is item.lower is item.upper is item.p is None


def test_what_cannot_vary_is_not_assessed() -> None:
    """In one year there is no movement and no residual; in two a residual mirrors the other."""
    one = check(trace(data(), years=1), years=[2014])
    unmade = {name for name, item in one.items() if item.status == "not assessed"}
    assert unmade == {"year_range", "scatter", "largest_residual", "carry_over", "unequal_scatter"}
    two = check(trace(data(), years=2), years=[2013, 2014])
    assert {name for name, item in two.items() if item.status == "not assessed"} == {"carry_over"}


def test_one_region_has_no_other_to_depart_from_but_is_compared_with_the_model() -> None:
    assert check(trace(data()), regions=["North"] * LAS)["region_departure"].status == "pass"


def test_carry_over_is_reckoned_between_adjoining_years_only() -> None:
    """Years two apart that move together do not count as next to each other."""
    far = list(range(2000, 2000 + 2 * YEARS, 2))
    assert check(trace(data(carried)), years=far)["carry_over"].status == "not assessed"


COORDS = {
    "la": list(range(LAS)),
    "year": list(range(2001, 2001 + YEARS)),
    "outcome": ["calm", "wild"],
}


def wild(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return log_rate, 4 * noise


def joint_checks(*outcomes: xr.DataTree) -> dict[str, Check]:
    """Checks by name of two outcomes in one fit."""
    joined = {}
    for group in ("observed_data", "constant_data", "posterior_predictive"):
        parts = [part[group].to_dataset() for part in outcomes]
        if group == "constant_data":
            parts = [part.assign(outcome=0 * part["la"] + i) for i, part in enumerate(parts)]
        joined[group] = xr.concat(parts, "obs")
    found = check_predictive(xr.DataTree.from_dict(joined), COORDS, REGIONS)
    return {check.name: check for check in found}


@pytest.mark.parametrize(("share", "status"), [(0.0, "pass"), (0.7, "misfit")])
def test_outcomes_that_share_their_years_are_found(share: float, status: str) -> None:
    """Busy years of an authority run through both outcomes; replicates know nothing of them."""
    busy = np.random.default_rng(11).normal(size=(LAS, YEARS))

    def sharing(log_rate: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return log_rate, np.sqrt(share) * busy + np.sqrt(1 - share) * noise

    rng = np.random.default_rng(9)
    first, second = trace(counts(rng, sharing)), trace(counts(rng, sharing), seed=5)
    found = joint_checks(first, second)["outcomes_together"]
    assert found.status == status
    assert found.where == "wild and calm"


def test_outcomes_without_a_cell_in_common_are_not_assessed() -> None:
    known = np.arange(LAS * YEARS) % 2 == 0
    rng = np.random.default_rng(9)
    first = trace(counts(rng), known=known)
    second = trace(counts(rng), seed=5, known=~known)
    found = joint_checks(first, second)["outcomes_together"]
    assert (found.status, found.where) == ("not assessed", "too few cells")


def test_outcomes_of_one_fit_are_checked_apart() -> None:
    """Cells of two outcomes in one ``obs``: a misfit of one is not the other's."""
    rng = np.random.default_rng(9)
    first = trace(counts(rng))
    checks = joint_checks(first, trace(counts(rng, wild), seed=5))
    assert len(checks) == 2 * len(CHECKS) + 1
    assert checks["scatter_calm"].status == "pass"
    assert checks["scatter_wild"].status == "misfit"
    alone = {
        check.name: check
        for check in check_predictive(first, {k: COORDS[k] for k in ("la", "year")}, REGIONS)
    }
    assert checks["scatter_calm"].observed == alone["scatter"].observed
