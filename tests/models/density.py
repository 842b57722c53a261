"""A model's log density and gradient where sampling starts, from one graph."""

import numpy as np
import pymc as pm
from pymc.blocking import DictToArrayBijection


def log_density_and_gradient(model: pm.Model) -> tuple[float, np.ndarray]:
    """Both at the initial point; one function, which costs two thirds of two."""
    function = model.logp_dlogp_function(mode="FAST_COMPILE", ravel_inputs=True)
    density, gradient = function(DictToArrayBijection.map(model.initial_point()))
    return float(density), np.asarray(gradient)
