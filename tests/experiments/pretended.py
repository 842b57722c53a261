"""Jobs that end as a test wants, without a model: all of the scheduler runs but the fit itself."""

import errno
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from experiments import schedule, store
from experiments.schedule import Job, Outcome

_REAL = schedule.run_batch


def job(run_id: str, does: str = "fit", *, batch: str = "", seconds: float = 0.0) -> Job:
    """A job that writes a small run, or meets the fate that ``does`` names."""
    document = {"does": does, "seconds": seconds}
    return Job("pretended", document, (), "make fit", run_id, "h", batch)


def run_batch(jobs: Sequence[Job]) -> list[Outcome]:
    """What a worker runs: the real batch, with a pretended fit in it."""
    schedule._fit = pretend
    return _REAL(jobs)


def pretend(job: Job) -> None:
    """Write a run, or die, fail or fill the disk."""
    does = job.document["does"]
    died = store.results_folder() / f"died-{job.run_id}"
    if does == "die always" or (does == "die once" and not died.exists()):
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if does == "fail":
        raise ValueError("no place to start")
    with store.new_run(job.experiment, job.run_id, repeat=False) as folder:
        (folder / "trace.nc").write_text("x" * 1000)
        (store.results_folder() / f"started-{job.run_id}").touch()
        time.sleep(job.document["seconds"])
        if does == "fill the disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "trace.nc"))
        (folder / "verdict.json").write_text(f'{{"pid": {os.getpid()}}}')


def started(results: Path, run_id: str, timeout: float = 60) -> None:
    """Wait until a job has begun."""
    end = time.monotonic() + timeout
    while not (results / f"started-{run_id}").exists():
        assert time.monotonic() < end, f"{run_id} never began"
        time.sleep(0.05)
