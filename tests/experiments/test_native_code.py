"""Native code kept on disk: read by the next process, the same draws, never another graph's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nutpie
import pymc as pm
import pytest

from experiments import native_code
from experiments.native_code import kept_on_disk

# One process: compile, sample, and say what was read from disk and what was drawn.
SCRIPT = """
import json, sys
import numba, nutpie, pymc as pm
from contextlib import nullcontext
from experiments import native_code, sampling
from experiments.sampling import compile_model

if "plain" in sys.argv:
    native_code._cfunc = lambda plain: plain
    sampling.rewritten_graphs_kept = nullcontext
with pm.Model() as model:
    level = pm.Normal("level", 0, 1, shape=3)
    pm.Deterministic("total", level.sum())
    # A special function that native code finds by an address of this very process.
    pm.NegativeBinomial("y", mu=pm.math.exp(level), alpha=3.0, observed=[4, 0, 9])
compiled = compile_model(model)
shells = compiled.compiled_logp_func, compiled.compiled_expand_func
tree = nutpie.sample(compiled, draws=5, tune=20, chains=2, cores=2, seed=1, progress_bar=False)
drawn = [tree["posterior"][name].values.tobytes().hex() for name in ("level", "total")]
print(json.dumps({"hits": [shell.cache_hits for shell in shells], "drawn": drawn}))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Three processes with one cache of their own: the first cold, the third without our shells."""
    cache = tmp_path_factory.mktemp("cache")
    flags = f"base_compiledir={cache},numba__fastmath=False"
    environment = os.environ | {"PYTENSOR_FLAGS": flags}

    def run(*arguments: str) -> dict:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        return dict(json.loads(done.stdout))

    return [run(), run(), run("plain")]


def test_the_next_process_compiles_nothing(runs: list[dict]) -> None:
    assert [run["hits"] for run in runs] == [[0, 0], [1, 1], [0, 0]]


def test_draws_are_the_same_however_code_was_come_by(runs: list[dict]) -> None:
    cold, warm, plain = (run["drawn"] for run in runs)
    assert cold == warm == plain


def compiled(observed: list[float], *, shared: bool = False) -> Any:
    with pm.Model() as model:
        x = pm.Normal("x", 0, 1)
        pm.Normal("y", x, 1, observed=pm.Data("data", observed) if shared else observed)
    with kept_on_disk():
        return nutpie.compile_pymc_model(model)


def test_a_graph_that_was_compiled_is_compiled_once() -> None:
    first, second, other = compiled([1.0]), compiled([1.0]), compiled([2.0])
    assert first.compiled_logp_func is second.compiled_logp_func
    assert other.compiled_logp_func is not first.compiled_logp_func


def test_shared_data_have_no_key() -> None:
    before = set(native_code._loaded)
    found = compiled([1.0, 2.0], shared=True)
    assert set(native_code._loaded) == before
    changed = found.with_data(data=[5.0, 5.0])
    drawn = [
        nutpie.sample(m, draws=200, tune=200, chains=2, seed=1, progress_bar=False)["posterior"]
        for m in (found, changed)
    ]
    low, high = (float(d["x"].mean()) for d in drawn)
    assert low < 2 < high


def test_a_shell_of_another_form_has_no_key() -> None:
    def shell() -> None:
        print(secret)

    secret = 1
    assert native_code.graph_key(shell) is None
