"""Hand-written Stan through pystan: ``python stan_run.py FOLDER``. Imports nothing of the project.

FOLDER holds ``job.json`` and ``data.npz``; ``facts.json`` and ``draws.npz`` are written there.
"""

import json
import sys
import time
from pathlib import Path

start = time.perf_counter()
import numpy as np  # noqa: E402
import stan  # noqa: E402

HERE = Path(__file__).parent
folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
with np.load(folder / "data.npz") as held:
    data = {name: held[name].tolist() for name in held.files}
seconds = {"start": time.perf_counter() - start}

start = time.perf_counter()
program = (HERE / f"{job['task']}.stan").read_text()
model = stan.build(program, data=data, random_seed=job["seed"])
seconds["compile"] = time.perf_counter() - start

start = time.perf_counter()
fit = model.sample(
    num_chains=job["chains"],
    num_warmup=job["tune"],
    num_samples=job["draws"],
    delta=job["target_accept"],
    save_warmup=True,
)
seconds["sampling"] = time.perf_counter() - start

saved = job["tune"] + job["draws"]


def by_chain(name: str) -> np.ndarray:
    """All iterations of a quantity as (chain, iteration, shape...)."""
    values = np.asarray(fit[name], float)
    # A scalar comes with an axis of its own.
    single = name not in fit.param_names or not fit.dims[fit.param_names.index(name)]
    shape = () if single else values.shape[:-1]
    return np.moveaxis(values.reshape(*shape, job["chains"], saved), (-2, -1), (0, 1))


draws = {name: by_chain(name)[:, job["tune"] :] for name in job["variables"]}
steps, divergent = (by_chain(name) for name in ("n_leapfrog__", "divergent__"))
np.savez(folder / "draws.npz", **draws)
facts = {
    "seconds": seconds,
    "gradients": int(steps[:, job["tune"] :].sum()),
    "gradients_all": int(steps.sum()),
    "divergences": int(divergent[:, job["tune"] :].sum()),
    "version": f"pystan {stan.__version__}",
}
(folder / "facts.json").write_text(json.dumps(facts))
