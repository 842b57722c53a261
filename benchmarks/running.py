"""Runs a tool in a process of its own and takes its time, its memory and its draws."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
import xarray as xr

from benchmarks.tasks import CUBE, Task, as_frame
from experiments.runtime import ROOT

PEERS = Path(__file__).parent / "peers"
# Tools in the order of a round; `ours` is the command line that a user types.
TOOLS = ("ours", "pymc", "bambi", "brms", "stan", "numpyro")
LABELS = {
    "ours": "this project",
    "pymc": "PyMC's own NUTS, our model",
    "bambi": "bambi, its default",
    "brms": "brms, its default",
    "stan": "Stan, hand-written",
    "numpyro": "numpyro, hand-written",
}
# Scripts of tools that the project does not depend on, and what fails where one is not installed.
_SCRIPTS = {
    "brms": ("brms_run.R", "library(brms)"),
    "stan": ("stan_run.py", "import stan"),
    "numpyro": ("numpyro_run.py", "import numpyro"),
}
# Tools that sample the project's own model.
OUR_MODEL = ("ours", "pymc")
# Their formulas cannot say the same model.
OTHER_DENSITY = ("bambi", "brms")


@dataclass(frozen=True)
class Settings:
    """What every tool is asked for."""

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    cores: int = 2
    peers: str = sys.executable


@dataclass
class Fit:
    """One fit. ``wall`` and ``draws_at`` are seconds from the start of the process: to its end, and
    to the moment when all draws were in hand. ``gradients`` are those of the draws that were kept,
    ``gradients_all`` those of warm-up too, where the tool says so.
    """

    task: str
    tool: str
    repeat: int
    cold: bool
    wall: float
    draws_at: float
    seconds: dict[str, float]
    gradients: int
    gradients_all: int | None
    divergences: int
    peak_memory_mib: float
    version: str
    draws: dict[str, np.ndarray] = field(repr=False)


def missing(tool: str, settings: Settings) -> str:
    """Why a tool cannot be run here; blank where it can."""
    if tool not in _SCRIPTS:
        return ""
    script, line = _SCRIPTS[tool]
    words = [_program(script, settings), "-e" if script.endswith(".R") else "-c", line]
    try:
        found = subprocess.run(words, capture_output=True, check=False)
    except FileNotFoundError:
        return "not installed"
    return "" if found.returncode == 0 else "not installed"


def run(task: Task, tool: str, folder: Path, settings: Settings, *, repeat: int, cold: bool) -> Fit:
    """Fit once. ``folder`` keeps the cube, compiled code and what the tool wrote.

    Raises
    ------
    RuntimeError
        With what the tool said last, when it fails.
    """
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    cache = folder / "cache" / tool / task.name
    if cold:
        shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    job = {
        "task": task.name,
        "folder": str(work),
        "cube": CUBE,
        "seed": 1000 + repeat,
        "draws": settings.draws,
        "tune": settings.tune,
        "chains": settings.chains,
        "cores": settings.cores,
        "target_accept": task.own_target_accept if tool in OUR_MODEL else task.target_accept,
        "variables": [*task.compared, *task.other],
    }
    shutil.copy(folder / f"{task.name}.npz", work / "data.npz")
    command = _command(task, tool, job, settings)
    if tool == "brms":
        job |= {"numbers": _write_table(work)}
    (work / "job.json").write_text(json.dumps(job))
    began, wall, memory = _timed(command, folder, cache)
    if tool == "ours":
        return _ours(task, folder, repeat, cold, began, wall, memory)
    facts = json.loads((work / "facts.json").read_text())
    if tool == "brms":
        _read_draws_of_r(work, settings)
    with np.load(work / "draws.npz") as held:
        draws = {name: held[name] for name in held.files}
    return Fit(
        task=task.name,
        tool=tool,
        repeat=repeat,
        cold=cold,
        wall=wall,
        draws_at=sum(facts["seconds"].values()),
        peak_memory_mib=memory,
        draws=draws,
        **facts,
    )


def _program(script: str, settings: Settings) -> str:
    return "Rscript" if script.endswith(".R") else settings.peers


def _command(task: Task, tool: str, job: Mapping[str, Any], settings: Settings) -> Sequence[str]:
    if tool in _SCRIPTS:
        script, _ = _SCRIPTS[tool]
        return [_program(script, settings), str(PEERS / script), str(job["folder"])]
    if tool != "ours":
        return [sys.executable, "-m", "benchmarks.children", tool, str(job["folder"])]
    sampler = ("draws", "tune", "chains", "seed", "target_accept")
    sets = [*task.sets, *(f"sampler.{name}={job[name]}" for name in sampler)]
    words = [word for text in sets for word in ("--set", text)]
    return [
        *(sys.executable, "-m", "experiments", "fit", "--force"),
        *("--model", task.model, "--cube", CUBE, *words),
    ]


def _write_table(work: Path) -> dict[str, float]:
    """Write the data as a table, which R can read; the single numbers among them are returned."""
    with np.load(work / "data.npz") as held:
        data = {name: held[name] for name in held.files}
    as_frame(data).to_csv(work / "data.csv", index=False)
    return {name: float(value) for name, value in data.items() if not value.shape}


def _read_draws_of_r(work: Path, settings: Settings) -> None:
    """Make of R's draws what the other tools write."""
    names = json.loads((work / "names.json").read_text())
    found = np.fromfile(work / "draws.bin").reshape(len(names), settings.chains, settings.draws)
    np.savez(work / "draws.npz", **dict(zip(names, found, strict=True)))


def _timed(command: Sequence[str], folder: Path, cache: Path) -> tuple[float, float, float]:
    """When the process began, how many seconds it took, and the most memory it and its children
    held at once, MiB.
    """
    environment = os.environ | {
        "CSC_RESULTS": str(folder),
        "PYTENSOR_FLAGS": f"base_compiledir={cache}",
        "XDG_CACHE_HOME": str(cache),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "PYTHONWARNINGS": "ignore",
    }
    said = folder / "work" / "said.txt"
    began, start = time.time(), time.monotonic()
    with said.open("wb") as out:
        # In a session of its own: R's workers are nobody's children, and can be told by it alone.
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        with _Memory(process.pid) as watch:
            try:
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                raise
    wall = time.monotonic() - start
    # A fit of ours that is not reportable ends with 3: how well it converged is judged here.
    if code not in (0, 3):
        raise RuntimeError(f"{' '.join(command[:4])} failed:\n{said.read_text()[-3000:]}")
    return began, wall, watch.most


class _Memory:
    """The ``most`` memory, MiB, that all processes of a session were seen to hold."""

    def __init__(self, session: int) -> None:
        self.most = 0.0
        self._session, self._done = session, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            family = [one for one in psutil.process_iter() if _session_of(one) == self._session]
            self.most = max(self.most, sum(map(_held, family)))


def _session_of(process: psutil.Process) -> int | None:
    with suppress(OSError):
        return os.getsid(process.pid)
    # It ended meanwhile.
    return None


def _held(process: psutil.Process) -> float:
    """MiB of a process; what it shares with others, as forks do, in equal parts (Linux)."""
    with suppress(psutil.Error):
        memory = process.memory_full_info()
        return getattr(memory, "pss", memory.rss) / 2**20
    # It ended meanwhile.
    return 0.0


def _ours(
    task: Task, folder: Path, repeat: int, cold: bool, began: float, wall: float, memory: float
) -> Fit:
    """Read the run that the command line stored, and remove it."""
    (run_folder,) = (folder / "runs" / task.model).iterdir()
    provenance = json.loads((run_folder / "provenance.json").read_text())
    # The stage after sampling says when draws were there.
    log = (run_folder / "log.txt").read_text().splitlines()
    (line,) = (text for text in log if "INFO log likelihood and predictions" in text)
    at = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()
    with xr.open_datatree(run_folder / "trace.nc", engine="netcdf4") as tree:
        posterior = tree["posterior"].to_dataset()
        names = [name for name in (*task.compared, *task.other) if name in posterior]
        draws = {name: posterior[name].transpose("chain", "draw", ...).to_numpy() for name in names}
        divergences = int(tree["sample_stats"]["diverging"].sum())
    seconds = provenance["seconds"]
    shutil.rmtree(run_folder.parent)
    return Fit(
        task=task.name,
        tool="ours",
        repeat=repeat,
        cold=cold,
        wall=wall,
        draws_at=at - began,
        seconds=seconds,
        gradients=provenance["gradient_evaluations"],
        gradients_all=None,
        divergences=divergences,
        peak_memory_mib=memory,
        version=f"nutpie {provenance['versions']['nutpie']}",
        draws=draws,
    )
