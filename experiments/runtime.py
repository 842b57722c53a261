"""Where results and compiled code live, and what must be set before PyMC is imported.

``CSC_RESULTS`` names another folder for cubes and runs than ``results``; several checkouts can so
share one, and tests keep out of it.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(os.environ.get("CSC_RESULTS") or ROOT / "results").resolve()
CACHE = ROOT / ".cache"


def prepare_runtime() -> None:
    """Point PyTensor and numba at the project's cache; call before the first import of PyMC.

    Without fast maths, code compiled afresh and code from the cache give bit-identical draws. One
    BLAS thread per process, for the chains already use every core.
    """
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    wanted = {
        "base_compiledir": str(CACHE / "pytensor"),
        "numba__fastmath": "False",
    }
    given = [part for part in flags.split(",") if part]
    names = {part.split("=", 1)[0] for part in given}
    given += [f"{name}={value}" for name, value in wanted.items() if name not in names]
    os.environ["PYTENSOR_FLAGS"] = ",".join(given)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("MPLBACKEND", "Agg")
