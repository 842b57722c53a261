"""A way to explore a scale that may be nought."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform


class Softplus(Transform):
    """Positive values as ``unit log(1 + exp(y))`` of a free ``y``: linear well above ``unit``."""

    name = "softplus"
    ndim_supp = 0

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The free value."""
        return value / self.unit + pt.log(-pt.expm1(-value / self.unit))

    def backward(self, value: Any, *inputs: Any) -> Any:
        """The positive value."""
        return self.unit * pt.softplus(value)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log of the slope of `backward`."""
        return np.log(self.unit) - pt.softplus(-value)
