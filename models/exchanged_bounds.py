"""What a likelihood holds of bounds that may be exchanged (`models.replaceable`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt

from models.published_counts import CountPublication
from models.replaceable import observed_values, publishes

# An interval of counts that can be exchanged is summed exactly, up to this many.
LARGEST_REPLACEABLE_WIDTH = 20


@dataclass(frozen=True)
class ExchangedBounds:
    """Bounds of cells, any of which may be exact or an interval.

    Attributes
    ----------
    lower : (cell,)
        The lower bounds: the observed value, ``<name>_lower_data``.
    inside : (step, cell)
        1 where ``lower + step + 1`` is in the interval, ``<name>_inside_data``; None where every
        count is shown, for data that the density does not read could not be exchanged.
    steps
        Steps from one count of the widest interval to the next.
    """

    lower: pt.TensorVariable
    inside: pt.TensorVariable | None
    steps: range


def exchange_bounds(
    name: str, rule: CountPublication, cells: int, most: np.ndarray | None = None
) -> ExchangedBounds:
    """Bounds of the observed variable ``name``, as ``rule`` publishes its values.

    ``most`` (cell,) is the whole that each is a part of: no part is ever more, whatever its printed
    value could stand for.

    Raises
    ------
    ValueError
        When an interval holds too many counts to be summed one by one.
    """
    if rule.width > LARGEST_REPLACEABLE_WIDTH:
        raise ValueError(f"an interval of {rule.width} counts is too wide to be exchanged")
    value, inside = f"{name}_lower_data", f"{name}_inside_data"
    steps = range(rule.width - 1)
    above = 1 + np.array(steps, int)[:, None]

    def publish(counts: np.ndarray) -> dict[str, np.ndarray]:
        low, high = rule.bounds(counts)
        if most is not None:
            high = np.minimum(high, most)
        mask = {inside: (low + above <= high).astype(float)} if steps else {}
        return {value: low, **mask}

    publishes(name, rule.rule, publish)
    is_inside = observed_values(inside, np.zeros((len(steps), cells))) if steps else None
    return ExchangedBounds(observed_values(value, np.zeros(cells, "int64")), is_inside, steps)


def log_interval(
    ratios: Sequence[pt.TensorVariable], inside: pt.TensorVariable | None
) -> pt.TensorVariable:
    """Log mass of intervals over the mass of their lower bounds; (cell,).

    ``ratios[k]`` is the mass at ``lower + k + 1`` over that at ``lower + k``; ``inside`` (step,
    cell) is 1 where ``lower + k + 1`` is in the interval, and None where there are no steps. An
    exact cell costs only multiplications by zero, so that cells may be exact or not without another
    graph.
    """
    total = 1.0
    # From the last ratio inwards: 1 + r1 (1 + r2 (1 + ...)).
    for k in reversed(range(len(ratios))):
        total = 1.0 + inside[k] * ratios[k] * total
    return pt.log(total)
