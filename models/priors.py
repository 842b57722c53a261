"""Priors as declarations: a distribution, what it means on the natural scale, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

# The parameters that each distribution takes, in PyMC's names. `Correlation` is the LKJ
# distribution of one correlation: 2 Beta(eta, eta) - 1. `ZeroSumNormal` is for effects that sum to
# zero along their last dimension, `SymmetricDirichlet` for parts that sum to one along it.
DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "Normal": ("mu", "sigma"),
    "HalfNormal": ("sigma",),
    "StudentT": ("nu", "mu", "sigma"),
    "HalfStudentT": ("nu", "sigma"),
    "HalfCauchy": ("beta",),
    "LogNormal": ("mu", "sigma"),
    "Exponential": ("lam",),
    "Gamma": ("alpha", "beta"),
    "InverseGamma": ("alpha", "beta"),
    "Uniform": ("lower", "upper"),
    "Beta": ("alpha", "beta"),
    "Correlation": ("eta",),
    "ZeroSumNormal": ("sigma",),
    "SymmetricDirichlet": ("concentration",),
}
# Nothing of these lies below zero: only they can stand for a scale.
POSITIVE = (
    "HalfNormal",
    "HalfStudentT",
    "HalfCauchy",
    "LogNormal",
    "Exponential",
    "Gamma",
    "InverseGamma",
)
# Made for one kind of parameter, and not exchanged with others.
SPECIAL = ("Correlation", "ZeroSumNormal")
# Of a half-normal prior's scale: below this a scale that may vanish is explored on its logarithm.
_NEAR_ZERO = 0.05
# These parameters may take any finite value; all others must be above zero.
_UNBOUNDED = {"mu", "lower", "upper"}


@dataclass(frozen=True)
class Prior:
    """One prior; ``meaning`` says on the natural scale what it lets through, ``reason`` why."""

    name: str
    distribution: str
    parameters: Mapping[str, float]
    meaning: str
    reason: str

    def faults(self) -> list[str]:
        """What is wrong with the declaration, in words; empty when it can be built."""
        expected = DISTRIBUTIONS.get(self.distribution)
        if expected is None:
            known = ", ".join(DISTRIBUTIONS)
            return [f"unknown distribution {self.distribution!r}; known: {known}"]
        found = []
        if set(self.parameters) != set(expected):
            found.append(
                f"{self.distribution} takes {', '.join(expected)}; given: "
                f"{', '.join(self.parameters) or 'nothing'}"
            )
        found += [
            f"{self.distribution} needs a finite {name}, given {value}"
            for name, value in self.parameters.items()
            if not math.isfinite(value)
        ]
        found += [
            f"{self.distribution} needs {name} > 0, given {value}"
            for name, value in self.parameters.items()
            if name not in _UNBOUNDED and value <= 0
        ]
        if self.distribution == "Uniform" and not found:
            lower, upper = self.parameters["lower"], self.parameters["upper"]
            if not lower < upper:
                found.append(f"Uniform needs lower < upper, given {lower} and {upper}")
        return found


def draw_from(prior: Prior, *, may_vanish: bool = False, **kwargs: Any) -> "TensorVariable":
    """Add the prior to the current PyMC model under its own name; ``kwargs`` go to PyMC (dims).

    A scale that ``may_vanish``, for data allow zero, is explored on a scale that is linear but near
    zero: on its logarithm the posterior would be sharp on one side and endless on the other.
    """
    import pymc as pm

    if prior.distribution == "Correlation":
        eta = prior.parameters["eta"]
        raw = pm.Beta(f"{prior.name}_raw", eta, eta, **kwargs)
        return pm.Deterministic(prior.name, 2 * raw - 1, **kwargs)
    if prior.distribution == "SymmetricDirichlet":
        parts = len(pm.modelcontext(None).coords[kwargs["dims"]])
        return pm.Dirichlet(prior.name, [prior.parameters["concentration"]] * parts, **kwargs)
    if may_vanish and prior.distribution == "HalfNormal":
        from models.softplus import Softplus

        kwargs["default_transform"] = Softplus(_NEAR_ZERO * prior.parameters["sigma"])
    return getattr(pm, prior.distribution)(prior.name, **prior.parameters, **kwargs)
