"""The cube of published England and its command, on small invented files."""

import csv
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data_prep.__main__ import main
from data_prep.cube import derive_printed
from data_prep.errors import DataError
from data_prep.geography import stable_units
from data_prep.published import build_published
from data_prep.schema import (
    PUBLISHED,
    SCHEMA_VERSION,
    STATUS,
    cube_hash,
    derive_indicators,
    findings_path,
    load_cube,
    measures_in,
    save_cube,
)
from data_prep.sources.reading import RATIO_COLUMNS

PRINTED_NUMBERS = ("year", "per", "printed", "half_unit", "rebuilt_lower", "rebuilt_upper")


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


def test_tiny_authorities_stay_in_unless_left_out_by_option(
    write_census: Callable[..., Path], put: Callable
) -> None:
    raw = write_census(2013, put("Isles of Scilly", **{"Mid2012Pop0-17": "300"})).parent
    tree, _ = build_published(raw, [2013])
    assert "E06000053" in tree["cube"]["la"].values
    tree, findings = build_published(raw, [2013], least_children=5_000)
    assert tree["cube"].sizes["la"] == 151
    assert [f.la for f in findings if f.check == "small authorities"] == ["Isles of Scilly"]


def test_the_command_reports(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_arguments(raw, tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "published-2012-2013.nc: published England, 152 LAs" in printed
    assert any(line.split() == ["referrals", "151", "152"] for line in printed.splitlines())
    with (tmp_path / "published-2012-2013.findings.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert {"check": "uniqueness", "level": "PASS", "la": "", "year": ""}.items() <= next(
        row for row in found if row["level"] == "PASS"
    ).items()
    assert f"{len(found)} findings" in printed


def test_a_cube_never_stands_beside_the_findings_of_another(raw: Path, tmp_path: Path) -> None:
    tree, _ = build_published(raw, [2012, 2013])
    path = save_cube(tree, tmp_path / "one.nc", "check\nold\n")
    assert findings_path(path).read_text() == "check\nold\n"
    save_cube(tree, path)
    assert [item.name for item in tmp_path.glob("one*")] == ["one.nc"]


def test_indicators_go_with_the_cube(raw: Path) -> None:
    tree, _ = build_published(raw, [2012, 2013])
    cube, indicators = tree["cube"].to_dataset(), tree["indicators"].to_dataset()
    assert "referral_rate" in indicators["indicator"].values
    assert "cla_rate" not in indicators["indicator"].values
    parts = {*indicators["numerator"].values, *indicators["denominator"].values}
    assert parts <= set(cube.data_vars)
    chosen = indicators.sel(indicator=["referral_rate", "rereferral_share"])
    assert list(chosen["unit"].values) == ["per 10,000 children", "% of referrals"]
    assert list(chosen["per"].values) == [10_000, 100]


def test_cubes_without_indicators_are_saved_too(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict({"/indicators": derive_indicators(["referrals"])})
    tree.attrs["schema_version"] = SCHEMA_VERSION
    assert load_cube(save_cube(tree, tmp_path / "x.nc"))["indicators"].sizes["indicator"] == 0


def test_printed_rates_are_those_of_the_files(raw: Path) -> None:
    tree, _ = build_published(raw, [2012, 2013])
    printed = tree["printed"].to_dataset()
    name, code = printed["measure_name"].values, printed["la_code"].values
    table = pd.DataFrame(
        {
            "la": code[printed["la"].values],
            "measure": name[printed["measure"].values],
            "base": name[printed["base"].values],
            "source": printed["source_file"].values[printed["source"].values],
            **{key: printed[key].values for key in PRINTED_NUMBERS},
        }
    )
    assert set(table["la"]) <= set(tree["cube"]["la"].values)
    assert list(code) == list(tree["cube"]["la"].values)
    rates = table[(table["measure"] == "referrals") & (table["per"] == 10_000)]
    # Every authority and year but Leeds 2012, which printed none; England is no authority.
    assert len(rates) == 2 * 152 - 1
    assert set(rates["base"]) == {"population_0_17"}
    assert set(rates["half_unit"]) == {0.055}
    row = rates[(rates["la"] == "E06000001") & (rates["year"] == 2013)].squeeze()
    cube = tree["cube"].sel(la="E06000001", year=2013)
    assert row["printed"] == pytest.approx(
        1e4 * (cube["referrals"] / cube["population_0_17"]).item(), abs=0.05
    )
    assert row["source"] == "SFR45-2013ud.csv"
    assert row["rebuilt_lower"] <= row["printed"] + row["half_unit"]
    assert row["rebuilt_upper"] >= row["printed"] - row["half_unit"]


def _ratio(code: str, year: int, printed: float) -> tuple:
    figure = (code, year, "icpc", "population_0_17", 10_000, printed, 0.05, "c", "f.csv", year)
    return (*figure, printed - 0.25, np.nan)


PRINTED_COLUMNS: list[str] = [*RATIO_COLUMNS, "rebuilt_lower", "rebuilt_upper"]


def test_rates_of_joined_authorities_were_never_printed() -> None:
    units = stable_units(2019, 2021)
    ratios = pd.DataFrame(
        [
            _ratio("E06000028", 2019, 1.0),  # Bournemouth, joined to Dorset within the window
            _ratio("E08000035", 2019, 2.0),
            _ratio("E10000002", 2019, 3.0),  # Buckinghamshire under its old code
            _ratio("E92000001", 2019, 4.0),
            _ratio("E08000035", 2022, 5.0),
        ],
        columns=PRINTED_COLUMNS,
    )
    printed = derive_printed(ratios, units, range(2019, 2022))
    codes = printed["la_code"].values[printed["la"].values]
    assert dict(zip(codes, printed["printed"].values, strict=True)) == {
        "E06000060": 3.0,
        "E08000035": 2.0,
    }
    assert (printed["rebuilt_lower"] == printed["printed"] - 0.25).all()
    assert printed["rebuilt_upper"].isnull().all()
    assert derive_printed(ratios[:0], units, range(2019, 2022)).sizes["figure"] == 0


def test_thirty_thousand_printed_rates_are_quick_and_small(tmp_path: Path) -> None:
    units = stable_units(2010, 2014)
    rows = [
        _ratio(unit.members[0].la_code, year, index / 7)
        for index in range(40)
        for unit in units
        for year in range(2010, 2015)
    ]
    ratios = pd.DataFrame(rows, columns=PRINTED_COLUMNS)
    start = time.perf_counter()
    tree = xr.DataTree.from_dict({"/printed": derive_printed(ratios, units, range(2010, 2015))})
    tree.attrs["schema_version"] = SCHEMA_VERSION
    path = save_cube(tree, tmp_path / "x.nc")
    assert load_cube(path)["printed"].sizes["figure"] > 30_000
    # A second here; the limit leaves room for a busy machine and is far below a slow layout.
    assert time.perf_counter() - start < 10
    assert path.stat().st_size < 1_000_000


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
        "published-2012-2013.findings.csv",
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
