"""The last screen of a fit: what the verdict says, in the words of the report."""

import json
import shutil
from pathlib import Path

import pytest

from experiments.__main__ import _announce

OLD_RUN = Path(__file__).parent / "stored_runs" / "older"


def test_misfits_are_named_as_labels_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(OLD_RUN, run)
    verdict = json.loads((run / "verdict.json").read_text())
    first, second, *_ = verdict["predictive_checks"]
    first |= {"label": "Carry-over, plans at 31 March", "status": "misfit"}
    second |= {"label": "LAs differ in scatter", "status": "misfit"}
    (run / "verdict.json").write_text(json.dumps(verdict))
    _announce(run)
    said = capsys.readouterr().out
    assert "Named misfits: carry-over, plans at 31 March; LAs differ in scatter\n" in said
