"""The environment of a run, set before any test imports PyMC: cached code, one thread a process.

Property-based tests are not timed: how long an example takes says how busy the machine is, not
whether the code is right.
"""

from hypothesis import HealthCheck, settings

from experiments.runtime import prepare_runtime

prepare_runtime()

settings.register_profile(
    "untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")
