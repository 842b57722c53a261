"""The figures of a run's report: which there are, and drawing them, by two processes where asked.

Drawing is most of the time that a report takes, and one figure needs nothing of another.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports import computation, criticism, tables
from reports.answers import answer_panels, drawn_from
from reports.figures import HERE, Panel, house_style
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
    helper = None
    if processes > 1:
        helper = threading.Thread(target=_draw_from_the_back, args=(run.folder, waiting, found))
        helper.start()
    try:
        while part := _take(waiting.popleft):
            found[part] = draw(run, part)
    finally:
        waiting.clear()
        if helper is not None:
            helper.join()
    return {part: found[part] if part in found else draw(run, part) for part in PARTS}


def _draw_from_the_back(folder: Path, waiting: deque[str], found: dict[str, Shown]) -> None:
    """Have another process draw what is waiting, the last first."""
    command = [sys.executable, "-m", "reports.drawing", str(folder.resolve())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=HERE.parent,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # It says when it is ready; until then it is given nothing.
            pickle.load(process.stdout)
            while part := _take(waiting.pop):
                process.stdin.write(f"{part}\n".encode())
                process.stdin.flush()
                found[part] = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError):
            # The process ended. Its part is drawn by the caller, who then also hears of what is
            # wrong with it.
            pass


def _take(pop: Callable[[], str]) -> str | None:
    """The next part, or None when the other process took the last."""
    try:
        return pop()
    except IndexError:
        return None


def _serve(folder: Path) -> None:
    """Draw the parts that are named on standard input, for the process that started this one."""
    # Nothing but pictures may come out.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(result: Any) -> None:
        pickle.dump(result, answers)
        answers.flush()

    with closing(Run.read(folder)) as run, house_style():
        answer("ready")
        for line in sys.stdin:
            shown = draw(run, line.strip())
            answer([item | {"panel": replace(item["panel"], figure=None)} for item in shown])


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
