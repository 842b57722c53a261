"""What each prior of effects lets through, by forward draws."""

import numpy as np
import pymc as pm
import pytest
from pymc.model.transform.conditioning import remove_value_transforms

from models.around_data import scores_around_data
from models.inadequacy import PRIORS
from models.shrinkage import LATENT_VARIANCE, PRIORS_OF, predictor_effects


def much_is_shown(predictors: int) -> tuple[np.ndarray, np.ndarray]:
    """A precision and pull as of a thousand figures whose predictors hang together."""
    precision = 200 * (0.5 * np.eye(predictors) + 0.5)
    return precision, precision @ np.linspace(-1, 1, predictors)


def drawn(shrinkage: str, predictors: int = 6, draws: int = 4000) -> dict[str, np.ndarray]:
    """Forward draws, which do not hang on what data show."""
    with pm.Model(coords={"predictor": list(range(predictors))}) as model:
        predictor_effects(shrinkage, PRIORS, much_is_shown(predictors))
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


@pytest.mark.parametrize("shrinkage", ["r2d2", "horseshoe"])
def test_what_is_shown_leaves_the_density_alone(shrinkage: str) -> None:
    """At the same scores the log density with and without it differs by the change of variables."""
    predictors = 4
    found = []
    for shown in (None, much_is_shown(predictors)):
        with pm.Model(coords={"predictor": list(range(predictors))}) as model:
            predictor_effects(shrinkage, PRIORS, shown)
        found.append(remove_value_transforms(model))
    plain, conditioned = found
    point = plain.initial_point(random_seed=1)
    point["effect_z"] = np.linspace(-2, 2, predictors)
    assert conditioned.compile_logp()(point) == pytest.approx(plain.compile_logp()(point))


def test_scores_are_standard_normal_given_normal_figures() -> None:
    """Free values hang neither on each other nor on the scales, where figures are normal."""
    precision, pull = much_is_shown(3)
    with pm.Model(coords={"predictor": [0, 1, 2]}) as model:
        scale = pm.HalfNormal("scale", 1.0, dims="predictor")
        score = scores_around_data(
            "z", scale[:, None] * precision * scale[None, :], scale * pull, "predictor"
        )
        effect = scale * score
        pm.Potential("figures", -effect @ precision @ effect / 2 + pull @ effect)
    density = model.compile_logp()
    rng = np.random.default_rng(3)
    centre = {"scale_log__": np.zeros(3), "z_conditioned__": np.zeros(3)}
    for log_scale in ([0.0, 0.0, 0.0], [-4.0, 1.0, 0.5]):
        at = {**centre, "scale_log__": np.array(log_scale)}
        for free in rng.normal(size=(4, 3)):
            drop = density({**at, "z_conditioned__": free}) - density(at)
            assert drop == pytest.approx(-(free**2).sum() / 2, rel=1e-6)
