"""Between a formula and bambi: families, the model that bambi specifies, its design and its priors.

bambi reads the formula, codes factors, scales its automatic priors to the data and writes the PyMC
model. Names are changed on the way: ``1|la_sigma`` becomes ``la_level_sd``, the observations become
``obs``, and the expected value of every cell, which estimands make again from the design, is not
kept in the draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy import special, stats

from models.formula_text import Formula, Group
from models.priors import Prior

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True)
class Family:
    """A family of bambi's.

    ``outcome`` is what it can explain: counts, shares (a part of a whole) or values (indicators).
    The first of ``links`` is the usual one. ``auxiliary`` gives our names to bambi's parameters.
    """

    outcome: Literal["counts", "shares", "values"]
    links: tuple[str, ...]
    parent: str
    auxiliary: Mapping[str, str] = field(default_factory=dict)
    equation: str = ""


FAMILIES = {
    "negativebinomial": Family(
        "counts",
        ("log",),
        "mu",
        {"alpha": "dispersion"},
        "y ~ NegativeBinomial(mean = expected, dispersion)",
    ),
    "poisson": Family("counts", ("log",), "mu", {}, "y ~ Poisson(expected)"),
    "beta_binomial": Family(
        "shares",
        ("logit", "probit", "cloglog"),
        "mu",
        {"kappa": "dispersion"},
        "y ~ BetaBinomial({whole}, share = expected, dispersion)",
    ),
    "binomial": Family(
        "shares",
        ("logit", "probit", "cloglog"),
        "p",
        {},
        "y ~ Binomial({whole}, share = expected)",
    ),
    "gaussian": Family(
        "values",
        ("identity",),
        "mu",
        {"sigma": "residual_sd"},
        "y ~ Normal(expected, residual_sd)",
    ),
    "t": Family(
        "values",
        ("identity",),
        "mu",
        {"sigma": "residual_scale", "nu": "degrees_of_freedom"},
        "y ~ StudentT(degrees_of_freedom, expected, residual_scale)",
    ),
    "gamma": Family(
        "values", ("log",), "mu", {"alpha": "shape"}, "y ~ Gamma(mean = expected, shape)"
    ),
}
# Distributions that a prior of a formula may have, as scipy knows them.
_SCIPY: dict[str, Any] = {
    "Normal": lambda mu, sigma: stats.norm(mu, sigma),
    "HalfNormal": lambda sigma: stats.halfnorm(scale=sigma),
    "StudentT": lambda nu, mu, sigma: stats.t(nu, mu, sigma),
    "HalfStudentT": lambda nu, sigma: _Half(stats.t(nu, 0, sigma)),
    "HalfCauchy": lambda beta: stats.halfcauchy(scale=beta),
    "LogNormal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
    "Exponential": lambda lam: stats.expon(scale=1 / lam),
    "Gamma": lambda alpha, beta: stats.gamma(alpha, scale=1 / beta),
    "InverseGamma": lambda alpha, beta: stats.invgamma(alpha, scale=beta),
    "Uniform": lambda lower, upper: stats.uniform(lower, upper - lower),
    "Beta": lambda alpha, beta: stats.beta(alpha, beta),
}


class _Half:
    """The part above zero of a distribution symmetric about it."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole

    def ppf(self, p: float) -> float:
        return float(self.whole.ppf(0.5 + p / 2))


@dataclass(frozen=True)
class Column:
    """One column of the common part: a term, or one level of a factor.

    ``values`` (obs,) have their mean taken out where the model has an intercept, as bambi does.
    ``level`` is "" for a number.
    """

    term: str
    variable: str
    place: int | None
    level: str
    values: np.ndarray
    is_indicator: bool
    sd: float


@dataclass(frozen=True)
class Varying:
    """Effects that vary: for each cell its group (position in ``levels``) and its predictor."""

    group: Group
    levels: list[str]
    index: np.ndarray
    predictor: np.ndarray


@dataclass(frozen=True)
class Design:
    """What is multiplied with the coefficients: the linear predictor is made of it."""

    has_intercept: bool
    columns: tuple[Column, ...]
    varying: tuple[Varying, ...]
    offset: np.ndarray


def specify(
    formula: Formula,
    family: str,
    link: str,
    exposure: str,
    table: pd.DataFrame,
    priors: Mapping[str, Prior] | None = None,
    noncentered: str = "all",
) -> Any:
    """The model as bambi has it, not yet built; ``priors`` in place of its automatic ones.

    Raises
    ------
    ValueError
        In the words of the libraries, for a term that cannot be computed on this table.
    """
    import bambi

    # A prior that fits nothing would be ignored with a warning.
    bambi.config["UNUSED_PRIORS"] = "error"
    text = formula.text + (f" + offset(log({exposure}))" if exposure else "")
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    # bambi looks for texts by a name that pandas no longer uses for them.
    table = table.astype(dict.fromkeys(texts, "category"))
    # What a transformation makes of zero or below is looked for afterwards, and named.
    with np.errstate(all="ignore"):
        model = bambi.Model(
            text,
            table,
            family=family,
            link=link,
            priors=None if priors is None else _as_bambi(formula, family, priors, noncentered),
            extra_namespace={"sqrt": np.sqrt},
        )
    aliases = {"Intercept": "intercept"} if formula.has_intercept else {}
    aliases |= formula.terms | {group.name: group.variable for group in formula.groups}
    model.set_alias(aliases | dict(FAMILIES[family].auxiliary) | {model.response_term.name: "y"})
    for term in _parent(model).group_specific_terms.values():
        term.hyperprior_alias = {"sigma": "sd"}
    return model


def _parent(model: Any) -> Any:
    return model.parameters[model.family.likelihood.parent]


def _as_bambi(
    formula: Formula, family: str, priors: Mapping[str, Prior], noncentered: str
) -> dict[str, Any]:
    """Our priors under bambi's names."""
    import bambi

    def prior(name: str) -> Any:
        own = priors[name]
        return bambi.Prior(own.distribution, **own.parameters)

    found = {"Intercept": prior("intercept")} if formula.has_intercept else {}
    found |= {term: prior(variable) for term, variable in formula.terms.items()}
    for group in formula.groups:
        kind = "levels" if group.term is None else "effects"
        found[group.name] = bambi.Prior(
            "Normal", mu=0, sigma=prior(group.sd), noncentered=noncentered in (kind, "all")
        )
    found |= {theirs: prior(ours) for theirs, ours in FAMILIES[family].auxiliary.items()}
    return found


def derive_design(model: Any, formula: Formula) -> Design:
    """The design of bambi's model, each column beside the name of its coefficient."""
    component = _parent(model)
    columns = []
    for term, variable in formula.terms.items():
        held = component.common_terms[term]
        data = np.asarray(held.data, float)
        several = bool(held.coords)
        levels = [str(level) for level in next(iter(held.coords.values()), [""])]
        for place, (level, values) in enumerate(zip(levels, _columns(data), strict=True)):
            shown = level if held.categorical else f"{place + 1}" if several else ""
            centred = values - values.mean() if formula.has_intercept else values
            columns.append(
                Column(
                    term,
                    variable,
                    place if several else None,
                    shown,
                    centred,
                    bool(np.isin(values, (0.0, 1.0)).all()),
                    float(values.std()),
                )
            )
    varying = tuple(
        Varying(
            group,
            [str(level) for level in held.groups],
            np.asarray(held.group_index, int),
            np.asarray(held.predictor, float).reshape(-1),
        )
        for group in formula.groups
        for held in (component.group_specific_terms[group.name],)
    )
    offset = np.zeros(len(model.data))
    for held in component.offset_terms.values():
        offset = offset + np.asarray(held.data, float).reshape(-1)
    return Design(formula.has_intercept, tuple(columns), varying, offset)


def _columns(data: np.ndarray) -> np.ndarray:
    return data.reshape(len(data), -1).T


# ------------------------------------------------------------------------------------- priors


def automatic_priors(
    model: Any, formula: Formula, family: str, link: str, unit: str, per: float
) -> dict[str, Prior]:
    """Automatic priors of bambi under our names, each with what it lets through."""
    component = _parent(model)
    found: dict[str, tuple[str, dict[str, float], str]] = {}
    if formula.has_intercept:
        found["intercept"] = _scalars(component.intercept_term.prior)
    for term, variable in formula.terms.items():
        found[variable] = _scalars(component.common_terms[term].prior)
    for group in formula.groups:
        found[group.sd] = _scalars(component.group_specific_terms[group.name].prior.args["sigma"])
    for theirs, ours in FAMILIES[family].auxiliary.items():
        found[ours] = _scalars(model.parameters[theirs].prior)
    priors = {
        name: Prior(name, distribution, parameters, "", f"bambi's automatic prior{note}")
        for name, (distribution, parameters, note) in found.items()
    }
    meanings = Meanings(formula, link, unit, per)
    return {
        name: Prior(name, prior.distribution, prior.parameters, meanings.of(prior), prior.reason)
        for name, prior in priors.items()
    }


def _scalars(prior: Any) -> tuple[str, dict[str, float], str]:
    """Distribution and parameters; of scales that differ by level the widest serves for all."""
    parameters, note = {}, ""
    for name, value in prior.args.items():
        values = np.atleast_1d(np.asarray(value, float))
        parameters[name] = float(f"{values.max():.6g}")
        if np.ptp(values) > 1e-6 * abs(values.max()):
            note = f"; of its {name} by level, {values.min():.3g} to {values.max():.3g}, the widest"
    return prior.name, parameters, note


@dataclass(frozen=True)
class Meanings:
    """What a prior lets through on the natural scale: its central 95 %, through the link."""

    formula: Formula
    link: str
    unit: str
    per: float

    def of(self, prior: Prior) -> str:
        """In words, for a declared or an overriding prior."""
        frozen = _SCIPY[prior.distribution](**prior.parameters)
        low, high = (float(frozen.ppf(p)) for p in (0.025, 0.975))
        top = float(frozen.ppf(0.95))
        if prior.name == "intercept":
            ends = [_shown(self.per * inverse_link(self.link)(end)) for end in (low, high)]
            return f"an average cell expects {ends[0]} to {ends[1]} {self.unit} (95 %)"
        if prior.name in {group.sd for group in self.formula.groups}:
            return f"a group one sd up: {self._step(top)} (95 %)"
        if prior.name in self.formula.terms.values():
            term = next(t for t, name in self.formula.terms.items() if name == prior.name)
            step = "a level against the reference" if term in self.formula.factors else "one more"
            return f"{step}: {self._step(low, high)} (95 %)"
        return f"from {_shown(low)} to {_shown(high)} (95 %)"

    def _step(self, low: float, high: float | None = None) -> str:
        """A step on the scale of the link as a reader would say it; up to ``low`` if alone."""
        ends = [low] if high is None else [low, high]
        if self.link in ("log", "logit"):
            ends = [float(np.exp(min(end, 700.0))) for end in ends]
        shown = [_shown(end) for end in ends]
        words = f"up to {shown[0]}" if high is None else " to ".join(shown)
        return {
            "log": f"the expectation times {words}",
            "logit": f"the odds times {words}",
            "identity": f"{words} {self.unit}",
        }.get(self.link, f"{words} on the {self.link} scale")


def inverse_link(link: str) -> Any:
    """From the linear predictor to the expected value."""
    functions: dict[str, Any] = {
        "identity": lambda eta: eta,
        "log": np.exp,
        "logit": special.expit,
        "probit": special.ndtr,
        "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
    }
    return functions[link]


def _shown(value: float) -> str:
    """Three figures; powers of ten where a number would be too long to read."""
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


# ------------------------------------------------------------------------------ the PyMC model


def build_pymc(model: Any, formula: Formula) -> "pm.Model":
    """The PyMC model of bambi with our dimensions, and without the expected values in its draws."""
    model.build()
    built: pm.Model = model.backend.model
    expected = built[model.family.likelihood.parent]
    built.deterministics.remove(expected)
    del built.named_vars[expected.name]
    del built.named_vars_to_dims[expected.name]
    names = {"__obs__": "obs"}
    for variable in formula.terms.values():
        names[f"{variable}_dim"] = f"{variable}_level"
    for group in formula.groups:
        names[f"{group.variable}__factor_dim"] = _dimension(group)
    for old, new in names.items():
        if old in built.coords:
            labels = built.coords[old] or ()
            plain = [label if isinstance(label, str) else int(label) for label in labels]
            if new not in built.coords:
                built.add_coord(new, plain)
            del built.coords[old]
            del built.dim_lengths[old]
    for variable, dims in list(built.named_vars_to_dims.items()):
        built.named_vars_to_dims[variable] = tuple(names.get(dim, dim) for dim in dims)
    return built


def _dimension(group: Group) -> str:
    # A common effect may be called after the place that it is of; its dimension is not.
    return "la" if group.factor == "la" else f"{group.factor.removesuffix('_factor')}_group"
