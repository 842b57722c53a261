"""One benchmark: every task by every tool, several times over, interleaved."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import judging, running
from benchmarks.running import Fit, Settings
from benchmarks.tasks import CUBE, TASKS, build_cube
from data_prep.schema import load_cube
from experiments.config import load_experiment
from experiments.fit import Prepared, prepare

log = logging.getLogger("benchmarks")


@dataclass(frozen=True)
class Bench:
    """What a benchmark found.

    ``fits`` has a row for each fit, ``means`` one for each tool and task, ``gradients`` one for
    each task; ``absent`` says which tools could not be run and why.
    """

    fits: pd.DataFrame
    means: pd.DataFrame
    gradients: pd.DataFrame
    absent: dict[str, str]


def run_bench(
    folder: Path,
    settings: Settings,
    *,
    tasks: Sequence[str] = tuple(TASKS),
    tools: Sequence[str] = running.TOOLS,
    repeats: int = 3,
    las: int = 150,
) -> Bench:
    """Run it in ``folder``, which keeps compiled code, so that repeats after the first are warm.

    A round takes every tool in turn, so that a machine that grows slower grows slower for all.
    """
    path = build_cube(folder / "cubes" / f"{CUBE}.nc", las=las)
    cube = load_cube(path)
    prepared: dict[str, Prepared] = {}
    for name in tasks:
        task = TASKS[name]
        prepared[name] = prepare(load_experiment(task.model, None, task.sets, str(path)), cube)
        np.savez(folder / f"{name}.npz", **task.arrays(prepared[name]))
    absent = {tool: why for tool in tools if (why := running.missing(tool, settings))}
    pairs: list[tuple[Fit, judging.Judged]] = []
    for repeat in range(repeats):
        for name in tasks:
            for tool in (tool for tool in tools if tool not in absent):
                log.info("round %d of %d: %s by %s ...", repeat + 1, repeats, name, tool)
                try:
                    fit = running.run(
                        TASKS[name], tool, folder, settings, repeat=repeat, cold=repeat == 0
                    )
                except RuntimeError as error:
                    if tool == "ours":
                        raise
                    # A tool that fails is told and left out; the others are measured all the same.
                    log.warning("%s", error)
                    absent[tool] = f"failed on {name}"
                    continue
                pairs.append((fit, judging.judge(fit, TASKS[name], prepared[name])))
    return Bench(
        fits=pd.DataFrame([_row(fit, judged) for fit, judged in pairs]),
        means=judging.compare_means(pairs) if len(tools) > 1 else pd.DataFrame(),
        gradients=pd.DataFrame([_gradient(name, prepared[name]) for name in tasks]),
        absent=absent,
    )


def _row(fit: Fit, judged: judging.Judged) -> dict[str, Any]:
    own = asdict(fit)
    del own["draws"], own["seconds"]
    sampling = next(s for stage, s in fit.seconds.items() if "sampling" in stage)
    compiling = sum(s for stage, s in fit.seconds.items() if stage in ("compile", "compiling"))
    return own | {
        "kept": int(np.prod(next(iter(fit.draws.values())).shape[:2])),
        "compile": compiling or None,
        "sampling": sampling,
        "least_ess": judged.least_ess,
        "least_ess_at": judged.least_ess_at,
        "least_ess_headline": judged.least_ess_headline,
        "most_r_hat": judged.most_r_hat,
        "ess_per_second": judged.least_ess / fit.draws_at,
        "ess_per_second_sampling": judged.least_ess / sampling,
        "headline_ess_per_second": judged.least_ess_headline / fit.draws_at,
    }


def _gradient(name: str, prepared: Prepared) -> dict[str, Any]:
    """Milliseconds of a gradient of our model and of the floor under it, with our special functions
    and with the library's.
    """
    from benchmarks.gradient import floor_seconds, gradient_seconds, native_floor_seconds
    from experiments.native_functions import with_library_functions
    from experiments.sampling import compile_model

    experiment = prepared.experiment
    model = experiment.spec.build(prepared.observations, experiment.options, experiment.priors)
    cells = len(
        np.atleast_1d(next(iter(model.rvs_to_values[rv] for rv in model.observed_RVs)).data)
    )
    with with_library_functions():
        by_library = compile_model(model)
    library, taken = gradient_seconds(by_library), gradient_seconds(compile_model(model))
    floor = floor_seconds(name, cells)
    return {
        "task": name,
        "cells": cells,
        "library_ms": 1000 * library,
        "gradient_ms": 1000 * taken,
        "floor_ms": 1000 * floor,
        "native_floor_ms": 1000 * native_floor_seconds(name, cells),
        "ratio": taken / floor,
    }
