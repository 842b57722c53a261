"""Estimands held against a known truth: rows, and how many trials coverage rests on."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from experiments.recovery import compare_with_truth, summarise_recovery
from models.spec import Estimand

DECLARED = (
    Estimand("rate", "Rate", "", "", "", ("la", "year")),
    Estimand("spread", "Spread", "", "", "", ("year",)),
    Estimand("share", "Share", "", "", "", ("la",)),
    Estimand("absent", "Absent", "", "", ""),
)
LAS, YEARS = ["a", "b", "c"], [2011, 2012]


def drawn(seed: int) -> tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    rng = np.random.default_rng(seed)
    truth = {
        # Dimensions in another order than those of the draws.
        "rate": xr.DataArray(
            [[1.0, 3, 5], [2, 4, 6]], dims=("year", "la"), coords={"la": LAS, "year": YEARS}
        ),
        "spread": xr.DataArray([10.0, 20.0], dims="year", coords={"year": YEARS}),
    }
    noise = xr.DataArray(rng.normal(size=(2, 100)), dims=("chain", "draw"))
    values = {
        "rate": (truth["rate"].transpose("la", "year") + 0.1 * noise),
        "spread": truth["spread"] + 5 + noise,
        # Itself a summary of draws: there is no posterior to hold against a truth.
        "share": xr.DataArray([0.1, 0.2, 0.3], dims="la", coords={"la": LAS}),
    }
    return values, truth


def test_each_row_meets_its_own_truth() -> None:
    table = compare_with_truth(*drawn(1), DECLARED)
    rates = table[table["estimand"] == "rate"]
    assert rates["truth"].tolist() == [1, 2, 3, 4, 5, 6]
    assert rates["mean"].to_numpy() == pytest.approx(rates["truth"], abs=0.1)
    assert rates["covered"].all()
    spread = table[table["estimand"] == "spread"]
    assert not spread["covered"].any()
    assert spread["z"].to_numpy() == pytest.approx([5, 5], abs=1.2)
    assert set(table["estimand"]) == {"rate", "spread"}


def test_trials_are_seeds_or_authorities_of_seeds() -> None:
    tables = [compare_with_truth(*drawn(seed), DECLARED).assign(seed=seed) for seed in range(4)]
    summary = summarise_recovery(pd.concat(tables)).set_index("estimand")
    assert summary["trials"].to_dict() == {"rate": 4 * len(LAS), "spread": 4}
    assert summary["values"].to_dict() == {"rate": 24, "spread": 8}
    assert summary.loc["spread", "coverage_upper"] == pytest.approx(1 - 0.025 ** (1 / 4))
