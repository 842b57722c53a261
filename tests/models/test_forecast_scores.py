"""Scores held against counting by hand, and their limits."""

import numpy as np
import pytest

from models.forecast_scores import (
    BASE_RATE,
    ENDS,
    auc,
    bootstrap_weights,
    brier_score,
    even_weights,
    fifths,
    labelled,
    log_score,
    score_forecasts,
)

RNG = np.random.default_rng(5)
HAPPENED = np.array([True, False, False, True, False, False, False, True])
P = RNG.uniform(0.05, 0.95, (6, 8))


def auc_by_hand(p: np.ndarray, happened: np.ndarray, weights: np.ndarray) -> float:
    won = total = 0.0
    for i in np.flatnonzero(happened):
        for j in np.flatnonzero(~happened):
            pair = weights[i] * weights[j]
            won += pair * ((p[i] > p[j]) + 0.5 * (p[i] == p[j]))
            total += pair
    return won / total


def test_auc_counts_pairs_with_ties_and_weights() -> None:
    rounded = P.round(1)
    weights = bootstrap_weights(RNG, 6, 8)
    expected = [auc_by_hand(p, HAPPENED, w) for p, w in zip(rounded, weights, strict=True)]
    assert auc(rounded, HAPPENED, weights) == pytest.approx(expected)
    assert auc(HAPPENED[None] * 0.5, HAPPENED, even_weights(8)) == pytest.approx([1.0])
    assert auc(np.full((1, 8), 0.3), HAPPENED, even_weights(8)) == pytest.approx([0.5])
    assert np.isnan(auc(P, np.zeros(8, bool), even_weights(8))).all()


def test_log_and_brier_scores() -> None:
    p, happened = np.array([[0.8, 0.3]]), np.array([True, False])
    assert log_score(p, happened, even_weights(2)) == pytest.approx(np.log([0.8 * 0.7]) / 2)
    assert brier_score(p, happened, even_weights(2)) == pytest.approx([(0.04 + 0.09) / 2])
    weights = np.array([[1.0, 0.0]])
    assert brier_score(p, happened, weights) == pytest.approx([0.04])
    # A probability of nought given to what happened is a large loss and still a number.
    assert np.isfinite(log_score(np.array([[0.0, 0.3]]), happened, even_weights(2))).all()


def test_weights_are_even_on_average_and_never_nought() -> None:
    weights = bootstrap_weights(np.random.default_rng(1), 4000, 5)
    assert weights.sum(axis=1) == pytest.approx(np.ones(4000))
    assert weights.min() > 0
    assert weights.mean(axis=0) == pytest.approx(np.full(5, 0.2), abs=0.01)


def test_fifths_follow_the_order() -> None:
    assert fifths(np.array([0.9, 0.1, 0.5, 0.3, 0.7])).tolist() == [4, 0, 2, 1, 3]
    assert fifths(np.array([0.9, 0.1])).tolist() == [1, 0]
    assert np.bincount(fifths(RNG.uniform(size=100))).tolist() == [20] * 5


def scores(forecasts: dict[str, np.ndarray], happened: np.ndarray = HAPPENED) -> dict:
    weights = bootstrap_weights(np.random.default_rng(2), 6, len(happened))
    found = score_forecasts(forecasts, happened, weights, np.random.default_rng(3))
    return labelled(found, list(forecasts), {"chain": np.arange(2), "draw": np.arange(3)})


def test_a_forecast_gains_nothing_over_itself() -> None:
    found = scores({"one": P, "same": P, BASE_RATE: np.full((1, 8), 3 / 8)})
    assert found["log_gain"].dims == ("chain", "draw", "against")
    assert found["log_gain"].sel(against="same").to_numpy() == pytest.approx(np.zeros((2, 3)))
    assert found["brier_skill"].sel(against="same").to_numpy() == pytest.approx(np.zeros((2, 3)))
    assert found["p_better"].sel(against="same") == 0
    assert found["auc"]["forecast"].values.tolist() == ["one", "same"]
    assert found["log_score"]["forecast"].values.tolist() == ["one", "same", BASE_RATE]
    assert found["issued_auc"]["end"].values.tolist() == ENDS


def test_issued_probabilities_are_posterior_means_and_their_interval_holds_the_score() -> None:
    happened = np.tile(HAPPENED, 10)
    p = np.clip(np.tile(P, 10), 0.2, 0.8)
    found = scores({"one": p, BASE_RATE: np.full((1, 80), 3 / 8)}, happened)
    for name in ("issued_auc", "issued_log_gain", "issued_brier_skill"):
        ends = found[name].isel({found[name].dims[0]: 0})
        lower, score, upper = (float(ends.sel(end=end)) for end in ("lower", "score", "upper"))
        assert lower < score < upper
    mean = p.mean(axis=0, keepdims=True)
    gain = log_score(mean, happened, even_weights(80)) - log_score(
        np.full((1, 80), 3 / 8), happened, even_weights(80)
    )
    score = found["issued_log_gain"].sel(against=BASE_RATE, end="score")
    assert float(score) == pytest.approx(float(gain[0]))


def test_a_forecast_that_knows_is_better_than_the_base_rate() -> None:
    happened = np.tile(HAPPENED, 20)
    knows = np.where(happened, 0.8, 0.1)[None]
    found = scores({"knows": np.repeat(knows, 6, 0), BASE_RATE: np.full((1, 160), 3 / 8)}, happened)
    assert float(found["p_better"].sel(against=BASE_RATE)) == 1
    assert float(found["brier_skill"].min()) > 0.5
    assert found["calibration_inspections"].sum() == 160
    assert found["calibration_observed"].values[-1] == 100
