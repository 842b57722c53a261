"""The official EES children in need tables and populations, where they are at hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep import register
from data_prep.register import ENGLAND
from data_prep.schema import STATUS
from data_prep.sources import population
from data_prep.sources.cin_underlying import read_cin_underlying
from data_prep.sources.ees_cin import TABLES, read_ees_cin
from data_prep.sources.files import RawFile, scan
from data_prep.sources.population import read_population
from data_prep.sources.reading import Reading

RAW = Path(__file__).parents[2] / ".." / "shared" / "data"
YEARS = range(2013, 2025)

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]


@pytest.fixture(scope="module")
def files() -> list[RawFile]:
    return [file for file in scan(RAW) if file.is_table]


@pytest.fixture(scope="module")
def reading(files: list[RawFile]) -> Reading:
    return read_ees_cin(files, YEARS)


@pytest.fixture(scope="module")
def local(reading: Reading) -> pd.DataFrame:
    return reading.records[reading.records["la_code"] != ENGLAND]


def test_every_table_is_found_once(reading: Reading) -> None:
    assert reading.records["source"].nunique() == len(TABLES)
    assert set(reading.records["released"]) == {2024}
    assert not reading.records.duplicated(["la_code", "year", "measure"]).any()


# Authorities with a number, 2013-2024, as counted in the files; None before the first.
# Single assessments in 2014 and 2022 and conferences in 2022 are above the bare count of rows
# without a marker in the bands inside (122, 135, 147): there the total leaves one sum only.
COUNTED: dict[str, tuple[int | None, ...]] = {
    "referrals": (151, 151, 151, 152, 151, 152, 152, 151, 150, 151, 152, 151),
    "rereferrals": (148, 149, 149, 150, 152, 152, 151, 148, 149, 150, 149, 149),
    "referrals_nfa": (148, 148, 143, 146, 144, 147, 145, 138, 140, 141, 145, 145),
    "single_assessments_45_days": (
        None, 124, 139, 134, 141, 137, 133, 136, 139, 140, 138, 136,
    ),
    "section47": (150, 151, 152, 151, 151, 151, 151, 150, 148, 150, 151, 151),
    "icpc": (150, 150, 150, 152, 151, 151, 152, 151, 148, 149, 151, 152),
    "icpc_15_days": (146, 148, 149, 150, 150, 151, 145, 148, 137, 148, 142, 141),
    "cpp_starts": (150, 150, 150, 152, 150, 151, 152, 150, 148, 149, 151, 151),
    "cpp_at_31_march": (149, 152, 150, 151, 150, 150, 151, 150, 149, 149, 152, 151),
    "cpp_second_or_subsequent": (
        145, 149, 150, 149, 152, 149, 150, 148, 148, 150, 149, 151,
    ),
    "cpp_open_2_years": (106, 97, 98, 89, 101, 88, 103, 92, 90, 107, 101, 101),
    "cpp_reviewed_on_time": (148, 151, 152, 150, 150, 151, 149, 148, 147, 150, 152, 151),
    "cin_at_31_march": (149, 150, 152, 152, 152, 152, 152, 151, 150, 151, 151, 152),
    "cin_ended_3_months": (147, 148, 150, 151, 151, 151, 152, 150, 149, 150, 151, 151),
}  # fmt: skip


@pytest.mark.parametrize("measure", COUNTED)
def test_coverage(local: pd.DataFrame, measure: str) -> None:
    numbers = local[local["measure"] == measure].groupby("year")["value"].count()
    found = tuple(int(numbers[year]) if year in numbers.index else None for year in YEARS)
    assert found == COUNTED[measure]


def test_hidden_counts_have_bounds(local: pd.DataFrame) -> None:
    hidden = local[local["status"] == STATUS["suppressed"]]
    assert hidden["upper"].notna().all()
    assert (hidden["upper"] >= 5).all()
    assert (hidden["lower"] <= 1).all()


def test_referrals_agree_with_the_census_files(files: list[RawFile], local: pd.DataFrame) -> None:
    years = range(2013, 2018)
    older = read_cin_underlying(files, years).records
    keys = ["la_code", "year", "measure"]
    both = older.merge(local, on=keys, suffixes=("_census", "_ees"))
    both = both[both["value_census"].notna() & both["value_ees"].notna()]
    equal = both["value_census"] == both["value_ees"]
    referrals = both["measure"] == "referrals"
    assert referrals.sum() == 756
    assert equal[referrals].all()
    # Counts of plans and conferences were revised for hardly any authority.
    for measure in ("icpc", "cpp_starts", "cpp_ended", "cpp_second_or_subsequent"):
        assert equal[both["measure"] == measure].all()


def test_authorities_add_up_to_england(reading: Reading) -> None:
    """Within the bounds of hidden counts and England's rounding, where no authority is missing."""
    records = reading.records
    england = records[records["la_code"] == ENGLAND].set_index(["year", "measure"])
    local = records[records["la_code"] != ENGLAND].groupby(["year", "measure"])
    sums = local[["lower", "upper"]].sum()
    whole = sums[local["upper"].apply(lambda upper: upper.notna().all())]
    assert len(whole) > 150
    # England's bands are each rounded, and so is its sum of six bands.
    slack = 30
    assert (whole["lower"] <= england.loc[whole.index, "upper"] + slack).all()
    assert (whole["upper"] >= england.loc[whole.index, "lower"] - slack).all()


def test_a_large_hidden_total_is_not_read_as_small(local: pd.DataFrame) -> None:
    """Kensington and Chelsea 2023: four of five durations are printed and add up to 73."""
    rows = local[(local["la_code"] == "E09000020") & (local["year"] == 2023)]
    (cell,) = rows[rows["measure"] == "cpp_ended"].itertuples()
    assert 73 < cell.lower <= 79 <= cell.upper < 90


def test_printed_rates_are_those_of_the_release_s_population(
    files: list[RawFile], reading: Reading
) -> None:
    people = read_population(files, YEARS).records
    people = people[people["released"] == 2024]
    known = pd.concat([reading.records, people]).set_index(["la_code", "year", "measure"])
    bounds = known[["lower", "upper"]]
    ratios = reading.ratios.join(bounds, on=["la_code", "year", "measure"])
    ratios = ratios.join(bounds.add_prefix("base_"), on=["la_code", "year", "base"])
    ratios = ratios.dropna(subset=["lower", "base_lower"])
    assert len(ratios) > 20_000
    low = ratios["lower"] / ratios["base_upper"] * ratios["per"] - ratios["half_unit"]
    high = ratios["upper"] / ratios["base_lower"] * ratios["per"] + ratios["half_unit"]
    assert ((low <= ratios["printed"]) & (ratios["printed"] <= high)).all()


def test_codes_are_those_of_the_year(local: pd.DataFrame) -> None:
    for year in YEARS:
        codes = {authority.la_code for authority in register.authorities_in(year)}
        assert set(local.loc[local["year"] == year, "la_code"]) == codes


def test_low_reliability_is_kept(local: pd.DataFrame) -> None:
    flagged = local[local["low_reliability"] == 1]
    assert set(flagged["year"]) == {2023, 2024}
    assert flagged["value"].isna().all()
    names = {register.authorities()[code].name for code in flagged["la_code"]}
    assert "Hampshire" in names


def test_populations_lie_in_their_years(files: list[RawFile]) -> None:
    records = read_population(files, range(2010, 2027)).records
    england = records[records["la_code"] == ENGLAND].set_index(["released", "year"])["value"]
    assert england[2025, 2014] == 11_473_080
    assert england[2024, 2013] == 11_403_970
    assert sorted(set(records["released"])) == [2024, 2025]
    # Neither of the two releases has the years exchanged.
    assert not records["release"].str.contains("exchanged").any()
    gaps = records[records["value"].isna()]
    names = {register.authorities()[code].name for code in gaps["la_code"]}
    assert names == {"Bournemouth", "Poole", "Dorset"}
    assert set(gaps["year"]) == set(range(2013, 2020))
    later = records[(records["released"] == 2025) & (records["la_code"] != ENGLAND)]
    for year in (2020, 2025):
        total = later.loc[later["year"] == year, "value"].sum()
        assert total == england[2025, year]


def test_an_exchange_in_the_official_file_would_be_seen(
    files: list[RawFile], tmp_path: Path
) -> None:
    (file,) = [f for f in files if population.recognise(f) and "2024" in f.path.name]
    text = file.location.read_text(encoding="utf-8-sig")
    for first, second in ((2012, 2013), (2013, 2012)):
        text = text.replace(f"\n{first},", f"\n{second}!,") if first < second else text
    text = text.replace("\n2013,", "\n2012,").replace("\n2013!,", "\n2013,")
    (tmp_path / "turned.csv").write_text(text)
    turned = read_population(scan(tmp_path), YEARS).records
    right = read_population([file], YEARS).records
    keys = ["la_code", "year"]
    both = right.merge(turned, on=keys)
    np.testing.assert_array_equal(both["value_x"], both["value_y"])
    assert turned["release"].str.contains("exchanged back").sum() == 2 * 153
