"""The figures of a run's report: which there are, and drawing them, by two processes where asked.

Drawing is most of the time that a report takes, and one figure needs nothing of another.
"""

import gc
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from reports import computation, criticism, tables
from reports.answers import answer_panels, drawn_from
from reports.figures import Panel, house_style
from reports.figures_authorities import chosen_panels
from reports.figures_maps import map_panels, residual_map_panels
from reports.pages import show_panel
from reports.run_folder import Run
from reports.sensitivity import sensitivity_panels
from reports.wording import capital

# Figures by their place in the report, those that take longest at both ends: one process draws from
# the front, the other from the back.
PARTS: Mapping[str, Callable[[Run], list[Panel]]] = {
    "residuals": criticism.residual_panels,
    "answers": answer_panels,
    "prior_predictive": criticism.prior_predictive_panels,
    "loo": criticism.loo_panels,
    "sensitivity_panels": sensitivity_panels,
    "prior_posterior": lambda run: [computation.prior_posterior_panel(run)],
    "ranks": lambda run: [computation.rank_panel(run)],
    "chosen": chosen_panels,
    "predictive": criticism.predictive_panels,
    "residual_maps": residual_map_panels,
    "maps": map_panels,
}
Shown = list[dict[str, Any]]


def stamp_of(run: Run) -> str:
    """What every picture bears: on which data, and whether the fit passed its gates."""
    stamp = capital(run.kind)
    return stamp if tables.judge(run).reportable else f"{stamp} · NOT REPORTABLE"


def draw(run: Run, part: str) -> Shown:
    """The pictures of one part, as templates show them. Call within the house style."""
    stamp = stamp_of(run)
    return [
        show_panel(panel, stamp, ("estimands", "estimand", drawn_from(run, panel.key)))
        for panel in PARTS[part](run)
    ]


def draw_all(run: Run, processes: int = 1) -> dict[str, Shown]:
    """The pictures of all parts; drawn by this process and, where ``processes`` is 2, one more.

    Who draws a picture changes no byte of it. What a second process cannot draw, this one does.
    """
    waiting = deque(PARTS)
    found: dict[str, Shown] = {}
    with _second_process(run.folder, waiting, found) if processes > 1 else nullcontext():
        try:
            while part := _take(waiting.popleft):
                found[part] = draw(run, part)
                if not gc.isenabled():
                    gc.collect()
        finally:
            waiting.clear()
    return {part: found[part] if part in found else draw(run, part) for part in PARTS}


@contextmanager
def _second_process(folder: Path, waiting: deque[str], found: dict[str, Shown]) -> Iterator[None]:
    """Have another process draw what is waiting, the last first, until nothing is."""
    # A fork has all that this process has imported. It would leave other threads in the middle of
    # what they do; then the other process starts from nothing.
    can_fork = "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1
    context: Any = multiprocessing.get_context("fork" if can_fork else "spawn")
    ours, theirs = context.Pipe()
    # The netCDF library bears no thread that closes a forgotten file while another reads: nothing
    # is let go but by this thread, between parts. What is there now stays until all are drawn, so
    # that neither process need look through it.
    gc.freeze()
    gc.disable()
    process = context.Process(target=_serve, args=(folder, theirs, ours), daemon=True)
    process.start()
    theirs.close()
    ask = threading.Thread(target=_draw_from_the_back, args=(ours, waiting, found))
    ask.start()
    try:
        yield
    finally:
        ask.join()
        ours.close()
        process.join()
        gc.enable()
        gc.unfreeze()


def _draw_from_the_back(asked: Connection, waiting: deque[str], found: dict[str, Shown]) -> None:
    try:
        # It says when it is ready; until then it is given nothing.
        asked.recv()
        while part := _take(waiting.pop):
            asked.send(part)
            found[part] = asked.recv()
    except (EOFError, OSError):
        # The process ended. Its part is drawn by the caller.
        pass


def _take(pop: Callable[[], str]) -> str | None:
    """The next part, or None when the other process took the last."""
    try:
        return pop()
    except IndexError:
        return None


def _serve(folder: Path, asked: Connection, other_end: Connection) -> None:
    """Draw the parts that are asked for, for the process that started this one."""
    # An interrupt is the other process's to answer. When that ends, so does this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.enable()
    other_end.close()
    # Of what is wrong with a figure it also hears, for then it draws that figure itself.
    with suppress(Exception), asked, closing(Run.read(folder)) as run, house_style():
        asked.send("ready")
        while True:
            shown = draw(run, asked.recv())
            asked.send([item | {"panel": replace(item["panel"], figure=None)} for item in shown])
