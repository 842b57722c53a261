"""Drawing the figures of a report: each once, by one process or by two, to the same bytes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from reports import drawing
from reports.figures import embed, house_style, new_figure
from reports.run_report import render_run


def test_a_figure_is_laid_out_and_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(owner: Any, name: str) -> None:
        method = getattr(owner, name)

        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            made.append(name)
            return method(self, *arguments, **options)

        monkeypatch.setattr(owner, name, call)

    counted(ConstrainedLayoutEngine, "execute")
    counted(Figure, "draw")
    with house_style():
        figure, axes = new_figure()
        axes.plot([1, 2])
        embed(figure, "simulated")
    assert made == ["execute", "draw"]


def test_two_processes_draw_what_one_draws(complete_run: Path, report: str) -> None:
    assert render_run(complete_run, processes=2).read_text(encoding="utf-8") == report


def test_a_second_process_draws_from_the_back(complete_run: Path) -> None:
    run = drawing.Run.read(complete_run)
    waiting, found = drawing.deque(["maps", "ranks"]), {}
    with drawing._second_process(run.folder, waiting, found):
        while waiting:
            time.sleep(0.05)
    assert list(found) == ["ranks", "maps"]
    assert found["ranks"][0]["uri"].startswith("data:image/svg+xml")
    assert found["ranks"][0]["panel"].figure is None
    with house_style():
        mine = drawing.draw(run, "ranks")
    assert [item["uri"] for item in found["ranks"]] == [item["uri"] for item in mine]


def _take_one_and_end(folder: Path, asked: Any, other_end: Any) -> None:
    other_end.close()
    asked.send("ready")
    asked.recv()


def test_what_a_second_process_cannot_draw_is_drawn_all_the_same(
    complete_run: Path, report: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_serve", _take_one_and_end)
    assert render_run(complete_run, processes=2).read_text(encoding="utf-8") == report


def test_beside_other_threads_no_fork_is_made(complete_run: Path) -> None:
    waiting, found = drawing.deque(["ranks"]), {}
    done = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(done.wait)
        # A new process reads the run all the same.
        with drawing._second_process(complete_run, waiting, found):
            while waiting:
                time.sleep(0.05)
        done.set()
    assert list(found) == ["ranks"]


def test_a_figure_that_cannot_be_drawn_is_no_silent_gap(
    complete_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Any) -> Any:
        raise IndexError("no such figure")

    monkeypatch.setattr(drawing, "PARTS", {**drawing.PARTS, "maps": fail})
    with pytest.raises(IndexError, match="no such figure"):
        render_run(complete_run)
