"""Scores of probabilities against what happened, each draw over its own resampled inspections.

An interval of a score says two things at once: that the probabilities are uncertain, and that these
inspections were a handful of many that might have come. The second enters by the Bayesian bootstrap
(Rubin 1981, Annals of Statistics 9): every draw weighs the inspections anew, evenly on average, and
no weight is nought, so that rare events never vanish from a draw.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

FIFTHS = 5
BASE_RATE = "base rate"
Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def bootstrap_weights(rng: np.random.Generator, draws: int, inspections: int) -> np.ndarray:
    """Weights (draw, inspection) that sum to one in each draw."""
    return rng.dirichlet(np.ones(inspections), draws)


def even_weights(inspections: int) -> np.ndarray:
    """Weights (1, inspection) of the inspections as they came."""
    return np.full((1, inspections), 1 / inspections)


def log_score(p: np.ndarray, happened: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean log of the probability that was given to what happened, (draw,); nought is perfect."""
    given = np.where(happened, p, 1 - p)
    return (weights * np.log(np.maximum(given, np.finfo(float).tiny))).sum(axis=-1)


def brier_score(p: np.ndarray, happened: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean squared error of the probabilities, (draw,); nought is perfect."""
    return (weights * (p - happened) ** 2).sum(axis=-1)


def auc(p: np.ndarray, happened: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Probability that an inspection with the event has the higher probability than one without,
    ties counted half, (draw,). NaN where one of the two kinds is absent.
    """
    p, weights = np.broadcast_arrays(p, weights)
    with_event, without = np.flatnonzero(happened), np.flatnonzero(~happened)
    if not len(with_event) or not len(without):
        return np.full(len(p), np.nan)
    low, weight = p[:, without], weights[:, without]
    won = np.zeros(len(p))
    # One event after the other bounds the memory to one table of draws by inspections.
    for i in with_event:
        high = p[:, i, None]
        won += weights[:, i] * (weight * ((low < high) + 0.5 * (low == high))).sum(axis=1)
    return won / (weights[:, with_event].sum(axis=1) * weight.sum(axis=1))


def fifths(p: np.ndarray) -> np.ndarray:
    """Fifth (0 lowest) of each probability by its rank; fewer groups where there are fewer."""
    groups = min(FIFTHS, len(p))
    order = np.argsort(np.argsort(p, kind="stable"), kind="stable")
    return np.asarray(order * groups // max(len(p), 1))


# Draws of weights behind the interval of a score of issued probabilities.
ISSUED_DRAWS = 4000
TAILS = (0.05, 0.95)
ENDS = ["score", "lower", "upper"]


def score_forecasts(
    forecasts: Mapping[str, np.ndarray],
    happened: np.ndarray,
    weights: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Scores of several forecasts of the same inspections.

    Parameters
    ----------
    forecasts
        Probabilities (draw, inspection) of each, one draw where they are fixed; the first is
        held against the others. ``base rate`` has no AUC: it tells few inspections apart.
    weights
        (draw, inspection).

    Returns
    -------
    Dimensions after ``draw``, and values, by name. Names that begin with ``issued`` or
    ``calibration`` are of the means over draws, the probabilities that one would give out, and have
    no ``draw``; their interval is that of the resampled inspections alone.
    """
    first, *others = forecasts
    ranked = [name for name in forecasts if name != BASE_RATE]
    issued = {name: p.mean(axis=0, keepdims=True) for name, p in forecasts.items()}
    resampled = bootstrap_weights(rng, ISSUED_DRAWS, len(happened))

    def each(score: Score, names: list[str]) -> np.ndarray:
        found = [score(forecasts[name], happened, weights) for name in names]
        return np.stack(np.broadcast_arrays(*found), axis=-1)

    def with_ends(score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        middle, draws = score(even_weights(len(happened)))[0], score(resampled)
        return np.stack([middle, *np.quantile(draws, TAILS, axis=0)], axis=-1)

    def against(score: Score, names: list[str], weights: np.ndarray) -> np.ndarray:
        found = [score(issued[name], happened, weights) for name in names]
        return np.stack(found, axis=-1)

    logs, squares = each(log_score, list(forecasts)), each(brier_score, list(forecasts))
    gain, skill = logs[:, :1] - logs[:, 1:], 1 - squares[:, :1] / squares[:, 1:]

    def issued_gain(weights: np.ndarray) -> np.ndarray:
        return against(log_score, [first], weights) - against(log_score, others, weights)

    def issued_skill(weights: np.ndarray) -> np.ndarray:
        return 1 - against(brier_score, [first], weights) / against(brier_score, others, weights)

    def issued_auc(weights: np.ndarray) -> np.ndarray:
        return against(auc, ranked, weights)

    fifth = fifths(issued[first][0])
    members = [fifth == number for number in range(fifth.max() + 1)]
    return {
        "auc": (("forecast",), each(auc, ranked)),
        "log_score": (("forecast",), logs),
        "brier_score": (("forecast",), squares),
        "log_gain": (("against",), gain),
        "brier_skill": (("against",), skill),
        "p_better": (("against",), (gain > 0).mean(axis=0)),
        "issued_auc": (("forecast", "end"), with_ends(issued_auc)),
        "issued_log_gain": (("against", "end"), with_ends(issued_gain)),
        "issued_brier_skill": (("against", "end"), with_ends(issued_skill)),
        "calibration_predicted": (
            ("fifth",),
            np.array([100 * issued[first][0, own].mean() for own in members]),
        ),
        "calibration_observed": (
            ("fifth",),
            np.array([100 * happened[own].mean() for own in members]),
        ),
        "calibration_inspections": (("fifth",), np.array([float(own.sum()) for own in members])),
    }


def labelled(
    scores: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    forecasts: Sequence[str],
    sampled: Mapping[str, np.ndarray],
) -> dict[str, xr.DataArray]:
    """`score_forecasts` with coordinates. ``sampled`` has the labels of chain and draw; where it
    is empty, scores of the one draw stand alone.
    """
    labels: dict[str, list] = {
        "forecast": [name for name in forecasts if name != BASE_RATE],
        "against": list(forecasts[1:]),
        "end": ENDS,
    }
    shape = tuple(len(values) for values in sampled.values())
    found = {}
    for name, (dims, values) in scores.items():
        own = {dim: labels[dim] for dim in dims if dim in labels}
        if name in ("log_score", "brier_score"):
            own["forecast"] = list(forecasts)
        if "fifth" in dims:
            own["fifth"] = list(range(1, len(values) + 1))
        if values.ndim > len(dims):
            values = values.reshape(*shape, *values.shape[1:])
            found[name] = xr.DataArray(values, dims=(*sampled, *dims), coords={**sampled, **own})
        else:
            found[name] = xr.DataArray(values, dims=dims, coords=own)
    return found
