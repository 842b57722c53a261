"""Run folders: written under a temporary name, renamed once, never torn."""

import contextlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.errors import DataError, Fault
from experiments.runtime import RESULTS

# Owned by a process of a machine; a results folder may be shared by several machines.
_TEMPORARY = re.compile(r"\.tmp-[^-]+-(.+)-(\d+)$")


def cube_path(name: str) -> Path:
    """The path of a cube given by name, or the path itself where one was given."""
    if name.endswith(".nc") or "/" in name:
        return Path(name)
    return RESULTS / "cubes" / f"{name}.nc"


def use_results(folder: Path) -> None:
    """Keep cubes and runs below ``folder`` from now on, in this process."""
    global RESULTS
    RESULTS = folder


def results_folder() -> Path:
    """Where cubes, runs and all that is made of them are kept."""
    return RESULTS


def failures_folder() -> Path:
    """Where fits that failed are recorded."""
    return RESULTS / "failures"


def runs_folder() -> Path:
    """Where runs are kept."""
    return RESULTS / "runs"


def exports_folder() -> Path:
    """Where exported runs are put."""
    return RESULTS / "exports"


def find_run(experiment: str, run_id: str) -> Path | None:
    """The latest finished run of this id, forced repeats (`<id>.2`, ...) among them."""
    folder = runs_folder() / experiment
    if not folder.is_dir():
        return None
    versions = [path for path in folder.iterdir() if _is_run(path, run_id)]
    return max(versions, key=_repeat) if versions else None


def _is_run(path: Path, run_id: str) -> bool:
    same = path.name == run_id or re.fullmatch(re.escape(run_id) + r"\.\d+", path.name)
    return bool(same) and (path / "verdict.json").is_file()


def _repeat(path: Path) -> int:
    _, _, number = path.name.partition(".")
    return int(number or 1)


def resolve_run(text: str) -> Path:
    """A run folder from its path, its id, the first characters of its id, or either of the two
    after the experiment's name (``funnel/a3d947``), as errors list runs.

    Raises
    ------
    DataError
        When no run or more than one answers to it.
    """
    if (Path(text) / "verdict.json").is_file():
        return Path(text)
    found = [
        path.parent
        for path in runs_folder().glob("*/*/verdict.json")
        if not path.parent.name.startswith(".tmp-")
    ]
    *experiment, name = text.rsplit("/", 1)
    among = [path for path in found if not experiment or path.parent.name == experiment[0]]
    matches = [path for path in among if path.name == name] or [
        path for path in among if path.name.startswith(name)
    ]
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(sorted(str(path.relative_to(runs_folder())) for path in matches or found))
    problem = "more than one run begins so" if matches else "no such run"
    raise DataError(
        [
            Fault(
                column="RUN",
                value=text,
                problem=problem,
                remedy=f"use one of: {listed or '(none)'}",
            )
        ]
    )


@contextlib.contextmanager
def new_run(experiment: str, run_id: str, *, repeat: bool = True) -> Iterator[Path]:
    """A temporary folder that becomes ``<run-id>`` when the block ends well, else is removed.

    Where a run of the id exists the new one becomes ``<run-id>.2``, and so on; without ``repeat``
    it is dropped, for the same id means the same draws.
    """
    parent = runs_folder() / experiment
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    temporary = parent / temporary_name(run_id)
    # Process numbers come round again, soonest in containers: a folder of our own number and id is
    # what an earlier process left behind, and `sweep` took it for alive.
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        _rename(temporary, parent, run_id, repeat)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, parent: Path, run_id: str, repeat: bool) -> None:
    number = 1
    while True:
        target = parent / (run_id if number == 1 else f"{run_id}.{number}")
        if not repeat and _is_run(target, run_id):
            return
        if not target.exists():
            try:
                os.rename(temporary, target)
            except OSError:
                # Another process took the name between the look and the move.
                if not target.exists():
                    raise
            else:
                return
        number += 1


def temporary_name(run_id: str) -> str:
    """The folder in which this process writes a run; `sweep` reads its owner from it."""
    return f".tmp-{run_id}-{socket.gethostname()}-{os.getpid()}"


def sweep(parent: Path) -> None:
    """Remove what killed processes of this machine left behind; folders of living ones stay.

    Whether a process of another machine lives cannot be seen from here, so its folders stay too.
    """
    for path in parent.glob(".tmp-*"):
        match = _TEMPORARY.search(path.name)
        if match and match[1] == socket.gethostname() and not _alive(int(match[2])):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of ``target`` once it is written, whole or not at
    all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".tmp-{target.name}-{os.getpid()}")
    try:
        yield partial
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Plain JSON; NaN is refused, for no other program reads it."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A document of a run, or of what is made of runs."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def read_verdict(run: Path) -> dict[str, Any]:
    """The verdict of a finished run."""
    return read_json(run / "verdict.json")
