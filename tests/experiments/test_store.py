"""Run folders: whole or absent, never overwritten, found again by any beginning of their id."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.errors import DataError
from experiments import store
from experiments.runtime import ROOT

ID = "abc123def456"


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    return tmp_path


def write_run(experiment: str = "trend", run_id: str = ID, text: str = "{}") -> None:
    with store.new_run(experiment, run_id) as folder:
        (folder / "verdict.json").write_text(text)


def names(experiment: str = "trend") -> list[str]:
    return sorted(path.name for path in (store.runs_folder() / experiment).iterdir())


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_has_its_name_only_when_it_is_whole() -> None:
    with store.new_run("trend", ID) as folder:
        (folder / "verdict.json").write_text("{}")
        assert folder.name == f".tmp-{ID}-{socket.gethostname()}-{os.getpid()}"
        assert names() == [folder.name]
        assert store.find_run("trend", ID) is None
        with pytest.raises(DataError, match=r"no such run.*\(none\)"):
            store.resolve_run(folder.name)
    assert names() == [ID]
    assert store.find_run("trend", ID) == store.runs_folder() / "trend" / ID


def test_a_repeat_never_overwrites() -> None:
    for text in "123":
        write_run(text=text)
    assert names() == [ID, f"{ID}.2", f"{ID}.3"]
    folder = store.runs_folder() / "trend"
    assert [(folder / name / "verdict.json").read_text() for name in names()] == ["1", "2", "3"]
    assert store.find_run("trend", ID) == folder / f"{ID}.3"


def test_the_latest_repeat_is_by_number_not_by_spelling() -> None:
    for _ in range(11):
        write_run()
    assert store.find_run("trend", ID) == store.runs_folder() / "trend" / f"{ID}.11"


def test_a_folder_of_the_name_that_is_no_run_is_left_alone() -> None:
    other = store.runs_folder() / "trend" / ID
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("keep")
    write_run()
    assert names() == [ID, f"{ID}.2"]
    assert (other / "mine.txt").read_text() == "keep"
    assert store.find_run("trend", ID) == other.with_name(f"{ID}.2")


def test_another_id_that_begins_alike_is_another_run() -> None:
    write_run(run_id=ID + "0")
    assert store.find_run("trend", ID) is None
    assert store.find_run("other", ID) is None


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_nothing(fault: type[BaseException]) -> None:
    def fail() -> None:
        with store.new_run("trend", ID) as folder:
            (folder / "verdict.json").write_text("{}")
            (folder / "below").mkdir()
            raise fault

    with pytest.raises(fault):
        fail()
    assert names() == []


def test_failure_of_a_repeat_leaves_the_first() -> None:
    write_run(text="1")
    with pytest.raises(RuntimeError), store.new_run("trend", ID):
        raise RuntimeError
    assert names() == [ID]


def test_what_dead_processes_left_is_swept_and_what_living_ones_write_is_kept() -> None:
    parent = store.runs_folder() / "trend"
    here = socket.gethostname()
    dead, living = f".tmp-{ID}-{here}-{dead_process()}", f".tmp-{ID}-{here}-{os.getppid()}"
    elsewhere = f".tmp-{ID}-another-machine-{dead_process()}"
    for name in (dead, living, elsewhere, ".tmp-odd", "older-run"):
        (parent / name).mkdir(parents=True)
        (parent / name / "trace.nc").write_text("half")
    write_run()
    assert names() == sorted([living, elsewhere, ".tmp-odd", "older-run", ID])


def test_a_stale_folder_with_our_own_process_number_is_no_obstacle() -> None:
    stale = store.runs_folder() / "trend" / store.temporary_name(ID)
    stale.mkdir(parents=True)
    (stale / "trace.nc").write_text("half")
    write_run()
    assert names() == [ID]
    assert [path.name for path in (stale.parent / ID).iterdir()] == ["verdict.json"]


KILLED = f"""
import sys, time
from experiments import store
with store.new_run("trend", "{ID}") as folder:
    (folder / "verdict.json").write_text("{{}}")
    with (folder / "trace.nc").open("w") as file:
        while True:
            file.write("x" * 4096)
            file.flush()
            print("writing", flush=True)
            time.sleep(0.01)
"""


def test_a_kill_in_mid_write_leaves_no_torn_run_and_the_next_start_sweeps(results: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        env={**os.environ, "CSC_RESULTS": str(results)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert names() == [f".tmp-{ID}-{socket.gethostname()}-{process.pid}"]
    assert store.find_run("trend", ID) is None
    with pytest.raises(DataError, match="no such run"):
        store.resolve_run(ID)
    write_run()
    assert names() == [ID]


# --------------------------------------------------------------------------------- by name


def test_a_run_is_found_by_path_id_and_beginning() -> None:
    write_run()
    write_run(run_id="abd999")
    run = store.runs_folder() / "trend" / ID
    assert [store.resolve_run(text) for text in (str(run), ID, "abc")] == [run] * 3


def test_an_id_wins_over_its_repeats_but_a_beginning_is_ambiguous() -> None:
    write_run()
    write_run()
    assert store.resolve_run(ID).name == ID
    assert store.resolve_run(f"{ID}.2").name == f"{ID}.2"
    with pytest.raises(DataError) as caught:
        store.resolve_run("abc")
    (fault,) = caught.value.faults
    assert fault.problem == "more than one run begins so"
    assert fault.remedy == f"use one of: trend/{ID}, trend/{ID}.2"


def test_the_same_id_in_two_experiments_is_ambiguous() -> None:
    write_run("trend")
    write_run("trend--line")
    with pytest.raises(DataError, match=rf"trend--line/{ID}, trend/{ID}"):
        store.resolve_run(ID)
    for experiment in ("trend", "trend--line"):
        run = store.runs_folder() / experiment / ID
        assert store.resolve_run(f"{experiment}/{ID}") == run
        assert store.resolve_run(f"{experiment}/{ID[:3]}") == run


def test_an_unknown_run_lists_those_that_there_are() -> None:
    write_run()
    with pytest.raises(DataError) as caught:
        store.resolve_run("zzz")
    (fault,) = caught.value.faults
    assert (fault.value, fault.problem) == ("zzz", "no such run")
    assert f"trend/{ID}" in fault.remedy


def test_cubes_are_named_or_given_by_path(results: Path) -> None:
    assert store.cube_path("simulated") == results / "cubes" / "simulated.nc"
    assert store.cube_path("folder/other") == Path("folder/other")
    assert store.cube_path("other.nc") == Path("other.nc")


def test_json_refuses_what_no_other_program_reads(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not (tmp_path / "x.json").exists()
    store.write_json(tmp_path / "verdict.json", {"label": "Bürkner"})
    assert store.read_verdict(tmp_path) == {"label": "Bürkner"}


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "table.csv"
    with store.whole(target) as path:
        path.write_text("first")
        assert not target.exists()
    assert target.read_text() == "first"

    def fail(path: Path) -> None:
        path.write_text("hal")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), store.whole(target) as path:
        fail(path)
    assert target.read_text() == "first"
    assert [found.name for found in target.parent.iterdir()] == ["table.csv"]
