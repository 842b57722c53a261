"""Work beside: the same result, and the same errors, whoever does it."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from experiments.beside import beside


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


def test_work_that_nobody_waits_for_is_ended() -> None:
    with pytest.raises(KeyError), beside(threading.Event().wait, cores=2):
        raise KeyError


def test_what_both_share_is_not_looked_through_while_a_fork_works() -> None:
    before = gc.get_freeze_count()
    with beside(os.getpid, cores=2) as result:
        assert gc.get_freeze_count() > before
        result()
    assert gc.get_freeze_count() == before
