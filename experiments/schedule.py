"""Many fits through a `concurrent.futures.Executor`, none of them lost.

A job is a resolved config, a cube and a seed, and so a run id: what is stored already is not fitted
again, whoever stored it. Jobs run one after the other in this process, in several processes of this
machine, or on the workers of a Dask cluster. They hand back no results: each stores its run itself,
whole or not at all, so that whatever happens to workers, scheduler or this process, finished runs
are in the results folder. That folder must be one that all workers share; a job that cannot see it
fails before it compiles.

What fails is recorded with its reason below `results/failures` until a later fit of the same run
id succeeds.
"""

import contextlib
import errno
import io
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from data_prep.errors import DataError, Fault
from experiments import provenance, store
from experiments.runtime import RESULTS, prepare_runtime

log = logging.getLogger("experiments")

# A worker that dies may have been killed from outside; one that dies again and again was not.
ATTEMPTS = 3
# How long a scheduler that went away is waited for, in seconds.
PATIENCE = 60.0
# How long one attempt to reach a scheduler may take.
CONNECT = "10s"
# How long to wait for a fit to end before looking whether anybody still works, in seconds.
_LOOK = 10.0
Status = Literal["done", "already", "failed", "not run"]


@dataclass(frozen=True)
class Job:
    """One fit, as it is sent to a worker: plain values only.

    ``token`` names a file in the results folder that proves to a worker that it sees the same one;
    ``batch`` gathers jobs that go to one worker together.
    """

    experiment: str
    document: Mapping[str, Any]
    overridden: tuple[str, ...]
    command: str
    run_id: str
    cube_hash: str
    batch: str = ""
    results: str = ""
    token: str = ""
    cores: int = 1
    versions: Mapping[str, str] = field(default_factory=provenance.versions)


@dataclass(frozen=True)
class Outcome:
    """What became of a job; ``reason`` and ``detail`` are blank where it is stored."""

    experiment: str
    run_id: str
    status: Status
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0
    host: str = ""
    disk_full: bool = False

    @property
    def is_stored(self) -> bool:
        return self.status in ("done", "already")


@dataclass(frozen=True)
class Workers:
    """Where fits run: in this process, in ``processes`` processes, or on a Dask cluster."""

    processes: int = 0
    cluster: str = ""

    @property
    def words(self) -> str:
        """For the screen."""
        if self.cluster:
            return f"on the cluster at {self.cluster}"
        return f"in {self.processes} processes" if self.processes > 1 else "in this process"


# --------------------------------------------------------------------------- in the worker

# A process has one log, one set of warning filters and one compiler: one fit at a time.
_ONE_AT_A_TIME = threading.Lock()


def run_batch(jobs: Sequence[Job]) -> list[Outcome]:
    """Fit and store jobs one after the other; what goes wrong is an outcome, not an exception."""
    prepare_runtime()
    outcomes = []
    for job in jobs:
        with _ONE_AT_A_TIME:
            outcomes.append(_run_job(job))
        if outcomes[-1].disk_full:
            break
    return outcomes


def _run_job(job: Job) -> Outcome:
    start = time.monotonic()
    said = io.StringIO()
    outcome = Outcome(job.experiment, job.run_id, "done", host=socket.gethostname())
    try:
        with _quiet(), contextlib.redirect_stderr(said):
            _share_results(job)
            if store.find_run(job.experiment, job.run_id):
                return replace(outcome, status="already")
            _fit(job)
    except Exception as error:
        return replace(
            outcome,
            status="failed",
            reason=_reason(error),
            detail=traceback.format_exc() + said.getvalue()[-2000:],
            seconds=round(time.monotonic() - start, 2),
            disk_full=_is_disk_full(error),
        )
    return replace(outcome, seconds=round(time.monotonic() - start, 2))


def _fit(job: Job) -> None:
    from experiments.config import restore_experiment
    from experiments.fit import fit, prepare

    prepared = prepare(restore_experiment(job.experiment, job.document, job.overridden))
    if prepared.run_id != job.run_id:
        raise DataError([_other_worker(job, str(prepared.cube.attrs["cube_hash"]))])
    fit(prepared, job.command, cores=job.cores, repeat=False)


def _other_worker(job: Job, cube_hash: str) -> Fault:
    """Why this worker would make another run of the same job."""
    here = provenance.versions()
    differ = [
        f"{name} {here.get(name)} not {v}"
        for name, v in job.versions.items()
        if here.get(name) != v
    ]
    if cube_hash != job.cube_hash:
        problem = "its cube of that name has other contents"
    else:
        problem = f"it has other versions ({', '.join(differ)})" if differ else "its code differs"
    return Fault(
        f"the worker on {socket.gethostname()} would make another run: {problem}",
        "give every worker the same checkout, environment and cubes",
        value=job.run_id,
    )


def _share_results(job: Job) -> None:
    """Find the shared results folder: under the sender's path, or this worker's own name for it."""
    for folder in (Path(job.results), RESULTS):
        if job.token and (folder / job.token).is_file():
            store.use_results(folder)
            return
    raise DataError(
        [
            Fault(
                f"the worker on {socket.gethostname()} cannot see the results folder",
                "mount it under the same path, or start the worker with CSC_RESULTS set to where "
                "it is mounted",
                value=job.results,
            )
        ]
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Fits speak to their own log.txt; the screen belongs to the progress of all."""
    root = logging.getLogger()
    kept = [(handler, handler.level) for handler in root.handlers]
    level = log.level
    log.setLevel(logging.INFO)
    try:
        for handler, _ in kept:
            handler.setLevel(logging.ERROR)
        yield
    finally:
        log.setLevel(level)
        for handler, was in kept:
            handler.setLevel(was)


def _reason(error: BaseException) -> str:
    if isinstance(error, DataError):
        return "; ".join(str(fault) for fault in error.faults)
    return f"{type(error).__name__}: {error}"


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        # The netCDF library says it in words of its own.
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


# ----------------------------------------------------------------------------- in this process


class Serial(Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _ignore_interrupts() -> None:
    """In a worker process: the parent hears Ctrl-C and ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_runtime()


class _Pool:
    """An executor that can be opened again after it broke, and how many jobs it runs at once."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.client: Any = None
        self.size = 1
        self.executor = self._open()

    def _open(self) -> Executor:
        if self.workers.cluster:
            return self._connect()
        self.size = max(self.workers.processes, 1)
        if self.size == 1:
            return Serial()
        self._others = set(multiprocessing.active_children())
        return ProcessPoolExecutor(
            self.size, multiprocessing.get_context("spawn"), initializer=_ignore_interrupts
        )

    def _connect(self) -> Executor:
        try:
            from distributed import Client
        except ImportError as error:
            remedy = "run 'make setup', which installs it with the rest of requirements.lock"
            raise DataError(
                [Fault("Dask is not installed here", remedy, column="CLUSTER")]
            ) from error
        try:
            self.client = Client(self.workers.cluster, timeout=CONNECT, set_as_default=False)
            self.client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise LostClusterError(self.workers.cluster, str(error)) from error
        self.size = sum(w["nthreads"] for w in self.client.scheduler_info(-1)["workers"].values())
        self._seen = time.monotonic()
        executor: Executor = self.client.get_executor(pure=False)
        return executor

    def submit(self, batch: Sequence[Job]) -> "Future[list[Outcome]]":
        return self.executor.submit(run_batch, batch)

    def is_deserted(self) -> bool:
        """Whether a cluster has had no worker for as long as one is waited for."""
        if self.client is None:
            return False
        if self.client.scheduler_info(-1)["workers"]:
            self._seen = time.monotonic()
        return time.monotonic() - self._seen > PATIENCE

    def reopen(self) -> None:
        """After workers died: a new pool, or the scheduler once it is back."""
        self.close(kill=True)
        start = time.monotonic()
        while True:
            try:
                self.executor = self._open()
            except LostClusterError:
                if time.monotonic() - start > PATIENCE:
                    raise
                time.sleep(1)
            else:
                return

    def close(self, *, kill: bool) -> None:
        """End the executor; with ``kill`` what runs in its processes is given up at once."""
        if self.client is not None:
            with contextlib.suppress(OSError, TimeoutError):
                self.client.close(timeout=5)
            self.client = None
        elif isinstance(self.executor, ProcessPoolExecutor):
            own = set(multiprocessing.active_children()) - self._others
            if kill:
                for process in own:
                    process.terminate()
            self.executor.shutdown(wait=True, cancel_futures=True)


class LostClusterError(Exception):
    """No scheduler, or no worker, answers at the address of a cluster."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"no scheduler with workers answers at {address} ({problem})")


@dataclass
class Progress:
    """Fits done, running, failed and waiting, and the time left; a line in place or a log."""

    total: int
    done: int = 0
    failed: int = 0
    start: float = field(default_factory=time.monotonic)
    _said: tuple[int, int, int] | None = None

    def show(self, running: int, stream: Any = None) -> None:
        """Print one line: on a terminal in place, in a log when a number has changed."""
        stream = stream or sys.stderr
        text = f"  fits: {self.words(running)}"
        if stream.isatty():
            print(f"\r{text:<78}", end="", file=stream, flush=True)
        elif self._said != (self.done, self.failed, running):
            print(text, file=stream, flush=True)
        self._said = (self.done, self.failed, running)

    def words(self, running: int) -> str:
        """As ``12 done, 2 running, 1 failed, 93 waiting; 6 min left``."""
        ended = self.done + self.failed
        waiting = self.total - ended - running
        left = ""
        if ended and ended < self.total:
            seconds = (time.monotonic() - self.start) / ended * (self.total - ended)
            left = f"; {seconds / 60:.0f} min left" if seconds > 90 else f"; {seconds:.0f} s left"
        return f"{self.done} done, {running} running, {self.failed} failed, {waiting} waiting{left}"


class InterruptedJobsError(KeyboardInterrupt):
    """Ctrl-C while jobs ran; carries what became of each."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self.outcomes = list(outcomes)


def run_jobs(jobs: Sequence[Job], workers: Workers) -> list[Outcome]:
    """Fit what is not stored yet; what became of every job, in the order of ``jobs``.

    Raises
    ------
    DataError
        When the cluster does not answer at the start.
    InterruptedJobsError
        On Ctrl-C, with what is kept.
    """
    jobs = list({job.run_id: job for job in jobs}.values())
    outcomes = {
        job.run_id: Outcome(job.experiment, job.run_id, "already")
        for job in jobs
        if store.find_run(job.experiment, job.run_id)
    }
    waiting = [job for job in jobs if job.run_id not in outcomes]
    if waiting:
        log.info("%d fits stored already, %d to do %s", len(outcomes), len(waiting), workers.words)
        with _shared_folder() as token:
            try:
                pool = _Pool(workers)
            except LostClusterError as error:
                raise DataError([Fault(str(error), "start it, or mend CLUSTER=")]) from error
            run = _Run(pool, _batches(waiting, token, pool), Progress(len(waiting)))
            try:
                run.run()
            except KeyboardInterrupt:
                outcomes |= run.outcomes
                raise InterruptedJobsError(
                    [outcomes.get(j.run_id, _not_run(j, "interrupted")) for j in jobs]
                ) from None
            outcomes |= run.outcomes
    return [outcomes[job.run_id] for job in jobs]


def _batches(jobs: Sequence[Job], token: str, pool: _Pool) -> list[list[Job]]:
    """Jobs by batch, in order; each told where the results are and how many cores it may use."""
    cores = max(1, (os.cpu_count() or 1) // pool.size) if not pool.client else 1
    batches: dict[str, list[Job]] = {}
    for job in jobs:
        sent = replace(job, results=str(store.results_folder()), token=token, cores=cores)
        batches.setdefault(job.batch or job.run_id, []).append(sent)
    return list(batches.values())


@contextlib.contextmanager
def _shared_folder() -> Iterator[str]:
    """A file in the results folder by whose name workers know it."""
    token = f".shared-{uuid.uuid4().hex}"
    folder = store.results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / token
    path.touch()
    try:
        yield token
    finally:
        path.unlink(missing_ok=True)


class _Run:
    """The loop: keeps workers busy, collects what ends, and starts again what died with them."""

    def __init__(self, pool: _Pool, batches: list[list[Job]], progress: Progress) -> None:
        self.pool, self.progress = pool, progress
        self.waiting = deque(batches)
        self.suspects: deque[list[Job]] = deque()
        self.running: dict[Future[list[Outcome]], list[Job]] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.attempts: dict[str, int] = {}

    def run(self) -> None:
        stopped = ""
        try:
            while self.waiting or self.suspects or self.running:
                if not stopped:
                    self._start()
                self.progress.show(sum(map(len, self.running.values())))
                stopped = self._collect() or stopped
                if stopped and not self.running:
                    break
        finally:
            # An interrupt too: nothing goes on in processes that nobody looks at.
            self.pool.close(kill=bool(self.running))
            self._sweep()
            if sys.stderr.isatty():
                print(file=sys.stderr)
        for job in (job for batch in (*self.suspects, *self.waiting) for job in batch):
            self.outcomes[job.run_id] = _not_run(job, stopped)

    def _start(self) -> None:
        """Give every idle worker a batch; a suspect runs alone."""
        if self.suspects:
            if not self.running:
                self._submit(self.suspects)
            return
        while self.waiting and len(self.running) < self.pool.size:
            if not self._submit(self.waiting):
                return

    def _submit(self, queue: deque[list[Job]]) -> bool:
        """Start the first batch of a queue, if the pool still stands."""
        batch = queue.popleft()
        try:
            self.running[self.pool.submit(batch)] = batch
        except BrokenExecutor:
            # Its processes died since the last look; what ran there says so itself.
            queue.appendleft(batch)
            return False
        return True

    def _collect(self) -> str:
        """Take in what ended; a reason to start nothing more, else blank."""
        if not self.running:
            return self._recover()
        ended, _ = wait(self.running, timeout=_LOOK, return_when=FIRST_COMPLETED)
        if not ended:
            return self._give_up() if self.pool.is_deserted() else ""
        broken, stopped = False, ""
        for future in ended:
            batch = self.running.pop(future)
            if future.cancelled() or future.exception():
                # A worker of a cluster dies alone; a cancelled job tells of a lost scheduler.
                broken |= future.cancelled() or not self.pool.workers.cluster
                error = None if future.cancelled() else future.exception()
                self._again(batch, _reason(error) if error else "its scheduler forgot it")
                continue
            for outcome in future.result():
                self._note(outcome)
                if outcome.disk_full:
                    stopped = "the disk is full"
            # A batch that a full disk cut short.
            for job in batch:
                if job.run_id not in self.outcomes:
                    self.outcomes[job.run_id] = _not_run(job, "the disk is full")
        return stopped or (self._recover() if broken else "")

    def _again(self, batch: list[Job], reason: str) -> None:
        """Jobs whose worker died wait once more, but for those that are stored already."""
        left = []
        for job in batch:
            if store.find_run(job.experiment, job.run_id):
                self._note(Outcome(job.experiment, job.run_id, "done"))
                continue
            number = self.attempts[job.run_id] = self.attempts.get(job.run_id, 0) + 1
            if number < ATTEMPTS:
                left.append(job)
                continue
            text = f"its worker died {number} times, killed or out of memory ({reason})"
            self._note(Outcome(job.experiment, job.run_id, "failed", text))
        if left:
            names = ", ".join(job.run_id for job in left)
            log.warning("a worker was lost (%s): %s start again", reason, names)
            # Processes of a pool die together, and nobody knows which of their fits was the cause:
            # each runs alone until it is stored or given up. A cluster knows.
            place = self.waiting if self.pool.workers.cluster else self.suspects
            place.extendleft([job] for job in reversed(left))

    def _recover(self) -> str:
        """Open the pool again; whatever else ran in it has gone with it."""
        for batch in self.running.values():
            self._again(batch, "it shared the pool of a worker that died")
        self.running.clear()
        try:
            self.pool.reopen()
        except LostClusterError as error:
            log.error("%s: finished runs are kept", error)
            return str(error)
        self._sweep()
        return ""

    def _give_up(self) -> str:
        """No worker is left on the cluster: what ran there waits for a later call."""
        reason = f"no worker is left on the cluster at {self.pool.workers.cluster}"
        log.error("%s: finished runs are kept", reason)
        self.waiting.extendleft(self.running.values())
        self.running.clear()
        return reason

    def _note(self, outcome: Outcome) -> None:
        self.outcomes[outcome.run_id] = outcome
        self.progress.done += outcome.is_stored
        self.progress.failed += not outcome.is_stored
        record_failure(outcome)
        if not outcome.is_stored:
            log.warning("failed: %s %s: %s", outcome.experiment, outcome.run_id, outcome.reason)

    def _sweep(self) -> None:
        for folder in store.runs_folder().glob("*"):
            store.sweep(folder)


def _not_run(job: Job, reason: str) -> Outcome:
    return Outcome(job.experiment, job.run_id, "not run", reason)


def record_failure(outcome: Outcome) -> None:
    """Keep a failure with its reason, or take back that of a run that is stored now."""
    path = store.failures_folder() / f"{outcome.run_id}.json"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        if outcome.is_stored:
            if path.is_file():
                path.unlink()
            return
        with store.whole(path) as partial:
            store.write_json(partial, {"when": when, **asdict(outcome)})
    except OSError as error:
        # Of a full disk, say: the outcome is on the screen and in what the caller gets.
        log.error("the failure of %s could not be recorded: %s", outcome.run_id, error)
