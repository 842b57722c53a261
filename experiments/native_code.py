"""Native code of a model's log density, kept on disk from one process to the next.

PyTensor keeps the code of each graph, but the function that the sampler calls, nutpie's thin shell
around that code, is compiled anew by every process, and all that it calls with it: for a large
model three quarters of the time from model to first draw. Here the shell is kept as well, under the
key that PyTensor gives to the graph (its operations and its constants, the data among them), so
that a model which was compiled before is read from disk. A graph with ``pm.Data`` has no such key,
for the shell holds the places of the data in memory; it is compiled as before.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from typing import Any

# Names that nutpie's shells may close over; with any other they are not what is described above.
_SIZES = {"n_dim", "n_expanded"}
_PACKAGES = ("nutpie", "pytensor", "numba", "llvmlite")
# Shells of this process by key. They are never let go: code is found by its name, and a second copy
# of the same name would be lost with the first.
_loaded: dict[str, Any] = {}


@contextmanager
def kept_on_disk() -> Iterator[None]:
    """Callbacks that nutpie compiles while the block runs are read from disk where they can be."""
    import numba

    plain = numba.cfunc
    numba.cfunc = _cfunc(plain)
    try:
        yield
    finally:
        numba.cfunc = plain


def _cfunc(plain: Callable[..., Any]) -> Callable[..., Any]:
    """``numba.cfunc``, with a cache by graph for the shells that have a key."""
    from numba.core.caching import FunctionCache
    from numba.core.ccallback import CFunc
    from numba.core.sigutils import normalize_signature
    from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS

    class ByKey(FunctionCache):
        """The key is in the file's name; what the shell closes over need not be compared."""

        def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
            return (sig, codegen.magic_tuple())

    def cfunc(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        def compile_shell(shell: Callable[..., Any]) -> Any:
            key = None if options else graph_key(shell)
            if key is None:
                return plain(signature, **options)(shell)
            if key not in _loaded:
                made: Any = CFunc(shell, normalize_signature(signature), locals={}, options={})
                # PyTensor's own place and file names, which go by this entry.
                CACHED_SRC_FUNCTIONS[shell] = key
                made._cache = ByKey(shell)
                made.compile()
                _loaded[key] = made
            return _loaded[key]

        return compile_shell

    return cfunc


def graph_key(shell: Callable[..., Any]) -> str | None:
    """What decides the code of one of nutpie's shells, or None where that cannot be said."""
    from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS

    held = dict(inspect.getclosurevars(shell).nonlocals)
    held.pop("numba", None)
    extract = getattr(held.pop("extract", None), "py_func", None)
    if extract is None or not held.keys() <= _SIZES:
        return None
    # With shared data there is more than the graph's function to find here.
    inner = dict(inspect.getclosurevars(extract).nonlocals)
    function = getattr(inner.pop("inner", None), "py_func", None)
    if function is None or inner or function not in CACHED_SRC_FUNCTIONS:
        return None
    code = shell.__code__
    parts = (
        CACHED_SRC_FUNCTIONS[function],
        sorted((name, int(size)) for name, size in held.items()),
        shell.__qualname__,
        code.co_code,
        code.co_consts,
        [version(name) for name in _PACKAGES],
    )
    return sha256(repr(parts).encode()).hexdigest()
