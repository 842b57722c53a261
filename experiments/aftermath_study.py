"""Coverage of `aftermath` where judgements follow bad years, level or nothing, and where they act.

Worlds share one skeleton: 60 authorities inspected first in one of six years, ten a year, and in
part again four years later. How many of the ten are judged differs from year to year. Which are
judged is drawn anew in each world: by chance, by their lasting level, by a year that was bad by
chance, or by both. Figures then follow, with or without an effect of the judgement. One compiled
model serves all worlds, for the judged of a world always take the same places.

The last world breaks an assumption on purpose: there inspectors see the chance of the very year.
"""

import argparse
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.schema import GRADES, flag_attributes
from data_prep.simulated import SimulationOptions, build_simulated
from experiments.config import SamplerConfig
from experiments.rank_bands import binomial_interval
from experiments.runtime import prepare_runtime
from models.aftermath import SPEC, AftermathOptions
from models.aftermath_data import LAST_EVENT, AftermathObservations, event_cells

log = logging.getLogger("experiments")

COHORTS = tuple(range(2011, 2017))
PER_COHORT = 10
JUDGED = (2, 4, 1, 3, 5, 3)
FIRST_YEAR, LAST_YEAR = 2008, 2019
# Of the process: spread of levels, yearly departures and what is left of one a year later.
LEVEL_SD, YEARLY_SD, PERSISTENCE = 0.3, 0.18, 0.6
BASE_LOG_RATE = -4.6
SAMPLER = SamplerConfig(draws=400, tune=300, chains=2)
RESULT = Path("docs/decisions/aftermath-coverage.csv")
SEED = 20161


@dataclass(frozen=True)
class World:
    """How judgements come about, and what follows.

    ``by_level`` and ``by_year`` weigh an authority's lasting level and the departure of one year,
    ``seen_year`` years from publication, against chance of weight 1. ``percent`` is the change in
    years 0 to +3, ``cohort_sd`` by how much cohorts differ in it (log). ``drift`` is a yearly log
    growth that only the judged have.
    """

    name: str
    by_level: float = 0.0
    by_year: float = 0.0
    seen_year: int = -1
    percent: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    cohort_sd: float = 0.0
    drift: float = 0.0


WORLDS = (
    World("by chance"),
    World("by level", by_level=2.0),
    World("by a bad year", by_year=2.0),
    World("by level and a bad year", by_level=2.0, by_year=2.0),
    World(
        "by level and a bad year, with effect",
        by_level=2.0,
        by_year=2.0,
        percent=(5.0, 15.0, 10.0, 0.0),
        cohort_sd=0.05,
    ),
    World("by chance, the judged drift by 3 % a year", drift=0.03),
    World("by the chance of the same year", by_year=2.0, seen_year=0),
)


def build_skeleton() -> AftermathObservations:
    """Observations of the design: the first of each ten are judged, as many as the year has."""
    cube = build_simulated(
        SimulationOptions(
            las=PER_COHORT * len(COHORTS),
            first_year=FIRST_YEAR,
            last_year=LAST_YEAR,
            tiny_las=0,
            missing_returns_percent=0,
            missing_cells_percent=0,
            suppression=False,
        )
    )
    codes = cube["cube"].to_dataset()["la"].values.astype(str)
    rows = []
    for number, (cohort, judged) in enumerate(zip(COHORTS, JUDGED, strict=True)):
        own = codes[number * PER_COHORT : (number + 1) * PER_COHORT]
        rows += [(la, cohort, 0 if at < judged else 2) for at, la in enumerate(own)]
        if cohort + 4 in COHORTS:
            rows += [(la, cohort + 4, 2) for la in own[judged:]]
    frame = pd.DataFrame(rows, columns=["la", "year", "grade"]).sort_values(["year", "la"])
    dates = pd.to_datetime(frame["year"].astype(str) + "-01-15").to_numpy("datetime64[ns]")
    cube["inspections"] = xr.DataTree(
        xr.Dataset(
            {
                "la": ("inspection", frame["la"].to_numpy(str)),
                "framework": ("inspection", np.full(len(frame), "SIF")),
                "grade": (
                    "inspection",
                    frame["grade"].to_numpy("int8"),
                    flag_attributes(GRADES, "grade"),
                ),
                "publication_date": ("inspection", dates),
            }
        )
    )
    return SPEC.observe(cube, AftermathOptions())


def draw_world(
    observations: AftermathObservations, world: World, rng: np.random.Generator
) -> tuple[np.ndarray, pd.Series, np.ndarray]:
    """Counts (obs,), true log changes by cohort and event time, and latent departures (la, year).

    Authorities' paths are drawn first; among those inspected first in a year the ones with the
    highest scores take the places of the judged.
    """
    codes = list(observations.las.index)
    years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
    level = LEVEL_SD * rng.standard_normal(len(codes))
    departure = np.empty((len(codes), years.size))
    departure[:, 0] = YEARLY_SD / np.sqrt(1 - PERSISTENCE**2) * rng.standard_normal(len(codes))
    for at in range(1, years.size):
        departure[:, at] = PERSISTENCE * departure[:, at - 1] + YEARLY_SD * rng.standard_normal(
            len(codes)
        )
    spread = YEARLY_SD / np.sqrt(1 - PERSISTENCE**2)
    order = np.arange(len(codes))
    for number, cohort in enumerate(COHORTS):
        places = np.arange(number * PER_COHORT, (number + 1) * PER_COHORT)
        seen = departure[places, cohort + world.seen_year - FIRST_YEAR] / spread
        score = world.by_level * level[places] / LEVEL_SD + world.by_year * seen
        score = score + rng.standard_normal(PER_COHORT)
        order[places] = places[np.argsort(-score)]
    level, departure = level[order], departure[order]
    path = np.cumsum(0.04 * rng.standard_normal(years.size))
    log_rate = BASE_LOG_RATE + level[:, None] + path + departure
    change = {}
    for stack in observations.stacks:
        for event_time, percent in enumerate(world.percent):
            own = world.cohort_sd * rng.standard_normal()
            effect = float(np.log1p(percent / 100) + own)
            change[stack.cohort, event_time] = effect
            at = stack.cohort + event_time - FIRST_YEAR
            log_rate[[codes.index(la) for la in stack.judged], at] += effect
        drifting = [codes.index(la) for la in stack.judged]
        log_rate[drifting] += world.drift * (years - stack.cohort)
    cells = observations.cells
    la = observations.las.index.get_indexer(pd.Index(cells["la"]))
    mean = cells["exposure"].to_numpy() * np.exp(log_rate[la, cells["year"] - FIRST_YEAR])
    return rng.poisson(mean), pd.Series(change), departure


class Study:
    """The skeleton and its one compiled model."""

    def __init__(self, options: AftermathOptions | None = None) -> None:
        from experiments import sampling
        from models.replaceable import replaceable_data

        self.options = options or AftermathOptions()
        self.observations = build_skeleton()
        with replaceable_data() as exchange:
            model = SPEC.build(self.observations, self.options, SPEC.priors)
        self.publish = exchange.publish["y"]
        self.compiled = sampling.compile_model(model)

    def replicate(
        self, world: World, number: int, sampler: SamplerConfig = SAMPLER
    ) -> pd.DataFrame:
        """Rows ``quantity, event_time, truth, mean, sd, lower, upper`` of one world and its fit."""
        from experiments import sampling

        seed = np.random.SeedSequence(SEED, spawn_key=(WORLDS.index(world), number))
        rng = np.random.default_rng(seed)
        counts, change, _ = draw_world(self.observations, world, rng)
        fitted = self.compiled.with_data(**self.publish(counts))
        start = time.monotonic()
        posterior, statistics = sampling.sample(
            fitted, sampler, int(rng.integers(2**31)), sampler.chains
        )
        answer = SPEC.estimands(posterior, self.observations, self.options, SPEC.priors)
        truth = true_changes(self.observations, change)
        rows = []
        for name in ("change", "event_path", "placebo_change", "pre_trend"):
            draws = answer.values[name]
            for k in draws["event_time"].to_numpy() if "event_time" in draws.dims else [-1]:
                own = draws.sel(event_time=k) if "event_time" in draws.dims else draws
                logs = np.log1p(own.to_numpy().ravel() / 100)
                is_after = name in ("change", "event_path") and k >= 0
                lower, upper = np.quantile(logs, [0.05, 0.95])
                rows.append(
                    {
                        "quantity": name,
                        "event_time": int(k),
                        "truth": truth[int(k)] if is_after else 0.0,
                        "mean": logs.mean(),
                        "sd": logs.std(ddof=1),
                        "lower": lower,
                        "upper": upper,
                    }
                )
        return pd.DataFrame(rows).assign(
            world=world.name,
            replicate=number,
            divergences=int(statistics["diverging"].sum()),
            seconds=time.monotonic() - start,
        )


def true_changes(observations: AftermathObservations, change: pd.Series) -> dict[int, float]:
    """Log change of each year since publication, averaged over the judged."""
    cells = event_cells(observations)
    found = {}
    for k in range(LAST_EVENT + 1):
        own = cells[(cells["event_time"] == k) & (cells["judged"] > 0)]
        values = [change[cohort, k] for cohort in own["cohort"]]
        found[k] = float(np.average(values, weights=own["judged"]))
    return found


def summarise_study(table: pd.DataFrame) -> pd.DataFrame:
    """Bias and coverage of the 90 % interval by world, quantity and year; logs times 100."""
    rows = []
    for (world, quantity, k), group in table.groupby(
        ["world", "quantity", "event_time"], sort=False
    ):
        covered = group["truth"].between(group["lower"], group["upper"])
        lower, upper = binomial_interval(int(covered.sum()), len(group))
        error = 100 * (group["mean"] - group["truth"])
        rows.append(
            {
                "world": world,
                "quantity": quantity,
                "event_time": k,
                "replicates": len(group),
                "truth": 100 * group["truth"].mean(),
                "bias": error.mean(),
                "bias_standard_error": error.std(ddof=1) / np.sqrt(len(group)),
                "posterior_sd": 100 * group["sd"].mean(),
                "coverage": covered.mean(),
                "coverage_lower": lower,
                "coverage_upper": upper,
                "clear_of_zero": ((group["lower"] > 0) | (group["upper"] < 0)).mean(),
                "divergent": int((group["divergences"] > 0).sum()),
            }
        )
    return pd.DataFrame(rows)


def main(arguments: list[str]) -> int:
    """Run every world and write the table of coverage."""
    parser = argparse.ArgumentParser(prog="python -m experiments.aftermath_study")
    parser.add_argument("--replicates", type=int, default=50, help="worlds of each kind")
    parser.add_argument(
        "--judged-levels", default="common_mean", choices=("own_mean", "common_mean"), help="option"
    )
    parser.add_argument("--out", type=Path, default=RESULT, help="table of coverage")
    given = parser.parse_args(arguments)
    prepare_runtime()
    study = Study(AftermathOptions(judged_levels=given.judged_levels))
    tables = []
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for number in range(given.replicates):
        tables += [study.replicate(world, number) for world in WORLDS]
        print(f"{number + 1} of {given.replicates} worlds of each kind", flush=True)
        # Written each time, so that a study that is stopped leaves what it has.
        found = summarise_study(pd.concat(tables, ignore_index=True))
        found.to_csv(given.out, index=False, float_format="%.4g")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
