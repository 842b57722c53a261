"""The cube of published England and its command, on small invented files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.cube import build_published
from data_prep.errors import DataError
from data_prep.schema import PUBLISHED, STATUS, cube_hash, load_cube, measures_in


@pytest.fixture
def raw(write_census: Callable[..., Path], put: Callable) -> Path:
    write_census(2012, put("Leeds", Referrals1112="..", Referrals1112Rate=".."))
    return write_census(2013).parent


def _arguments(raw: Path, out: Path, *more: str) -> list[str]:
    return ["cube", "--raw", str(raw), "--years", "2012-2013", "--out", str(out), *more]


def test_groups_and_coordinates(raw: Path) -> None:
    tree, findings = build_published(raw, [2012, 2013], [2005, 2013], "test")
    assert {finding.level for finding in findings} <= {"PASS", "WARNING"}
    assert tree.attrs["kind"] == PUBLISHED
    cube = tree["cube"].to_dataset()
    assert dict(cube.sizes) == {"la": 152, "year": 2}
    assert cube["region"].sel(la="E08000035").item() == "Yorkshire and The Humber"
    assert list(tree["national"]["year"].values) == list(range(2005, 2014))
    assert "coverage" in tree["national"]["referrals"].attrs
    register = tree["register"].to_dataset()
    assert set(register.data_vars) == {"unit", "member_code", "member_name", "from_year", "to_year"}
    provenance = tree["provenance"].to_dataset()
    assert list(provenance["source_file"].values) == ["SFR27-2012ud.csv", "SFR45-2013ud.csv"]
    assert set(measures_in(provenance)) == set(measures_in(cube))
    assert (provenance["referrals"].sel(year=2013) == 1).all()


def test_cells_keep_their_reason(raw: Path) -> None:
    tree, _ = build_published(raw, [2012, 2013], None, "test")
    cube = tree["cube"].to_dataset()
    leeds = cube.sel(la="E08000035", year=2012)
    assert np.isnan(leeds["referrals"])
    assert leeds["referrals_status"] == STATUS["not_available"]
    assert "referrals_confidence" in cube
    assert "population_0_17_confidence" not in cube
    assert tree["national"]["referrals"].sel(year=2012) > 400_000


def test_a_measure_of_other_years_is_not_collected(
    write_census: Callable[..., Path],
) -> None:
    write_census(2013)
    raw = write_census(2014).parent
    cube = build_published(raw, [2013, 2014])[0]["cube"].to_dataset()
    assert (cube["single_assessments_status"].sel(year=2013) == STATUS["not_collected"]).all()
    assert cube["single_assessments"].sel(year=2014).notnull().all()


def test_the_build_is_deterministic_and_survives_a_round_trip(raw: Path, tmp_path: Path) -> None:
    first, second = (build_published(raw, [2012, 2013], None, "test")[0] for _ in range(2))
    assert cube_hash(first) == cube_hash(second)
    assert main(_arguments(raw, tmp_path, "--name", "test")) == 0
    loaded = load_cube(tmp_path / "test.nc")
    assert loaded.attrs["cube_hash"] == cube_hash(first)
    attributes = loaded["cube"]["referrals"].attrs
    assert {"long_name", "units", "definition", "regimes", "source"} <= set(attributes)


def test_the_command_reports(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_arguments(raw, tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "published-2012-2013.nc: published England, 152 LAs" in printed
    assert any(line.split() == ["referrals", "151", "152"] for line in printed.splitlines())
    assert "uniqueness" in (tmp_path / "published-2012-2013.findings.txt").read_text()


BAD_INPUT = {
    "years": (["--years", "2014-2010"], "not a span of years"),
    "text for years": (["--years", "soon"], "not a span of years"),
    "no figures then": (["--years", "2001-2003"], "no file|read for 2010-2017"),
    "outside the register": (["--years", "1990-1991"], "no such window"),
    "national years": (["--national-years", "1980-1990"], "England totals are known"),
    "name": (["--name", "../x"], "not a name"),
    "folder": (["--raw", "nowhere"], "no such folder"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gives_code_2_and_one_message(
    case: str, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, expected = BAD_INPUT[case]
    assert main([*_arguments(raw, tmp_path / "out"), *words]) == 2
    captured = capsys.readouterr()
    assert any(part in captured.err for part in expected.split("|"))
    assert "Remedy" in captured.err
    assert "Traceback" not in captured.err
    assert not (tmp_path / "out").exists()


def test_a_failed_build_leaves_the_earlier_cube(
    raw: Path, write_census: Callable[..., Path], put: Callable, tmp_path: Path
) -> None:
    assert main(_arguments(raw, tmp_path / "out")) == 0
    path = tmp_path / "out" / "published-2012-2013.nc"
    before = path.read_bytes()
    write_census(2013, put("Leeds", Referrals1213="many"))
    assert main(_arguments(raw, tmp_path / "out")) == 2
    assert path.read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir()) == [
        "published-2012-2013.findings.txt",
        "published-2012-2013.nc",
    ]


def test_a_failed_check_is_bad_input(
    write_census: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shift(table: list[list[str]]) -> None:
        column = table[0].index("Referrals1213Rate")
        for row in table[1:]:
            row[column] = "1.0"

    raw = write_census(2013, shift).parent
    words = ["cube", "--raw", str(raw), "--years", "2013", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "Referrals1213Rate contradict" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_selection_is_refused(raw: Path) -> None:
    with pytest.raises(DataError, match="no years"):
        build_published(raw, [])


def test_help_imports_no_models() -> None:
    code = (
        "import sys; from data_prep.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert 'xarray' not in sys.modules and 'pymc' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, capture_output=True)
