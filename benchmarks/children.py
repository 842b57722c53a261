"""One tool, one task, one process: ``python -m benchmarks.children TOOL FOLDER``.

FOLDER holds ``job.json``; ``facts.json`` and ``draws.npz`` are written there, as the tools in
``peers`` do. PyMC's own sampler gets the project's model; bambi gets the nearest that its formulas
can say, with its own priors, and is therefore held to no agreement.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

START = time.perf_counter()


def main() -> None:
    """Run the job."""
    from experiments.runtime import prepare_runtime

    prepare_runtime()
    tool, folder = sys.argv[1], Path(sys.argv[2])
    job = json.loads((folder / "job.json").read_text())
    draws, facts = TOOLS[tool](job)
    import numpy as np

    np.savez(folder / "draws.npz", **draws)
    (folder / "facts.json").write_text(json.dumps(facts))


def prepared_of(job: Mapping[str, Any]) -> Any:
    """The job's experiment, checked against its cube."""
    from benchmarks.tasks import TASKS
    from experiments.config import load_experiment
    from experiments.fit import prepare

    task = TASKS[job["task"]]
    return prepare(load_experiment(task.model, None, task.sets, job["cube"]))


def _pymc(job: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    import pymc as pm

    prepared = prepared_of(job)
    experiment = prepared.experiment
    model = experiment.spec.build(prepared.observations, experiment.options, experiment.priors)
    seconds = {"start": time.perf_counter() - START}
    began = time.perf_counter()
    with model:
        tree = pm.sample(
            **_settings(job),
            target_accept=job["target_accept"],
            nuts_sampler="pymc",
            discard_tuned_samples=False,
            compute_convergence_checks=False,
        )
    seconds["compile and sampling"] = time.perf_counter() - began
    names = [name for name in job["variables"] if name in tree["posterior"]]
    return _facts(tree, names, seconds, f"pymc {pm.__version__}")


def _bambi(job: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    import bambi
    import numpy as np

    from benchmarks.tasks import as_frame

    with np.load(Path(job["folder"]) / "data.npz") as held:
        data = {name: held[name] for name in held.files}
    frame = as_frame(data)
    formula, family = _FORMULAS[job["task"]](data)
    model = bambi.Model(formula, frame, family=family, categorical=sorted(_GROUPS & set(frame)))
    seconds = {"start": time.perf_counter() - START}
    began = time.perf_counter()
    tree = model.fit(**_settings(job), discard_tuned_samples=False)
    seconds["compile and sampling"] = time.perf_counter() - began
    names = [str(name) for name in tree["posterior"].data_vars]
    return _facts(tree, names, seconds, f"bambi {bambi.__version__}")


_GROUPS = {"la", "year", "framework"}
_FORMULAS: dict[str, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    "trend": lambda data: (
        "y ~ 1 + offset(log_exposure) + (1 + time | la) + (1 | year)",
        "negativebinomial",
    ),
    "shares": lambda data: (
        "p(y, total) ~ 1 + between + within + (1 + within | la) + (1 | year)",
        "beta_binomial",
    ),
    "horseshoe": lambda data: (
        "y ~ 1 + (1 | framework)" + "".join(f" + x{k}" for k in range(data["x"].shape[1])),
        "bernoulli",
    ),
}


def _settings(job: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "draws": job["draws"],
        "tune": job["tune"],
        "chains": job["chains"],
        "cores": job["cores"],
        "random_seed": job["seed"],
        "progressbar": False,
    }


def _facts(
    tree: Any, names: list[str], seconds: dict[str, float], version: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draws (chain, draw, ...) of the names, and what the sampler says of itself."""
    draws = {
        name: tree["posterior"][name].transpose("chain", "draw", ...).to_numpy() for name in names
    }
    kept = tree["sample_stats"]
    steps, warm = int(kept["n_steps"].sum()), int(tree["warmup_sample_stats"]["n_steps"].sum())
    facts = {
        "seconds": seconds,
        "gradients": steps,
        "gradients_all": steps + warm,
        "divergences": int(kept["diverging"].sum()),
        "version": version,
    }
    return draws, facts


TOOLS = {"pymc": _pymc, "bambi": _bambi}

if __name__ == "__main__":
    main()
