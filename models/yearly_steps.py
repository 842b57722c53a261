"""Steps of a path over years, explored as what figures show of them.

Figures show where a path stands in each year; steps are differences of neighbouring years, so that
one that is too long makes the next too short. Here they are explored in directions that figures
show independently of each other. The density of the steps is that of their prior.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

# What one authority's figure says of its year, over what priors say of a step: squares of a usual
# step (.1, log scale) and of a usual departure of a figure (.14). Only speed hangs on it.
_FIGURE = 0.5


class Rotated(Transform):
    """Vectors as ``matrix`` times themselves; along the last axis, others alike with ``matrix``."""

    name = "rotated"
    ndim_supp = 1

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix
        self.inverse = np.linalg.inv(matrix)
        self.log_slope = -np.linalg.slogdet(matrix)[1]

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The free values."""
        return (self.matrix * value[..., None, :]).sum(axis=-1)

    def backward(self, value: Any, *inputs: Any) -> Any:
        """The vectors."""
        return (self.inverse * value[..., None, :]).sum(axis=-1)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log of the determinant of `backward`."""
        return pt.as_tensor(self.log_slope)


def path_of_steps(steps: int, centre: np.ndarray) -> np.ndarray:
    """What turns steps into a path whose mean, weighted by ``centre`` (..., year), is zero:
    (..., year, step).
    """
    path = np.vstack([np.zeros(steps), np.tril(np.ones((steps, steps)))])
    weight = centre / centre.sum(axis=-1, keepdims=True)
    return path - (weight @ path)[..., None, :]


def by_figures(
    path: np.ndarray, figures: np.ndarray, variance: np.ndarray | float = 1.0
) -> Rotated:
    """The transform of steps of one path, or of several.

    Parameters
    ----------
    path : (..., year, step)
        What turns steps into paths.
    figures : (..., year)
        How many figures show the path in each year.
    variance : (step,)
        Variance that the prior gives each step, of one where it lies a year after the last.
    """
    shown = np.swapaxes(path, -1, -2) @ (_FIGURE * figures[..., None] * path)
    precision = shown + np.eye(path.shape[-1]) / variance
    return Rotated(np.swapaxes(np.linalg.cholesky(precision), -1, -2))
