"""A Dask cluster of hand-started processes: the same runs as in process, and none lost to faults.

Scheduler and workers are processes on the loopback address, started and stopped here.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import schedule, store
from experiments.config import load_experiment
from experiments.fit import prepare
from experiments.jobs import job_of
from experiments.runtime import ROOT
from experiments.schedule import Outcome, Workers, run_jobs
from tests.experiments import pretended
from tests.experiments.pretended import job

pytest.importorskip("distributed", reason="Dask is not installed here")

# Dask itself speaks of event loops and of late replies from processes that are gone.
pytestmark = pytest.mark.filterwarnings("ignore")
slow = pytest.mark.skipif(
    not os.environ.get("CSC_SLOW_TESTS"), reason="slow: `make test-slow` runs it"
)


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path, results: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.folder, self.results = folder, results
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start_scheduler()

    def start_scheduler(self) -> None:
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        self.scheduler = self._start("scheduler", *words)

    def start_worker(self, results: Path | None = None) -> subprocess.Popen[bytes]:
        words = [self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        words += ["--local-directory", str(self.folder), "--host", "127.0.0.1"]
        return self._start("worker", *words, results=results or self.results)

    def _start(
        self, kind: str, *words: str, results: Path | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CSC_RESULTS": str(results or "")},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"{kind}-{len(self.processes)}.log").open("wb"),
        )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "results"
    monkeypatch.setattr(store, "RESULTS", folder)
    return folder


@pytest.fixture
def cluster(tmp_path: Path, results: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path, results)
    yield started
    started.stop()


@pytest.fixture
def pretending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "run_batch", pretended.run_batch)


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.run_id: outcome.status for outcome in outcomes}


def after(begun: Callable[[], None], act: Callable[[], object]) -> None:
    """Act in the background once a job has begun."""
    import threading

    def run() -> None:
        begun()
        act()

    threading.Thread(target=run, daemon=True).start()


SETS = (
    "options.trend=linear",
    "options.la_effect=level",
    "options.knot=2012",
    "sampler.draws=100",
    "sampler.tune=100",
    "sampler.chains=2",
)


@slow
def test_runs_of_a_cluster_and_of_processes_are_those_of_this_process(
    cluster: Cluster, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = build_simulated(
        SimulationOptions(name="small", las=12, first_year=2010, last_year=2014, seed=3)
    )
    save_cube(cube, results / "cubes" / "small.nc")
    experiment = load_experiment("national_trend", sets=SETS, cube="small")
    sent = job_of(prepare(experiment), "make fit MODEL=national_trend")
    # A second job, so that two processes run at once.
    other = load_experiment("national_trend", sets=[*SETS, "sampler.seed=2"], cube="small")
    beside = job_of(prepare(other), "make fit MODEL=national_trend")
    cluster.start_worker()
    found = {}
    for where in (Workers(), Workers(processes=2), Workers(cluster=cluster.address)):
        outcome, _ = run_jobs([sent, beside], where)
        assert outcome.status == "done", outcome.detail
        run = store.find_run("national_trend", sent.run_id)
        assert run is not None
        found[where] = {
            name: (run / name).read_bytes()
            for name in ("estimands.csv", "diagnostics.csv", "config.toml", "spec.json")
        }
        assert "sampling 2 chains" in (run / "log.txt").read_text()
        run.parent.rename(tmp_path / f"kept-{len(found)}")
    first = found[Workers()]
    assert len(found) == 3
    assert [where for where in found if found[where] != first] == []


@pytest.mark.usefixtures("pretending")
def test_a_worker_killed_in_mid_fit_costs_that_fit_alone(cluster: Cluster, results: Path) -> None:
    victim = cluster.start_worker()

    def replace_worker() -> None:
        victim.send_signal(signal.SIGKILL)
        cluster.start_worker()

    after(lambda: pretended.started(results, "b"), replace_worker)
    jobs = [job("a"), job("b", seconds=3), job("c")]
    found = states(run_jobs(jobs, Workers(cluster=cluster.address)))
    assert found == {"a": "done", "b": "done", "c": "done"}


@slow
@pytest.mark.usefixtures("pretending")
def test_a_scheduler_that_comes_back_costs_what_ran_alone(cluster: Cluster, results: Path) -> None:
    cluster.start_worker()

    def restart() -> None:
        cluster.scheduler.send_signal(signal.SIGKILL)
        cluster.scheduler.wait()
        cluster.start_scheduler()
        time.sleep(1)
        cluster.start_worker()

    after(lambda: pretended.started(results, "b"), restart)
    jobs = [job("a"), job("b", seconds=3), job("c")]
    outcomes = run_jobs(jobs, Workers(cluster=cluster.address))
    # The old worker may have finished the fit on its own: it is stored once all the same.
    assert all(outcome.is_stored for outcome in outcomes)
    assert sorted(path.name for path in (results / "runs/pretended").iterdir()) == list("abc")


@slow
@pytest.mark.usefixtures("pretending")
def test_a_scheduler_that_stays_away_is_told_and_finished_runs_stay(
    cluster: Cluster, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "PATIENCE", 2.0)
    cluster.start_worker()
    after(lambda: pretended.started(results, "b"), cluster.scheduler.kill)
    jobs = [job("a"), job("b", seconds=5), job("c")]
    outcomes = run_jobs(jobs, Workers(cluster=cluster.address))
    assert states(outcomes) == {"a": "done", "b": "not run", "c": "not run"}
    assert f"answers at {cluster.address}" in outcomes[2].reason
    assert store.find_run("pretended", "a")


@slow
@pytest.mark.usefixtures("pretending")
def test_a_cluster_that_loses_its_last_worker_is_given_up(
    cluster: Cluster, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_LOOK", 0.5)
    worker = cluster.start_worker()

    def desert() -> None:
        monkeypatch.setattr(schedule, "PATIENCE", 2.0)
        worker.kill()

    after(lambda: pretended.started(results, "b"), desert)
    outcomes = run_jobs([job("a"), job("b", seconds=60)], Workers(cluster=cluster.address))
    assert states(outcomes) == {"a": "done", "b": "not run"}
    assert "no worker is left" in outcomes[1].reason


@pytest.mark.usefixtures("pretending")
def test_a_worker_that_cannot_see_the_results_fails_before_it_fits(
    cluster: Cluster, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worker sees the folder neither under the sender's path nor under its own.
    monkeypatch.setattr(store, "results_folder", lambda: results)
    cluster.start_worker(results=tmp_path / "elsewhere")
    real = schedule.replace
    monkeypatch.setattr(
        schedule,
        "replace",
        lambda one, **changes: real(one, **changes | {"results": "not-mounted"}),
    )
    (outcome,) = run_jobs([job("a")], Workers(cluster=cluster.address))
    assert outcome.status == "failed"
    assert "cannot see the results folder" in outcome.reason


def test_a_cluster_that_does_not_answer_is_bad_input(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "CONNECT", "1s")
    with pytest.raises(DataError, match=r"no scheduler with workers answers at tcp://127.0.0.1:9"):
        run_jobs([job("a")], Workers(cluster="tcp://127.0.0.1:9"))
