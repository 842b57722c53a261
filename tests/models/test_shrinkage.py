"""What each prior of effects lets through, by forward draws."""

import numpy as np
import pymc as pm
import pytest

from models.inadequacy import PRIORS
from models.shrinkage import LATENT_VARIANCE, PRIORS_OF, predictor_effects


def drawn(shrinkage: str, predictors: int = 6, draws: int = 4000) -> dict[str, np.ndarray]:
    with pm.Model(coords={"predictor": list(range(predictors))}) as model:
        predictor_effects(shrinkage, PRIORS)
        tree = pm.sample_prior_predictive(
            draws, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"}
        )
    assert set(PRIORS_OF[shrinkage]) <= {rv.name for rv in model.free_RVs}
    prior = tree["prior"].to_dataset().isel(chain=0)
    return {str(name): prior[name].to_numpy() for name in prior}


def test_r2d2_explains_the_share_that_it_says() -> None:
    found = drawn("r2d2")
    share, part = found["explained_share"], found["variance_part"]
    assert part.sum(axis=1) == pytest.approx(np.ones(len(part)))
    # Given the share, the variance that independent predictors explain is the sum of squares.
    ratio = (found["predictor_effect"] ** 2).sum(axis=1) / (LATENT_VARIANCE * share / (1 - share))
    assert ratio.mean() == pytest.approx(1.0, abs=0.06)
    assert share.mean() == pytest.approx(0.25, abs=0.02)


def test_horseshoe_shrinks_most_and_ends_at_the_slab() -> None:
    found = drawn("horseshoe")
    effect, scores = found["predictor_effect"], found["effect_z"]
    scale = np.abs(effect / scores)
    assert (scale <= np.sqrt(found["slab_variance"])[:, None] * (1 + 1e-9)).all()
    size = np.abs(effect)
    assert np.mean(size < 0.1) > 0.35, "many effects near nought"
    assert np.mean(size > 0.7) > 0.02, "and a few large ones"


def test_fixed_size_is_as_declared() -> None:
    effect = drawn("normal")["predictor_effect"]
    assert effect.std() == pytest.approx(0.5, rel=0.03)
