"""Options and command: every fault named at once, every option reachable."""

import argparse
from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.schema import load_cube
from data_prep.simulated import SimulationOptions
from data_prep.simulated.command import add_arguments, parse_options, run
from data_prep.simulated.processes import RATES, SHARES, parameters_of


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_every_option_says_what_it_is() -> None:
    assert all(field.description for field in SimulationOptions.model_fields.values())


def test_every_default_lies_within_the_bounds_of_overrides() -> None:
    for measure, process in {**RATES, **SHARES}.items():
        for parameter, (smallest, largest, unit) in parameters_of(measure).items():
            assert unit
            assert smallest <= getattr(process, parameter) <= largest


def test_unknown_and_impossible_values_are_all_named() -> None:
    with pytest.raises(DataError) as caught:
        SimulationOptions(las=1, sead=3, knot_year="soon", spatial_share=2)
    columns = {fault.column for fault in caught.value.faults}
    assert columns == {"las", "sead", "knot_year", "spatial_share"}


def test_contradictions_are_all_named() -> None:
    with pytest.raises(DataError) as caught:
        SimulationOptions(
            first_year=2012,
            last_year=2010,
            national_years=(2013,),
            overrides={"no_such.level_sd": 1, "icpc.level_sd": -1, "icpc.colour": 2},
        )
    assert len(caught.value.faults) == 5


def test_deprivation_cannot_exceed_the_spread_it_is_part_of() -> None:
    with pytest.raises(DataError, match="icpc"):
        SimulationOptions(overrides={"icpc.level_sd": 0.1})
    SimulationOptions(overrides={"icpc.level_sd": 0.1, "icpc.deprivation": 0.05})


def test_options_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        SimulationOptions().las = 3  # type: ignore[misc]


def test_command_writes_a_cube(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--name", "small", "--seed", "7", "--las", "6", "--years", "2010-2012"]
    words += ["--national-years", "2006-2009", "--set", "aftermath_percent=[0,0,0]"]
    words += ["--set", "section47.slope_sd=0", "--out", str(tmp_path)]
    assert run(parse(*words)) == 0
    tree = load_cube(tmp_path / "small.nc")
    assert tree.attrs["name"] == "small"
    assert dict(tree["cube"].sizes) == {"la": 6, "year": 3}
    assert list(tree["national"]["year"].values) == list(range(2006, 2013))
    assert not tree["truth"]["section47_slope"].values.any()
    assert "simulated England" in capsys.readouterr().out


def test_command_names_what_it_cannot_read() -> None:
    with pytest.raises(DataError) as caught:
        parse_options(parse("--years", "2014-2001", "--set", "rounding"))
    assert len(caught.value.faults) == 2
    with pytest.raises(DataError):
        parse_options(parse("--las", "many"))
