"""Special functions that a processor works out four at a time.

The log density of counts is little else than log-gamma, digamma, exponentials and logarithms, and
the library functions behind them take one number at a time. Those here are sums, products and
choices without branches, so that the compiler turns a loop over an array into vector instructions:
two to five times as fast, and equal to the library's to rounding error
(`tests/experiments/test_native_functions.py`). Log-gamma and digamma are those of positive numbers
alone: of others they give NaN, which a sampler refuses.

Logarithms and exponentials reduce their argument to a small interval and sum a series there (Muller
2016, Elementary Functions, ch. 11). Log-gamma and digamma are Stirling's series of 16 or more, or
of the argument plus 8 and back by the recurrence (Abramowitz and Stegun 1964, 6.1.15, 6.1.40, 6.3.5
and 6.3.18).

`use_native_functions` hands arrays to them in all that PyTensor compiles to native code. Each is a
loop of its own, for a loop that also gathers or adds up by index is not vectorised.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor.elemwise import Elemwise
from scipy import special

# Below this many elements another loop costs more than it saves.
LEAST_ELEMENTS = 64
# A part of the key under which PyTensor keeps compiled code: another once this file changes.
_VERSION = int(sha256(Path(__file__).read_bytes()).hexdigest()[:12], 16)

_bits = np.uint64
_FRACTION_BITS = _bits(52)
_BIAS, _BIAS_LESS_ONE = _bits(1023), _bits(1022)
# Bits of the root of a half less those of one, modulo 2**64.
_ROOT_HALF_LESS_ONE = _bits((0x3FE6A09E667F3BCD - 0x3FF0000000000000) % 2**64)
# An integer in the low bits of 2**52 is added to it; 1.5 * 2**52 added rounds to an integer.
_TWO_52, _ROUND_BITS = _bits(0x4330000000000000), _bits(0x4338000000000000)
_TWO_52_AND_BIAS, _ROUND, _TWO_54 = 2.0**52 + 1023, 1.5 * 2.0**52, 2.0**54
# The logarithm of two in two parts, the first with so many noughts at its end that multiples by
# exponents are exact.
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_LOG2_E = 1 / math.log(2)
_LEAST_NORMAL = 2.3e-308
# Below the least exponential is nought instead of a number with fewer digits.
_LARGEST_EXP, _LEAST_EXP = math.log(np.finfo(float).max), -707.0
_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)
_STIRLING_FROM, _SHIFT = 16.0, 8.0

# Terms are added in the order in which they are written, for numbers are split into parts here.
_scalar: Callable[[Callable[[float], float]], Callable[[float], float]] = njit(  # type: ignore[call-overload]
    forceinline=True,
    error_model="numpy",
    fastmath={"contract"},
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)


@_scalar
def _log(x: float) -> float:
    # x is 2**e m with m from the root of a half to that of two.
    is_tiny = x < _LEAST_NORMAL
    bits = np.float64(x * _TWO_54 if is_tiny else x).view(np.uint64)
    biased = (bits - _ROOT_HALF_LESS_ONE) >> _FRACTION_BITS
    m = np.uint64(bits - ((biased - _BIAS) << _FRACTION_BITS)).view(np.float64)
    whole: float = np.uint64(biased | _TWO_52).view(np.float64) - _TWO_52_AND_BIAS
    e = whole - 54.0 if is_tiny else whole
    # log m is 2 (s + s**3 / 3 + s**5 / 5 ...), of which 2 s is f - s f.
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    rest = 2 / 15 + z * (2 / 17 + z * (2 / 19 + z * (2 / 21 + z * (2 / 23))))
    rest = 2 / 7 + z * (2 / 9 + z * (2 / 11 + z * (2 / 13 + z * rest)))
    rest = z * (2 / 3 + z * (2 / 5 + z * rest))
    value: float = e * _LN2_HIGH + (f - (s * (f - rest) - e * _LN2_LOW))
    value = value if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return value if x < np.inf else x


@_scalar
def _exp(x: float) -> float:
    # x is n log 2 + r with r within half of log 2.
    y = _LARGEST_EXP if x > _LARGEST_EXP else x
    y = _LEAST_EXP if y < _LEAST_EXP else y
    rounded = y * _LOG2_E + _ROUND
    n = rounded - _ROUND
    r = (y - n * _LN2_HIGH) - n * _LN2_LOW
    series = 1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r / 6227020800))
    series = 1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * series))
    series = 1 / 24 + r * (1 / 120 + r * (1 / 720 + r * series))
    series = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * series)))
    # Half the power of two, and twice that: the largest whole one has no bits.
    power = (np.float64(rounded).view(np.uint64) - _ROUND_BITS + _BIAS_LESS_ONE) << _FRACTION_BITS
    value: float = 2.0 * (series * np.uint64(power).view(np.float64))
    value = np.inf if x > _LARGEST_EXP else value
    return 0.0 if x < _LEAST_EXP else value


@_scalar
def _gammaln(x: float) -> float:
    is_low = x < _STIRLING_FROM
    product = x * (x + 1) * (x + 2) * (x + 3) * (x + 4) * (x + 5) * (x + 6) * (x + 7)
    z = x + _SHIFT if is_low else x
    w = 1.0 / z
    q = w * w
    series = 1 / 1260 + q * (-1 / 1680 + q * (1 / 1188 + q * (-691 / 360360 + q / 156)))
    series = w * (1 / 12 + q * (-1 / 360 + q * series))
    above = (z - 0.5) * _log(z) - z + _HALF_LOG_2_PI + series
    value = above - _log(product if is_low else 1.0)
    value = value if x >= 0.0 else np.nan
    return value if x < np.inf else x


@_scalar
def _psi(x: float) -> float:
    is_low = x < _STIRLING_FROM
    # The product of x, x + 1 ... x + 7 and its slope.
    product, slope = x, 1.0
    for k in range(1, 8):
        slope = slope * (x + k) + product
        product = product * (x + k)
    z = x + _SHIFT if is_low else x
    w = 1.0 / z
    q = w * w
    series = 1 / 240 + q * (-1 / 132 + q * (691 / 32760 - q / 12))
    series = q * (-1 / 12 + q * (1 / 120 + q * (-1 / 252 + q * series)))
    value = _log(z) - 0.5 * w + series - (slope / product if is_low else 0.0)
    value = value if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return value if x < np.inf else x


@_scalar
def _softplus(x: float) -> float:
    far = _exp(-x if x > 0.0 else x)
    one_more = 1.0 + far
    # What was lost of `far` in the sum is given back.
    return (x if x > 0.0 else 0.0) + _log(one_more) + (far - (one_more - 1.0)) / one_more


@_scalar
def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + _exp(-x))


# By the names of PyTensor's scalar operations: the function here, and the library's.
FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[Any], Any]]] = {
    "Log": (_log, np.log),
    "Exp": (_exp, np.exp),
    "GammaLn": (_gammaln, special.gammaln),
    "Psi": (_psi, special.psi),
    "Softplus": (_softplus, lambda x: np.logaddexp(0.0, x)),
    "Sigmoid": (_sigmoid, special.expit),
}


class NativeFunction(Op):
    """A function of `FUNCTIONS` of every element of an array."""

    __props__ = ("function",)

    def __init__(self, function: str) -> None:
        self.function = function

    def make_node(self, *inputs: Variable) -> Apply:
        """One array in and one of its shape out."""
        (x,) = inputs
        return Apply(self, [x], [x.type.clone(shape=x.type.shape)()])

    def perform(self, node: Apply, inputs: Sequence[Any], outputs: Any) -> None:
        """By the library, where a graph is not compiled."""
        outputs[0][0] = np.asarray(FUNCTIONS[self.function][1](inputs[0]))

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        """That of the argument."""
        return shapes


@register_funcify_default_op_cache_key(NativeFunction)  # type: ignore[untyped-decorator]
def _native_loop(op: NativeFunction, **_: Any) -> tuple[Callable[..., Any], int]:
    function = FUNCTIONS[op.function][0]

    @numba_njit
    def loop(x: Any) -> Any:
        contiguous = np.ascontiguousarray(x)
        out = np.empty(contiguous.shape)
        given, found = contiguous.reshape(-1), out.reshape(-1)
        for i in range(given.size):
            found[i] = function(given[i])
        return out

    return loop, _VERSION


_given_up = False


@contextmanager
def with_library_functions() -> Iterator[None]:
    """What is compiled while the block runs calls the library's functions: for comparisons."""
    global _given_up
    _given_up = True
    try:
        yield
    finally:
        _given_up = False


def state() -> tuple[int, bool]:
    """What of this module decides how a graph is rewritten: its text, and whether it is in use."""
    return _VERSION, _given_up


@node_rewriter([Elemwise])  # type: ignore[untyped-decorator]
def to_native(fgraph: Any, node: Apply) -> list[Variable] | None:
    """Another operation in the place of PyTensor's own, once a graph has been differentiated."""
    (x, *others), name = node.inputs, type(node.op.scalar_op).__name__
    if _given_up or others or name not in FUNCTIONS:
        return None
    if x.type.ndim == 0 or x.type.dtype != "float64":
        return None
    lengths = x.type.shape
    if None not in lengths and math.prod(lengths) < LEAST_ELEMENTS:
        return None
    return list(NativeFunction(name).make_node(x).outputs)


def use_native_functions() -> None:
    """From now on PyTensor's native code works out arrays by these functions."""
    if "native_functions" not in optdb:
        # Before loops are fused, at 49.
        optdb.register("native_functions", dfs_rewriter(to_native), "numba", position=48.9)
