"""Steps of paths explored in other directions: the same steps, apart where figures are many."""

import numpy as np
import pymc as pm
import pytest
from pymc.model.transform.conditioning import remove_value_transforms

from models.yearly_steps import by_figures, path_of_steps


def paths() -> tuple[np.ndarray, np.ndarray]:
    """Two paths over six years, the second without figures in two of them."""
    figures = np.array([[150.0] * 6, [0.0, 30.0, 30.0, 30.0, 30.0, 0.0]])
    return path_of_steps(5, (figures > 0).astype(float)), figures


def test_paths_have_the_steps_and_mean_nought_over_their_years() -> None:
    path, figures = paths()
    step = np.random.default_rng(1).normal(size=(2, 5))
    found = (path * step[:, None, :]).sum(axis=-1)
    assert np.diff(found, axis=1) == pytest.approx(step)
    assert (found * (figures > 0)).sum(axis=1) == pytest.approx([0, 0])


def test_density_is_that_of_the_prior() -> None:
    """At the same steps the log density is the same, up to the determinant of the rotation."""
    path, figures = paths()
    rotation = by_figures(path, figures)
    with pm.Model(coords={"outcome": [0, 1], "later": range(5)}) as model:
        pm.Normal("step", 0, 0.1, dims=("outcome", "later"), default_transform=rotation)
    natural = remove_value_transforms(model)
    step = 0.1 * np.random.default_rng(2).normal(size=(2, 5))
    free = rotation.forward(step)
    assert rotation.backward(free) == pytest.approx(step)
    plain = natural.compile_logp()({"step": step})
    assert model.compile_logp(jacobian=False)({"step_rotated__": free}) == pytest.approx(plain)
    volume = np.linalg.slogdet(rotation.matrix)[1].sum()
    assert model.compile_logp()({"step_rotated__": free}) == pytest.approx(plain - volume)


def test_directions_are_apart_where_figures_are_many() -> None:
    """Correlations of the posterior of free values, given normal figures of each year."""
    path, figures = paths()
    rotation = by_figures(path[0], figures[0])
    # Figures scatter by .1 and steps by .05: neither as the rotation takes them to.
    precision = path[0].T @ (figures[0][:, None] / 0.1**2 * path[0]) + np.eye(5) / 0.05**2

    def most(covariance: np.ndarray) -> float:
        sd = np.sqrt(np.diag(covariance))
        return float(np.abs(covariance / np.outer(sd, sd) - np.eye(5)).max())

    steps = np.linalg.inv(precision)
    assert most(steps) > 0.4
    assert most(rotation.matrix @ steps @ rotation.matrix.T) < 0.05
