"""Reading the EES children in need tables and populations: traps, damage, and random edits."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.errors import DataError
from data_prep.indicators import MEASURES
from data_prep.markers import clean_text
from data_prep.register import ENGLAND
from data_prep.schema import RECORD_COLUMNS, STATUS
from data_prep.sources import ees_cin
from data_prep.sources.ees import Table, dialect_of, find_table, read_year
from data_prep.sources.ees_cin import TABLES, read_ees_cin
from data_prep.sources.files import scan
from data_prep.sources.population import POPULATION, read_population
from data_prep.sources.reading import Reading
from tests.data_prep.ees_files import (
    LAST_YEAR,
    Edit,
    Rows,
    find_row,
    make_rows,
    put,
    put_cells,
    together,
    write_release,
    write_rows,
)

TABLE = {table.name: table for table in TABLES}
LEEDS, WIGHT = "E08000035", "E06000046"


def record(reading: Reading, la_code: str, year: int, measure: str) -> pd.Series:
    found = reading.records
    (index,) = found.index[
        (found["la_code"] == la_code) & (found["year"] == year) & (found["measure"] == measure)
    ]
    return found.loc[index]


def bounds(reading: Reading, la_code: str, year: int, measure: str) -> tuple[float, float, int]:
    found = record(reading, la_code, year, measure)
    return found["lower"], found["upper"], found["status"]


@pytest.fixture
def read_one(tmp_path: Path) -> Callable[..., Reading]:
    """Write one table after an edit and read 2014 of it."""

    def read(name: str, edit: Edit | None = None, years: tuple[int, ...] = (2014,)) -> Reading:
        table = TABLE.get(name, POPULATION)
        rows = make_rows(table)
        if edit:
            edit(rows)
        write_rows(tmp_path / "raw" / f"{table.stem}.csv", rows)
        reader = read_population if table is POPULATION else read_ees_cin
        return reader(scan(tmp_path / "raw"), years)

    return read


# ---------------------------------------------------------------------------- declarations


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_declarations_are_sound(table: Table) -> None:
    names = [count.name for count in table.counts]
    assert len(names) == len(set(names))
    headers = [name for count in table.counts for name in count.headers]
    assert len(headers) == len(set(headers))
    for group in table.bands:
        assert {group.total, *group.bands} <= set(names)
        for measure, inside in group.sums:
            assert MEASURES[measure].parent == group.total
            assert set(inside) <= set(group.bands)
    for ratio in table.ratios:
        assert ratio.measure in {*MEASURES, *names}
        assert ratio.base in MEASURES


def test_bands_have_names_of_their_own() -> None:
    bands = [c.name for table in TABLES for c in table.counts if c.name not in MEASURES]
    assert len(bands) == len(set(bands))


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2013", 2013),
        ("201213", 2013),
        ("2012/13", 2013),
        ("2012-13", 2013),
        ("199900", 2000),
        ("201214", None),
        ("20", None),
        ("", None),
        ("two", None),
    ],
)
def test_periods(text: str, year: int | None) -> None:
    assert read_year(text) == year


# ---------------------------------------------------------------------------- whole releases


def test_a_release_is_read_once_and_whole(tmp_path: Path) -> None:
    write_release(tmp_path, TABLES, edits={})
    files = scan(tmp_path)
    reading = read_ees_cin(files, [2014, 2021])
    assert list(reading.records.columns) == list(RECORD_COLUMNS)
    assert not reading.records.duplicated(["la_code", "year", "measure"]).any()
    for year in (2014, 2021):
        codes = {authority.la_code for authority in register.authorities_in(year)}
        found = reading.records[reading.records["year"] == year]
        for measure in set(found["measure"]):
            assert set(found.loc[found["measure"] == measure, "la_code"]) == {*codes, ENGLAND}
    assert set(reading.records["released"]) == {LAST_YEAR}
    declared = {c.name for table in TABLES for c in table.counts if c.name in MEASURES}
    declared |= {group.measure for table in TABLES for group in table.banded}
    assert set(reading.records["measure"]) == declared
    assert (reading.records["low_reliability"] == 0).all()
    assert not reading.ratios.duplicated(["la_code", "year", "measure", "base"]).any()
    assert all(ees_cin.recognise(f) for f in files if "population" not in f.name)


def test_files_are_recognised_whatever_their_names(tmp_path: Path) -> None:
    for number, table in enumerate(TABLES):
        write_rows(tmp_path / f"{number:02}.csv", make_rows(table, 2014))
    found = [find_table(file, TABLES) for file in scan(tmp_path)]
    assert found == list(TABLES)


def test_releases_lie_beside_each_other(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", make_rows(TABLE["C1"], 2021))
    write_rows(tmp_path / "b.csv", make_rows(TABLE["C1"], 2022))
    records = read_ees_cin(scan(tmp_path), [2014]).records
    assert sorted(set(records["released"])) == [2021, 2022]
    assert not records.duplicated(["la_code", "measure", "released"]).any()


def test_renamed_columns_and_missing_rates_of_later_releases(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", make_rows(TABLE["C1"], newest=True))
    reading = read_ees_cin(scan(tmp_path), [2014])
    assert "referral_count" in make_rows(TABLE["C1"], 2014, newest=True)[0]
    assert record(reading, LEEDS, 2014, "referrals")["value"] > 3_000
    assert set(reading.ratios["base"]) == {"referrals"}


def test_other_tables_are_left_alone(tmp_path: Path) -> None:
    rows = make_rows(TABLE["B1"], 2014)
    rows[0].append("category_type")
    for row in rows[1:]:
        row.append("Age")
    write_rows(tmp_path / "characteristics.csv", rows)
    write_rows(tmp_path / "other.csv", [["a", "b"], ["1", "2"]])
    assert read_ees_cin(scan(tmp_path), [2014]).records.empty


# ---------------------------------------------------------------------------- traps


def test_england_is_rounded_and_authorities_are_not(read_one: Callable[..., Reading]) -> None:
    reading = read_one("C1")
    lower, upper, status = bounds(reading, ENGLAND, 2014, "referrals")
    assert upper - lower == 10
    assert status == STATUS["rounded"]
    assert bounds(reading, LEEDS, 2014, "referrals")[2] == STATUS["exact"]


def test_markers(read_one: Callable[..., Reading]) -> None:
    edit = together(
        [
            put(2014, "Leeds", No_Further_Action="c", No_Further_Action_percent="c"),
            put(2014, "Kent", Referrals_child="x"),
            put(2014, "Essex", Re_referrals="u", Re_referrals_percent="u"),
            put(2014, "Barnet", Referrals_child="z"),
        ]
    )
    reading = read_one("C1", edit)
    assert bounds(reading, LEEDS, 2014, "referrals_nfa") == (1, 5, STATUS["suppressed"])
    essex = record(reading, "E10000012", 2014, "rereferrals")
    assert math.isnan(essex["value"])
    assert (essex["status"], essex["low_reliability"]) == (STATUS["not_available"], 1)
    assert bounds(reading, "E10000016", 2014, "children_referred")[2] == STATUS["not_available"]
    barnet = record(reading, "E09000003", 2014, "children_referred")
    assert barnet["status"] == STATUS["not_applicable"]
    assert barnet["low_reliability"] == 0


def test_letters_belong_to_a_release(tmp_path: Path) -> None:
    for last_year, marker in ((2021, ":"), (2022, "x")):
        rows = make_rows(TABLE["D6"], last_year)
        cells = dict.fromkeys(rows[0][-3:], marker)
        put_cells(2014, "Leeds", cells)(rows)
        folder = tmp_path / str(last_year)
        write_rows(folder / "d6.csv", rows)
        reading = read_ees_cin(scan(folder), [2014])
        assert bounds(reading, LEEDS, 2014, "cpp_due_review")[2] == STATUS["not_available"]
    for last_year, marker in ((2021, "x"), (2022, ":")):
        rows = make_rows(TABLE["D6"], last_year)
        put(2014, "Leeds", CPP_At31_3Months=marker)(rows)
        folder = tmp_path / f"other {last_year}"
        write_rows(folder / "d6.csv", rows)
        with pytest.raises(DataError, match="neither a number nor a known marker"):
            read_ees_cin(scan(folder), [2014])


def test_old_and_new_codes_are_one_authority(read_one: Callable[..., Reading]) -> None:
    reading = read_one("C4", put(2014, "Gateshead", new_la_code="E08000020"))
    assert record(reading, "E08000037", 2014, "section47")["value"] > 0
    assert "E08000020" not in set(reading.records["la_code"])


def test_an_authority_of_other_years_is_left_out_only_without_numbers(
    read_one: Callable[..., Reading],
) -> None:
    def add(text: str) -> Edit:
        def edit(rows: Rows) -> None:
            row = list(find_row(rows, 2014, "Leeds"))
            row[4:7] = ["839", "E06000058", "Bournemouth, Christchurch and Poole"]
            rows.append([*row[:8], *[text] * len(row[8:])])

        return edit

    assert "E06000058" not in set(read_one("D6", add("z")).records["la_code"])
    with pytest.raises(DataError, match="unknown authority code in the year ending March 2014"):
        read_one("D6", add("5"))


def test_a_large_hidden_band_is_bounded_by_its_total(read_one: Callable[..., Reading]) -> None:
    def edit(rows: Rows) -> None:
        total = int(find_row(rows, 2014, "Leeds")[rows[0].index("CPP_At31")])
        cells = {name: "0" for name in TABLE["D5"].known if name in rows[0][8:]}
        cells |= {"CPP_At31": str(total), "3_months_or_less": str(total - 40)}
        cells |= {"1_year_less_than_2_years": "c", "2_years_or_more": "c"}
        cells |= {"2_years_or_more_percent": "c"}
        put_cells(2014, "Leeds", cells)(rows)

    reading = read_one("D5", edit)
    assert bounds(reading, LEEDS, 2014, "cpp_open_2_years") == (1, 39, STATUS["suppressed"])


def test_a_hidden_total_is_no_less_than_its_bands(read_one: Callable[..., Reading]) -> None:
    texts = {"CPP_End": "c", "2_years_or_more": "c", "2_years_or_more_percent": "c"}
    plain = read_one("D7")
    total = record(plain, LEEDS, 2014, "cpp_ended")["value"]
    lower, upper, status = bounds(
        read_one("D7", put_cells(2014, "Leeds", texts)), LEEDS, 2014, "cpp_ended"
    )
    assert status == STATUS["derived"]
    assert lower <= total <= upper
    assert upper - lower < 0.01 * total


def test_a_hidden_band_can_be_nought(read_one: Callable[..., Reading]) -> None:
    def edit(rows: Rows) -> None:
        total = int(find_row(rows, 2014, "Leeds")[rows[0].index("ICPC")])
        cells = {"Duration_0-10_days": str(total - 1), "Duration_11-15_days": "0"}
        cells |= {"Duration_16-20_days": "c", "Duration_21+_days": "c"}
        put_cells(2014, "Leeds", cells)(rows)

    reading = read_one("C4", edit)
    assert record(reading, LEEDS, 2014, "icpc_15_days")["value"] > 0

    def edit_inside(rows: Rows) -> None:
        total = int(find_row(rows, 2014, "Leeds")[rows[0].index("ICPC")])
        cells = {"Duration_0-10_days": str(total - 1), "Duration_11-15_days": "c"}
        cells |= {"Duration_16-20_days": "c", "Duration_21+_days": "0"}
        put_cells(2014, "Leeds", cells)(rows)

    lower, upper, _ = bounds(read_one("C4", edit_inside), LEEDS, 2014, "icpc_15_days")
    assert upper - lower == 1


def test_a_hidden_pair_is_bounded_by_the_population_of_its_release(tmp_path: Path) -> None:
    hidden = put(
        2014,
        "Leeds",
        CPP_At31_3Months="c",
        Reviewed_within_timescales="c",
        Reviewed_within_timescales_percent="c",
    )
    write_release(tmp_path, [TABLE["D6"]], edits={"D6": hidden})
    files = scan(tmp_path)
    people = record(read_population(files, [2014]), LEEDS, 2014, "population_0_17")["value"]
    assert bounds(read_ees_cin(files, [2014]), LEEDS, 2014, "cpp_due_review")[1] == people
    # Without it, England's figure is the ceiling.
    alone = [file for file in files if "population" not in file.name]
    reading = read_ees_cin(alone, [2014])
    england = bounds(reading, ENGLAND, 2014, "cpp_due_review")
    assert bounds(reading, LEEDS, 2014, "cpp_due_review")[1] == england[1]


def test_a_count_without_a_number_is_derived_from_its_per_cent(
    read_one: Callable[..., Reading],
) -> None:
    reading = read_one("C1", put(2014, "Leeds", Re_referrals="x", Re_referrals_percent="20.0"))
    referrals = record(reading, LEEDS, 2014, "referrals")["value"]
    lower, upper, status = bounds(reading, LEEDS, 2014, "rereferrals")
    assert status == STATUS["derived"]
    assert lower <= referrals * 0.2 <= upper
    assert upper - lower < 0.002 * referrals


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_counts_hidden_beside_a_rate_or_per_cent_are_bounded_by_it(
    table: Table, tmp_path: Path
) -> None:
    """One count is hidden in each authority; what is printed beside it must still hold it."""
    # A per cent of a duration bounds the measure that is that duration alone.
    alone = {g.measure: g.inside[0] for g in table.banded if len(g.inside) == 1}
    headers = {count.name: count.headers[0] for count in table.counts}
    ratios = [ratio for ratio in table.ratios if ratio.measure in MEASURES]
    areas = register.authorities_in(2014)[: len(ratios)]
    true: list[int] = []

    def hide(rows: Rows) -> None:
        for area, ratio in zip(areas, ratios, strict=True):
            row = find_row(rows, 2014, area.name)
            at = rows[0].index(headers[alone.get(ratio.measure, ratio.measure)])
            true.append(int(row[at]))
            row[at] = "c"

    write_release(tmp_path, [table], edits={table.name: hide})
    reading = read_ees_cin(scan(tmp_path), [2014])
    for area, ratio, number in zip(areas, ratios, true, strict=True):
        found = record(reading, area.la_code, 2014, ratio.measure)
        # Rates and per cents are rounded to a tenth.
        slack = 0.11 * (number / 0.1 if ratio.per == 100 else 70_000) / ratio.per
        assert max(1, number - slack) <= found["lower"] <= number <= found["upper"]
        assert found["upper"] <= number + slack
        assert found["status"] == STATUS["derived"]


def test_west_sussex_2013_differs_between_tables(tmp_path: Path) -> None:
    edit = put(2013, "West Sussex", CPP_At31="3000")

    def grow(rows: Rows) -> None:
        edit(rows)
        row = find_row(rows, 2013, "West Sussex")
        row[rows[0].index("3_months_or_less")] = str(
            3000 - sum(int(row[rows[0].index(c.headers[0])]) for c in TABLE["D5"].counts[2:])
        )

    write_release(tmp_path, [TABLE["D1"], TABLE["D5"]], edits={"D5": grow})
    reading = read_ees_cin(scan(tmp_path), [2013])
    assert record(reading, "E10000032", 2013, "cpp_at_31_march")["value"] != 3000
    assert not math.isnan(record(reading, "E10000032", 2013, "cpp_open_2_years")["value"])


# ---------------------------------------------------------------------------- populations


def test_mid_years_belong_to_the_next_year(tmp_path: Path) -> None:
    rows = make_rows(POPULATION, 2025)
    assert rows[1][0] == "2024"
    write_rows(tmp_path / "a.csv", rows)
    reading = read_population(scan(tmp_path), range(2010, 2026))
    assert set(reading.records["released"]) == {2025}
    assert sorted(set(reading.records["year"])) == list(range(2013, 2026))
    assert bounds(reading, ENGLAND, 2014, "population_0_17")[2] == STATUS["exact"]
    assert reading.ratios.empty


def exchange(first: int, second: int) -> Edit:
    def edit(rows: Rows) -> None:
        turned = {str(first): str(second), str(second): str(first)}
        for row in rows[1:]:
            row[0] = turned.get(row[0], row[0])

    return edit


@pytest.mark.parametrize("years", [(2013,), (2013, 2014), tuple(range(2010, 2023))])
def test_the_known_exchange_of_years_is_put_right(
    years: tuple[int, ...], read_one: Callable[..., Reading]
) -> None:
    right = read_one("", years=years).records
    turned = read_one("", exchange(2012, 2013), years).records
    columns = ["la_code", "year", "value"]
    pd.testing.assert_frame_equal(
        turned[columns].sort_values(columns, ignore_index=True),
        right[columns].sort_values(columns, ignore_index=True),
    )
    noted = turned["release"].str.contains("exchanged back")
    assert set(turned.loc[noted, "year"]) == {2013, 2014} & set(years)
    assert not right["release"].str.contains("exchanged").any()


def test_other_exchanges_are_faults(read_one: Callable[..., Reading]) -> None:
    with pytest.raises(DataError, match=r"mid-2016 and mid-2017.*exchanged"):
        read_one("", exchange(2016, 2017))


# ---------------------------------------------------------------------------- damage


def drop_column(name: str) -> Edit:
    def edit(rows: Rows) -> None:
        index = rows[0].index(name)
        for row in rows:
            del row[index]

    return edit


def rename(old: str, new: str) -> Edit:
    def edit(rows: Rows) -> None:
        rows[0][rows[0].index(old)] = new

    return edit


def repeat_row(rows: Rows) -> None:
    rows.append(list(find_row(rows, 2014, "Leeds")))


def drop_row(rows: Rows) -> None:
    rows.remove(find_row(rows, 2014, "Leeds"))


def drop_england(rows: Rows) -> None:
    rows.remove(find_row(rows, 2014, "England"))


def drop_2013(rows: Rows) -> None:
    rows[:] = [row for row in rows if row[0] != "2013"]


def add_column(rows: Rows) -> None:
    for row in rows:
        row.append("Referals_total" if row is rows[0] else "1")


def repeat_column(rows: Rows) -> None:
    for row in rows:
        row.append(row[rows[0].index("Referrals")])


def cut_row(rows: Rows) -> None:
    del rows[-1][-3:]


DAMAGE = {
    "missing column": (drop_column("Re_referrals"), r"'Re_referrals or rereferral_count'.*missing"),
    "missing code": (drop_column("old_la_code"), r"'old_la_code'.*missing"),
    "renamed column": (rename("Not_in_Need", "NotInNeed"), r"nearest: NotInNeed"),
    "unknown column": (add_column, r"'Referals_total': unknown column \(nearest: "),
    "column twice": (repeat_column, r"'Referrals': column printed 2 times"),
    "duplicated row": (repeat_row, r"2014 Leeds.*duplicate of row \d+"),
    "missing row": (drop_row, r"'Leeds': no row for 1 of 153 areas in 2014"),
    "missing England": (drop_england, r"'England': no row for 1 of 153 areas in 2014"),
    "missing year": (drop_2013, r"'2013': no rows for 1 of the years 2013-2022"),
    "cut row": (cut_row, "number of cells differs"),
    "unknown code": (put(2014, "Leeds", new_la_code="E08009999"), "unknown authority code"),
    "contradictory codes": (put(2014, "Leeds", old_la_code="805"), "Leeds is 383 E08000035"),
    "blank code": (put(2014, "Leeds", new_la_code=""), "unknown authority code"),
    "unknown level": (put(2014, "Leeds", geographic_level="Ward"), "'Ward': unknown level"),
    "unknown category": (put(2014, "Leeds", category="Girls"), "'Girls': unknown category"),
    "other country": (put(2014, "Leeds", country_code="W92000004"), "not England"),
    "bad period": (put(2014, "Leeds", time_period="2014Q1"), "'2014Q1': not a year"),
    "bad identifier": (put(2014, "Leeds", time_identifier="Week"), "unknown kind of period"),
    "stray period": (put(2014, "Leeds", time_period="2025"), "no rows for 2 of the years"),
    "code of England": (put(2014, "England", new_la_code=LEEDS), "code in a row of England"),
    "bad cell": (put(2014, "Leeds", Referrals="many"), "'many': neither a number nor"),
    "blank cell": (put(2014, "Leeds", Referrals=""), "blank where a number"),
    "formula cell": (put(2014, "Leeds", Referrals="=A1+1"), "a spreadsheet formula"),
    "error cell": (put(2014, "Leeds", Referrals="#REF!"), "a spreadsheet formula or error"),
    "negative": (put(2014, "Leeds", Referrals="-1"), "'-1': negative"),
    "fraction": (put(2014, "Leeds", Referrals="12.5"), "not a whole number"),
    "part above whole": (put(2014, "Leeds", Re_referrals="99999"), "parts exceed the whole"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_clear_fault(name: str, read_one: Callable[..., Reading]) -> None:
    edit, message = DAMAGE[name]
    with pytest.raises(DataError, match=message) as caught:
        read_one("C1", edit)
    assert "c1_children_in_need.csv" in str(caught.value)
    # A renamed column is also an unknown one; a stray year is empty, and so are those before it.
    most = {"renamed column": 2, "stray period": 3}.get(name, 1)
    assert len(caught.value.faults) == most


def test_bands_that_miss_their_total_are_faults(read_one: Callable[..., Reading]) -> None:
    with pytest.raises(DataError, match="parts miss the whole"):
        read_one("D5", put_cells(2014, "Leeds", {"3_months_or_less": "1"}))


def spoil(raw: bytes, how: str) -> bytes:
    match how:
        case "html":
            return b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n"
        case "utf-16":
            return raw.decode().encode("utf-16")
        case "empty":
            return b""
        case "header only":
            return raw.splitlines(keepends=True)[0]
        case "half":
            return raw[: len(raw) // 2]
        case "quote":
            return raw.replace(b"Leeds", b'"Leeds', 1)
        case _:
            return raw.replace(b"time_period,time_identifier,geographic_level", b"year,kind,level")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("html", "a web page, not a table"),
        ("utf-16", "encoded as UTF-16"),
        ("empty", "empty"),
        ("header only", "no rows"),
        ("half", "number of cells differs|no rows for|no row for"),
        ("quote", "number of cells differs|not a readable table|no row for"),
        ("layout", "unknown layout: found year, kind, level.*needs time_period"),
    ],
)
@pytest.mark.parametrize("name", ["C1", "D6", "population"])
def test_files_that_are_no_tables(name: str, how: str, message: str, tmp_path: Path) -> None:
    table = TABLE.get(name, POPULATION)
    path = write_rows(tmp_path / f"{table.stem}_2013_to_2022.csv", make_rows(table))
    path.write_bytes(spoil(path.read_bytes(), how))
    reader = read_population if table is POPULATION else read_ees_cin
    with pytest.raises(DataError, match=message):
        reader(scan(tmp_path), [2014])


def test_a_byte_order_mark_and_another_code_page_do_no_harm(tmp_path: Path) -> None:
    rows = make_rows(TABLE["D6"])
    for encoding in ("utf-8-sig", "cp1252"):
        write_rows(tmp_path / encoding / "d6.csv", rows, encoding)
    first, second = (read_ees_cin(scan(tmp_path / e), [2014]) for e in ("utf-8-sig", "cp1252"))
    pd.testing.assert_frame_equal(first.records, second.records)


def test_a_table_of_one_release_twice_is_a_fault(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_rows(tmp_path / name, make_rows(TABLE["D6"]))
    with pytest.raises(DataError, match=r"b\.csv.*a second file of table D6 of release 2022"):
        read_ees_cin(scan(tmp_path), [2014])


def test_tables_that_contradict_each_other_are_a_fault(tmp_path: Path) -> None:
    edit = put(2014, "Leeds", CPP_start="9999")
    write_release(tmp_path, [TABLE["D1"], TABLE["D3"]], edits={"D3": edit})
    with pytest.raises(DataError, match=r"d1_child.*for the same figure"):
        read_ees_cin(scan(tmp_path), [2014])


# ---------------------------------------------------------------------------- random edits

# The two kinds of tables whole, the others short: all are read alike.
ORIGINALS = {
    table.name: make_rows(table, LAST_YEAR if table.name in ("C1", "D5") else 2015)
    for table in (*TABLES, POPULATION)
}


def read_rows(name: str, rows: Rows, folder: Path) -> pd.DataFrame:
    write_rows(folder / "a.csv", rows)
    reader = read_population if name == POPULATION.name else read_ees_cin
    records = reader(scan(folder), [2014]).records
    return records.set_index(["la_code", "year", "measure"])[["value", "lower", "upper"]]


@cache
def untouched(name: str) -> pd.DataFrame:
    with TemporaryDirectory() as folder:
        return read_rows(name, ORIGINALS[name], Path(folder))


TEXTS = st.one_of(
    st.sampled_from(
        ["c", "x", "z", "u", "k", "", "low", "0", "1", "5", "1,234", "12", "1e3", "nan"]
    ),
    st.integers(-5, 10**7).map(str),
    st.floats(0, 1e5).map(lambda number: f"{number:.1f}"),
    st.sampled_from([LEEDS, "383", "2014", "2015", "201314", "National", "Regional", "England"]),
    st.text(max_size=8),
)


@pytest.mark.parametrize("name", ORIGINALS)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_an_edit_never_changes_a_number_elsewhere(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    original, table = ORIGINALS[name], TABLE.get(name, POPULATION)
    rows = [list(row) for row in original]
    period = str(2014 - table.lag)
    read = [index for index, row in enumerate(rows) if row[0] == period]
    index = data.draw(st.one_of(st.sampled_from(read), st.integers(0, len(rows) - 1)))
    column = data.draw(st.integers(0, len(rows[0]) - 1))
    header, text = rows[0][column], data.draw(TEXTS)
    rows[index][column] = text
    before = untouched(name)
    try:
        after = read_rows(name, rows, tmp_path)
    except DataError:
        return
    if after.empty:
        # A change of a heading can make it another publication's file, which is recognised as none.
        assert index == 0
        return
    assert set(after.index) == set(before.index), "no figure is invented or lost"
    same = (after.reindex(before.index) == before) | (after.isna() & before.isna())
    changed = before.index[~same.all(axis=1)]
    counts = {header: count.name for count in table.counts for header in count.headers}
    derived = {group.measure for group in table.banded}
    # A ratio's number, or a band, can settle what is hidden; here nothing else is hidden.
    assert {la for la, _, _ in changed} <= {original[index][5] or ENGLAND}
    assert {measure for _, _, measure in changed} <= {counts.get(header), *derived}
    for key in changed:
        number = after.loc[key, "value"]
        if key[2] == counts.get(header) and not math.isnan(number):
            hidden = clean_text(text) in dialect_of(LAST_YEAR).markers
            expected = before.loc[key, "value"] if hidden else clean_text(text).replace(",", "")
            assert number == float(expected) >= 0
