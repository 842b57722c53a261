"""Work that a copy of this process does while this one goes on.

PyTensor and NumPy hold Python's lock for most of what a fit does beside sampling, so that a second
core lies idle with threads. A fork sees all that this process holds without a copy, and sends back
what its function returns. Numbers do not depend on who worked them out.
"""

import gc
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any


@contextmanager
def beside[T](work: Callable[[], T], cores: int) -> Iterator[Callable[[], T]]:
    """Start ``work`` in a fork and give a function that waits for its result.

    With one core, on a system without forks, beside other threads (which a fork would leave in the
    middle of what they do) or where the fork cannot be made or ends without a word, ``work`` is
    done here instead, when its result is asked for. What it raises is raised there too. A fork
    whose result nobody asked for is ended with the block.
    """
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    if cores < 2 or not can_fork or threading.active_count() > 1:
        yield work
        return
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, sending, receiving), daemon=True)
    # What there is now is not looked through for rubbish while the fork works: it would take half a
    # second, and a copy of all that both share.
    gc.freeze()
    try:
        process.start()
    except OSError:
        # No memory, or no more processes.
        gc.unfreeze()
        receiving.close()
        sending.close()
        yield work
        return
    sending.close()

    def result() -> T:
        try:
            succeeded, found = receiving.recv()
        except (EOFError, OSError):
            return work()
        if not succeeded:
            raise found
        done: T = found
        return done

    try:
        yield result
    finally:
        process.terminate()
        process.join()
        receiving.close()
        gc.unfreeze()


def _work(work: Callable[[], Any], sending: Connection, receiving: Connection) -> None:
    # With this end open, a fork whose caller was killed would wait for a reader for ever.
    receiving.close()
    # An interrupt is the caller's to answer; it ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        answer = (True, work())
    except Exception as error:
        answer = (False, error)
    with suppress(BrokenPipeError):
        sending.send(answer)
