"""Observed data that can be exchanged without compiling a model again.

A single fit samples fastest when its data are constants. A study of many replicates builds one
model inside ``replaceable_data()``, compiles it once and gives it one data set after another. What
a likelihood offers for that:

- it holds each observed array as ``pm.Data`` made by `observed_values` (bounds and masks too), and
  any cell may be exact or an interval;
- it says with `publishes` how values drawn from it become the arrays that it holds, rounded and
  suppressed as a publisher would;
- what the form of a density takes from each data set goes through `worked_out`.

Until data are given the arrays hold noughts, so nothing that was observed can stay in the model.
The density is the same either way.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm

Derive = Callable[[Mapping[str, np.ndarray]], np.ndarray]
Publish = Callable[[np.ndarray], Mapping[str, np.ndarray]]


@dataclass
class Exchange:
    """What a model built for a study said of itself.

    Attributes
    ----------
    publish
        For each observed variable, from drawn values to the arrays of its ``pm.Data`` by name.
    rules
        The same in words.
    derived
        Further ``pm.Data`` by name, from the values drawn for every observed variable.
    natural
        Variables that are the same whatever the data, where those drawn in their place are not.
    """

    publish: dict[str, Publish] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    derived: dict[str, Derive] = field(default_factory=dict)
    natural: list[str] = field(default_factory=list)

    def data_of(self, drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every array of ``pm.Data`` for one data set, from the values drawn for it by name."""
        data = {
            name: values
            for observed, publish in self.publish.items()
            for name, values in publish(drawn[observed]).items()
        }
        return data | {name: derive(drawn) for name, derive in self.derived.items()}


_EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
_SHARES_CODE: ContextVar[bool] = ContextVar("shares_code", default=False)


@contextmanager
def replaceable_data() -> Iterator[Exchange]:
    """Models built inside hold what was observed as ``pm.Data``; see the module docstring."""
    exchange = Exchange()
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


def worked_out(
    name: str,
    shape: tuple[int, ...],
    work: Callable[[Mapping[str, np.ndarray] | None], np.ndarray],
) -> Any:
    """Numbers of one ``shape`` that the form of a density takes, as ``work`` gives them: of the
    data (None), or in a study ``pm.Data`` called ``name``, of the values drawn for each data set.
    """
    exchange = _EXCHANGE.get()
    if exchange is None:
        return work(None)
    exchange.derived[name] = work
    return pm.Data(name, np.zeros(shape), shape=shape)


def drawn_in_place_of(natural: str) -> None:
    """Say that what is drawn in place of ``natural`` hangs on the data."""
    exchange = _EXCHANGE.get()
    if exchange is not None:
        exchange.natural.append(natural)


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
