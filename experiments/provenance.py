"""Where a run comes from: its id, the code, versions and machine, and the command to repeat it."""

import ast
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from experiments.runtime import ROOT

# Packages whose version may change draws; a change of any makes another run id.
DECIDING = (
    *("pymc", "pytensor", "nutpie", "numba", "numpy", "scipy", "arviz", "xarray", "pandas"),
    # These two write the models of `formula`.
    *("bambi", "formulae"),
)
PROJECT_PACKAGES = ("data_prep", "models")
# Beside the model's own modules these decide its draws.
SAMPLING = ("runtime.py", "sampling.py")


def versions() -> dict[str, str]:
    """Versions of the packages that decide draws, and of Python."""
    return {"python": platform.python_version()} | {name: version(name) for name in DECIDING}


def source_files(module: str) -> list[Path]:
    """The file of ``module`` and of every project module that it imports, directly or not."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name.split(".")[0] not in PROJECT_PACKAGES:
            continue
        path = _path_of(name)
        if path is None:
            continue
        found[name] = path
        waiting += [*_imports(path), *_parents(name)]
    return sorted(found.values())


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _path_of(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


@cache
def _imports(path: Path) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # The imported name may itself be a module.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def source_hash(module: str) -> str:
    """SHA-256 of the model file, the project modules that it imports, and what samples from it."""
    digest = hashlib.sha256()
    for path in source_files(module):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    for name in SAMPLING:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


def run_id(config: dict[str, Any], cube_hash: str, sources: str) -> str:
    """Twelve characters that name a run by all that decides its draws."""
    # A cube is what it holds, not what it is called.
    decides = {
        **config,
        "data": {key: value for key, value in config["data"].items() if key != "cube"},
    }
    document = json.dumps([decides, cube_hash, sources, versions()], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:12]


def machine() -> dict[str, Any]:
    """What the run was made on; for the reader, not part of the id."""
    return {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def command(model: str, variant: str | None, sets: Iterable[str], cube: str | None) -> str:
    """The make command that repeats a run."""
    parts = ["make fit", f"MODEL={model}"]
    parts += [f"VARIANT={variant}"] if variant else []
    parts += [f"CUBE={cube}"] if cube else []
    # SET is split at spaces, which mean nothing in a formula.
    given = " ".join(
        text.replace(" ", "") if text.startswith("options.formula") else text for text in sets
    )
    parts += [f'SET="{given}"'] if given else []
    return " ".join(parts)


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
