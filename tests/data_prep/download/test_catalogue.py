"""The declarations are complete and free of contradiction."""

import csv
import fnmatch
import io
import re
from pathlib import Path

import pytest

from data_prep.download.catalogue import (
    CATALOGUE,
    ArcgisLayer,
    EesRelease,
    GovukPage,
    Hosts,
    NoKnownAddress,
    NomisQuery,
    Source,
    WebFile,
)
from data_prep.download.services import NOMIS_ROWS, NOMIS_YEARS, nomis_url
from data_prep.download.verify import is_member
from data_prep.sources import catalogue as readers
from data_prep.sources.files import RawFile, scan
from tests.data_prep.download.material import NAMES, SOURCES, ees_table, member

ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data"
# Every reader that a file may be put in the folder of, here or still to come.
FOLDERS = {
    "cin_underlying",
    "ees_cin",
    "population",
    "ons_population",
    "cla",
    "workforce",
    "deprivation",
    "ofsted",
    "neighbours",
    "boundaries",
}


def test_names_are_unique() -> None:
    assert len(SOURCES) == len(CATALOGUE)


@pytest.mark.parametrize("source", CATALOGUE, ids=lambda source: source.name)
def test_a_source_says_all_that_a_reader_of_the_table_needs(source: Source) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", source.name)
    assert source.confidence in ("A", "B", "C")
    assert source.landing_page.startswith("https://")
    assert "Government Licence" in source.licence
    assert len({item.name for item in source.members}) == len(source.members) > 0
    for item in source.members:
        assert source.reader_of(item) in FOLDERS
        assert bool(item.columns) + bool(item.sheets) + bool(item.properties) == 1
    for locator in source.locators:
        match locator:
            case EesRelease():
                assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", locator.pinned_id)
            case GovukPage():
                assert not locator.path.startswith("/")
                re.compile(locator.attachment)
                re.compile(locator.document)
            case WebFile():
                assert hasattr(Hosts(), locator.host)
                assert not locator.path.startswith("/")
            case ArcgisLayer():
                assert source.attribution
                assert len(source.members) == 1
            case NomisQuery():
                years = locator.last_year - locator.first_year + 1
                ages = locator.ages[1] - locator.ages[0] + 1
                assert years <= NOMIS_YEARS
                # All counties and unitary authorities of the United Kingdom.
                assert years * ages * 218 < NOMIS_ROWS
            case NoKnownAddress():
                assert not source.required


def test_the_hosts_are_the_publishers_own() -> None:
    for host in vars(Hosts()).values():
        assert re.fullmatch(r"https://[a-z0-9.-]+", host)


def test_a_nomis_address_reads_as_its_manual_says() -> None:
    url = nomis_url(Hosts(), NomisQuery("NM_2002_1", "TYPE423", 2017, 2022))
    assert url == (
        "https://www.nomisweb.co.uk/api/v01/dataset/NM_2002_1.data.csv?geography=TYPE423"
        "&date=2017-2022&gender=0&c_age=101...118&measures=20100"
        "&select=date_name,geography_code,geography_name,c_age_name,obs_value"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_member_is_known_by_its_columns_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / "download (3).csv"
    path.write_bytes(ees_table(name))
    file = RawFile(Path(path.name), path)
    source = SOURCES["ees-cin"]
    assert fnmatch.fnmatch(Path(NAMES[name]).name, member(source, name).file_name)
    found = [item.name for item in source.members if is_member(file, item, "none")]
    assert found == [name]


@pytest.mark.parametrize("name", NAMES)
def test_another_order_of_columns_changes_nothing(name: str, tmp_path: Path) -> None:
    rows = csv.reader(io.StringIO(ees_table(name).decode()))
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(row[::-1] for row in rows)
    assert is_member(RawFile(Path(path.name), path), member(SOURCES["ees-cin"], name), "none")


def test_readers_exist_and_know_only_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("item,price\nmilk,1\n")
    (file,) = scan(tmp_path)
    assert readers.recognise(file) is None
    for reader in readers.READERS:
        assert readers.find_reader(reader.name) is reader
        assert reader.title
        assert callable(reader.load().recognise)
    assert readers.find_reader("none") is None


def test_hidden_files_and_the_manifest_are_left_out(tmp_path: Path) -> None:
    for name in (".incoming/a.csv", "._b.csv", "manifest.json", "c.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x,y\n1,2\n")
    assert [file.name for file in scan(tmp_path)] == ["c.csv"]


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="the official files are not here")
def test_every_official_file_is_one_member_at_most_and_every_member_of_old_is_there() -> None:
    found: dict[str, set[str]] = {}
    for file in scan(REAL):
        known = [
            f"{source.name} {item.name}"
            for source in CATALOGUE
            for item in source.members
            if is_member(file, item, source.reader_of(item))
        ]
        assert len(known) <= 1, (file.name, known)
        for name in known:
            found.setdefault(name, set()).add(file.name)
    expected = {f"{source.name} {item.name}" for source in CATALOGUE for item in source.members}
    # The files at hand hold no edition of 2025, no layer as ONS publishes it, and no table of Nomis
    # or ONS from before 2012.
    absent = {"deprivation-2025", "boundaries-2023", "boundaries-2024", "nomis-2001", "nomis-2007"}
    assert {name for name in expected if name.split()[0] not in absent | {"population-ons"}} == set(
        found
    )
