"""Judging of fits: effective draws, agreement of means, ratios and the page, from made-up draws."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from benchmarks import judging
from benchmarks.bench import Bench, _row
from benchmarks.page import ratios, write_page, write_scale_page
from benchmarks.running import Fit, Settings
from benchmarks.scale import growth
from benchmarks.tasks import TASKS

TREND = TASKS["trend"]
SHAPES = {"trend": (4,), "la_level": (6,), "la_slope": (6,)}


def made(
    tool: str, *, seed: int, shift: float = 0.0, repeat: int = 0, draws_at: float = 10.0
) -> Fit:
    """Independent draws of every variable of the trend; ``shift`` moves one of them."""
    rng = np.random.default_rng(seed)
    draws = {
        name: rng.normal(size=(4, 250, *SHAPES.get(name, ())))
        for name in (*TREND.compared, *TREND.other)
    }
    draws["la_level"][..., 2] += shift
    return Fit(
        task="trend",
        tool=tool,
        repeat=repeat,
        cold=repeat == 0,
        wall=2 * draws_at,
        draws_at=draws_at,
        seconds={"compile": 1.0, "sampling": draws_at / 2},
        gradients=7000,
        gradients_all=None,
        divergences=0,
        peak_memory_mib=300.0,
        version="1.0",
        draws=draws,
    )


def judged(*fits: Fit) -> list[tuple[Fit, judging.Judged]]:
    return [(fit, judging.judge(fit, TREND, None)) for fit in fits]


def test_the_least_ess_is_named() -> None:
    fit = made("ours", seed=1)
    walk = np.cumsum(np.random.default_rng(2).normal(size=(4, 250)), axis=1)
    fit.draws["la_slope"][..., 5] = walk
    (found,) = (pair[1] for pair in judged(fit))
    assert found.least_ess_at == "la_slope[5]"
    assert found.least_ess < 50
    assert found.most_r_hat > 1.05


def test_a_quantity_that_never_moves_has_no_effective_draws() -> None:
    fit = made("ours", seed=1)
    fit.draws["trend"][..., 0] = 3.0
    (found,) = (pair[1] for pair in judged(fit))
    assert (found.least_ess, found.least_ess_at) == (0.0, "trend[0]")
    assert np.isinf(found.most_r_hat)


def test_means_of_the_same_density_agree() -> None:
    table = judging.compare_means(judged(made("ours", seed=1), made("stan", seed=2)))
    assert table["status"].tolist() == ["agrees"]
    assert table["largest"].iloc[0] < table["limit"].iloc[0]
    assert table["scalars"].tolist() == [22]


def test_a_mean_that_differs_by_a_third_of_a_posterior_sd_is_found() -> None:
    table = judging.compare_means(judged(made("ours", seed=1), made("stan", seed=2, shift=0.33)))
    assert table["status"].tolist() == ["differs"]
    assert table["where"].tolist() == ["la_level[2]"]
    assert table["posterior_sds"].iloc[0] == pytest.approx(0.33, abs=0.12)


def test_means_that_are_not_known_are_not_compared() -> None:
    stuck = made("stan", seed=2)
    stuck.draws["la_level"][0] += 5
    table = judging.compare_means(judged(made("ours", seed=1), stuck))
    assert table["status"].tolist() == ["not converged"]


def test_another_density_is_held_to_nothing() -> None:
    other = replace(
        made("bambi", seed=2), draws={"sigma": np.random.default_rng(1).normal(size=(4, 250))}
    )
    table = judging.compare_means(judged(made("ours", seed=1), other))
    assert table["status"].tolist() == ["other density"]


def test_tools_that_give_other_quantities_are_a_fault() -> None:
    short = made("stan", seed=2)
    del short.draws["scatter_sd"]
    with pytest.raises(ValueError, match="same quantities"):
        judging.compare_means(judged(made("ours", seed=1), short))


@pytest.fixture
def bench() -> Bench:
    pairs = judged(
        *(made("ours", seed=i, repeat=i, draws_at=(40, 10, 12)[i]) for i in range(3)),
        *(made("stan", seed=9 + i, repeat=i, draws_at=(90, 50, 40)[i]) for i in range(3)),
    )
    gradients = pd.DataFrame(
        [
            {
                "task": "trend",
                "cells": 24,
                "gradient_ms": 0.2,
                "library_ms": 0.5,
                "floor_ms": 0.1,
                "native_floor_ms": 0.04,
                "ratio": 2.0,
            }
        ]
    )
    fits = pd.DataFrame([_row(*pair) for pair in pairs])
    return Bench(fits, judging.compare_means(pairs), gradients, {"numpyro": "not installed"})


def test_ratios_are_of_warm_rounds_and_carry_their_spread(bench: Bench) -> None:
    (row,) = ratios(bench.fits).to_dict("records")
    ess = bench.fits.set_index(["tool", "repeat"])["least_ess"]
    each = [
        ess["ours", 1] / 10 / (ess["stan", 1] / 50),
        ess["ours", 2] / 12 / (ess["stan", 2] / 40),
    ]
    assert row["total"] == pytest.approx(np.mean(each))
    assert (row["total_low"], row["total_high"]) == pytest.approx((min(each), max(each)))
    assert (row["total_goal"], row["sampling_goal"]) == (8, 8)


def test_the_page_says_what_was_run_and_what_was_not(bench: Bench, tmp_path: Path) -> None:
    written = write_page(bench, Settings(), tmp_path, quick=False)
    assert sorted(path.name for path in written) == [
        "benchmarks.md",
        "ess_per_second.svg",
        "fits.csv",
        "gradients.csv",
        "means.csv",
    ]
    picture = ElementTree.parse(tmp_path / "benchmarks" / "ess_per_second.svg").getroot()
    assert "ESS" in "".join(picture.itertext())
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| numpyro, hand-written | not installed |" in page
    assert "simulated England" in page
    assert "quick run" not in page
    assert " 8: not met |" in page
    assert "| 0.2 | 0.5 | 0.1 | 0.04 | 2 | met |" in page
    assert "## One command" in page
    assert len(pd.read_csv(tmp_path / "benchmarks" / "fits.csv")) == 6
    # The same tables make the same bytes.
    picture = (tmp_path / "benchmarks" / "ess_per_second.svg").read_bytes()
    write_page(bench, Settings(), tmp_path, quick=True)
    assert (tmp_path / "benchmarks" / "ess_per_second.svg").read_bytes() == picture
    assert "quick run" in (tmp_path / "benchmarks.md").read_text()


def scaled(**more: object) -> dict[str, object]:
    return {
        "study": "authorities",
        "cold": False,
        "status": "done",
        "wall": 1.0,
        "draws_at": 1.0,
        "compile": 1.0,
        "sampling": 1.0,
        "peak_memory_mib": 1.0,
        "least_ess": 1.0,
        "ess_per_second": 1.0,
        "most_r_hat": 1.0,
        **more,
    }


def test_growth_is_one_where_time_grows_in_proportion() -> None:
    table = pd.DataFrame(
        [
            *(scaled(size=n, sampling=0.01 * n, wall=0.1 * n**2) for n in (150, 600, 2400)),
            scaled(size=150, cold=True, sampling=1e6),
            scaled(size=4800, cold=True, sampling=48.0, wall=0.1 * 4800**2),
            scaled(size=10_000, status="killed"),
        ]
    )
    assert growth(table, "sampling")["authorities"] == pytest.approx(1)
    assert growth(table, "wall")["authorities"] == pytest.approx(2)


def test_a_size_that_could_not_be_fitted_is_on_the_page(tmp_path: Path) -> None:
    table = pd.DataFrame([scaled(size=150), scaled(size=10_000, status="Killed")])
    write_scale_page(table, Settings(), tmp_path)
    page = (tmp_path / "benchmarks-scale.md").read_text()
    assert "| 10,000 | warm | not done: Killed |" in page
