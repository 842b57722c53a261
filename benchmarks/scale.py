"""Time and memory against the size of the data: authorities of the trend, outcomes of deprivation.

Each size is fitted through the command line without compiled code, and once more with it unless
the first fit took minutes: compiling is then little of it.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from benchmarks import judging, running
from benchmarks.running import Settings
from benchmarks.tasks import _EXACT, CUBE, SEED, TASKS, YEARS, Task
from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated

log = logging.getLogger("benchmarks")

LAS = (150, 600, 2400, 10_000)
# Seconds of a fit above which it is not repeated.
_ONCE = 120.0
# As many as the model takes.
OUTCOMES = (1, 2, 4, 8, 24)
_MEASURES = (
    "referrals",
    "section47",
    "cpp_starts",
    "icpc",
    "cin_starts",
    "cpp_at_31_march",
    "cin_at_31_march",
    "cla_starts",
    "rereferrals",
    "children_referred",
    "icpc_15_days",
    "cpp_second_or_subsequent",
    "cpp_ended",
    "cpp_ended_2_years",
    "cpp_open_2_years",
    "cpp_due_review",
    "cpp_reviewed_on_time",
    "cin_ended",
    "cin_ended_3_months",
    "cin_open_2_years",
    "cla_at_31_march",
    "children_rereferred",
    "referrals_nfa",
    "referrals_not_in_need",
)


class ManyAreas(SimulationOptions):
    """Simulated England with more areas than England has authorities."""

    las: int = Field(152, ge=2)


def deprivation_task(outcomes: int) -> Task:
    """The model of deprivation with so many outcomes."""
    names = ",".join(_MEASURES[:outcomes])
    compared = ("deprivation_slope", "la_level_sd", "scatter_sd")
    sets = (
        f"data.years={YEARS[0]}-{YEARS[1]}",
        "options.edition=2010",
        f"options.outcomes={names}",
    )
    return Task(f"outcomes_{outcomes}", names, "deprivation", sets, compared, lambda _: {})


def run_scale(
    folder: Path,
    settings: Settings,
    *,
    las: Sequence[int] = LAS,
    outcomes: Sequence[int] = OUTCOMES,
    areas: int = 150,
) -> Iterator[pd.DataFrame]:
    """Fit every size; ``areas`` are those of the fits by number of outcomes.

    Yields
    ------
    After each fit all rows so far, for an hour's work may be stopped: ``study`` (``authorities`` or
    ``outcomes``), ``size``, ``cold``, ``status`` and, where the fit was done, seconds, memory,
    effective draws and gradients. A fit that fails, as for want of memory, has its last words as
    its status, and larger sizes of the study are not tried.
    """
    rows: list[dict[str, Any]] = []
    studies: list[tuple[str, int, int, Task]] = [
        *(("authorities", size, size, TASKS["trend"]) for size in las),
        *(("outcomes", size, areas, deprivation_task(size)) for size in outcomes),
    ]
    failed: set[str] = set()
    for study, size, count, task in studies:
        if study in failed:
            continue
        options = ManyAreas(
            name=CUBE, seed=SEED, las=count, first_year=YEARS[0], last_year=YEARS[1], **_EXACT
        )
        save_cube(build_simulated(options), folder / "cubes" / f"{CUBE}.nc")
        np.savez(folder / f"{task.name}.npz")
        for cold in (True, False):
            log.info("%s: %d, %s ...", study, size, "cold" if cold else "warm")
            try:
                fit = running.run(task, "ours", folder, settings, repeat=0, cold=cold)
            except RuntimeError as error:
                log.warning("%s", error)
                status = str(error).strip().splitlines()[-1]
                rows.append({"study": study, "size": size, "cold": cold, "status": status})
                failed.add(study)
                yield pd.DataFrame(rows)
                break
            judged = judging.judge(fit, task, None)
            rows.append(
                {
                    "study": study,
                    "size": size,
                    "cold": cold,
                    "status": "done",
                    "wall": fit.wall,
                    "draws_at": fit.draws_at,
                    "compile": fit.seconds["compiling"],
                    "sampling": next(s for name, s in fit.seconds.items() if "sampling" in name),
                    "peak_memory_mib": fit.peak_memory_mib,
                    "least_ess": judged.least_ess,
                    "least_ess_at": judged.least_ess_at,
                    "most_r_hat": judged.most_r_hat,
                    "ess_per_second": judged.least_ess / fit.draws_at,
                    "gradients": fit.gradients,
                    "divergences": fit.divergences,
                }
            )
            yield pd.DataFrame(rows)
            if fit.wall > _ONCE:
                break


def growth(table: pd.DataFrame, column: str) -> pd.Series:
    """How a column grows with size in each study: the exponent, 1 where it grows in proportion.

    Of each size the warm fit counts, or the only one.
    """
    done = table[table["status"] == "done"]
    done = done.sort_values("cold", kind="stable").drop_duplicates(["study", "size"])
    return pd.Series(
        {
            str(study): float(np.polyfit(np.log(own["size"]), np.log(own[column]), 1)[0])
            for study, own in done.groupby("study", sort=False)
            if len(own) > 1
        },
        dtype=float,
    )
