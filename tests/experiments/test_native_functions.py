"""Special functions for vector instructions, beside the library's and exact values."""

import math
from collections.abc import Callable

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numba import njit
from scipy import special
from scipy.special import expit

from experiments.native_functions import (
    FUNCTIONS,
    LEAST_ELEMENTS,
    NativeFunction,
    use_native_functions,
    with_library_functions,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*(divide by zero|invalid value):RuntimeWarning")

EPS = np.finfo(float).eps
RNG = np.random.default_rng(1)
# Arguments that densities of counts meet, and far more: rates of a millionth to dispersions of a
# million, and all that logarithms and exponentials can take.
ARGUMENTS = {
    "Log": np.exp(RNG.uniform(-708, 709, 20_000)),
    "Exp": RNG.uniform(-706, 709, 20_000),
    "GammaLn": np.exp(RNG.uniform(-30, 30, 20_000)),
    "Psi": np.exp(RNG.uniform(-30, 30, 20_000)),
    "Softplus": RNG.uniform(-700, 700, 20_000),
    "Sigmoid": RNG.uniform(-700, 700, 20_000),
}
NEAR_ONE = 1 + RNG.uniform(-0.5, 0.5, 20_000)


def loop(name: str) -> Callable[[np.ndarray], np.ndarray]:
    function = FUNCTIONS[name][0]

    @njit
    def each(x: np.ndarray) -> np.ndarray:
        out = np.empty(x.size)
        for i in range(x.size):
            out[i] = function(x[i])
        return out

    return each


@pytest.fixture(scope="module")
def loops() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    return {name: loop(name) for name in FUNCTIONS}


@pytest.mark.parametrize("name", ["Log", "Exp", "Softplus", "Sigmoid"])
def test_it_is_the_librarys_to_rounding(loops: dict, name: str) -> None:
    library = FUNCTIONS[name][1]
    for x in (ARGUMENTS[name], NEAR_ONE, RNG.uniform(0, 40, 20_000)):
        np.testing.assert_allclose(loops[name](x), library(x), rtol=4 * EPS, atol=0)


@pytest.mark.parametrize("name", ["GammaLn", "Psi"])
def test_near_a_root_it_is_exact_as_a_difference(loops: dict, name: str) -> None:
    """Log-gamma is nought at 1 and 2, digamma at 1.46: rounding there is that of their terms."""
    library = FUNCTIONS[name][1]
    for x in (ARGUMENTS[name], NEAR_ONE, RNG.uniform(0, 40, 20_000)):
        np.testing.assert_allclose(loops[name](x), library(x), rtol=8 * EPS, atol=64 * EPS)


def test_known_values(loops: dict) -> None:
    n = np.arange(1, 170)
    factorials = np.array([math.lgamma(1)] + [math.log(math.factorial(k)) for k in range(1, 169)])
    np.testing.assert_allclose(
        loops["GammaLn"](n.astype(float)), factorials, atol=64 * EPS, rtol=8 * EPS
    )
    harmonic = np.cumsum(1 / n)[:-1] - np.euler_gamma
    np.testing.assert_allclose(loops["Psi"](n[1:].astype(float)), harmonic, rtol=32 * EPS)
    powers = np.arange(-1022, 1024)
    twos = np.ldexp(1.0, powers)
    np.testing.assert_allclose(loops["Log"](twos), powers * math.log(2), rtol=2 * EPS)
    assert loops["Exp"](np.array([0.0]))[0] == 1


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_ends_and_what_is_not_a_number(loops: dict, name: str) -> None:
    of_positive = name in ("GammaLn", "Psi")
    ends = np.array([0.0, np.inf, np.nan, 1e300, 1e-300] + ([] if of_positive else [-1.0, -np.inf]))
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name][1](ends)
    np.testing.assert_allclose(loops[name](ends), expected, rtol=8 * EPS)


def test_the_smallest_numbers(loops: dict) -> None:
    subnormal = np.array([5e-324, 1e-310])
    np.testing.assert_allclose(loops["Log"](subnormal), np.log(subnormal), rtol=4 * EPS)
    far = np.array([-707.5, -746.0, 709.78, 709.79])
    np.testing.assert_allclose(loops["Exp"](far), [0, 0, np.exp(709.78), np.inf], rtol=4 * EPS)


@pytest.mark.parametrize("name", ["GammaLn", "Psi"])
def test_numbers_below_nought_are_refused(loops: dict, name: str) -> None:
    assert np.isnan(loops[name](np.array([-0.5, -3.0, -np.inf]))).all()


def compiled(x: pt.TensorVariable, found: list[pt.TensorVariable]) -> pytensor.compile.Function:
    use_native_functions()
    use_native_functions()  # A second call changes nothing.
    return pytensor.function([x], found, mode="NUMBA")


def native(function: pytensor.compile.Function) -> list[str]:
    nodes = function.maker.fgraph.toposort()
    return sorted(node.op.function for node in nodes if isinstance(node.op, NativeFunction))


@pytest.mark.parametrize("shape", [(200,), (40, 5)])
def test_arrays_of_a_graph_and_its_gradient_use_it(shape: tuple[int, ...]) -> None:
    x = pt.tensor("x", dtype="float64", shape=shape)
    total = (pt.gammaln(pt.exp(x)) - pt.softplus(x)).sum()
    function = compiled(x, [total, pt.grad(total, x)])
    assert {"Exp", "GammaLn", "Psi", "Sigmoid", "Softplus"} <= set(native(function))
    at = RNG.normal(1, 1, shape)
    value, slope = function(at)
    assert value == pytest.approx(
        (special.gammaln(np.exp(at)) - np.logaddexp(0, at)).sum(), rel=1e-13
    )
    np.testing.assert_allclose(
        slope, special.psi(np.exp(at)) * np.exp(at) - expit(at), rtol=1e-12, atol=1e-13
    )


def test_a_transposed_array_is_read_in_its_own_order() -> None:
    x = pt.tensor("x", dtype="float64", shape=(20, 10))
    at = RNG.normal(size=(20, 10))
    np.testing.assert_allclose(compiled(x, [pt.exp(x.T)])(at)[0], np.exp(at.T), rtol=1e-15)


def test_short_arrays_and_numbers_are_left_alone() -> None:
    x = pt.tensor("x", dtype="float64", shape=(LEAST_ELEMENTS - 1,))
    assert native(compiled(x, [pt.exp(x), pt.log(x.sum())])) == []


def test_in_python_the_library_is_called() -> None:
    x = pt.dvector("x")
    at = RNG.uniform(1, 3, 100)
    for name, (_, library) in FUNCTIONS.items():
        found = NativeFunction(name)(x).eval({x: at}, mode="FAST_COMPILE")
        np.testing.assert_array_equal(found, library(at))


def test_a_comparison_may_call_the_library() -> None:
    x = pt.tensor("x", dtype="float64", shape=(200,))
    with with_library_functions():
        assert native(compiled(x, [pt.exp(x)])) == []
    assert native(compiled(x, [pt.exp(x)])) == ["Exp"]
