"""Rewritten graphs of a model, kept on disk from one process to the next.

Before PyTensor hands a graph to the compiler it rewrites it: simplifies, stabilises, fuses loops
and works in place. For a large model that takes longer than all else between a model and its first
draw, and the outcome depends on the graph alone. Here the outcome is stored under a key of all that
decides it: operations, types, constants (the data among them) and how they hang together, the
mode's names of rewrites, PyTensor's settings and the versions of what registers rewrites. Names of
variables decide nothing. A graph with an operation that cannot be written down has no key and is
rewritten as before.
"""

import math
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import pytensor.graph
from pytensor.compile.maker import FunctionMaker
from pytensor.configdefaults import config
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.destroyhandler import DestroyHandler
from pytensor.graph.fg import FrozenFunctionGraph, FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import graph_inputs, toposort

from experiments import native_functions

FOLDER = Path(config.base_compiledir) / "rewritten"
# What registers rewrites; the functions put in by our own are hashed with their file.
_PACKAGES = ("pytensor", "pymc", "nutpie", "numba")
# A class of a function's own, a function without a name: what pickle says it cannot write down.
_NOT_WRITTEN = (pickle.PicklingError, AttributeError, TypeError)


@contextmanager
def rewritten_graphs_kept() -> Iterator[None]:
    """Graphs that are rewritten while the block runs are read from disk where they can be."""
    # Where nutpie looks for them.
    maker: Any = FunctionMaker
    graphs: Any = pytensor.graph
    prepare, rewrite = maker.prepare_fgraph, graphs.rewrite_graph
    maker.prepare_fgraph = staticmethod(_prepare(prepare))
    graphs.rewrite_graph = _rewrite(rewrite)
    try:
        yield
    finally:
        maker.prepare_fgraph = staticmethod(prepare)
        graphs.rewrite_graph = rewrite


def _prepare(plain: Callable[..., None]) -> Callable[..., None]:
    """``FunctionMaker.prepare_fgraph``, which rewrites the graph that it is given."""

    def prepare(
        inputs: Any, outputs: Any, updates: Any, graph: FunctionGraph, mode: Any, profile: Any
    ) -> None:
        key = None
        if names := _names_of_rewrites(mode):
            # What may be overwritten decides which copies are made.
            treatment = (
                [(item.borrow, item.mutable, item.update is None) for item in inputs],
                [item.borrow for item in [*outputs, *updates]],
                sorted((graph.update_mapping or {}).items()),
                type(mode.linker).__qualname__,
                names,
            )
            key = graph_key(graph.inputs, graph.outputs, treatment)
        stored = key and _read(key, graph.inputs)
        if stored:
            # It orders operations so that none overwrites what another has yet to read.
            graph.attach_feature(DestroyHandler())
        else:
            plain(inputs, outputs, updates, graph, mode, profile)
            # Native code has a key of its own, to the order of operations: what is compiled is the
            # graph as the next process will read it.
            if key and _write(key, graph.inputs, graph.outputs):
                stored = _read(key, graph.inputs)
        if stored:
            # Nodes of the graph as it was go with its last output.
            graph.replace_all(list(zip(list(graph.outputs), stored, strict=True)))

    return prepare


def _names_of_rewrites(mode: Any) -> list[list[str]] | None:
    """What a mode's rewrites are called, or None where it has others than those called by name."""
    query = mode.provided_optimizer
    if not isinstance(query, RewriteDatabaseQuery):
        return None
    if query.subquery or query.extra_rewrites or query.position_cutoff != math.inf:
        return None
    return [sorted(names) for names in (query.include, query.require, query.exclude)]


def _rewrite(plain: Callable[..., Any]) -> Callable[..., Any]:
    """``pytensor.graph.rewrite_graph`` of one variable."""

    def rewrite(graph: Any, include: Sequence[str] = ("canonicalize",), **options: Any) -> Any:
        if options or not isinstance(graph, Variable):
            return plain(graph, include=include, **options)
        inputs = [v for v in graph_inputs([graph]) if not isinstance(v, Constant)]
        key = graph_key(inputs, [graph], tuple(include))
        stored = key and _read(key, inputs)
        if stored:
            return stored[0]
        rewritten = plain(graph, include=include)
        if key and _write(key, inputs, [rewritten]):
            # What follows meets the same graph, to its least detail, in every process.
            (rewritten,) = _read(key, inputs) or [rewritten]
        return rewritten

    return rewrite


def graph_key(
    inputs: Sequence[Variable], outputs: Sequence[Variable], treatment: object
) -> str | None:
    """What decides the outcome of rewriting a graph, or None where that cannot be written down.

    Parameters
    ----------
    treatment
        What is asked of the rewriting beside the graph; its ``repr`` counts.
    """
    try:
        graph = _graph_digest(inputs, outputs)
    except _NOT_WRITTEN:
        return None
    parts = (
        graph,
        treatment,
        native_functions.state(),
        config.get_config_hash(),
        [config.optimizer_including, config.optimizer_excluding, config.optimizer_requiring],
        [version(name) for name in _PACKAGES],
    )
    return sha256(repr(parts).encode()).hexdigest()


def _graph_digest(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> str:
    """Operations, types and constants in the order of calculation, variables by number."""
    hasher = sha256()
    seen: dict[int, bytes] = {}

    def add(*parts: object) -> None:
        hasher.update(repr(parts).encode())

    def digest(item: object) -> bytes:
        if id(item) not in seen:
            seen[id(item)] = _digest(item)
        return seen[id(item)]

    numbers: dict[Variable, int] = {}
    for variable in inputs:
        numbers[variable] = len(numbers)
        add("input", digest(variable.type))

    def number(variable: Variable) -> int:
        if variable not in numbers:
            if not isinstance(variable, Constant):
                raise TypeError(f"{variable} is neither an input, nor a constant, nor worked out")
            numbers[variable] = len(numbers)
            add("constant", digest(variable.type), _digest(variable.data))
        return numbers[variable]

    for node in toposort(outputs, blockers=inputs):
        add("node", digest(node.op), [number(v) for v in node.inputs])
        for variable in node.outputs:
            numbers[variable] = len(numbers)
            add("output", digest(variable.type))
    add("outputs", [number(v) for v in outputs])
    return hasher.hexdigest()


class _Digester(pickle.Pickler):
    """Writes operations by what makes two of them equal, graphs by their digest, arrays by numbers.

    The rest is what was worked out on the way, names with a count, and the order in memory.
    """

    def persistent_id(self, item: object) -> bytes | str | None:
        """What stands for the item; None says that it is written as it is."""
        if isinstance(item, FunctionGraph | FrozenFunctionGraph):
            return _graph_digest(item.inputs, item.outputs)
        if isinstance(item, Op) and hasattr(item, "_props"):
            return _digest((type(item), item._props(), getattr(item, "fgraph", None)))
        if isinstance(item, np.ndarray) and not item.dtype.hasobject:
            return repr((item.dtype.str, item.shape)).encode() + sha256(item.tobytes()).digest()
        return None


def _digest(item: object) -> bytes:
    written = BytesIO()
    _Digester(written, protocol=5).dump(item)
    return sha256(written.getvalue()).digest()


def _write(key: str, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> bool:
    """Store a graph as a flat list, for pickle would follow its variables to any depth."""
    numbers = {variable: index for index, variable in enumerate(inputs)}
    constants: list[tuple[Any, ...]] = []
    nodes: list[tuple[Any, ...]] = []

    def number(variable: Variable) -> int:
        # Constants are counted downwards from -1.
        if variable not in numbers:
            constant: Any = variable
            constants.append((type(constant), constant.type, constant.data))
            numbers[variable] = -len(constants)
        return numbers[variable]

    count = len(inputs)
    for node in toposort(outputs, blockers=inputs):
        nodes.append((node.op, [number(v) for v in node.inputs], [v.type for v in node.outputs]))
        for variable in node.outputs:
            numbers[variable] = count
            count += 1
    stored = (constants, nodes, [number(v) for v in outputs])
    try:
        data = pickle.dumps(stored, protocol=5)
    except _NOT_WRITTEN:
        return False
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same graph: each file is whole before it has its name.
    with NamedTemporaryFile(dir=FOLDER, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.replace(file.name, FOLDER / key)
        except BaseException:
            os.unlink(file.name)
            raise
    return True


def _read(key: str, inputs: Sequence[Variable]) -> list[Variable] | None:
    """Outputs of the stored graph, which hang on the inputs that are given."""
    path = FOLDER / key
    if not path.is_file():
        return None
    constants, nodes, outputs = pickle.loads(path.read_bytes())
    variables: dict[int, Variable] = dict(enumerate(inputs))
    for index, (kind, variable_type, data) in enumerate(constants, start=1):
        variables[-index] = kind(variable_type, data)
    count = len(inputs)
    for op, sources, types in nodes:
        node: Apply = Apply(op, [variables[index] for index in sources], [new() for new in types])
        for variable in node.outputs:
            variables[count] = variable
            count += 1
    return [variables[index] for index in outputs]
