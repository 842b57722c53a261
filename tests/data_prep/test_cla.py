"""Reading looked-after children: the layouts, their traps, damage, and random edits."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.checks import check_rates, check_sums
from data_prep.errors import DataError
from data_prep.register import ENGLAND
from data_prep.schema import RECORD_COLUMNS, STATUS
from data_prep.sources import wide
from data_prep.sources.cla import MEASURES_OF_RATES, RATES, SERIES, read_cla, recognise
from data_prep.sources.cla_columns import LAYOUTS
from data_prep.sources.files import scan
from data_prep.sources.reading import Reading
from tests.data_prep import care_tables as tables
from tests.data_prep.care_tables import Edit, Table, put, rename

ALL_YEARS = range(1994, 2027)
RELEASE_NAMES = [layout.plan.name for layout in LAYOUTS]
AT_MARCH, STARTS = "cla_at_31_march", "cla_starts"
LEEDS, CITY, CAMDEN = "E08000035", "E09000001", "E09000007"


def read(folder: Path, table: Table, name: str = "any.csv", **options: str) -> Reading:
    tables.write_table(folder / "raw", table, name, **options)
    return read_cla(scan(folder / "raw"), ALL_YEARS)


def record(reading: Reading, la_code: str, year: int, measure: str = AT_MARCH) -> pd.Series:
    found = reading.records
    chosen = (found["la_code"] == la_code) & (found["year"] == year) & (found["measure"] == measure)
    (index,) = found.index[chosen]
    return found.loc[index]


@pytest.mark.parametrize("name", RELEASE_NAMES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_releases_are_known_by_their_columns(name: str, encoding: str, tmp_path: Path) -> None:
    table = tables.cla_release(name)
    reading = read(tmp_path, table, "renamed.CSV", encoding=encoding)
    assert recognise(scan(tmp_path / "raw")[0]) == name
    (layout,) = [layout for layout in LAYOUTS if layout.plan.name == name]
    plan, records = layout.plan, reading.records
    assert list(records.columns) == list(RECORD_COLUMNS)
    codes = {
        a.la_code for a in register.authorities_in(plan.year) if a.dfe_code not in plan.may_lack
    }
    assert set(records["la_code"]) == {*codes, ENGLAND}
    assert not records.duplicated("la_code").any()
    assert set(records["measure"]) == {layout.measure}
    assert set(records["released"]) == {plan.year}
    assert not list(check_sums(records))
    for authority in register.authorities_in(plan.year):
        if authority.la_code in codes:
            found = record(reading, authority.la_code, plan.year, layout.measure)
            assert found["value"] == found["upper"] == tables.number_of(authority)


@pytest.mark.parametrize(("year", "unit"), [(2010, 100), (2011, 10), (2017, 10)])
def test_england_is_rounded_by_release(year: int, unit: int, tmp_path: Path) -> None:
    (name, *_) = [name for name in RELEASE_NAMES if str(year) in name]
    england = record(read(tmp_path, tables.cla_release(name)), ENGLAND, year)
    assert england["upper"] - england["lower"] == unit
    assert england["status"] == STATUS["rounded"]


def test_ended_codes_are_the_same_authority(tmp_path: Path) -> None:
    reading = read(tmp_path, tables.cla_release("looked-after children 2015"))
    assert "E08000020" not in set(reading.records["la_code"])
    assert record(reading, "E08000037", 2015)["value"] > 0


def test_a_lone_hidden_count_is_small(tmp_path: Path) -> None:
    table = tables.cla_release("looked-after children 2013")
    put(table, "City of London", "CLA_Mar2013", "x")
    found = record(read(tmp_path, table), CITY, 2013)
    assert (found["lower"], found["upper"]) == (1, 5)
    assert found["status"] == STATUS["suppressed"]


def test_two_hidden_counts_are_bounded_by_england(tmp_path: Path) -> None:
    table = tables.cla_release("looked-after children 2010, start")
    put(table, "City of London", "StartTotal_2010", "x")
    put(table, "Camden", "StartTotal_2010", "x")
    reading = read(tmp_path, table)
    hidden = {CITY, CAMDEN}
    england = record(reading, ENGLAND, 2010, STARTS)
    printed = reading.records[~reading.records["la_code"].isin({*hidden, ENGLAND})]
    # What England's highest total leaves beside the printed counts, less the other's least, 1.
    most = england["upper"] - printed["value"].sum() - 1
    for la_code in (CITY, CAMDEN):
        found = record(reading, la_code, 2010, STARTS)
        assert (found["lower"], found["upper"]) == (1, most)
        assert tables.number_of(register.authorities()[la_code]) <= most
        assert found["status"] == STATUS["suppressed"]


def test_blank_headers_of_2014_are_left_alone(tmp_path: Path) -> None:
    table = [[*row, "", ""] for row in tables.cla_release("looked-after children 2014")]
    assert len(read(tmp_path, table).records) == 152
    table[7][-1] = "3"
    with pytest.raises(DataError, match="blank header"):
        read(tmp_path, table)


def test_spreadsheet_errors_outside_the_figures_are_left_alone(tmp_path: Path) -> None:
    table = tables.cla_release("looked-after children 2013")
    put(table, "ENGLAND", "CLA_NetGain", "#VALUE!")
    assert len(read(tmp_path, table).records) == 152


def test_rates_table(tmp_path: Path) -> None:
    reading = read(tmp_path, tables.cla_rates(2021, 2025))
    records = reading.records
    assert set(records["year"]) == set(range(2021, 2026))
    assert set(records["released"]) == {2025}
    for year in range(2021, 2026):
        codes = {a.la_code for a in register.authorities_in(year)} | {ENGLAND}
        assert set(records.loc[records["year"] == year, "la_code"]) == codes
    assert not list(check_rates(records, reading.ratios))
    assert len(reading.ratios) == 2 * len(records[records["measure"] == AT_MARCH])
    ceasing = len(RATES.categories) - 2
    assert len(records) * (2 + ceasing) / 3 == len(records[records["measure"] == AT_MARCH]) * 3


def test_markers_of_the_rates_table(tmp_path: Path) -> None:
    table = tables.cla_rates()
    starts = {"time_period": "2022", "population_type": tables.RATE_CATEGORIES[1]}
    for area, text in (("Isles of Scilly", "z"), ("City of London", "c"), ("Leeds", "x")):
        for column in ("children_count", "rate_per_10000"):
            put(table, area, column, text, **starts)
    reading = read(tmp_path, table)
    scilly = record(reading, "E06000053", 2022, STARTS)
    assert scilly["status"] == STATUS["not_applicable"]
    assert record(reading, LEEDS, 2022, STARTS)["status"] == STATUS["not_available"]
    assert record(reading, CITY, 2022, STARTS)["upper"] == 5
    assert record(reading, CITY, 2023, STARTS)["status"] == STATUS["exact"]


@pytest.mark.parametrize("measure", [AT_MARCH, STARTS])
def test_a_count_hidden_beside_its_rate_is_bounded_by_it(measure: str, tmp_path: Path) -> None:
    table = tables.cla_rates()
    category = {name: text for text, name in MEASURES_OF_RATES.items()}[measure]
    put(table, "Leeds", "children_count", "c", time_period="2022", population_type=category)
    found = record(read(tmp_path, table), LEEDS, 2022, measure)
    number = tables.number_of(register.authorities()[LEEDS])
    assert found["lower"] <= number <= found["upper"]
    # The rate is a whole number per 10,000 of 120 times as many children.
    assert found["upper"] - found["lower"] <= number * 120 / 10_000
    assert found["status"] == STATUS["derived"]


def test_national_series(tmp_path: Path) -> None:
    records = read(tmp_path, tables.cla_series()).records
    assert set(records["la_code"]) == {ENGLAND}
    assert sorted(set(records["year"])) == list(tables.SERIES_YEARS)
    assert len(records) == 2 * len(tables.SERIES_YEARS)
    assert (records["upper"] - records["lower"] == 10).all()


def test_only_wanted_years_are_read(tmp_path: Path) -> None:
    for number, table in enumerate(
        (tables.cla_release(RELEASE_NAMES[3]), tables.cla_rates(), tables.cla_series())
    ):
        tables.write_table(tmp_path / "raw", table, f"{number}.csv")
    files = scan(tmp_path / "raw")
    assert set(read_cla(files, [2012, 2023]).records["year"]) == {2012, 2023}
    assert read_cla(files, [2027]).records.empty


def test_later_releases_lie_beside_each_other_and_are_named_by_their_last_year(
    tmp_path: Path,
) -> None:
    for last in (2024, 2026):
        tables.write_table(tmp_path / "raw", tables.cla_rates(2023, last), f"{last}.csv")
    files = scan(tmp_path / "raw")
    records = read_cla(files, [2024]).records
    leeds = records[(records["la_code"] == LEEDS) & (records["measure"] == AT_MARCH)]
    assert dict(zip(leeds["released"], leeds["release"], strict=True)) == {
        year: f"Children looked after in England, release {year}" for year in (2024, 2026)
    }


def test_releases_of_one_year_keep_their_own_records(tmp_path: Path) -> None:
    tables.write_table(tmp_path / "raw", tables.cla_release(RELEASE_NAMES[3]), "a.csv")
    tables.write_table(tmp_path / "raw", tables.cla_series(), "b.csv")
    records = read_cla(scan(tmp_path / "raw"), [2012]).records
    england = records[(records["la_code"] == ENGLAND) & (records["measure"] == AT_MARCH)]
    assert sorted(england["released"]) == [2012, 2024]


# Damage: one edit, and what the message must name.
def _cell(area: str, column: str, text: str, **where: str) -> Edit:
    return lambda table: put(table, area, column, text, **where)


def _renamed(old: str, new: str) -> Edit:
    return lambda table: rename(table, old, new)


def _repeat_row(table: Table) -> None:
    table.append(list(table[5]))


def _drop_row(table: Table) -> None:
    del table[5]


def _cut_row(table: Table) -> None:
    table[5] = table[5][:-3]


def _drop_year(table: Table) -> None:
    at = table[0].index("time_period")
    table[:] = [row for row in table if row[at] != "2022"]


COUNT = "CLA_Mar2013"
RELEASE_DAMAGE = {
    "not a number": (_cell("Leeds", COUNT, "many"), [COUNT, "'many'", "number"]),
    "formula": (_cell("Leeds", COUNT, "=B2*2"), ["formula"]),
    "blank": (_cell("Leeds", COUNT, ""), [COUNT, "blank"]),
    "foreign marker": (_cell("Leeds", COUNT, "c"), ["'c'", "'x'"]),
    "negative": (_cell("Leeds", COUNT, "-5"), ["'-5'", "negative"]),
    "fraction": (_cell("Leeds", COUNT, "10.5"), ["'10.5'", "whole number"]),
    "England hidden": (_cell("ENGLAND", COUNT, "x"), ["'x'", "nearest 10"]),
    "England not rounded": (_cell("ENGLAND", COUNT, "68113"), ["'68113'", "nearest 10"]),
    "unknown code": (_cell("Leeds", "geog_c", "999"), ["unknown", "999", "383 E08000035"]),
    "codes disagree": (_cell("Leeds", "New_geog_code", "E06000001"), ["unknown", "Leeds"]),
    "no long code": (_cell("Leeds", "New_geog_code", ""), ["unknown", "Leeds"]),
    "unknown level": (_cell("Leeds", "geog_l", "REGION"), ["REGION", "Leeds"]),
    "duplicate row": (_repeat_row, ["duplicate of row 6"]),
    "missing row": (_drop_row, ["no row for 1 of 152"]),
    "cut row": (_cut_row, ["row 6", "number of cells"]),
    "renamed column": (
        _renamed(COUNT, "CLA_March2013"),
        [f"'{COUNT}'", "missing", "nearest: CLA_March2013", "expected New_geog_code"],
    ),
    "unknown column": (_renamed("CLA_Vol", "Mystery"), ["'Mystery'", "unknown column"]),
    "duplicate column": (_renamed("CLA_Vol", "CLA_Par"), ["printed 2 times"]),
}
MARCH_2022 = {"time_period": "2022", "population_type": tables.RATE_CATEGORIES[0]}
RATES_DAMAGE = {
    "not a number": (_cell("Leeds", "children_count", "1e3", **MARCH_2022), ["'1e3'", "number"]),
    "fraction": (_cell("Leeds", "rate_per_10000", "8.5", **MARCH_2022), ["whole number"]),
    "unknown marker": (_cell("Leeds", "children_count", "low", **MARCH_2022), ["'low'", "'z'"]),
    "another population": (
        _cell("Leeds", "population_estimate", "170001", **MARCH_2022),
        ["'170001'" if False else "same area and year"],
    ),
    "no children": (_cell("Leeds", "population_estimate", "0", **MARCH_2022), ["without children"]),
    "unknown year": (_cell("Leeds", "time_period", "2060", **MARCH_2022), ["'2060'", "2018-2049"]),
    "other identifier": (
        _cell("Leeds", "time_identifier", "Calendar year", **MARCH_2022),
        ["'Calendar year'"],
    ),
    "unknown category": (
        _cell("Leeds", "population_type", "Children looked after on 31 May", **MARCH_2022),
        ["unknown category", "'Children looked after on 31 March each year' is known"],
    ),
    "other country": (_cell("Leeds", "country_code", "W92000004", **MARCH_2022), ["W92000004"]),
    "unknown level": (
        _cell("Leeds", "geographic_level", "Local authorities", **MARCH_2022),
        ["Local authorities", "Leeds"],
    ),
    "unknown code": (_cell("Leeds", "old_la_code", "999", **MARCH_2022), ["383 E08000035"]),
    "abolished with a number": (
        _cell("Northamptonshire", "children_count", "9", **MARCH_2022),
        ["E10000021", "unknown authority code"],
    ),
    "duplicate row": (_repeat_row, ["duplicate of row 6"]),
    "missing row": (_drop_row, ["no row in 2023", "for 1 of 153"]),
    "cut row": (_cut_row, ["number of cells"]),
    "renamed column": (
        _renamed("children_count", "child_count"),
        ["'children_count'", "nearest: child_count"],
    ),
    "unknown column": (_renamed("region_name", "regions"), ["'regions'", "unknown column"]),
}


@pytest.mark.parametrize("damage", RELEASE_DAMAGE)
def test_damage_of_a_release_is_named(damage: str, tmp_path: Path) -> None:
    table = tables.cla_release("looked-after children 2013")
    _check_damage(table, *RELEASE_DAMAGE[damage], tmp_path)


@pytest.mark.parametrize("damage", RATES_DAMAGE)
def test_damage_of_the_rates_table_is_named(damage: str, tmp_path: Path) -> None:
    year = 2024 if damage == "missing year" else 2023
    _check_damage(tables.cla_rates(last=year), *RATES_DAMAGE[damage], tmp_path)


def _check_damage(table: Table, edit: Edit, expected: list[str], folder: Path) -> None:
    edit(table)
    with pytest.raises(DataError) as caught:
        read(folder, table)
    for text in ("any.csv", "Remedy", *expected):
        assert text in str(caught.value)


def test_a_year_left_out_between_others_is_missing(tmp_path: Path) -> None:
    table = tables.cla_rates(2021, 2023)
    _drop_year(table)
    with pytest.raises(DataError, match="no row in 2022"):
        read(tmp_path, table)


def test_all_faults_come_in_one_message(tmp_path: Path) -> None:
    first, second = tables.cla_release(RELEASE_NAMES[4]), tables.cla_rates()
    put(first, "Leeds", COUNT, "many")
    put(second, "Kent", "children_count", "-1", **MARCH_2022)
    tables.write_table(tmp_path / "raw", first, "one.csv")
    with pytest.raises(DataError) as caught:
        read(tmp_path, second)
    assert len(caught.value.faults) == 2


def test_two_files_of_one_table_are_refused(tmp_path: Path) -> None:
    table = tables.cla_rates()
    tables.write_table(tmp_path / "raw", table, "copy.csv")
    with pytest.raises(DataError, match="second file"):
        read(tmp_path, table)


@pytest.mark.parametrize("plan", [*(layout.plan for layout in LAYOUTS), RATES, SERIES])
def test_a_known_name_with_other_columns_lists_them(plan: wide.Table, tmp_path: Path) -> None:
    table = [["geog_n", "Chldren_count"], ["Leeds", "1"]]
    with pytest.raises(DataError, match="unknown layout") as caught:
        read(tmp_path, table, plan.file_name)
    assert "found geog_n, Chldren_count" in str(caught.value)
    assert f"expected {', '.join(plan.headers)}" in str(caught.value)
    assert "nearest" in str(caught.value) or "nothing near" in str(caught.value)


def test_other_files_are_left_unread(tmp_path: Path) -> None:
    reading = read(tmp_path, [["time_period", "inpost_fte"], ["2020", "?"]])
    assert reading.records.empty
    assert recognise(scan(tmp_path / "raw")[0]) is None


TEXTS = st.one_of(
    st.sampled_from(
        ["", "x", "..", ".", "c", "z", "low", "u", ":", "0", "7", "1,234", "-3", "2.5"]
    ),
    st.sampled_from(["=A1", "#N/A", "LA", "NATIONAL", "E08000035", "383", "2022", "National"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=8),
)
BUILDERS: dict[str, Callable[[], Table]] = {
    "2010": lambda: tables.cla_release(RELEASE_NAMES[1]),
    "2013": lambda: tables.cla_release(RELEASE_NAMES[4]),
    "rates": lambda: tables.cla_rates(2022, 2022),
    "series": tables.cla_series,
}


@pytest.mark.parametrize("kind", BUILDERS)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_random_edits_are_faults_or_change_their_own_figure_only(
    kind: str, data: st.DataObject, tmp_path: Path
) -> None:
    table = BUILDERS[kind]()
    before = read(tmp_path, table).records
    row = data.draw(st.integers(0, len(table) - 1))
    column = data.draw(st.integers(0, len(table[0]) - 1))
    table[row][column] = data.draw(TEXTS)
    try:
        after = read(tmp_path, table).records
    except DataError:
        return
    keys = ["la_code", "year", "measure"]
    one, other = before.set_index(keys)["value"], after.set_index(keys)["value"]
    assert set(other.index) <= set(one.index)
    changed = one.compare(other.reindex(one.index)).index
    # A header cell can take away a whole table, which is then not recognised.
    assert other.empty or len(changed) <= 1
