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
from pytensor.tensor.variable import TensorVariable

from models.around_data import scores_around_data
from models.priors import Prior, draw_from

Numbers = TensorVariable | np.ndarray
Shrinkage = Literal["r2d2", "horseshoe", "normal"]
# What each calls for, beside the standard scores `effect_z` of the first two.
PRIORS_OF: dict[str, tuple[str, ...]] = {
    "normal": ("predictor_effect",),
    "r2d2": ("explained_share", "variance_part"),
    "horseshoe": ("global_scale", "local_scale", "slab_variance"),
}
LATENT_VARIANCE = np.pi**2 / 3


def predictor_effects(
    shrinkage: Shrinkage,
    priors: Mapping[str, Prior],
    shown: tuple[Numbers, Numbers] | None = None,
) -> TensorVariable:
    """Effects (predictor,) called ``predictor_effect``.

    ``shown`` is what data show of them, roughly: a precision (predictor, predictor), and that
    precision times the effects that data alone would give. Only the speed of sampling hangs on it,
    and that of effects of fixed size not even that.
    """
    if shrinkage == "normal":
        return draw_from(priors["predictor_effect"], dims="predictor")
    predictors = len(pm.modelcontext(None).coords["predictor"])
    if shrinkage == "r2d2":
        share = draw_from(priors["explained_share"])
        # A single predictor has all that is explained: nothing is left to draw.
        part = draw_from(priors["variance_part"], dims="predictor") if predictors > 1 else 1.0
        variance = LATENT_VARIANCE * share / (1 - share) * part
        scale = pt.sqrt(variance) * pt.ones(predictors)
    else:
        shrunk = draw_from(priors["global_scale"]) * draw_from(
            priors["local_scale"], dims="predictor"
        )
        slab = draw_from(priors["slab_variance"])
        # Small scales stay as they are, large ones end at the slab's.
        scale = shrunk * pt.sqrt(slab / (slab + shrunk**2))
    if shown is None:
        shown = np.zeros((predictors, predictors)), np.zeros(predictors)
    precision, pull = shown
    score = scores_around_data(
        "effect_z", scale[:, None] * precision * scale[None, :], scale * pull, dims="predictor"
    )
    return pm.Deterministic("predictor_effect", score * scale, dims="predictor")
