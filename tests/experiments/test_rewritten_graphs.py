"""Rewritten graphs on disk: the same functions, found again, and never another graph's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.graph
import pytensor.tensor as pt
import pytest
from pytensor.compile.maker import FunctionMaker
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import rewritten_graphs, store
from experiments.config import load_experiment
from experiments.fit import prepare
from experiments.native_functions import with_library_functions
from experiments.rewritten_graphs import graph_key, rewritten_graphs_kept
from tests.factories import SMALLEST_FIT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rewritten_graphs, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def rewritten(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the graphs that PyTensor rewrote, not those that were read."""
    sizes: list[int] = []
    plain = FunctionMaker.prepare_fgraph

    def counted(inputs: Any, outputs: Any, updates: Any, graph: Any, *rest: Any) -> None:
        sizes.append(len(graph.apply_nodes))
        plain(inputs, outputs, updates, graph, *rest)

    monkeypatch.setattr(FunctionMaker, "prepare_fgraph", staticmethod(counted))
    return sizes


def compiled(numbers: list[float], mode: str = "FAST_RUN") -> Callable[..., Any]:
    """Two outputs of one input, of which one overwrites, one is a constant's, one an input's."""
    x, y = pt.vector("x", shape=(3,)), pt.matrix("y")
    weights = pt.as_tensor(np.array(numbers))
    total = pt.log1p(pt.exp(x * weights)).sum()
    table = pt.set_subtensor(y[0], x * 2) + total
    with rewritten_graphs_kept():
        return pytensor.function([x, y], [total, table, weights, x], mode=mode)


@pytest.mark.parametrize("mode", ["NUMBA", "FAST_RUN", "FAST_COMPILE"])
def test_a_graph_is_rewritten_once(folder: Path, rewritten: list[int], mode: str) -> None:
    first, second = (compiled([1.0, -2.0, 0.5], mode) for _ in range(2))
    assert len(rewritten) == 1
    x, y = np.array([0.3, 1.2, -4.0]), np.ones((2, 3))
    for mine, theirs in zip(first(x, y), second(x, y), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    # Neither function writes to what it is given, nor hands out what it keeps.
    np.testing.assert_array_equal(y, 1)
    second(x, y)[2][:] = 9
    second(x, y)[3][:] = 9
    np.testing.assert_array_equal(second(x, y)[2], [1.0, -2.0, 0.5])
    np.testing.assert_array_equal(x, [0.3, 1.2, -4.0])


def test_another_constant_is_another_graph(folder: Path, rewritten: list[int]) -> None:
    x, y = np.zeros(3), np.ones((2, 3))
    first, second = compiled([1.0, 2.0, 3.0]), compiled([1.0, 2.0, 3.0000001])
    assert len(rewritten) == 2
    assert second(x, y)[2][2] == 3.0000001
    assert first(x, y)[2][2] == 3.0


def test_shared_values_are_those_of_the_caller(folder: Path, rewritten: list[int]) -> None:
    x = pt.vector("x")

    def with_shared(value: float) -> Any:
        shared = pytensor.shared(np.full(2, value))
        with rewritten_graphs_kept():
            return pytensor.function([x], x * shared, updates=[(shared, shared + 1)])

    one, ten = with_shared(1.0), with_shared(10.0)
    assert len(rewritten) == 1
    assert [ten(np.ones(2))[0] for _ in range(2)] == [10.0, 11.0]
    assert one(np.ones(2))[0] == 1.0


def test_canonical_forms_are_kept_too(folder: Path) -> None:
    x = pt.vector("x")
    with rewritten_graphs_kept():
        forms = [
            pytensor.graph.rewrite_graph(pt.log(pt.exp(x) * 1.0), include=["canonicalize"])
            for _ in range(2)
        ]
    assert len(list(folder.iterdir())) == 1
    assert all(form is x for form in forms)


def test_the_key_is_of_the_graph_not_of_names() -> None:
    def key(name: str, factor: float = 2.0, length: int = 3, treatment: object = ()) -> str | None:
        x = pt.vector(name, shape=(length,))
        return graph_key([x], [pt.exp(x * factor)], treatment)

    assert key("x") == key("y")
    others = [key("x", factor=3.0), key("x", length=4), key("x", treatment=("fast",))]
    assert len({key("x"), *others}) == 4
    with with_library_functions():
        inside = key("x")
    assert inside != key("x")


def test_the_order_of_inputs_counts() -> None:
    x, y = pt.vector("x"), pt.vector("y")
    assert graph_key([x, y], [x - y], ()) != graph_key([y, x], [x - y], ())


def test_memory_order_of_a_constant_does_not_count() -> None:
    numbers = np.arange(6.0).reshape(2, 3)
    keys = {
        graph_key([], [pt.exp(pt.as_tensor(array))], ())
        for array in (numbers, np.asfortranarray(numbers), numbers[::-1][::-1])
    }
    assert len(keys) == 1


def test_an_operation_that_cannot_be_written_down_has_no_key(folder: Path) -> None:
    class Local(pytensor.graph.Op):
        def make_node(self, x: Any) -> Any:
            return pytensor.graph.Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = inputs[0] + 1

    x = pt.vector("x")
    assert graph_key([x], [Local()(x)], ()) is None
    with rewritten_graphs_kept():
        function = pytensor.function([x], Local()(x), mode="FAST_COMPILE")
    assert function(np.ones(1))[0] == 2
    assert not list(folder.iterdir())


def test_after_the_block_pytensor_is_as_it_was() -> None:
    before = FunctionMaker.prepare_fgraph, pytensor.graph.rewrite_graph
    with rewritten_graphs_kept():
        pass
    assert (FunctionMaker.prepare_fgraph, pytensor.graph.rewrite_graph) == before


def test_native_code_of_a_graph_is_found_again_by_the_next_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    options = SimulationOptions(name="small", las=60, first_year=2003, last_year=2014, seed=3)
    save_cube(build_simulated(options), tmp_path / "cubes" / "small.nc")
    prepared = prepare(load_experiment("national_trend", None, SMALLEST_FIT, "small"))
    experiment = prepared.experiment
    model = experiment.spec.build(prepared.observations, experiment.options, experiment.priors)

    def key() -> str:
        """PyTensor's of the code, which goes by the order of operations too."""
        values = {"inputs": model.value_vars, "mode": "NUMBA", "point_fn": False}
        with rewritten_graphs_kept():
            function = model.compile_fn([model.logp(), model.dlogp()], **values)
        return CACHED_SRC_FUNCTIONS[function.vm.jit_fn.py_func]

    assert key() == key()
