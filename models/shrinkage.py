"""Priors of several effects at once, written from plain distributions so that draws run forward.

Effects are of standardised predictors, in log odds per standard deviation.

References
----------
Piironen and Vehtari (2017), Electronic Journal of Statistics 11: the regularised horseshoe.
Zhang, Naughton, Bondell and Reich (2022), JASA 117: R2-D2, here for a logistic outcome, whose
latent scatter has the variance pi^2 / 3.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models.priors import Prior, draw_from

Shrinkage = Literal["r2d2", "horseshoe", "normal"]
# What each calls for, beside the standard scores `effect_z` of the first two.
PRIORS_OF: dict[str, tuple[str, ...]] = {
    "normal": ("predictor_effect",),
    "r2d2": ("explained_share", "variance_part"),
    "horseshoe": ("global_scale", "local_scale", "slab_variance"),
}
LATENT_VARIANCE = np.pi**2 / 3


def predictor_effects(shrinkage: Shrinkage, priors: Mapping[str, Prior]) -> pt.TensorVariable:
    """Effects (predictor,) called ``predictor_effect``."""
    if shrinkage == "normal":
        return draw_from(priors["predictor_effect"], dims="predictor")
    score = pm.Normal("effect_z", 0, 1, dims="predictor")
    if shrinkage == "r2d2":
        share = draw_from(priors["explained_share"])
        # A single predictor has all that is explained: nothing is left to draw.
        several = len(pm.modelcontext(None).coords["predictor"]) > 1
        part = draw_from(priors["variance_part"], dims="predictor") if several else 1.0
        scale = pt.sqrt(LATENT_VARIANCE * share / (1 - share) * part)
    else:
        shrunk = draw_from(priors["global_scale"]) * draw_from(
            priors["local_scale"], dims="predictor"
        )
        slab = draw_from(priors["slab_variance"])
        # Small scales stay as they are, large ones end at the slab's.
        scale = shrunk * pt.sqrt(slab / (slab + shrunk**2))
    return pm.Deterministic("predictor_effect", score * scale, dims="predictor")
