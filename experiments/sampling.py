"""Draws: compile, sample with nutpie, predict, and store under one set of names."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor import function as compile_function  # type: ignore[attr-defined]
from pytensor.graph.basic import equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.scalar.math import Softplus
from pytensor.tensor.elemwise import Elemwise

from experiments.config import SamplerConfig
from experiments.native_code import kept_on_disk
from experiments.native_functions import use_native_functions
from experiments.rewritten_graphs import rewritten_graphs_kept

PREDICTIVE_DRAWS = 500
# Names of sampler statistics as stored, whichever sampler ran.
STATISTICS = {
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "mean_tree_accept": "acceptance_rate",
    "logp": "lp",
    "energy": "energy",
    "diverging": "diverging",
    "step_size": "step_size",
    "n_steps": "n_steps",
}
# Numbers in an array that is worked on at once, cells by draws, so that it stays in the processor's
# cache; and the draws of the first block, which shows how many cells there are.
_IN_CACHE = 480_000
_FIRST_BLOCK = 16


class ProgressLine:
    """One line that says how far sampling is and how long it will take; plain lines in a log."""

    def __init__(self, stream: Any = None) -> None:
        self.stream = stream or sys.stderr
        self.start = time.monotonic()
        self.shown = -1.0

    def __call__(self, chains: list[Any]) -> None:
        """Take nutpie's report of every chain."""
        done = sum(chain.finished_draws for chain in chains)
        total = sum(chain.total_draws for chain in chains)
        elapsed = time.monotonic() - self.start
        live = self.stream.isatty()
        if not total or elapsed - self.shown < (0.2 if live else 10.0):
            return
        self.shown = elapsed
        left = f"{elapsed * (total - done) / done:.0f} s left" if done else "starting"
        warm = sum(chain.tuning for chain in chains)
        stage = f"{warm} of {len(chains)} chains warming up" if warm else "sampling"
        divergent = sum(chain.divergences for chain in chains)
        text = f"  {done:,} of {total:,} draws, {stage}, {divergent} divergences, {left}"
        print(f"\r{text:<78}" if live else text, end="" if live else "\n", file=self.stream)
        self.stream.flush()

    def close(self) -> None:
        """End the live line."""
        if self.shown >= 0 and self.stream.isatty():
            print(f"\r{'':<78}\r", end="", file=self.stream)
            self.stream.flush()


def compile_model(model: pm.Model) -> Any:
    """Native code for the model's log density and gradient; from the cache where it can be."""
    nutpie = _import_nutpie()
    use_native_functions()
    with kept_on_disk(), rewritten_graphs_kept():
        return nutpie.compile_pymc_model(model)


def _import_nutpie() -> Any:
    """Import nutpie, but not the whole of ArviZ: with plotting and all that takes a second.

    nutpie has its draws made into datasets by two functions that ArviZ takes from its package
    `arviz_base`; here it is given that package. Who imports ArviZ gets ArviZ.
    """
    if "nutpie" not in sys.modules and "arviz" not in sys.modules:
        import arviz_base

        sys.modules["arviz"] = arviz_base
        try:
            import nutpie
        finally:
            sys.modules.pop("arviz", None)
    import nutpie

    return nutpie


# The model that was compiled last for sharing, and its code. Jobs of one batch come in a row.
_shared: list[tuple[pm.Model, Any]] = []


def compile_shared(model: pm.Model) -> Any:
    """Code for a model built with exchangeable covariates, from the last one of the same graph.

    The code is compiled for the graph and takes covariates as data, so that draws are the same
    whichever model it was compiled for.
    """
    for other, compiled in _shared:
        if is_same_graph(model, other):
            data = {variable.name: variable.get_value() for variable in model.data_vars}
            # Chains start from points that the first model works out from the data it holds.
            for name, values in data.items():
                other.set_data(name, values)
            return compiled.with_data(**data)
    compiled = compile_model(model)
    _shared[:] = [(model, compiled)]
    return compiled


def is_same_graph(first: pm.Model, second: pm.Model) -> bool:
    """Whether two models differ in nothing but the values of their ``pm.Data``, shapes alike."""

    def shapes(model: pm.Model) -> dict[str, tuple[int, ...]]:
        return {v.name: v.get_value(borrow=True).shape for v in model.data_vars}

    def names(model: pm.Model) -> list[list[str | None]]:
        return [[v.name for v in part] for part in (model.value_vars, model.deterministics)]

    alike = (
        first.coords == second.coords
        and first.named_vars_to_dims == second.named_vars_to_dims
        and shapes(first) == shapes(second)
        and names(first) == names(second)
    )
    if not alike:
        return False

    def outputs(model: pm.Model) -> list[Any]:
        return [model.logp(), *model.replace_rvs_by_values(model.deterministics)]

    def inputs(model: pm.Model) -> list[Any]:
        data = sorted(model.data_vars, key=lambda v: str(v.name))
        # Lengths of dimensions are variables too; coordinates, compared above, decide them.
        return [*model.value_vars, *data, *(model.dim_lengths[dim] for dim in model.coords)]

    return bool(equal_computations(outputs(first), outputs(second), inputs(first), inputs(second)))


def sample(
    compiled: Any, config: SamplerConfig, seed: int, cores: int
) -> tuple[xr.Dataset, xr.Dataset]:
    """Posterior and sampler statistics, each (chain, draw, ...)."""
    import nutpie

    progress = ProgressLine()
    sampler = nutpie.sample(
        compiled,
        draws=config.draws,
        tune=config.tune,
        chains=config.chains,
        cores=cores,
        seed=seed,
        save_warmup=False,
        progress_bar=False,
        progress_callback=progress,
        target_accept=config.target_accept,
        maxdepth=config.max_treedepth,
        blocking=False,
    )
    # While it blocks, nutpie answers an interrupt with the draws it has, as if they were all.
    try:
        tree = sampler.wait()
    except BaseException:
        sampler.cancel()
        raise
    finally:
        progress.close()
    posterior, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    # A tree and its branches hold each other, and with them all draws, until rubbish is looked for.
    tree.children = {}
    kept = {old: new for old, new in STATISTICS.items() if old in stats}
    return posterior, stats[list(kept)].rename(kept)


def draw_prior(model: pm.Model, seed: int) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Draws from the prior and of data under it: datasets `prior` and `prior_predictive`.

    A prior may let through counts that no random generator can draw; then there are none.
    """

    def drawn(names: list[str] | None) -> xr.DataTree:
        return pm.sample_prior_predictive(
            PREDICTIVE_DRAWS,
            model=model,
            var_names=names,
            random_seed=seed,
            compile_kwargs={"mode": "FAST_COMPILE"},
        )

    try:
        tree = drawn(None)
    except ValueError as error:
        # NumPy's words for a Poisson, negative binomial and beta draw out of its range.
        if not any(said in str(error) for said in ("too large", "too small", "<= 0")):
            raise
        return drawn([rv.name for rv in model.free_RVs])["prior"].to_dataset(), None
    return tree["prior"].to_dataset(), tree["prior_predictive"].to_dataset()


def draw_predictive(model: pm.Model, posterior: xr.Dataset, seed: int) -> xr.Dataset:
    """Replicated data from evenly thinned posterior draws; (chain, draw, obs)."""
    with model:
        tree = pm.sample_posterior_predictive(
            xr.DataTree.from_dict({"posterior": thin(posterior, PREDICTIVE_DRAWS)}),
            random_seed=seed,
            progressbar=False,
            compile_kwargs={"mode": "FAST_COMPILE"},
        )
    return tree["posterior_predictive"].to_dataset()


def thin(posterior: xr.Dataset, draws: int) -> xr.Dataset:
    """About ``draws`` draws in all, evenly spaced, the same number from each chain."""
    chains, length = posterior.sizes["chain"], posterior.sizes["draw"]
    wanted = max(1, min(length, draws // chains))
    return posterior.isel(draw=np.linspace(0, length - 1, wanted).round().astype(int))


def by_arrays(outputs: Sequence[Any]) -> list[Any]:
    """The same graph without softplus, which uncompiled code works out number by number.

    It becomes the library's own four pieces (Mächler 2012) in operations on whole arrays, equal to
    the last bit and thirty times faster.
    """
    graph = FunctionGraph(outputs=list(outputs), clone=True, copy_inputs=False)
    dfs_rewriter(_softplus_in_pieces).rewrite(graph)
    return list(graph.outputs)


@node_rewriter([Elemwise])  # type: ignore[untyped-decorator]
def _softplus_in_pieces(graph: Any, node: Any) -> list[Any] | None:
    if not isinstance(node.op.scalar_op, Softplus):
        return None
    (x,) = node.inputs
    # Each piece sees only numbers that it can bear; the others are not taken from it.
    middle = pt.log1p(pt.exp(pt.minimum(x, 18.0)))
    upper = x + pt.exp(-pt.maximum(x, 18.0))
    pieces = pt.switch(x < 18.0, middle, pt.switch(x < 33.3, upper, x))
    return [pt.switch(x < -37.0, pt.exp(pt.minimum(x, -37.0)), pieces)]


class LogDensity:
    """Log density of each element of the named variables, compiled once for many sets of draws.

    Serves the log likelihood of observations and the log prior of parameters, on their natural
    scale. The graph is vectorised over draws, so that whole arrays need no compiled code. ``model``
    is a copy without transforms; where it holds ``pm.Data``, new data are set there. Values of the
    deterministic variables named in ``given`` are taken as they are, not worked out again.
    """

    def __init__(self, model: pm.Model, names: Sequence[str], given: Sequence[str] = ()) -> None:
        self.names = names
        if given:
            # Data of the same name, which draws take the place of.
            model = pm.do(model, {name: np.zeros(_shape(model, name)) for name in given})
        self.model = natural = remove_value_transforms(model)
        by_name = {rv.name: rv for rv in natural.basic_RVs}
        density = natural.logp(vars=[by_name[name] for name in names], sum=False, jacobian=False)
        free = natural.free_RVs
        self.inputs = [*(rv.name for rv in free), *given]
        inputs = [*(natural.rvs_to_values[rv] for rv in free), *(natural[name] for name in given)]
        batched = [
            pt.tensor(
                f"{value.name}_draws", shape=(None, *value.type.shape), dtype=value.type.dtype
            )
            for value in inputs
        ]
        many = vectorize_graph(density, dict(zip(inputs, batched, strict=True)))
        with rewritten_graphs_kept():
            self.function = compile_function(
                batched, by_arrays(many), mode="FAST_COMPILE", on_unused_input="ignore"
            )

    def __call__(self, posterior: xr.Dataset) -> xr.Dataset:
        """One variable for each name, (chain, draw, ...)."""
        natural = self.model
        chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
        flat = [_flat(posterior[name], chains * draws) for name in self.inputs]
        found: list[np.ndarray] = []
        start, step = 0, _FIRST_BLOCK
        while start < chains * draws:
            block = slice(start, start + step)
            parts = self.function(*(array[block] for array in flat))
            if not found:
                # Single precision from the start: cells by draws are the largest array of a fit.
                found = [np.empty((chains * draws, *p.shape[1:]), np.float32) for p in parts]
                step = max(1, _IN_CACHE // max(part[0].size for part in parts))
            for array, part in zip(found, parts, strict=True):
                array[block] = part
            start = block.stop
        variables = {}
        for name, array in zip(self.names, found, strict=True):
            values = array.reshape(chains, draws, *array.shape[1:])
            dims = natural.named_vars_to_dims.get(name) or ()
            if len(dims) != values.ndim - 2:
                dims = [f"{name}_dim_{i}" for i in range(values.ndim - 2)]
            variables[name] = (("chain", "draw", *dims), values)
        coords = {"chain": posterior["chain"], "draw": posterior["draw"]}
        return xr.Dataset(variables, coords=coords)


def _shape(model: pm.Model, name: str) -> tuple[int, ...]:
    return tuple(len(model.coords[dim]) for dim in model.named_vars_to_dims[name])


def pointwise_log_density(
    model: pm.Model, posterior: xr.Dataset, names: Sequence[str]
) -> xr.Dataset:
    """`LogDensity` for one set of draws; each variable (chain, draw, ...)."""
    return LogDensity(model, names)(posterior)


def cell_variables(model: pm.Model) -> list[str]:
    """Names of the observed variables whose cells are the data of a model: ``y``, or its parts."""
    names = [rv.name for rv in model.observed_RVs]
    return [name for name in names if name == "y" or name.startswith("y_")]


def as_one(dataset: xr.Dataset, observed: Sequence[str]) -> xr.Dataset:
    """Observed variables ``y_<part>`` as one, ``y`` along ``obs``; others stay as they are.

    A model whose likelihood differs between outcomes has a variable for each along ``obs_<part>``.
    Their cells stand in ``obs`` in the order of ``observed``.
    """
    parts = [name for name in observed if name.startswith("y_")]
    if not parts:
        return dataset
    own = {name: f"obs_{name.removeprefix('y_')}" for name in parts}
    renamed = [
        dataset[name].drop_vars(own[name], errors="ignore").rename({own[name]: "obs"})
        for name in parts
    ]
    joined = xr.concat(renamed, "obs", coords="minimal", compat="override")
    rest = dataset.drop_vars([*parts, *own.values()], errors="ignore")
    return rest.assign(y=joined.assign_coords(obs=range(joined.sizes["obs"])))


def _flat(array: xr.DataArray, count: int) -> np.ndarray:
    values = array.transpose("chain", "draw", ...).to_numpy()
    return values.reshape(count, *values.shape[2:])
