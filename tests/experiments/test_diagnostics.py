"""Convergence held against ArviZ, and the contract of the tables of diagnostics and estimands."""

import io

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from experiments.diagnostics import (
    DIAGNOSTIC_COLUMNS,
    INTERVAL,
    SUMMARY_COLUMNS,
    convergence,
    diagnose,
    summarise,
)
from models.spec import Block, Estimand, NotEstimable

RATE = Estimand("rate", "Rate", "per 10,000 children", "a rate", "these authorities", ("year",))


def autocorrelated(
    rng: np.random.Generator, chains: int, draws: int, phi: float, apart: float = 0.0
) -> np.ndarray:
    """Chains of a first-order autoregression, their means ``apart`` sds from one another."""
    noise = rng.normal(size=(chains, draws + 50))
    return lfilter([1], [1, -phi], noise, axis=1)[:, 50:] + apart * np.arange(chains)[:, None]


def by_arviz(draws: np.ndarray) -> dict[str, float]:
    """The same four numbers by ArviZ, for one quantity (chain, draw)."""
    return {
        "r_hat": float(az.rhat(draws, method="rank")),
        "ess_bulk": float(az.ess(draws, method="bulk")),
        "ess_tail": float(az.ess(draws, method="tail", prob=(0.05, 0.95))),
        "mcse_mean": float(az.mcse(draws, method="mean")),
    }


def assert_as_arviz(draws: np.ndarray) -> None:
    found = convergence(draws[None])
    for name, expected in by_arviz(draws).items():
        assert found[name][0] == pytest.approx(expected, rel=1e-8), name


@given(
    seed=st.integers(0, 10_000),
    chains=st.integers(2, 6),
    draws=st.integers(12, 301),
    phi=st.sampled_from([-0.9, -0.3, 0.0, 0.5, 0.9, 0.995]),
    apart=st.sampled_from([0.0, 0.0, 3.0]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
@settings(max_examples=60)
def test_convergence_is_arviz_s(
    seed: int, chains: int, draws: int, phi: float, apart: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    assert_as_arviz(scale * autocorrelated(rng, chains, draws, phi, apart) + 5 * scale)


@pytest.mark.parametrize("mean", [0.02, 0.5, 3.0, 200.0])
def test_convergence_of_discrete_draws_is_arviz_s(mean: float) -> None:
    assert_as_arviz(np.random.default_rng(4).poisson(mean, (4, 250)).astype(float))


def test_convergence_of_heavy_tails_is_arviz_s() -> None:
    assert_as_arviz(np.random.default_rng(5).standard_cauchy((4, 250)))


def test_many_quantities_at_once_are_each_their_own() -> None:
    rng = np.random.default_rng(6)
    draws = np.stack([autocorrelated(rng, 2, 60, phi) for phi in np.linspace(-0.8, 0.9, 600)])
    together = convergence(draws)
    for index in (0, 255, 256, 511, 512, 599):
        alone = convergence(draws[index : index + 1])
        assert all(together[name][index] == alone[name][0] for name in alone)


def test_what_cannot_be_assessed_is_nan_and_spares_its_neighbours() -> None:
    rng = np.random.default_rng(7)
    draws = rng.normal(size=(5, 4, 100))
    draws[0] = 3.0
    draws[1, 2, 50] = np.nan
    draws[2, 0, 0] = np.inf
    draws[3, 0, 0] = -np.inf
    found = convergence(draws)
    for values in found.values():
        assert np.isnan(values[:4]).all()
        assert np.isfinite(values[4])
    assert all(found[name][4] == convergence(draws[4:])[name][0] for name in found)


@pytest.mark.parametrize("draws", [100, 101, 300, 1001])
def test_a_summary_s_convergence_is_that_of_the_draws(draws: int) -> None:
    rng = np.random.default_rng(draws)
    array = xr.DataArray(
        autocorrelated(rng, 4, draws, 0.6)[None] + rng.normal(size=(5, 4, 1)),
        dims=("year", "chain", "draw"),
        coords={"year": range(2010, 2015)},
    )
    array[1] = 3.0
    array[2, 0, 0] = np.nan
    found = summarise({"rate": array}, [RATE])
    for name, expected in convergence(array.to_numpy()).items():
        if name in found:
            np.testing.assert_array_equal(found[name], expected)
    assert found["ess_bulk"].isna().tolist() == [False, True, True, False, False]
    assert_as_arviz(array[3].to_numpy())


def test_nothing_in_gives_nothing_out() -> None:
    assert {name: len(v) for name, v in convergence(np.empty((0, 4, 10))).items()} == dict.fromkeys(
        ("r_hat", "ess_bulk", "ess_tail", "mcse_mean"), 0
    )


# ----------------------------------------------------------------------------------- tables


def posterior() -> xr.Dataset:
    rng = np.random.default_rng(8)
    d = ("chain", "draw")
    return xr.Dataset(
        {
            "level": ((*d, "la"), rng.normal(size=(2, 100, 3))),
            "slope": ((*d, "la", "year"), rng.normal(size=(2, 100, 3, 2))),
            "level_sd": (d, rng.gamma(3, size=(2, 100))),
            "odd": ((*d, "place"), rng.normal(size=(2, 100, 2))),
        },
        coords={"la": ["E1", "E2", "E3"], "year": [2013, 2014]},
    )


def test_diagnose_has_a_row_for_each_free_scalar_in_order() -> None:
    blocks = [Block("authorities", ("level", "level_sd", "absent"))]
    table = diagnose(posterior(), blocks, ["level_sd", "level", "slope", "odd"])
    assert tuple(table.columns) == DIAGNOSTIC_COLUMNS
    assert list(table["variable"]) == ["level_sd"] + ["level"] * 3 + ["slope"] * 6 + ["odd"] * 2
    assert list(table["block"].unique()) == ["authorities", "other"]
    assert list(table["coordinate"])[:5] == ["", "la=E1", "la=E2", "la=E3", "la=E1, year=2013"]
    assert list(table["coordinate"])[-2:] == ["place=0", "place=1"]
    row = table[table["coordinate"] == "la=E2, year=2014"].iloc[0]
    expected = by_arviz(posterior()["slope"].sel(la="E2", year=2014).values)
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-8)


def test_diagnose_does_not_mind_the_order_of_dimensions() -> None:
    draws = posterior()
    turned = draws.transpose("la", "draw", "chain", ...)
    pd.testing.assert_frame_equal(
        diagnose(draws, [], ["level", "slope"]), diagnose(turned, [], ["level", "slope"])
    )


def estimands_table() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    d = ("chain", "draw")
    change = xr.DataArray(
        rng.normal(size=(2, 100, 2)),
        dims=(*d, "change"),
        coords={"year": ("change", [2013, 2014]), "year_from": ("change", [2012, 2013])},
    )
    rate = xr.DataArray(rng.normal(size=(100, 2, 2)), dims=("draw", "chain", "year"))
    share = xr.DataArray([0.25, 0.75], dims="la", coords={"la": ["E1", "E2"]})
    return summarise(
        {
            "change": change,
            "share": share,
            "rate": rate.assign_coords(year=[2013, 2014]),
            "one": rate.isel(year=0),
        },
        [
            RATE,
            Estimand("change", "Change", "per cent", "", "", ("year", "year_from")),
            Estimand("one", "One number", "people", "", ""),
            Estimand("share", "Share", "probability", "", "", ("la",)),
            Estimand("gone", "Gone", "per cent", "", ""),
        ],
        [NotEstimable("gone", "no figures")],
    )


def test_summary_columns_and_rows_are_the_contract_s() -> None:
    table = estimands_table()
    assert tuple(table.columns) == (*SUMMARY_COLUMNS, "la", "year", "year_from")
    assert list(table["estimand"]) == [
        *("rate", "rate", "change", "change", "one", "share", "share", "gone")
    ]
    assert table["label"].notna().all()
    assert table["unit"].notna().all()


def test_summary_numbers_are_those_of_the_draws() -> None:
    table = estimands_table()
    rng = np.random.default_rng(9)
    change = rng.normal(size=(2, 100, 2))
    row = table[(table["estimand"] == "change") & (table["year"] == 2014)].iloc[0]
    draws = change[:, :, 1]
    assert row["year_from"] == 2013
    assert row["mean"] == pytest.approx(draws.mean())
    assert row["sd"] == pytest.approx(draws.std(ddof=1))
    assert row["lower"] == pytest.approx(np.quantile(draws, 0.05), abs=1e-12)
    assert row["upper"] == pytest.approx(np.quantile(draws, 0.95), abs=1e-12)
    assert row["r_hat"] == pytest.approx(by_arviz(draws)["r_hat"], rel=1e-8)
    assert row["interval"] == INTERVAL


def test_what_has_no_draws_has_no_interval_and_what_is_not_estimable_no_number() -> None:
    table = estimands_table().set_index("estimand")
    numbers = ["sd", "lower", "upper", "interval", "ess_bulk", "ess_tail", "r_hat"]
    assert list(table.loc["share", "mean"]) == [0.25, 0.75]
    assert table.loc["share", numbers].isna().all(axis=None)
    assert table.loc["gone", ["mean", *numbers, "la", "year"]].isna().all()


def test_years_are_written_as_integers_and_blanks_as_blanks() -> None:
    file = io.StringIO()
    estimands_table().to_csv(file, index=False, float_format="%.6g")
    lines = [line.split(",") for line in file.getvalue().splitlines()]
    assert [line[-3:] for line in lines[1:5]] == [
        ["", "2013", ""],
        ["", "2014", ""],
        ["", "2013", "2012"],
        ["", "2014", "2013"],
    ]
    assert lines[-1][3:] == [""] * (len(lines[0]) - 3)


def test_an_estimand_that_is_neither_given_nor_explained_is_an_error() -> None:
    with pytest.raises(ValueError, match="rate is neither given nor explained"):
        summarise({}, [RATE])
