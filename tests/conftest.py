"""The environment of a run, set before any test imports PyMC: cached code, one thread a process."""

from experiments.runtime import prepare_runtime

prepare_runtime()
