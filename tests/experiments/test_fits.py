"""The command `fits`: which experiments it takes on, and which the data refuse."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import commands_fits
from experiments.__main__ import main
from experiments.schedule import Job, Outcome


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two years of thirty authorities: no experiment that needs three can be fitted."""
    options = SimulationOptions(las=30, first_year=2013, last_year=2014)
    return save_cube(build_simulated(options), tmp_path_factory.mktemp("cube") / "short.nc")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of experiments that would be fitted."""
    names: list[str] = []

    def pretend(jobs: Sequence[Job], _: object) -> tuple[list[Outcome], int]:
        names.extend(job.experiment for job in jobs)
        return [], 0

    monkeypatch.setattr(commands_fits, "run_and_tell", pretend)
    return names


def test_all_that_the_data_allow_are_fitted_and_the_rest_is_told(
    cube: Path, taken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fits", "--model", "deprivation", "--cube", str(cube)]) == 0
    said = capsys.readouterr().out
    refused = [line.split()[1].rstrip(":") for line in said.splitlines() if "refused  " in line]
    assert "base" not in refused
    assert "deprivation" in taken
    assert refused
    assert not {f"deprivation--{name}" for name in refused} & set(taken)
    assert f"{len(refused)} experiments refused, see above" in said
    # Named, the same experiment is a fault.
    taken.clear()
    words = ["fits", "--model", "deprivation", "--cube", str(cube), "--variant", refused[0]]
    assert main(words) == 2
    assert not taken


def test_a_fault_of_every_experiment_is_an_error(
    cube: Path, taken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fits", "--model", "funnel", "--cube", str(cube), "--set", "options.denomnator=x"]
    assert main(words) == 2
    assert "denomnator" in capsys.readouterr().err
    assert not taken
