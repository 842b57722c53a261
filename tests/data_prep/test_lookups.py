"""Official lists of authorities held against the register, on made-up lists."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.checks import FAIL, PASS, WARNING, Finding
from data_prep.errors import DataError
from data_prep.register import Authority
from data_prep.sources import catalogue
from data_prep.sources.lookups import LAYOUTS, check_lookups, recognise
from tests.data_prep.place_files import raw_file, write_table

type Table = list[list[str]]

COLUMNS = {layout.name: list(layout.columns) for layout in LAYOUTS}
NAMES = tuple(COLUMNS)
REGION_CODES = {name: f"E1200000{n}" for n, name in enumerate(register.REGIONS, 1)}


def _dates(authority: Authority) -> tuple[str, str]:
    begins = authority.from_year
    first = "01/01/2009" if begins == register.FIRST_YEAR else f"01/04/{begins - 1}"
    if authority.la_code in ("E08000038", "E08000039"):
        first = "01/05/2025"
    ends = authority.to_year
    last = "" if ends == register.LIVE else f"31/03/{ends}"
    return first, "30/04/2025" if ends == 2025 else last


def table_of(name: str) -> Table:
    """A list that agrees with the register."""
    rows: Table = []
    for code, authority in register.authorities().items():
        region, dfe_code = authority.region, authority.dfe_code
        key = f"local-authority-eng:{dfe_code}"
        first, last = _dates(authority)
        rows.append(
            {
                "authorities": [
                    code,
                    authority.name,
                    first,
                    last,
                    REGION_CODES[region],
                    code[:3],
                    "Kind",
                    "terminated" if last else "live",
                    dfe_code,
                ],
                "regions": [REGION_CODES[region], region, dfe_code, authority.name, code],
                "edubase": [dfe_code, key, authority.name],
                "gss": [code, key, authority.name],
                "snac": [f"00{dfe_code}", key],
            }[name]
        )
    return [COLUMNS[name], *rows]


def check(path: Path, tables: dict[str, Table]) -> list[Finding]:
    files = [
        raw_file(write_table(path / f"{name}.csv", table, encoding="utf-8"))
        for name, table in tables.items()
    ]
    return check_lookups(files)


def row_of(table: Table, code: str) -> list[str]:
    (row,) = [row for row in table if code in row]
    return row


def test_lists_that_agree_pass(tmp_path: Path) -> None:
    findings = check(tmp_path, {name: table_of(name) for name in NAMES})
    assert {finding.level for finding in findings} == {PASS}
    assert {finding.file for finding in findings} == {f"{name}.csv" for name in NAMES}


def test_without_lists_nothing_is_said() -> None:
    assert check_lookups([]) == []


@pytest.mark.parametrize("name", NAMES)
def test_lists_are_recognised_by_their_columns(tmp_path: Path, name: str) -> None:
    file = raw_file(write_table(tmp_path / "any.tsv", table_of(name)))
    found = catalogue.recognise(file)
    assert found is not None
    assert found[0] == "lookups"


@pytest.mark.parametrize(
    "header",
    [
        # Other publications carry the same columns of codes.
        ["time_period", "region_code", "region_name", "old_la_code", "la_name", "new_la_code"],
        [*COLUMNS["regions"], "referrals", "rate", "year"],
        ["gss", "name"],
        ["new_la_code", "la_name", "mean_lsoa_imd_score", "n_lsoa", "imd_year"],
    ],
)
def test_other_tables_are_left_alone(tmp_path: Path, header: list[str]) -> None:
    file = raw_file(write_table(tmp_path / "a.csv", [header, ["x"] * len(header)]))
    if header[0] != "time_period":
        assert recognise(file) is None
        assert check_lookups([file]) == []


Edit = Callable[[Table], object]


def put(code: str, column: int, text: str) -> Edit:
    def edit(table: Table) -> None:
        row_of(table, code)[column] = text

    return edit


def add(*cells: str) -> Edit:
    return lambda table: table.append(list(cells))


def lose(code: str) -> Edit:
    return lambda table: table.remove(row_of(table, code))


LEEDS = "E08000035"
CASES: dict[str, tuple[str, Edit, str, str]] = {
    "another three-digit code": (
        "authorities",
        put(LEEDS, 8, "384"),
        FAIL,
        "three-digit code '384', in the register 383",
    ),
    "another region": (
        "authorities",
        put(LEEDS, 4, "E12000001"),
        FAIL,
        "region 'North East', in the register Yorkshire and The Humber",
    ),
    "unknown region": (
        "authorities",
        put(LEEDS, 4, "E12000010"),
        WARNING,
        "regions that the register does not know",
    ),
    "begins in another year": (
        "authorities",
        put("E06000058", 2, "01/04/2018"),
        FAIL,
        "begins '01/04/2018', in the register 2020",
    ),
    "ends in another year": (
        "authorities",
        put("E06000028", 3, "31/03/2018"),
        FAIL,
        "ends '31/03/2018', in the register 2019",
    ),
    "still live": ("authorities", put("E06000028", 3, ""), FAIL, "ends '', in the register 2019"),
    "no date": (
        "authorities",
        put(LEEDS, 2, "2009"),
        FAIL,
        "begins '2009', in the register 2001",
    ),
    "31 February": ("authorities", put("E06000028", 3, "31/02/2019"), FAIL, "ends '31/02/2019'"),
    "code twice": (
        "authorities",
        lambda table: table.append(row_of(table, LEEDS)),
        FAIL,
        "the code stands there a second time",
    ),
    "new authority": (
        "authorities",
        add("E06000067", "New", "01/04/2026", "", "E12000008", "E06", "Kind", "live", "950"),
        WARNING,
        "codes that the register does not know",
    ),
    "replaced in 2009": (
        "authorities",
        add(
            "E10000010",
            "Durham",
            "01/01/2009",
            "31/03/2009",
            "E12000001",
            "E10",
            "Kind",
            "terminated",
            "x",
        ),
        WARNING,
        "codes replaced in 2009",
    ),
    "joint": (
        "regions",
        add("E12000007", "London", "314 / 318", "Two", "E09000021 / E09000027"),
        WARNING,
        "codes of several authorities",
    ),
    "no code": (
        "regions",
        add("z", "Outside of England", "702", "Overseas", "z"),
        WARNING,
        "rows without a code of an English authority",
    ),
    "no region": (
        "regions",
        add("z", "Outside of England", "702", "Overseas", "z"),
        WARNING,
        "regions that the register does not know",
    ),
    "name of another region": (
        "regions",
        put(LEEDS, 1, "North East"),
        WARNING,
        "regions that the register does not know",
    ),
    "missing authority": (
        "regions",
        lose(LEEDS),
        WARNING,
        "authorities of the register that the list of regions lacks",
    ),
    "names parted from codes": (
        "gss",
        put(LEEDS, 2, "Wakefield"),
        FAIL,
        "belong to two authorities",
    ),
    "unknown GSS code": (
        "gss",
        add("E08000099", "local-authority-eng:ZZZ", "Nowhere"),
        WARNING,
        "codes that the register does not know",
    ),
    "district": (
        "gss",
        add("E07000223", "local-authority-eng:ADU", "Adur"),
        PASS,
        "not looked for in the register",
    ),
    "unknown three-digit code": (
        "edubase",
        add("999", "local-authority-eng:ZZZ", "Nowhere"),
        WARNING,
        "codes that the register does not know",
    ),
    "three-digit code without a key": (
        "edubase",
        add("999", "", "Nowhere"),
        WARNING,
        "codes that the register does not know",
    ),
    "Welsh authority": (
        "edubase",
        add("681", "principal-local-authority:CRF", "Cardiff"),
        PASS,
        "codes outside England",
    ),
    "unknown SNAC code": (
        "snac",
        add("00ZZ", "local-authority-eng:ZZZ"),
        WARNING,
        "neither of the other lists leads",
    ),
    "blank SNAC code": (
        "snac",
        add("", "local-authority-eng:GLA"),
        WARNING,
        "without a SNAC code",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_disagrees_becomes_a_finding(tmp_path: Path, case: str) -> None:
    name, edit, level, problem = CASES[case]
    tables = {each: table_of(each) for each in NAMES}
    edit(tables[name])
    found = [f for f in check(tmp_path, tables) if problem in f.problem]
    assert found
    assert {(finding.level, finding.file) for finding in found} == {(level, f"{name}.csv")}


@pytest.mark.parametrize("name", ["authorities", "regions"])
def test_a_renamed_column_is_an_unknown_layout(tmp_path: Path, name: str) -> None:
    table = table_of(name)
    table[0] = [text.replace("la_name", "authority_name") for text in table[0]]
    with pytest.raises(DataError, match=r"unknown layout: found .* expected .* missing la_name"):
        check(tmp_path, {name: table})


@pytest.mark.parametrize("name", NAMES)
def test_cut_and_empty_lists_are_refused(tmp_path: Path, name: str) -> None:
    table = table_of(name)
    with pytest.raises(DataError, match="no lines below the header"):
        check(tmp_path, {name: table[:1]})
    table[4] = table[4][:-1]
    with pytest.raises(DataError, match="number of cells differs"):
        check(tmp_path, {name: table})


def test_a_list_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    files = [
        raw_file(write_table(tmp_path / f"{name}.csv", table_of("gss"))) for name in ("a", "b")
    ]
    with pytest.raises(DataError, match="a second file of this list"):
        check_lookups(files)


# Column of each list that names an authority, and how its text begins: the register knows neither
# districts, nor other countries, nor SNAC codes.
CODES = {
    "authorities": (("new_la_code", ""), ("old_la_code", "")),
    "regions": (("new_la_code", ""), ("old_la_code", "")),
    "edubase": (("edubase", ""),),
    "gss": (("gss", "E06"), ("gss", "E08"), ("gss", "E09"), ("gss", "E10")),
    "snac": (("local-authority", "local-authority-eng:"),),
}


@pytest.mark.parametrize("name", CODES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damaged_code_passes_unnamed(tmp_path: Path, data: st.DataObject, name: str) -> None:
    tables = {each: table_of(each) for each in NAMES}
    table = tables[name]
    row = data.draw(st.integers(1, len(table) - 1))
    column, begins = data.draw(st.sampled_from(CODES[name]))
    place = COLUMNS[name].index(column)
    junk = st.text("E0123456789x /", max_size=10).map(lambda text: begins + text.strip())
    others = {line[place] for line in table}
    table[row][place] = data.draw(junk.filter(lambda text: text not in others))
    findings = check(tmp_path, tables)
    assert {finding.level for finding in findings if finding.file == f"{name}.csv"} & {
        WARNING,
        FAIL,
    }
