"""One fit: from an experiment and a cube to a finished run folder."""

import errno
import logging
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
import xarray as xr

from data_prep.indicators import INDICATORS, MEASURES, Indicator
from data_prep.schema import compression, indicator_unit, load_cube
from experiments import provenance, store
from experiments.authorities import write_places
from experiments.beside import beside
from experiments.config import Experiment
from experiments.criticism import criticise
from experiments.diagnostics import diagnose, summarise
from experiments.gates import Gate, is_reportable, judge_computation, loosened
from experiments.la_ranks import rank_authorities, write_ranks
from experiments.predictive import Check, check_predictive
from experiments.predictive_inspections import check_inspections
from models.spec import Answer

log = logging.getLogger("experiments")

# A disk with fewer bytes left than this is full: a trace is written in blocks smaller than it.
_LEAST_FREE = 1_000_000


@dataclass(frozen=True)
class Prepared:
    """An experiment that was checked against its cube; nothing has been compiled."""

    experiment: Experiment
    cube: xr.DataTree
    observations: Any
    run_id: str
    source_hash: str


@dataclass
class Stages:
    """Seconds spent in each stage, said as each begins."""

    seconds: dict[str, float]

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a stage."""
        log.info("%s ...", name)
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 2)


def prepare(experiment: Experiment, cube: xr.DataTree | None = None) -> Prepared:
    """Load the cube, unless it is given, select the cells and name the run.

    Raises
    ------
    DataError
        When the cube cannot be read or the options cannot be fitted to it.
    """
    if cube is None:
        cube = load_cube(store.cube_path(experiment.config.data.cube))
    observations = experiment.observe(cube)
    if experiment.spec.declare_priors is not None:
        experiment = experiment.with_priors(
            experiment.spec.declare_priors(experiment.options, observations)
        )
    sources = provenance.source_hash(experiment.spec.observe.__module__)
    run_id = provenance.run_id(experiment.resolved(), str(cube.attrs["cube_hash"]), sources)
    return Prepared(experiment, cube, observations, run_id, sources)


def fit(prepared: Prepared, command: str, *, cores: int | None = None, repeat: bool = True) -> Path:
    """Sample, judge and store; the finished run folder, without its report.

    Parameters
    ----------
    command
        What repeats the run, for its provenance.
    cores
        At most this many chains at once, all when left out; with one, nothing is done beside. Draws
        do not depend on it.
    repeat
        Whether a run whose id was stored meanwhile is kept beside the first, or dropped.
    """
    experiment = prepared.experiment
    with (
        store.new_run(experiment.name, prepared.run_id, repeat=repeat) as folder,
        _logged(folder / "log.txt"),
    ):
        _write_run(prepared, folder, command, cores or os.cpu_count() or 1)
    run = store.find_run(experiment.name, prepared.run_id)
    if run is None:
        raise RuntimeError(f"{folder} was written and is not there")
    return run


def _write_run(prepared: Prepared, folder: Path, command: str, most_cores: int) -> None:
    # PyMC is imported here, not at the top, so that checks of configs and cubes stay quick.
    from experiments import sampling
    from experiments.memory import require_memory
    from models.replaceable import exchangeable_covariates

    experiment, spec = prepared.experiment, prepared.experiment.spec
    options, observations = experiment.options, prepared.observations
    config = experiment.config
    seeds = [
        int(child.generate_state(1)[0])
        for child in np.random.SeedSequence(config.sampler.seed).spawn(3)
    ]
    stages = Stages({})
    started = datetime.now(UTC)
    log.info(
        "run %s of %s on %s (%s)",
        prepared.run_id,
        experiment.name,
        observations.cube_name,
        observations.kind,
    )
    shares = config.sampler.share_code
    with stages("building the model"), exchangeable_covariates() if shares else nullcontext():
        model = spec.build(observations, options, experiment.priors)
        require_memory(model, config.sampler)
    with beside(lambda: sampling.draw_prior(model, seeds[0]), most_cores) as prior_draws:
        with stages("compiling"):
            compile_model = sampling.compile_shared if shares else sampling.compile_model
            compiled = compile_model(model)
        with stages("drawing from the prior"):
            prior, prior_predictive = prior_draws()
            if prior_predictive is None:
                log.info("the prior lets counts through that are too large or too small to draw")
    cores = min(most_cores, config.sampler.chains)
    with stages(f"sampling {config.sampler.chains} chains on {cores} cores"):
        posterior, statistics = sampling.sample(compiled, config.sampler, seeds[1], cores)
    free = [rv.name for rv in model.free_RVs]
    observed = [rv.name for rv in model.observed_RVs]
    declared = _hyperparameters(experiment, observations)
    hyperparameters = [name for name in free if name.removesuffix("_raw") in declared]
    # Three things that need the draws and not each other; the system shares the cores out.
    with (
        beside(lambda: _summarise(prepared, posterior), most_cores) as summaries,
        beside(lambda: diagnose(posterior, spec.blocks(options), free), most_cores) as convergence,
    ):
        with stages("log likelihood and predictions"):
            # Both in one go, for they share most of the graph.
            named = [*observed, *hyperparameters]
            density = sampling.pointwise_log_density(model, posterior, named)
            log_likelihood, log_prior = density[observed], density[hyperparameters]
            predictive = sampling.draw_predictive(model, posterior, seeds[2])
            # One variable of all cells, whatever the likelihood has, for criticism and reports.
            log_likelihood, predictive, seen = (
                sampling.as_one(part, observed)
                for part in (log_likelihood, predictive, _observed(model))
            )
            if prior_predictive is not None:
                prior_predictive = sampling.as_one(prior_predictive, observed)
        with stages("judging predictions"):
            tree = xr.DataTree.from_dict(
                {
                    "posterior": posterior,
                    "sample_stats": statistics,
                    "log_likelihood": log_likelihood,
                    "log_prior": log_prior,
                    "observed_data": seen,
                    "constant_data": spec.constant_data(observations),
                    "prior": prior,
                    "posterior_predictive": predictive,
                }
            )
            if prior_predictive is not None:
                tree["prior_predictive"] = xr.DataTree(prior_predictive)
            tree["criticism"] = xr.DataTree(criticise(tree))
            coords = spec.coords(observations, options)
            check = check_inspections if "framework" in tree["constant_data"] else check_predictive
            checks = check(tree, coords, list(observations.las["region"]))
        with stages("writing draws"):
            _write_trace(tree, folder / "trace.nc")
            write_places(prepared.cube, folder)
        with stages("estimands and diagnostics"):
            found, diagnostics = summaries(), convergence()
    gates = judge_computation(diagnostics, found.estimands, statistics, config.gates)
    with stages("writing"):
        (folder / "config.toml").write_text(tomli_w.dumps(experiment.resolved()))
        diagnostics.to_csv(folder / "diagnostics.csv", index=False, float_format="%.6g")
        found.estimands.to_csv(folder / "estimands.csv", index=False, float_format="%.6g")
        write_ranks(found.ranks, folder)
        store.write_json(folder / "spec.json", _spec_document(prepared, found))
        store.write_json(folder / "verdict.json", _verdict(gates, checks, tree, experiment))
        store.write_json(
            folder / "provenance.json",
            {
                "run_id": prepared.run_id,
                "experiment": experiment.name,
                "command": command,
                "cube": {
                    "name": observations.cube_name,
                    "kind": observations.kind,
                    "hash": observations.cube_hash,
                },
                "source_hash": prepared.source_hash,
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "seed": config.sampler.seed,
                "seeds": dict(zip(("prior", "sampling", "predictive"), seeds, strict=True)),
                "started": started.isoformat(timespec="seconds"),
                "seconds": stages.seconds,
                "gradient_evaluations": int(statistics["n_steps"].sum()),
                "peak_memory_mib": round(provenance.peak_memory_mib()),
            },
        )
    # Cut, as in `sampling.sample`, so that draws are let go now and not with the next look for
    # rubbish, which takes half a second.
    tree.children = {}


@dataclass(frozen=True)
class Summaries:
    """What a run folder says of its draws: tables, and the answer without its draws, which are
    as many as the posterior's.
    """

    answer: Answer
    estimands: pd.DataFrame
    ranks: pd.DataFrame


def _summarise(prepared: Prepared, posterior: xr.Dataset) -> Summaries:
    experiment, spec = prepared.experiment, prepared.experiment.spec
    options = experiment.options
    declared = spec.declared_estimands(options)
    answer = spec.estimands(posterior, prepared.observations, options, experiment.priors)
    return Summaries(
        replace(answer, values={}),
        summarise(answer.values, declared, answer.not_estimable),
        rank_authorities(answer.values, declared),
    )


def _hyperparameters(experiment: Experiment, observations: Any) -> list[str]:
    """Priors in use of what the model names; where priors follow the data, every prior in use."""
    spec = experiment.spec
    declared = spec.hyperparameters if spec.declare_priors is None else tuple(experiment.priors)
    used = spec.priors_used(experiment.options, observations)
    return [name for name in declared if name in used]


def _observed(model: Any) -> xr.Dataset:
    return xr.Dataset(
        {
            rv.name: (model.named_vars_to_dims[rv.name], model.rvs_to_values[rv].data)
            for rv in model.observed_RVs
        },
        coords={
            dim: list(values)
            for dim, values in model.coords.items()
            if any(dim in model.named_vars_to_dims[rv.name] for rv in model.observed_RVs)
        },
    )


def _write_trace(tree: xr.DataTree, path: Path) -> None:
    # Libraries sign their groups with the time of day; criticism's attributes are its totals.
    for node in tree.subtree:
        if node.name != "criticism":
            node.attrs.clear()
    # Counts pack to a tenth. Draws hardly pack, which would take ten times as long to write them.
    packed = {
        group: {
            name: how for name, how in variables.items() if tree[group][name].dtype.kind in "iu"
        }
        for group, variables in compression(tree, level=1).items()
    }
    try:
        tree.to_netcdf(path, engine="netcdf4", encoding=packed)
    except RuntimeError as error:
        # All that the netCDF library says of a full disk is "HDF error".
        if shutil.disk_usage(path.parent).free < _LEAST_FREE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def _verdict(
    gates: list[Gate], checks: list[Check], tree: xr.DataTree, experiment: Experiment
) -> dict[str, Any]:
    return {
        "schema": 1,
        "completed": True,
        "reportable": is_reportable(gates),
        "loosened": loosened(experiment.config.gates),
        "gates": [asdict(gate) for gate in gates],
        "predictive_checks": [asdict(check) for check in checks],
        "advisory": _advisory(tree["criticism"].to_dataset()),
    }


def _advisory(criticism: xr.Dataset) -> list[dict[str, Any]]:
    unmade = {"status": "not assessed", "value": None, "limit": None, "where": ""}
    rows: list[dict[str, Any]] = [
        {
            "name": "sensitivity",
            "label": "Power-scaling sensitivity",
            **unmade,
            "text": "sensitivity of the estimands to the hyperpriors was not computed: make "
            "sensitivity adds it to this report",
        }
    ]
    if "pareto_k" in criticism:
        above = int((criticism["pareto_k"] > 0.7).sum())
        total = criticism.sizes["obs"]
        rows.insert(
            0,
            {
                "name": "pareto_k",
                "label": "Pareto k of leave-one-out",
                "status": "pass" if above == 0 else "fail",
                "value": above,
                "limit": 0,
                "where": "",
                "text": f"{above} of {total} cells above 0.7: leave-one-out claims about them "
                "need a refit",
            },
        )
    return rows


def _spec_document(prepared: Prepared, found: Summaries) -> dict[str, Any]:
    """`spec.json`: what the model is, in words and tables."""
    experiment, spec = prepared.experiment, prepared.experiment.spec
    options, observations = experiment.options, prepared.observations
    used = spec.priors_used(options, observations)
    return {
        "schema": 1,
        "model": spec.name,
        "title": spec.title,
        "question": experiment.config.question,
        "answer": spec.answer(found.estimands, observations, options),
        "outcome": _outcome(observations),
        "outcomes": _outcomes(observations),
        "exposure": spec.exposure(observations, options),
        "equations": spec.equations(options),
        "assumptions": list(spec.assumptions),
        "cannot_say": list(spec.cannot_say),
        "options": describe_options(options),
        "priors": [
            {
                "name": prior.name,
                "distribution": prior.distribution,
                "parameters": dict(prior.parameters),
                "meaning": prior.meaning,
                "reason": prior.reason,
                "overridden": prior.name in experiment.overridden,
            }
            for prior in (experiment.priors[name] for name in used)
        ],
        "blocks": [asdict(block) for block in spec.blocks(options)],
        "hyperparameters": _hyperparameters(experiment, observations),
        "estimands": [asdict(estimand) for estimand in spec.declared_estimands(options)],
        "not_estimable": [asdict(item) for item in found.answer.not_estimable],
        "notes": spec.notes(observations, options),
        "data": spec.describe(observations),
        "regimes": [asdict(regime) for regime in observations.regimes],
        "knot": getattr(options, "knot", None),
        "figures": list(spec.figures),
        "national_series": [
            {
                "year": int(row.Index),
                "total": _number(row.value),
                "lower": row.lower,
                "upper": row.upper,
                "exposure": _number((row.exposure_lower + row.exposure_upper) / 2),
                "exposure_lower": _number(row.exposure_lower),
                "exposure_upper": _number(row.exposure_upper),
                "used": bool(row.used),
            }
            for row in observations.national_series.itertuples()
        ],
        "regime_sensitivity": list(found.answer.regime_sensitivity),
        "las": {
            str(code): {"name": row["name"], "region": row["region"]}
            for code, row in observations.las.iterrows()
        },
    }


def _outcomes(observations: Any) -> list[dict[str, str]]:
    """Every outcome of the model, in words; most models have one. What is no measure of a cube has
    words of its own.
    """
    if own := getattr(observations, "outcome_words", None):
        return list(own)
    names = getattr(observations, "outcomes", None) or (observations.outcome,)
    return [
        {"name": name, "label": m.label, "units": m.units, "definition": m.definition}
        if (m := MEASURES.get(name))
        else _indicator_in_words(INDICATORS[name])
        for name in names
    ]


def _indicator_in_words(indicator: Indicator) -> dict[str, str]:
    above, below = MEASURES[indicator.numerator], MEASURES[indicator.denominator]
    return {
        "name": indicator.name,
        "label": indicator.label,
        "units": indicator_unit(indicator),
        "definition": f"{above.definition} Over: {below.definition}",
    }


def _outcome(observations: Any) -> dict[str, str]:
    """The outcome in words; several outcomes are joined."""
    outcomes = _outcomes(observations)
    joins = {"name": ", ", "label": ", ", "units": ", ", "definition": " "}
    return {
        key: mark.join(dict.fromkeys(one[key] for one in outcomes)) for key, mark in joins.items()
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)


def describe_options(options: Any) -> list[dict[str, Any]]:
    """Name, value, choices and meaning of every option, from its declaration."""
    schema = type(options).model_json_schema()["properties"]
    return [
        {
            "name": name,
            "value": getattr(options, name),
            "choices": schema[name].get("enum", []),
            "meaning": schema[name].get("description", ""),
        }
        for name in schema
    ]


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Everything said while the block runs, warnings too, goes into ``path`` as well."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()
