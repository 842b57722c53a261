"""What a term that neighbouring gates share does to correlations, in worlds whose truth is known.

Stages are independent per child; what is found of gates and of rates is the shared term alone. The
estimates are moments: the covariance of authorities' means less what scatter leaves in them,
divided by the number of years. They stand in for fits, of which they show the logic.
"""

from dataclasses import dataclass

import numpy as np

STAGES = 4
# Log rates per child to log gates: referrals as they are, the others over the stage before.
TO_GATES = np.eye(STAGES) - np.eye(STAGES, k=-1)


@dataclass(frozen=True)
class World:
    """Independent levels of sd ``level`` (log rate per child), scatter of sd ``scatter`` of which
    the part ``passed_on`` goes on to the next stage in the same year.
    """

    las: int = 152
    years: int = 5
    level: float = 0.3
    scatter: float = 0.22
    passed_on: float = 0.0


def correlation(covariance: np.ndarray) -> np.ndarray:
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    return np.asarray(covariance / (sd[..., :, None] * sd[..., None, :]))


def estimates(world: World, worlds: int, seed: int) -> dict[str, np.ndarray]:
    """Correlations (world, stage, stage) of levels, by way of estimating them.

    ``gates`` and ``rates`` allow for scatter that goes together between stages as it does.
    ``rates_by_offset`` takes each gate's scatter as independent of the stages before, which is what
    a plain offset says: all of a departure is passed on.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {"gates": [], "rates": [], "rates_by_offset": []}
    to_rates = np.linalg.inv(TO_GATES)
    for _ in range(worlds):
        level = rng.normal(0, world.level, (world.las, 1, STAGES))
        fresh = rng.normal(0, world.scatter, (world.las, world.years, STAGES))
        departure = fresh.copy()
        for stage in range(1, STAGES):
            departure[..., stage] += world.passed_on * departure[..., stage - 1]
        gates = (level + departure) @ TO_GATES.T
        means = gates.mean(axis=1)
        left = (gates - means[:, None]).reshape(-1, STAGES)
        within = left.T @ left / (world.las * (world.years - 1)) / world.years
        between = np.cov(means.T)
        levels = between - within
        apart = between - np.diag(np.diag(within))
        found["gates"].append(correlation(levels))
        found["rates"].append(correlation(to_rates @ levels @ to_rates.T))
        found["rates_by_offset"].append(correlation(to_rates @ apart @ to_rates.T))
    return {name: np.stack(of) for name, of in found.items()}
