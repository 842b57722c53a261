"""Simulated England: an invented country whose figures look and misbehave like England's.

Every parameter behind the figures is stored in the cube's ``/truth`` group, so that a model can be
asked to find it again. ``docs/simulated_england.md`` gives the process in equations.
"""

from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import DEFAULT_SEED, SimulationOptions

__all__ = ["DEFAULT_SEED", "SimulationOptions", "build_simulated"]
