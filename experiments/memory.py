"""Whether a fit finds room in the memory of this machine, before it begins."""

import logging
import math
from typing import Any

import psutil

from data_prep.errors import DataError, Fault
from experiments.config import SamplerConfig
from experiments.sampling import PREDICTIVE_DRAWS

log = logging.getLogger("experiments")

_GIB = 2**30
# Libraries, the model and its compiled code.
_START = 1.0 * _GIB
# What a fit holds at its fullest for each draw, in numbers of eight bytes: of each free or derived
# scalar itself, the sampler's copy and an estimand made of it; of each cell its log density (half
# of one) and the rate that is behind it. Fitted by eye to what docs/benchmarks-scale.md measures.
_PER_SCALAR = 3.0
_PER_CELL = 1.5
# Copies of each predictive draw of a cell: from prior and posterior, and while it is drawn.
_PER_REPLICATE = 4.0
# Fewer draws of a chain than this are no remedy.
_FEWEST_DRAWS = 250


def expected_bytes(scalars: int, cells: int, draws: int) -> float:
    """The most memory that a fit is likely to hold at once, forks and all.

    Parameters
    ----------
    scalars
        Free and derived scalars of the model.
    cells
        Observed cells.
    draws
        Posterior draws of all chains.
    """
    kept = draws * (_PER_SCALAR * scalars + _PER_CELL * cells)
    return _START + 8 * (kept + PREDICTIVE_DRAWS * _PER_REPLICATE * cells)


def require_memory(model: Any, config: SamplerConfig) -> None:
    """Say how much memory a large fit will need; refuse one that this machine has no room for.

    Raises
    ------
    DataError
        With what would make it fit.
    """
    scalars = sum(_size(model, variable) for variable in (*model.free_RVs, *model.deterministics))
    cells = sum(_size(model, variable) for variable in model.observed_RVs)
    needed = expected_bytes(scalars, cells, config.chains * config.draws)
    free = psutil.virtual_memory().available
    size = f"{cells:,} cells, {scalars:,} scalars, {config.chains} chains of {config.draws:,} draws"
    if needed > free / 4:
        log.info("needs about %s of memory (%s)", _gib(needed), size)
    if needed <= free:
        return
    without_draws = expected_bytes(scalars, cells, 0)
    fewer = math.floor(config.draws * (free - without_draws) / (needed - without_draws))
    remedies = ["fit fewer years, authorities or outcomes", "end other programs"]
    if fewer >= _FEWEST_DRAWS:
        remedies.insert(0, f"keep fewer draws (sampler.draws={fewer // 10 * 10} would fit)")
    raise DataError(
        [
            Fault(
                f"the data are too large for this machine: the fit needs about {_gib(needed)} of "
                f"memory, {_gib(free)} are free",
                f"{', '.join(remedies)}, or use a machine with more memory",
                value=size,
            )
        ]
    )


def _size(model: Any, variable: Any) -> int:
    dims = model.named_vars_to_dims.get(variable.name)
    if dims:
        return math.prod(len(model.coords[dim]) for dim in dims)
    return math.prod(length or 1 for length in variable.type.shape)


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB"
