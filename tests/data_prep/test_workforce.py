"""Reading the workforce: the layouts, their traps, damage, and random edits."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.checks import check_rates
from data_prep.errors import DataError
from data_prep.register import ENGLAND
from data_prep.schema import RECORD_COLUMNS, STATUS
from data_prep.sources.files import scan
from data_prep.sources.reading import Reading
from data_prep.sources.workforce import SUMS, read_workforce, recognise
from data_prep.sources.workforce_columns import RELEASES
from tests.data_prep import care_tables as tables
from tests.data_prep.care_tables import Edit, Table, put, rename, staff

ALL_YEARS = range(2010, 2027)
LEEDS, CITY, RICHMOND, KINGSTON = "E08000035", "E09000001", "E09000027", "E09000021"
TOGETHER = "K314+318"
AGENCY, EMPLOYED = "agency_workers", "permanent_workers"
BUILDERS: dict[str, Callable[[], Table]] = {
    "2015": lambda: tables.workforce_release(0),
    "2016": lambda: tables.workforce_release(1),
    "later": lambda: tables.workforce_panel(2021, 2022),
}


def read(folder: Path, table: Table, name: str = "any.csv", **options: str) -> Reading:
    tables.write_table(folder / "raw", table, name, **options)
    return read_workforce(scan(folder / "raw"), ALL_YEARS)


def record(reading: Reading, la_code: str, year: int, measure: str = AGENCY) -> pd.Series:
    found = reading.records
    chosen = (found["la_code"] == la_code) & (found["year"] == year) & (found["measure"] == measure)
    (index,) = found.index[chosen]
    return found.loc[index]


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_releases_are_known_by_their_columns(kind: str, encoding: str, tmp_path: Path) -> None:
    reading = read(tmp_path, BUILDERS[kind](), "renamed.CSV", encoding=encoding)
    assert recognise(scan(tmp_path / "raw")[0]) in {release.plan.name for release in RELEASES}
    records = reading.records
    assert list(records.columns) == list(RECORD_COLUMNS)
    assert not records.duplicated(["la_code", "year", "measure"]).any()
    # September lies in the financial year that ends in the next March.
    assert set(records["year"]) == {"2015": {2016}, "2016": {2017}, "later": {2022, 2023}}[kind]
    assert not list(check_rates(records, reading.ratios)), "printed rates are those of the counts"
    leeds = staff(register.authorities()[LEEDS])
    for year in set(records["year"]):
        for measure in (AGENCY, EMPLOYED, "vacancies", "leavers"):
            found = record(reading, LEEDS, year, measure)
            assert found["value"] == leeds[measure]
            assert (found["lower"], found["upper"]) == pytest.approx(
                (leeds[measure] - 0.05, leeds[measure] + 0.05)
            )


@pytest.mark.parametrize(("kind", "year", "width"), [("2015", 2016, 10), ("later", 2022, 0.1)])
def test_england_is_rounded_by_release(kind: str, year: int, width: float, tmp_path: Path) -> None:
    england = record(read(tmp_path, BUILDERS[kind]()), ENGLAND, year, EMPLOYED)
    assert england["upper"] - england["lower"] == pytest.approx(width)
    assert england["status"] == STATUS["rounded"]


@pytest.mark.parametrize("kind", BUILDERS)
def test_sums_stand_behind_the_printed_rates(kind: str, tmp_path: Path) -> None:
    reading = read(tmp_path, BUILDERS[kind]())
    for year in set(reading.records["year"]):
        for whole, parts in SUMS.items():
            total, *rows = (record(reading, LEEDS, year, name) for name in (whole, *parts))
            assert total["status"] == STATUS["derived"]
            for bound in ("value", "lower", "upper"):
                assert total[bound] == pytest.approx(sum(row[bound] for row in rows))


@pytest.mark.parametrize(("kind", "year"), [("2016", 2017), ("later", 2022)])
def test_authorities_that_report_together_have_one_figure(
    kind: str, year: int, tmp_path: Path
) -> None:
    reading = read(tmp_path, BUILDERS[kind]())
    joint = record(reading, TOGETHER, year, EMPLOYED)
    members = [staff(register.authorities()[code])[EMPLOYED] for code in (RICHMOND, KINGSTON)]
    assert joint["value"] == pytest.approx(sum(members))
    for code in (RICHMOND, KINGSTON):
        alone = record(reading, code, year, EMPLOYED)
        assert np.isnan(alone["upper"])
        assert alone["status"] == STATUS["not_available"]
        assert "report together" in alone["release"]


def test_they_reported_apart_in_the_first_release(tmp_path: Path) -> None:
    reading = read(tmp_path, BUILDERS["2015"]())
    assert TOGETHER not in set(reading.records["la_code"])
    assert record(reading, RICHMOND, 2016)["value"] > 0


@pytest.mark.parametrize(
    ("kind", "year", "text", "status", "bounds"),
    [
        ("2015", 2016, "x", "suppressed", (0, 5)),
        ("2015", 2016, "..", "not_available", None),
        ("2015", 2016, ".", "not_applicable", None),
        ("later", 2022, "c", "suppressed", (0, 5)),
        ("later", 2022, "x", "not_available", None),
        ("later", 2022, ":", "not_available", None),
        ("later", 2022, "u", "not_available", None),
        ("later", 2022, "z", "not_applicable", None),
        ("later", 2022, "low", "rounded", (0, 0.05)),
    ],
)
def test_markers_belong_to_their_release(
    kind: str,
    year: int,
    text: str,
    status: str,
    bounds: tuple[float, float] | None,
    tmp_path: Path,
) -> None:
    """The same letter hides a number in one release and says that there is none in another."""
    table = BUILDERS[kind]()
    release = RELEASES[list(BUILDERS).index(kind)]
    where = {"time_period": "2021"} if kind == "later" else {}
    # A figure and its rate are printed, or hidden, together.
    (rate,) = (ratio.header for ratio in release.ratios if ratio.measure == AGENCY)
    for column in (release.measures[AGENCY], rate):
        put(table, "City of London", column, text, **where)
    reading = read(tmp_path, table)
    found = record(reading, CITY, year)
    assert found["status"] == STATUS[status]
    assert found["low_reliability"] == (text == "u")
    if bounds is None:
        assert np.isnan([found["lower"], found["upper"]]).all()
    else:
        assert (found["lower"], found["upper"]) == bounds
    whole = record(reading, CITY, year, "social_workers")
    assert np.isnan(whole["upper"]) == (bounds is None), "a sum is known where both parts are"


def test_a_hidden_caseload_may_be_anything(tmp_path: Path) -> None:
    table = BUILDERS["2016"]()
    put(table, "City of London", "Average_caseload", "x")
    found = record(read(tmp_path, table), CITY, 2017, "caseload")
    assert found["status"] == STATUS["not_available"]
    assert np.isnan(found["upper"])


def test_later_releases_lie_beside_each_other_and_are_named_by_their_last_year(
    tmp_path: Path,
) -> None:
    for last in (2022, 2026):
        tables.write_table(tmp_path / "raw", tables.workforce_panel(2021, last), f"{last}.csv")
    records = read_workforce(scan(tmp_path / "raw"), [2022]).records
    leeds = records[(records["la_code"] == LEEDS) & (records["measure"] == AGENCY)]
    assert dict(zip(leeds["released"], leeds["release"], strict=True)) == {
        year + 1: f"Children's social work workforce, release of September {year}"
        for year in (2022, 2026)
    }


def test_only_wanted_years_are_read(tmp_path: Path) -> None:
    for number, build in enumerate(BUILDERS.values()):
        tables.write_table(tmp_path / "raw", build(), f"{number}.csv")
    files = scan(tmp_path / "raw")
    assert set(read_workforce(files, [2016, 2023]).records["year"]) == {2016, 2023}
    assert read_workforce(files, [2015]).records.empty


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


def _national(column: str, text: str) -> Edit:
    def edit(table: Table) -> None:
        table[1][table[0].index(column)] = text

    return edit


COUNT = RELEASES[1].measures[AGENCY]
RATE = RELEASES[1].ratios[1].header
RELEASE_DAMAGE: dict[str, tuple[Edit, list[str]]] = {
    "not a number": (_cell("Leeds", COUNT, "many"), [COUNT, "'many'", "number"]),
    "formula": (_cell("Leeds", COUNT, "=B2*2"), ["'=B2*2'", "formula"]),
    "blank": (_cell("Leeds", COUNT, ""), [COUNT, "blank"]),
    "foreign marker": (_cell("Leeds", COUNT, "low"), ["'low'", "'x'"]),
    "negative": (_cell("Leeds", COUNT, "-5"), ["'-5'", "negative"]),
    "too exact": (_cell("Leeds", COUNT, "10.55"), ["'10.55'"]),
    "rate not a number": (_cell("Leeds", RATE, "a tenth"), [RATE, "'a tenth'"]),
    "England not rounded": (_national(COUNT, "12,345"), ["'12,345'", "nearest 10"]),
    "unknown code": (
        _cell("Leeds", "LA_code (3 digit)", "999"),
        ["unknown", "999"],
    ),
    "codes disagree": (_cell("Leeds", "LA_code (9 digit)", "E06000001"), ["unknown", "Leeds"]),
    "a silent partner speaks": (
        _cell("Richmond upon Thames", COUNT, "5.0"),
        ["'5.0'", "reports with 314", "'.' belongs here"],
    ),
    "duplicate row": (_repeat_row, ["duplicate of row 6"]),
    "missing row": (_drop_row, ["no row for 1 of 153"]),
    "cut row": (_cut_row, ["row 6", "number of cells"]),
    "renamed column": (_renamed(COUNT, "D1_FTE_Agency_2016"), [f"'{COUNT}'", "missing"]),
    "unknown column": (_renamed("A1aa_FTE_Number_Age_2016", "Mystery"), ["'Mystery'", "unknown"]),
}
IN_2021 = {"time_period": "2021"}
PANEL_DAMAGE: dict[str, tuple[Edit, list[str]]] = {
    "not a number": (_cell("Leeds", "agency_fte", "1e3", **IN_2021), ["'1e3'", "number"]),
    "fraction of a case": (_cell("Leeds", "cases", "8.5", **IN_2021), ["'8.5'", "whole number"]),
    "unknown marker": (_cell("Leeds", "agency_fte", "..", **IN_2021), ["'..'"]),
    "unknown year": (_cell("Leeds", "time_period", "2060", **IN_2021), ["'2060'"]),
    "other country": (_cell("Leeds", "country_code", "W92000004", **IN_2021), ["W92000004"]),
    "unknown code": (_cell("Leeds", "old_la_code", "999", **IN_2021), ["999"]),
    "unknown partner": (
        _cell("Kingston upon Thames / Richmond upon Thames", "old_la_code", "314 / 999", **IN_2021),
        ["314 / 999"],
    ),
    "duplicate row": (_repeat_row, ["duplicate of row 6"]),
    "missing row": (_drop_row, ["no row in 2023"]),
    "cut row": (_cut_row, ["number of cells"]),
    "renamed column": (_renamed("agency_fte", "agency_staff"), ["'agency_fte'", "missing"]),
}


@pytest.mark.parametrize("damage", RELEASE_DAMAGE)
def test_damage_of_a_release_is_named(damage: str, tmp_path: Path) -> None:
    _check_damage(BUILDERS["2016"](), *RELEASE_DAMAGE[damage], tmp_path)


@pytest.mark.parametrize("damage", PANEL_DAMAGE)
def test_damage_of_the_later_table_is_named(damage: str, tmp_path: Path) -> None:
    _check_damage(BUILDERS["later"](), *PANEL_DAMAGE[damage], tmp_path)


def _check_damage(table: Table, edit: Edit, expected: list[str], folder: Path) -> None:
    edit(table)
    with pytest.raises(DataError) as caught:
        read(folder, table)
    for text in ("any.csv", "Remedy", *expected):
        assert text in str(caught.value)


def test_all_faults_come_in_one_message(tmp_path: Path) -> None:
    first, second = BUILDERS["2016"](), BUILDERS["later"]()
    put(first, "Leeds", COUNT, "many")
    put(second, "Kent", "agency_fte", "-1", **IN_2021)
    tables.write_table(tmp_path / "raw", first, "one.csv")
    with pytest.raises(DataError) as caught:
        read(tmp_path, second)
    assert len(caught.value.faults) == 2


def test_two_files_of_one_table_are_refused(tmp_path: Path) -> None:
    table = BUILDERS["later"]()
    tables.write_table(tmp_path / "raw", table, "copy.csv")
    with pytest.raises(DataError, match="second file"):
        read(tmp_path, table)


def test_a_known_name_with_other_columns_lists_them(tmp_path: Path) -> None:
    for number, release in enumerate(RELEASES):
        plan, folder = release.plan, tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(DataError, match="unknown layout") as caught:
            read(folder, [["LA_name", "agncy_fte"], ["Leeds", "1"]], plan.file_name)
        assert "found LA_name, agncy_fte" in str(caught.value)
        assert f"expected {', '.join(plan.headers)}" in str(caught.value)


@pytest.mark.parametrize(("kind", "year"), [("2015", 2016), ("2016", 2017), ("later", 2022)])
@pytest.mark.parametrize("measure", [AGENCY, "vacancies", "leavers"])
def test_a_figure_hidden_beside_its_rate_is_bounded_by_it(
    kind: str, year: int, measure: str, tmp_path: Path
) -> None:
    release = RELEASES[list(BUILDERS).index(kind)]
    table = BUILDERS[kind]()
    where = {"time_period": "2021"} if kind == "later" else {}
    put(table, "Leeds", release.measures[measure], "c" if kind == "later" else "x", **where)
    found = record(read(tmp_path, table), LEEDS, year, measure)
    leeds = staff(register.authorities()[LEEDS])
    assert found["lower"] <= leeds[measure] <= found["upper"]
    # A rate of whole per cents leaves more room than one with a decimal.
    assert found["upper"] - found["lower"] < leeds[EMPLOYED] * (0.02 if kind == "2015" else 0.003)
    assert found["status"] == STATUS["derived"]


# ---------------------------------------------------------------------------- random edits

TEXTS = st.one_of(
    st.sampled_from(["", "x", "..", ".", "c", "z", "low", "u", ":", "0", "7", "1,234", "-3"]),
    st.sampled_from(["2.5", "=A1", "#N/A", "E08000035", "383", "2021", "National", "<b>1</b>"]),
    st.floats(0, 1e4).map(lambda number: f"{number:.1f}"),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=8),
)
FIGURES = {header for release in RELEASES for header in release.plan.figures}


@cache
def built(kind: str) -> Table:
    return BUILDERS[kind]()


@cache
def untouched(kind: str) -> pd.DataFrame:
    with TemporaryDirectory() as folder:
        return numbers_of(read(Path(folder), built(kind)))


def numbers_of(reading: Reading) -> pd.DataFrame:
    keys = ["la_code", "year", "measure"]
    return reading.records.set_index(keys)[["value", "lower", "upper"]].sort_index()


@pytest.mark.parametrize("kind", BUILDERS)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_random_edits_are_faults_or_change_their_own_figure_only(
    kind: str, data: st.DataObject, tmp_path: Path
) -> None:
    table = [list(row) for row in built(kind)]
    header = table[0]
    row = data.draw(st.integers(0, len(table) - 1))
    figures = [at for at, name in enumerate(header) if name in FIGURES]
    column = data.draw(st.one_of(st.sampled_from(figures), st.integers(0, len(header) - 1)))
    name, text = header[column], data.draw(TEXTS)
    table[row][column] = text
    before = untouched(kind)
    try:
        after = numbers_of(read(tmp_path, table))
    except DataError:
        return
    if after.empty:
        # A header cell can take away a whole table, which is then not recognised.
        assert row == 0
        return
    assert after.index.equals(before.index), "no figure is invented or lost"
    same = (after == before) | (after.isna() & before.isna())
    changed = before.index[~same.all(axis=1)]
    measures = {key: m for release in RELEASES for m, key in release.measures.items()}
    own = measures.get(name)
    sums = {whole for whole, parts in SUMS.items() if own in parts}
    assert {key[2] for key in changed} <= {own, *sums}
    assert len({key[:2] for key in changed}) <= 1
    for key in changed:
        if key[2] == own and not np.isnan(after.loc[key, "value"]):
            assert after.loc[key, "value"] == float(text.strip().replace(",", "")) >= 0
