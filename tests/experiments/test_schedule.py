"""Many fits: whatever happens to workers, disk or caller, finished runs stay and all is told."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray as xr

from experiments import fit as fit_module
from experiments import schedule, store
from experiments.runtime import ROOT
from experiments.schedule import InterruptedJobsError, Outcome, Progress, Workers, run_jobs
from tests.experiments import pretended
from tests.experiments.pretended import job

SERIAL, TWO = Workers(), Workers(processes=2)


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "results"
    monkeypatch.setattr(store, "RESULTS", folder)
    monkeypatch.setattr(schedule, "run_batch", pretended.run_batch)
    monkeypatch.setattr(schedule, "_fit", pretended.pretend)
    folder.mkdir()
    yield folder
    # Nothing of a scheduler stays behind, whatever happened.
    assert list(folder.glob(".shared-*")) == []
    assert list(folder.glob("runs/*/.tmp-*")) == []


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.run_id: outcome.status for outcome in outcomes}


def runs(results: Path) -> set[str]:
    return {path.parent.name for path in results.glob("runs/*/*/verdict.json")}


# -------------------------------------------------------------------------------- ordinary days


@pytest.mark.parametrize("workers", [SERIAL, TWO], ids=["serial", "processes"])
def test_jobs_are_done_once(workers: Workers, results: Path) -> None:
    jobs = [job("a"), job("b"), job("c", batch="x"), job("d", batch="x"), job("a")]
    assert states(run_jobs(jobs, workers)) == dict.fromkeys("abcd", "done")
    assert runs(results) == set("abcd")
    before = {name: (results / f"runs/pretended/{name}/verdict.json").stat() for name in "abcd"}
    assert states(run_jobs([*jobs, job("e")], workers)) == {
        **dict.fromkeys("abcd", "already"),
        "e": "done",
    }
    for name, stat in before.items():
        now = (results / f"runs/pretended/{name}/verdict.json").stat()
        assert now.st_mtime_ns == stat.st_mtime_ns


def test_a_batch_stays_with_one_worker(results: Path) -> None:
    run_jobs([job(name, batch="x") for name in "abc"], TWO)
    pids = {
        json.loads((results / f"runs/pretended/{n}/verdict.json").read_text())["pid"] for n in "abc"
    }
    assert len(pids) == 1
    assert pids != {os.getpid()}


def test_progress_counts_and_says_what_is_left() -> None:
    progress = Progress(10, start=time.monotonic() - 400)
    assert progress.words(2) == "0 done, 2 running, 0 failed, 8 waiting"
    progress.done, progress.failed = 3, 1
    assert progress.words(2) == "3 done, 2 running, 1 failed, 4 waiting; 10 min left"
    said = io.StringIO()
    progress.show(2, said)
    progress.show(2, said)
    assert said.getvalue() == "  fits: 3 done, 2 running, 1 failed, 4 waiting; 10 min left\n"


# --------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("workers", [SERIAL, TWO], ids=["serial", "processes"])
def test_a_failure_is_recorded_with_its_reason_and_stops_nothing(
    workers: Workers, results: Path
) -> None:
    outcomes = run_jobs([job("a"), job("b", "fail"), job("c")], workers)
    assert states(outcomes) == {"a": "done", "b": "failed", "c": "done"}
    assert outcomes[1].reason == "ValueError: no place to start"
    record = json.loads((results / "failures" / "b.json").read_text())
    assert record["reason"] == outcomes[1].reason
    assert "pretended.py" in record["detail"]
    # Stored at last, it is no failure any more.
    assert states(run_jobs([job("b")], workers)) == {"b": "done"}
    assert list((results / "failures").iterdir()) == []


def test_a_worker_killed_in_mid_fit_costs_that_fit_alone_which_starts_again(
    results: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        outcomes = run_jobs([job("a"), job("b", "die once"), job("c"), job("d")], TWO)
    assert states(outcomes) == dict.fromkeys("abcd", "done")
    assert runs(results) == set("abcd")
    assert "a worker was lost" in caplog.text


def test_a_fit_that_kills_every_worker_is_given_up_and_others_are_not(results: Path) -> None:
    outcomes = run_jobs([job("a", "die always"), job("b"), job("c")], TWO)
    assert states(outcomes) == {"a": "failed", "b": "done", "c": "done"}
    assert "its worker died 3 times" in outcomes[0].reason
    assert (results / "failures" / "a.json").is_file()


@pytest.mark.parametrize("workers", [SERIAL, TWO], ids=["serial", "processes"])
def test_a_full_disk_stops_the_rest_and_keeps_what_is_stored(
    workers: Workers, results: Path
) -> None:
    jobs = [job("a"), job("b", "fill the disk", seconds=0.2)]
    jobs += [job(f"later{i}", seconds=0.5) for i in range(4)]
    found = states(run_jobs(jobs, workers))
    assert found["a"] == "done"
    assert found["b"] == "failed"
    assert found["later3"] == "not run"
    assert runs(results) == {name for name, state in found.items() if state == "done"}
    assert "No space left" in json.loads((results / "failures" / "b.json").read_text())["reason"]
    assert states(run_jobs([*jobs[:1], *jobs[2:]], workers))["later3"] == "done"


@pytest.mark.parametrize(("free", "kind"), [(4096, OSError), (10**9, RuntimeError)])
def test_the_netcdf_library_s_word_for_a_full_disk_is_understood(
    free: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **settings: object) -> None:
        raise RuntimeError("NetCDF: HDF error")

    tree = xr.DataTree()
    monkeypatch.setattr(tree, "to_netcdf", fail, raising=False)
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("experiments.fit.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(kind) as caught:
        fit_module._write_trace(tree, tmp_path / "trace.nc")
    assert schedule._is_disk_full(caught.value) == (kind is OSError)


def test_a_failure_that_cannot_be_recorded_is_still_told(
    results: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (results / "failures").write_text("a file where a folder should be")
    assert states(run_jobs([job("a", "fail"), job("b")], SERIAL)) == {"a": "failed", "b": "done"}
    assert "could not be recorded" in caplog.text


def test_a_worker_that_sees_another_folder_fails_before_it_fits(results: Path) -> None:
    (outcome,) = schedule.run_batch([job("a")])
    assert outcome.status == "failed"
    assert "cannot see the results folder" in outcome.reason
    assert not (results / "runs").exists()


def test_two_callers_at_once_store_each_run_once(results: Path) -> None:
    jobs = [job(name, seconds=0.3) for name in "abcd"]
    found: list[list[Outcome]] = []
    callers = [threading.Thread(target=lambda: found.append(run_jobs(jobs, TWO))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(outcome.is_stored for outcomes in found for outcome in outcomes)
    assert sorted(path.name for path in (results / "runs/pretended").iterdir()) == list("abcd")


INTERRUPTED = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from experiments import schedule, store
from tests.experiments import pretended
schedule.run_batch = pretended.run_batch
if __name__ == "__main__":
    jobs = [pretended.job("a"), pretended.job("b", seconds=300), pretended.job("c", seconds=300)]
    try:
        schedule.run_jobs(jobs, schedule.Workers(processes=2))
    except schedule.InterruptedJobsError as error:
        print({outcome.run_id: outcome.status for outcome in error.outcomes})
"""


def test_an_interrupt_ends_within_seconds_and_says_what_is_kept(
    results: Path, tmp_path: Path
) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "CSC_RESULTS": str(results), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    pretended.started(results, "b")
    pretended.started(results, "c")
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert time.monotonic() - start < 10
    assert said.strip() == "{'a': 'done', 'b': 'not run', 'c': 'not run'}"
    assert runs(results) == {"a"}


def test_an_interrupt_in_this_process_says_what_is_kept(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = pretended.pretend

    def interrupt(sent: schedule.Job) -> None:
        if sent.run_id == "b":
            raise KeyboardInterrupt
        fit(sent)

    monkeypatch.setattr(pretended, "pretend", interrupt)
    with pytest.raises(InterruptedJobsError) as caught:
        run_jobs([job("a"), job("b"), job("c")], SERIAL)
    assert states(caught.value.outcomes) == {"a": "done", "b": "not run", "c": "not run"}
