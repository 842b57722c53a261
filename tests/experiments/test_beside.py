"""Work beside: the same result, and the same errors, whoever does it."""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from experiments.beside import beside
from experiments.runtime import ROOT


def test_another_process_does_the_work() -> None:
    with beside(os.getpid, cores=2) as result:
        assert result() != os.getpid()


def test_with_one_core_this_process_does_it() -> None:
    with beside(os.getpid, cores=1) as result:
        assert result() == os.getpid()


def test_beside_other_threads_no_fork_is_made() -> None:
    done = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(done.wait)
        with beside(os.getpid, cores=2) as result:
            assert result() == os.getpid()
        done.set()


@pytest.mark.parametrize("cores", [1, 2])
def test_an_error_is_raised_where_the_result_is_asked_for(cores: int) -> None:
    def fail() -> None:
        raise ValueError("no such draws")

    with beside(fail, cores) as result, pytest.raises(ValueError, match="no such draws"):
        result()


def test_a_process_that_ends_without_a_word_is_stood_in_for() -> None:
    ours = os.getpid()

    def die_elsewhere() -> int:
        if os.getpid() != ours:
            os._exit(9)
        return 7

    with beside(die_elsewhere, cores=2) as result:
        assert result() == 7


def test_where_no_fork_can_be_made_this_process_does_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(multiprocessing.get_context("fork").Process, "start", refuse)
    before = gc.get_freeze_count()
    with beside(os.getpid, cores=2) as result:
        assert result() == os.getpid()
    assert gc.get_freeze_count() == before


def test_a_fork_does_not_outlive_a_caller_that_was_killed(tmp_path: Path) -> None:
    # More than a pipe holds: the fork is in the middle of sending when its caller is killed.
    code = (
        "import os, signal, sys, time\n"
        "from experiments.beside import beside\n"
        "def work():\n"
        "    open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "    return b'0' * 10_000_000\n"
        "with beside(work, cores=2):\n"
        "    time.sleep(1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    said = tmp_path / "pid"
    subprocess.run([sys.executable, "-c", code, str(said)], cwd=ROOT, check=False)
    for _ in range(100):
        if not psutil.pid_exists(int(said.read_text())):
            return
        time.sleep(0.1)
    pytest.fail("the fork waits for ever")


def test_work_that_nobody_waits_for_is_ended() -> None:
    with pytest.raises(KeyError), beside(threading.Event().wait, cores=2):
        raise KeyError


def test_what_both_share_is_not_looked_through_while_a_fork_works() -> None:
    before = gc.get_freeze_count()
    with beside(os.getpid, cores=2) as result:
        assert gc.get_freeze_count() > before
        result()
    assert gc.get_freeze_count() == before
