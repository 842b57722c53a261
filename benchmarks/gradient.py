"""Time of one gradient of the project's models, beside the least that its arithmetic needs.

The floor is a bare compiled loop over the cells with the special functions that log density and
gradient cannot do without, and nothing else: log-gamma and digamma of each distinct argument for
counts, an exponential and a logarithm for judgements. There are two: by functions that take one
number at a time, as libraries have them, and by the project's own, which take four.
"""

import math
import timeit
from typing import Any

import numpy as np
import numpy.typing as npt

# Arguments that differ from cell to cell: y + dispersion for counts; y + a, n - y + b, a, b for
# shares out of n.
ARGUMENTS = {"trend": 1, "shares": 4, "horseshoe": 0}
_CALLS = 300


def gradient_seconds(compiled: Any, calls: int = _CALLS) -> float:
    """Least seconds of a call of the compiled log density and gradient, best of five batches."""
    import ctypes

    function = compiled.compiled_logp_func.ctypes
    size = compiled.n_dim
    rng = np.random.default_rng(1)
    point = compiled.initial_point_func(1) + 0.01 * rng.normal(size=size)
    gradient, value = np.empty(size), np.empty(1)

    def pointer(array: npt.NDArray[np.float64]) -> Any:
        return array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))

    # The number of arguments is the shell's: size, point, gradient, value, shared data.
    arguments = (
        size,
        pointer(point),
        pointer(gradient),
        pointer(value),
        compiled.user_data.ctypes.data,
    )
    if function(*arguments) != 0:
        raise RuntimeError("the log density cannot be computed at a starting point")
    return _least(lambda: function(*arguments), calls)


def _arguments(task: str, cells: int) -> npt.NDArray[np.float64]:
    many = cells * max(ARGUMENTS[task], 1)
    return 5 + 50 * np.random.default_rng(1).uniform(size=many)


def floor_seconds(task: str, cells: int, calls: int = _CALLS) -> float:
    """Least seconds of the special functions that ``cells`` cells of a task need, by library."""
    import numba

    @numba.njit(inline="always")
    def _digamma(value: float) -> float:
        # Shifted up to where eight terms of the asymptotic series are exact, then back.
        shift = 0.0
        while value < 10.0:
            shift -= 1.0 / value
            value += 1.0
        inverse = 1.0 / value
        square = inverse * inverse
        series = square * (
            1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132)))
        )
        return shift + math.log(value) - 0.5 * inverse - series

    @numba.njit
    def counts(x: Any) -> float:
        total = 0.0
        for value in x:
            total += math.lgamma(value) + _digamma(value)
        return total

    @numba.njit
    def judgements(x: Any) -> float:
        total = 0.0
        for value in x:
            total += math.log1p(math.exp(-value))
        return total

    return _loop_seconds(counts if ARGUMENTS[task] else judgements, _arguments(task, cells), calls)


def native_floor_seconds(task: str, cells: int, calls: int = _CALLS) -> float:
    """The same by the functions of `experiments.native_functions`."""
    import numba

    from experiments.native_functions import FUNCTIONS

    log_gamma, digamma, softplus = (FUNCTIONS[name][0] for name in ("GammaLn", "Psi", "Softplus"))

    @numba.njit
    def counts(x: Any) -> tuple[Any, Any]:
        first, second = np.empty(x.size), np.empty(x.size)
        for i in range(x.size):
            first[i] = log_gamma(x[i])
        for i in range(x.size):
            second[i] = digamma(x[i])
        return first, second

    @numba.njit
    def judgements(x: Any) -> Any:
        out = np.empty(x.size)
        for i in range(x.size):
            out[i] = softplus(-x[i])
        return out

    return _loop_seconds(counts if ARGUMENTS[task] else judgements, _arguments(task, cells), calls)


def _loop_seconds(loop: Any, x: npt.NDArray[np.float64], calls: int) -> float:
    loop(x)
    return _least(lambda: loop(x), calls)


def _least(call: Any, calls: int) -> float:
    # The collector is off: what a call from Python makes would set it going, as no sampler does.
    return min(timeit.repeat(call, number=calls, repeat=5)) / calls
