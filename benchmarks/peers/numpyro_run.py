"""The models in numpyro: ``python numpyro_run.py FOLDER``. Imports nothing of the project.

FOLDER holds ``job.json`` and ``data.npz``; ``facts.json`` and ``draws.npz`` are written there.
"""

import json
import os
import sys
import time
from pathlib import Path

start = time.perf_counter()
folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
# Chains side by side, one device each, are faster than vectorised ones on a processor.
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={job['chains']}"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax  # noqa: E402
import numpy as np  # noqa: E402
import numpyro  # noqa: E402
from numpyro.infer import MCMC, NUTS, init_to_median  # noqa: E402
from numpyro_models import MODELS  # noqa: E402

numpyro.enable_x64()
with np.load(folder / "data.npz") as held:
    data = {name: held[name] for name in held.files}
seconds = {"start": time.perf_counter() - start}

start = time.perf_counter()
kernel = NUTS(
    MODELS[job["task"]],
    target_accept_prob=job["target_accept"],
    init_strategy=init_to_median(),
)
mcmc = MCMC(
    kernel,
    num_warmup=job["tune"],
    num_samples=job["draws"],
    num_chains=job["chains"],
    chain_method="parallel",
    progress_bar=False,
)
extra = ("num_steps", "diverging")
key = jax.random.PRNGKey(job["seed"])
mcmc.warmup(key, data, extra_fields=extra, collect_warmup=True)
warm = mcmc.get_extra_fields(group_by_chain=True)["num_steps"]
mcmc.run(mcmc.last_state.rng_key, data, extra_fields=extra)
found = mcmc.get_extra_fields(group_by_chain=True)
samples = mcmc.get_samples(group_by_chain=True)
# JAX hands out draws that it has still to work out: the clock stops when they are numbers.
draws = {name: np.asarray(samples[name], float) for name in job["variables"]}
# Compiling happens on the way and is not told apart.
seconds["sampling"] = time.perf_counter() - start

np.savez(folder / "draws.npz", **draws)
facts = {
    "seconds": seconds,
    "gradients": int(np.sum(found["num_steps"])),
    "gradients_all": int(np.sum(warm) + np.sum(found["num_steps"])),
    "divergences": int(np.sum(found["diverging"])),
    "version": f"numpyro {numpyro.__version__}",
}
(folder / "facts.json").write_text(json.dumps(facts))
