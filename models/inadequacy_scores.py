"""What `inadequacy` declares of its scores, and how probabilities of its inspections are scored."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from models.forecast_scores import (
    BASE_RATE,
    bootstrap_weights,
    even_weights,
    labelled,
    score_forecasts,
)
from models.inadequacy_data import INADEQUATE, InadequacyObservations
from models.spec import Estimand, NotEstimable

SAMPLES = {"in_sample": "the inspections fitted", "later": "later inspections"}
_ISSUED = "of posterior mean probabilities, with the interval of resampled inspections alone"
_GAIN = (
    "log score of all predictors less that of the base rate of the framework (of all inspections "
    "fitted, where it is new) or of deprivation alone"
)
_FIFTH = "fifth of inspections by posterior mean probability"
_NATS = "nats per inspection"
_ORDER = "probability of the right order"
_SAVED = "share of squared error saved"
# Name, label, unit, definition, coordinates, and whether it is a headline out of time.
_SCORES: tuple[tuple[str, str, str, str, tuple[str, ...], bool], ...] = (
    (
        "auc",
        "AUC",
        _ORDER,
        "probability that of two inspections the inadequate one has the higher probability; 0.5 is "
        "chance",
        ("forecast",),
        True,
    ),
    (
        "log_score",
        "Log score",
        _NATS,
        "mean log of the probability given to what happened; nought is perfect",
        ("forecast",),
        False,
    ),
    (
        "brier_score",
        "Brier score",
        "squared error",
        "mean squared error of the probability; nought is perfect",
        ("forecast",),
        False,
    ),
    ("log_gain", "Gain of log score", _NATS, _GAIN, ("against",), True),
    (
        "brier_skill",
        "Brier skill",
        _SAVED,
        "one less the ratio of Brier scores",
        ("against",),
        True,
    ),
    (
        "p_better",
        "Probability of the better log score",
        "probability",
        "share of draws, each of parameters and of resampled inspections, with a gain above nought",
        ("against",),
        False,
    ),
    (
        "issued_auc",
        "AUC of probabilities as issued",
        _ORDER,
        f"AUC {_ISSUED}",
        ("forecast", "end"),
        False,
    ),
    (
        "issued_log_gain",
        "Gain of log score as issued",
        _NATS,
        f"gain {_ISSUED}",
        ("against", "end"),
        False,
    ),
    (
        "issued_brier_skill",
        "Brier skill as issued",
        _SAVED,
        f"skill {_ISSUED}",
        ("against", "end"),
        False,
    ),
    (
        "calibration_predicted",
        "Predicted inadequate by fifth",
        "per cent",
        f"mean probability in each {_FIFTH}",
        ("fifth",),
        False,
    ),
    (
        "calibration_observed",
        "Observed inadequate by fifth",
        "per cent",
        f"share that was inadequate in each {_FIFTH}",
        ("fifth",),
        False,
    ),
    (
        "calibration_inspections",
        "Inspections by fifth",
        "inspections",
        f"number in each {_FIFTH}",
        ("fifth",),
        False,
    ),
    ("inspections", "Inspections", "inspections", "number scored", (), True),
    ("events", "Inadequate judgements", "inspections", "number of them", (), True),
)


def declared_scores(sample: str) -> list[Estimand]:
    """Scores over ``in_sample`` or ``later`` inspections."""
    late = sample == "later"
    about = f"{SAMPLES[sample]}, resampled" + ("" if late else "; the fit has seen them")
    time = "out of time" if late else "in sample"
    return [
        Estimand(
            f"{name}_{sample}", f"{label}, {time}", unit, definition, about, by, headline and late
        )
        for name, label, unit, definition, by, headline in _SCORES
    ]


def base_rate(rows: pd.DataFrame, observations: InadequacyObservations) -> np.ndarray:
    """Share inadequate among the inspections fitted under each row's framework, half a case added
    to either side; of all of them under a framework that is new.
    """
    fitted = pd.DataFrame(
        {"framework": observations.inspections["framework"], "y": observations.inadequate}
    )
    counts = fitted.groupby("framework")["y"].agg(["sum", "size"])
    own = (counts["sum"] + 0.5) / (counts["size"] + 1)
    overall = (fitted["y"].sum() + 0.5) / (len(fitted) + 1)
    return np.asarray(rows["framework"].map(own).fillna(overall).to_numpy(float))


def scored(
    sample: str,
    rows: pd.DataFrame,
    p: Mapping[str, np.ndarray],
    observations: InadequacyObservations,
    sampled: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[dict[str, xr.DataArray], list[NotEstimable]]:
    """Scores of probabilities (draw, inspection), and those that have no meaning with the reason.

    ``sampled`` has the labels of chain and draw, or nothing for a single, true set.
    """
    happened = (rows["grade"] == INADEQUATE).to_numpy()
    forecasts = {**p, BASE_RATE: base_rate(rows, observations)[None]}
    draws = len(next(iter(p.values())))
    weights = bootstrap_weights(rng, draws, len(rows)) if sampled else even_weights(len(rows))
    scores = score_forecasts(forecasts, happened, weights, rng)
    values = {
        f"{name}_{sample}": array
        for name, array in labelled(scores, list(forecasts), sampled).items()
    }
    values[f"inspections_{sample}"] = xr.DataArray(float(len(rows)))
    values[f"events_{sample}"] = xr.DataArray(float(happened.sum()))
    missing = []
    if happened.all() or not happened.any():
        which = "all" if happened.all() else "none"
        for name in (f"auc_{sample}", f"issued_auc_{sample}"):
            del values[name]
            missing.append(NotEstimable(name, f"{which} of {len(rows)} inspections is inadequate"))
    return values, missing
