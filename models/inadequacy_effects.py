"""What judgements show of the effects of predictors in `inadequacy`, roughly.

Effects are explored around it (`models/around_data.py`); the density of the model does not change
by it, only how fast it is explored.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.inadequacy_data import InadequacyObservations
from models.replaceable import worked_out

# Normal priors of this precision keep the rough fit finite where figures separate the grades.
_PRECISION = 0.25
_ROUNDS = 30


def shown_effects(observations: InadequacyObservations) -> tuple[Any, Any]:
    """Precision (predictor, predictor) of effects, log odds per sd, clear of the frameworks' own
    levels, and that precision times the effects; figures that are not known stand at their mean.
    """
    frameworks = list(observations.frameworks)
    framework = observations.inspections["framework"].to_numpy()
    levels = (framework[:, None] == np.array(frameworks)[None, :]).astype(float)
    figures = observations.figures.values

    def of(drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
        judged = observations.judged if drawn is None else drawn["y"]
        return _precision_and_pull(levels, figures, np.asarray(judged) == observations.worst)

    size = figures.shape[1]
    found = worked_out("effects_shown", (size, size + 1), of)
    return found[:, :size], found[:, size]


def _precision_and_pull(
    levels: np.ndarray, figures: np.ndarray, inadequate: np.ndarray
) -> np.ndarray:
    """Side by side, (predictor, predictor + 1), from the log likelihood of a logistic regression
    to second order around where it and a wide prior are highest; levels are let go free.
    """
    x = np.hstack([levels, figures])
    ridge = _PRECISION * np.eye(x.shape[1])
    effect = np.zeros(x.shape[1])
    information = ridge
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-x @ effect))
        information = (x * (p * (1 - p))[:, None]).T @ x
        slope = x.T @ (inadequate - p) - ridge @ effect
        effect = effect + np.linalg.solve(information + ridge, slope)
    pull = (information + ridge) @ effect
    own, of = slice(levels.shape[1], None), slice(levels.shape[1])
    share = np.linalg.solve((information + ridge)[of, of], information[of, own]).T
    precision = information[own, own] - share @ information[of, own]
    return np.column_stack([precision, pull[own] - share @ pull[of]])
