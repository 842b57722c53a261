"""New Python processes, for what only a new one can show: what is imported, and when."""

import subprocess
import sys

from experiments.runtime import ROOT


def printed_by(code: str) -> list[str]:
    """The lines that ``code`` prints, run by a new process in the project's folder; it must end
    well.
    """
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return said.stdout.splitlines()
