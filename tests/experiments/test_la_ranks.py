"""Ranks of authorities are taken draw by draw."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from experiments.la_ranks import rank_authorities
from models.spec import Estimand

LAS = [f"E{i:08d}" for i in range(10)]


def estimand(name: str, *coordinates: str, unit: str = "per cent") -> Estimand:
    return Estimand(name, name, unit, "", "", coordinates)


def draws_of(centre: np.ndarray, sd: float, seed: int = 1) -> xr.DataArray:
    rng = np.random.default_rng(seed)
    return xr.DataArray(
        centre + sd * rng.normal(size=(2, 500, len(centre))),
        dims=("chain", "draw", "la"),
        coords={"la": LAS[: len(centre)]},
    )


def test_known_values_have_sure_ranks() -> None:
    table = rank_authorities(
        {"la_rate": draws_of(np.arange(10.0), 1e-6)}, [estimand("la_rate", "la")]
    ).set_index("la")
    assert list(table["rank"]) == list(range(10, 0, -1))
    assert (table["rank_lower"] == table["rank"]).all()
    assert (table["rank_upper"] == table["rank"]).all()
    assert (table["authorities"] == 10).all()
    assert table["p_top_fifth"].to_dict() == {la: float(la in LAS[-2:]) for la in LAS}
    assert table["p_bottom_fifth"].to_dict() == {la: float(la in LAS[:2]) for la in LAS}


def test_equal_values_have_ranks_that_nobody_knows() -> None:
    table = rank_authorities({"x": draws_of(np.zeros(10), 1.0)}, [estimand("x", "la")])
    assert table["rank"].mean() == pytest.approx(5.5)
    assert (table["rank_lower"] == 1).all()
    assert (table["rank_upper"] == 10).all()
    assert table["p_top_fifth"].to_numpy() == pytest.approx(0.2, abs=0.06)


def test_interval_holds_its_share_of_draws_and_ends_on_whole_places() -> None:
    draws = draws_of(np.linspace(0, 3, 10), 0.7)
    row = rank_authorities({"x": draws}, [estimand("x", "la")]).iloc[4]
    flat = draws.to_numpy().reshape(-1, 10)
    rank = (flat > flat[:, [4]]).sum(axis=1) + 1
    assert row["rank"] == pytest.approx(rank.mean())
    assert (rank < row["rank_lower"]).mean() <= 0.05
    assert (rank > row["rank_upper"]).mean() <= 0.05
    assert row["rank_lower"] == int(row["rank_lower"])


def test_each_outcome_by_itself_and_of_years_the_last() -> None:
    up, down = draws_of(np.arange(10.0), 1e-6), draws_of(-np.arange(10.0), 1e-6)
    both = xr.concat([up, down], pd.Index(["first", "second"], name="outcome"))
    years = xr.concat([down, up], pd.Index([2013, 2014], name="year"))
    table = rank_authorities(
        {"la_gate": both, "la_rate": years},
        [estimand("la_gate", "outcome", "la"), estimand("la_rate", "la", "year")],
    )
    assert list(table.columns[:4]) == ["estimand", "la", "outcome", "year"]
    gates = table[table["estimand"] == "la_gate"]
    assert list(gates[gates["outcome"] == "first"]["rank"]) == list(range(10, 0, -1))
    assert list(gates[gates["outcome"] == "second"]["rank"]) == list(range(1, 11))
    rates = table[table["estimand"] == "la_rate"]
    assert set(rates["year"]) == {2014}
    assert list(rates["rank"]) == list(range(10, 0, -1))


def test_authorities_without_figures_are_not_ranked() -> None:
    draws = draws_of(np.arange(10.0), 1e-6)
    draws[..., 9] = np.nan
    table = rank_authorities({"x": draws}, [estimand("x", "la")])
    assert LAS[9] not in set(table["la"])
    assert (table["authorities"] == 9).all()


def test_what_must_not_be_ranked_is_not() -> None:
    draws = draws_of(np.arange(10.0), 1.0)
    values = {
        "p_inadequate": draws,
        "la_rank": draws,
        "la_p_top_fifth": draws.mean(["chain", "draw"]),
        "national_rate": draws.isel(la=0, drop=True),
    }
    declared = [
        estimand("p_inadequate", "la"),
        estimand("la_rank", "la", unit="rank, 1 is the highest rate"),
        estimand("la_p_top_fifth", "la", unit="probability"),
        estimand("national_rate"),
        estimand("not_estimable", "la"),
    ]
    assert rank_authorities(values, declared).empty
