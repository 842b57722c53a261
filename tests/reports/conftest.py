"""Run folders and rendered reports that several tests read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from reports import pages
from reports.figures import text_uri
from reports.run_report import render_run
from tests.factories import make_run


@pytest.fixture(scope="session")
def complete_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete simulated run; tests that change a run copy it first."""
    return make_run(tmp_path_factory.mktemp("runs") / "complete")


@pytest.fixture(scope="session")
def report(complete_run: Path) -> str:
    """The report of the complete run."""
    return render_run(complete_run).read_text(encoding="utf-8")


@pytest.fixture
def copied(complete_run: Path, tmp_path: Path) -> Path:
    """A copy of the complete run to take things from."""
    return Path(shutil.copytree(complete_run, tmp_path / "run"))


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Render a folder and read what was written; figures are made but not drawn, which is most of
    the time, and their pictures hold their footer only.
    """

    def undrawn(figure: Figure, footer: str) -> tuple[str, int, int]:
        return text_uri("image/svg+xml", f"<svg>{footer}</svg>"), 672, 320

    monkeypatch.setattr(pages, "embed", undrawn)
    return lambda folder: render_run(folder).read_text(encoding="utf-8")
