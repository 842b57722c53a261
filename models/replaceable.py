"""Observed data that can be exchanged without compiling a model again.

A single fit samples fastest when its data are constants. A study of many replicates builds one
model inside ``replaceable_data()``, compiles it once and gives it one data set after another. What
a likelihood offers for that:

- it holds each observed array as ``pm.Data`` made by `observed_values` (bounds and masks too), and
  any cell may be exact or an interval;
- it says with `publishes` how values drawn from it become the arrays that it holds, rounded and
  suppressed as a publisher would;
- a choice of form that single fits take from their data goes through `decided_by_data`, where one
  form serves all, or `decided_by_each`, where the study shall choose anew for every data set.

Until data are given the arrays hold noughts, so nothing that was observed can stay in the model.
The density is the same either way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

Derive = Callable[[Mapping[str, np.ndarray]], np.ndarray]
Publish = Callable[[np.ndarray], Mapping[str, np.ndarray]]


@dataclass
class Exchange:
    """What a model built for a study said of itself.

    Attributes
    ----------
    declared
        Choices that the study fixes by name; others take the value that the model declares.
    choices
        Every choice that was asked for, as it was fixed.
    publish
        For each observed variable, from drawn values to the arrays of its ``pm.Data`` by name.
    rules
        The same in words.
    derived
        Further ``pm.Data`` by name, from the values drawn for every observed variable.
    forms
        For each variable that is drawn in one of two forms: the variable that is the same in both,
        whose values it takes in the second form, and the ``pm.Data`` and place in it that say which
        form it is. Worlds are drawn in the first.
    """

    declared: Mapping[str, bool] = field(default_factory=dict)
    choices: dict[str, bool] = field(default_factory=dict)
    publish: dict[str, Publish] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    derived: dict[str, Derive] = field(default_factory=dict)
    forms: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    def data_of(self, drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every array of ``pm.Data`` for one data set, from the values drawn for it by name."""
        data = {
            name: values
            for observed, publish in self.publish.items()
            for name, values in publish(drawn[observed]).items()
        }
        return data | {name: derive(drawn) for name, derive in self.derived.items()}

    def in_form(self, drawn: xr.Dataset, data: Mapping[str, np.ndarray]) -> xr.Dataset:
        """Parameters of a world, drawn in the first form, in the form that ``data`` asks for."""
        other = {
            name: drawn[natural]
            for name, (natural, switch, place) in self.forms.items()
            if data[switch][place]
        }
        return drawn.assign(other)


_EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
_SHARES_CODE: ContextVar[bool] = ContextVar("shares_code", default=False)


@contextmanager
def replaceable_data(declared: Mapping[str, bool] | None = None) -> Iterator[Exchange]:
    """Models built inside hold what was observed as ``pm.Data``; see the module docstring."""
    exchange = Exchange(declared or {})
    token = _EXCHANGE.set(exchange)
    try:
        yield exchange
    finally:
        _EXCHANGE.reset(token)


def is_replaceable() -> bool:
    """Whether the model that is being built shall hold what was observed as ``pm.Data``."""
    return _EXCHANGE.get() is not None


def observed_values(name: str, values: np.ndarray) -> object:
    """The values as they are, or noughts as ``pm.Data`` called ``name`` where they may change."""
    if not is_replaceable():
        return values
    return pm.Data(name, np.zeros_like(values), shape=np.shape(values))


def publishes(observed: str, rule: str, publish: Publish) -> None:
    """Say how values drawn for ``observed`` are published; nothing happens in a single fit."""
    exchange = _EXCHANGE.get()
    if exchange is not None:
        exchange.publish[observed] = publish
        exchange.rules[observed] = rule


def decided_by_data(name: str, from_data: Callable[[], bool], *, in_study: bool) -> bool:
    """A choice between two forms of one density: from the data, or fixed for a whole study."""
    exchange = _EXCHANGE.get()
    if exchange is None:
        return from_data()
    return exchange.choices.setdefault(name, exchange.declared.get(name, in_study))


def decided_by_each(
    name: str, number: int, from_data: Callable[[], Sequence[bool]], from_drawn: Derive
) -> Sequence[Any]:
    """``number`` choices between two forms of one density: from the data, or in a study from each
    data set.

    In a study they are the places of the ``pm.Data`` called ``name``, which ``from_drawn`` works
    out of the values drawn: 1 for the second form, in which a variable takes the values of what is
    the same in both; see `takes_form`.
    """
    exchange = _EXCHANGE.get()
    if exchange is None:
        return from_data()
    exchange.derived[name] = from_drawn
    data = pm.Data(name, np.zeros(number))
    return [data[place] for place in range(number)]


def takes_form(variable: str, natural: str, switch: str, place: int) -> None:
    """Say that ``variable`` equals ``natural`` where ``place`` of the data ``switch`` is 1."""
    exchange = _EXCHANGE.get()
    if exchange is not None:
        exchange.forms[variable] = (natural, switch, place)


@contextmanager
def exchangeable_covariates() -> Iterator[None]:
    """Models built inside hold their covariates as ``pm.Data``.

    Two of them that differ in nothing but covariates are one graph and share compiled code
    (`experiments.sampling.compile_shared`); single fits sample faster with constants.
    """
    token = _SHARES_CODE.set(True)
    try:
        yield
    finally:
        _SHARES_CODE.reset(token)


def covariate(name: str, values: np.ndarray) -> Any:
    """The values as they are, or the model's ``pm.Data`` called ``name`` where code is shared."""
    if not _SHARES_CODE.get():
        return values
    model = pm.modelcontext(None)
    return model[name] if name in model.named_vars else pm.Data(name, values)
