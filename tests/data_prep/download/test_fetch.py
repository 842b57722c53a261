"""Sources of every kind, fetched from a server that misbehaves, checked, and put in place."""

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from data_prep.download.client import Client, DownloadError
from data_prep.download.discover import find_attachment
from data_prep.download.fetch import FAILED, FETCHED, INCOMING, THERE, Fetcher, Outcome
from data_prep.download.manifest import Entry, Manifest
from data_prep.download.services import fetch_layer, fetch_nomis
from data_prep.sources.files import scan
from tests.data_prep.download.material import (
    CURRENT,
    NAMES,
    PINNED,
    ROWS,
    SOURCES,
    areas,
    attachments,
    cin_source,
    ees_table,
    feature_collection,
    make_zip,
    nomis,
    page,
    page_url,
    release_zip,
    releases,
    releases_url,
    zip_url,
)
from tests.data_prep.download.server import Fake, Reply, Seen

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CIN_PAGE = (
    "/api/content/government/statistics/characteristics-of-children-in-need-in-england-2012-to-2013"
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def fetcher(fake: Fake, client: Client, out: Path) -> Fetcher:
    return Fetcher(client, fake.hosts, out, Manifest(out), now=lambda: NOW)


@pytest.fixture
def census(write_census: Callable[..., Path]) -> bytes:
    """The census file of 2013."""
    return write_census(2013).read_bytes()


def files(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def problems(outcome: Outcome) -> str:
    return " | ".join(outcome.problems)


# ------------------------------------------------------------------------------ EES releases


def test_members_come_out_of_the_current_release(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(release_zip("c1", "d3"), length=-1))
    outcome = fetcher.fetch(cin_source())
    assert outcome.state == FETCHED
    assert files(out) == {
        "manifest.json",
        *(f"ees_cin/{Path(name).name}" for name in NAMES.values()),
    }
    entry = fetcher.manifest.find("ees-cin", "c1")
    assert entry is not None
    assert entry.archive_member == NAMES["c1"]
    assert entry.url == fake.address + zip_url()
    assert entry.bytes == len(ees_table("c1"))
    assert entry.retrieved_at == "2026-01-02T03:04:05+00:00"
    assert entry.licence == "Open Government Licence v3.0"
    assert (out / entry.path).read_bytes() == ees_table("c1")


def test_what_is_there_is_not_fetched_again(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(release_zip("c1", "d3")))
    fetcher.fetch(cin_source())
    fake.seen.clear()
    again = Fetcher(fetcher.client, fake.hosts, out, Manifest(out))
    assert again.fetch(cin_source()).state == THERE
    assert fake.seen == []


def test_a_file_that_was_changed_is_fetched_again(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(release_zip("c1", "d3")))
    fetcher.fetch(cin_source())
    path = out / "ees_cin" / Path(NAMES["d3"]).name
    path.write_bytes(ees_table("d3").replace(b"Leeds,", b"Lids,"))
    outcome = fetcher.fetch(cin_source())
    assert [entry.member for entry in outcome.fetched] == ["d3"]
    assert path.read_bytes() == ees_table("d3")


def test_an_amended_release_is_found_under_its_new_id(fake: Fake, fetcher: Fetcher) -> None:
    fake.on(releases_url(), Reply(releases("new-version")))
    fake.on(zip_url("new-version"), Reply(release_zip("c1", "d3")))
    assert fetcher.fetch(cin_source()).state == FETCHED
    assert fake.count(zip_url(PINNED)) == 0


def test_the_page_of_the_release_is_asked_next(fake: Fake, fetcher: Fetcher) -> None:
    fake.on(releases_url(), Reply(b"[]"))
    fake.on(page_url(), Reply(page("by-page")))
    fake.on(zip_url("by-page"), Reply(release_zip("c1", "d3")))
    assert fetcher.fetch(cin_source()).state == FETCHED


def test_the_pinned_release_is_tried_last(fake: Fake, fetcher: Fetcher) -> None:
    fake.on(zip_url(PINNED), Reply(release_zip("c1", "d3")))
    assert fetcher.fetch(cin_source()).state == FETCHED
    assert fake.count(releases_url()) == fake.count(page_url()) == 1


def test_a_stale_id_is_passed_over(fake: Fake, fetcher: Fetcher) -> None:
    fake.on(releases_url(), Reply(releases("stale")))
    fake.on(page_url(), Reply(page("fresh")))
    fake.on(zip_url("fresh"), Reply(release_zip("c1", "d3")))
    assert fetcher.fetch(cin_source()).state == FETCHED
    assert fake.count(zip_url("stale")) == 1


def test_a_member_that_the_zip_lacks_comes_as_a_data_set(
    fake: Fake, fetcher: Fetcher, out: Path
) -> None:
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(release_zip("d3")))
    pinned = "911dae20-ac5d-4e28-bee8-53a658761fa5"
    fake.on(f"/data-catalogue/data-set/{pinned}/csv", Reply(ees_table("c1")))
    assert fetcher.fetch(cin_source()).state == FETCHED
    assert (out / "ees_cin" / f"c1-{pinned}.csv").is_file()


@pytest.mark.parametrize(("rows", "state"), [(ROWS, FETCHED), (ROWS + 1, FAILED)])
def test_rows_are_counted_where_the_page_tells_them(
    fake: Fake, fetcher: Fetcher, rows: int, state: str
) -> None:
    fake.on(page_url(), Reply(page("by-page", "listed", rows)))
    fake.on(zip_url("by-page"), Reply(release_zip("d3")))
    fake.on("/data-catalogue/data-set/listed/csv", Reply(ees_table("c1")))
    outcome = fetcher.fetch(cin_source())
    assert outcome.state == state
    assert (f"{ROWS} rows, but the publisher counts {ROWS + 1}" in problems(outcome)) == (
        state == FAILED
    )


def test_a_missing_member_is_named_and_the_rest_kept(
    fake: Fake, fetcher: Fetcher, out: Path
) -> None:
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(release_zip("c1")))
    outcome = fetcher.fetch(cin_source())
    assert (outcome.state, outcome.missing) == (FAILED, 1)
    assert "*d3_*subsequent*.csv" in problems(outcome)
    assert f"ees_cin/{Path(NAMES['c1']).name}" in files(out)
    # The rest comes when the publisher has mended the zip, and only the rest.
    fake.on(zip_url(), Reply(release_zip("c1", "d3")))
    again = fetcher.fetch(cin_source())
    assert ([e.member for e in again.fetched], len(again.there)) == (["d3"], 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (release_zip("c1", "d3")[:-40], "damaged zip"),
        (b"<!DOCTYPE html><html>Sorry, there is a problem</html>", "gave no zip"),
        (make_zip({"../../evil.csv": b"x", NAMES["c1"]: ees_table("c1")}), "unsafe zip"),
        (make_zip({"/etc/evil.csv": b"x"}), "unsafe zip"),
        (make_zip({"..\\evil.csv": b"x"}), "unsafe zip"),
    ],
)
def test_a_zip_that_is_none_or_unsafe_is_refused(
    fake: Fake, fetcher: Fetcher, out: Path, body: bytes, words: str
) -> None:
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(body))
    outcome = fetcher.fetch(cin_source())
    assert outcome.state == FAILED
    assert words in problems(outcome)
    assert files(out) == set()
    assert not list(out.parent.rglob("evil.csv"))


def test_a_damaged_member_is_refused(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    plain = make_zip({NAMES["c1"]: ees_table("c1"), NAMES["d3"]: ees_table("d3")})
    with zipfile.ZipFile(_write(out.parent / "z.zip", plain)) as archive:
        offset = archive.getinfo(NAMES["c1"]).header_offset + 30 + len(NAMES["c1"]) + 200
    body = (
        plain[:offset] + bytes(b ^ 0xFF for b in plain[offset : offset + 40]) + plain[offset + 40 :]
    )
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(body))
    outcome = fetcher.fetch(cin_source())
    assert "damaged in its zip" in problems(outcome)
    assert [entry.member for entry in outcome.fetched] == ["d3"]


def test_a_changed_header_is_refused(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    changed = ees_table("c1").replace(b"rereferral_percent", b"repeat_share")
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(make_zip({NAMES["c1"]: changed, NAMES["d3"]: ees_table("d3")})))
    outcome = fetcher.fetch(cin_source())
    assert "no column like re*referral*percent" in problems(outcome)
    assert "repeat_share" in problems(outcome)
    assert f"ees_cin/{Path(NAMES['c1']).name}" not in files(out)


def test_two_alike_in_a_zip_are_refused(fake: Fake, fetcher: Fetcher) -> None:
    twice = {NAMES["c1"]: ees_table("c1"), "old/" + NAMES["c1"]: ees_table("c1")}
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(make_zip({**twice, NAMES["d3"]: ees_table("d3")})))
    assert "2 files of the zip are alike" in problems(fetcher.fetch(cin_source()))


def _write(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


# ------------------------------------------------------------------------------ GOV.UK


@pytest.mark.parametrize("zipped", [True, False])
def test_an_attachment_is_found_by_its_title(
    fake: Fake, fetcher: Fetcher, out: Path, census: bytes, zipped: bool
) -> None:
    name = "SFR45-2013_UD.zip" if zipped else "SFR45-2013_UD.csv"
    body = make_zip({"meta.csv": b"column,meaning\na,b\n", "ud.csv": census}) if zipped else census
    listed = attachments(
        ("SFR45/2013: Main tables", f"{fake.address}/media/1/SFR45-2013_tables.xls"),
        ("SFR45/2013: Underlying data", f"{fake.address}/media/2/{name}"),
    )
    fake.on(CIN_PAGE, Reply(listed))
    fake.on(f"/media/2/{name}", Reply(body))
    outcome = fetcher.fetch(SOURCES["cin-2013"])
    assert outcome.state == FETCHED, problems(outcome)
    (entry,) = outcome.fetched
    assert entry.path == f"cin_underlying/{'ud.csv' if zipped else name}"
    assert entry.label.endswith("year ending March 2013")
    assert (out / entry.path).read_bytes() == census


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ((), "no attachment"),
        ((("Main tables", "/media/1/t.xls"),), "no attachment"),
        ((("Underlying data", "/media/1/t.pdf"),), "no attachment"),
        (
            (("Underlying data", "/media/1/a.zip"), ("Underlying data 2", "/media/1/b.zip")),
            "2 attachments",
        ),
    ],
)
def test_no_attachment_or_several_are_refused(
    fake: Fake, fetcher: Fetcher, items: tuple[tuple[str, str], ...], words: str
) -> None:
    fake.on(CIN_PAGE, Reply(attachments(*items)))
    outcome = fetcher.fetch(SOURCES["cin-2013"])
    assert outcome.state == FAILED
    assert words in problems(outcome)
    assert all(title in problems(outcome) for title, _ in items)


@pytest.mark.parametrize(
    "titles",
    [("2009 to 2010", "2010 to 2011"), ("2011-12",), ("2009-10", "2010-11", "of 2010 to 2011")],
)
def test_a_page_of_a_collection_is_found_by_its_years(
    fake: Fake, client: Client, titles: tuple[str, ...]
) -> None:
    documents = [
        {"title": f"Children in need: {title}", "base_path": f"/government/statistics/{n}"}
        for n, title in enumerate(titles)
    ]
    fake.on(
        "/api/content/government/collections/statistics-children-in-need",
        Reply(json.dumps({"links": {"documents": documents}}).encode()),
    )
    fake.on(
        "/api/content/government/statistics/1",
        Reply(attachments(("Underlying data", "/media/1/osr26.zip"))),
    )
    (locator,) = SOURCES["cin-2011"].locators
    if len(titles) == 2:
        assert find_attachment(client, fake.hosts, locator) == f"{fake.address}/media/1/osr26.zip"  # type: ignore[arg-type]
    else:
        with pytest.raises(DownloadError, match="documents match what is wanted"):
            find_attachment(client, fake.hosts, locator)  # type: ignore[arg-type]


def test_the_file_of_another_year_is_refused(
    fake: Fake, fetcher: Fetcher, out: Path, write_census: Callable[..., Path]
) -> None:
    fake.on(CIN_PAGE, Reply(attachments(("Underlying data", "/media/2/ud.csv"))))
    fake.on("/media/2/ud.csv", Reply(write_census(2012).read_bytes()))
    outcome = fetcher.fetch(SOURCES["cin-2013"])
    assert "CINAt310313" in problems(outcome)
    assert files(out) == set()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html>Gone</html>", "a web page"),
        (b'{"title": "Not Found", "status": 404}', "no column like"),
        (b"", "nothing"),
    ],
)
def test_something_else_than_a_table_is_refused(
    fake: Fake, fetcher: Fetcher, out: Path, body: bytes, words: str
) -> None:
    fake.on(CIN_PAGE, Reply(attachments(("Underlying data", "/media/2/ud.csv"))))
    fake.on("/media/2/ud.csv", Reply(body, headers={"Content-Type": "text/csv"}))
    outcome = fetcher.fetch(SOURCES["cin-2013"])
    assert words in problems(outcome)
    assert files(out) == set()


def test_a_table_cut_in_a_line_is_refused(
    fake: Fake, fetcher: Fetcher, out: Path, census: bytes
) -> None:
    fake.on(CIN_PAGE, Reply(attachments(("Underlying data", "/media/2/ud.csv"))))
    fake.on("/media/2/ud.csv", Reply(census[:-100], length=-1))
    assert "last line is cut off" in problems(fetcher.fetch(SOURCES["cin-2013"]))
    fake.on("/media/2/ud.csv", Reply(b"\n".join(census.splitlines()[:40]), length=-1))
    assert "39 rows, fewer than 100" in problems(fetcher.fetch(SOURCES["cin-2013"]))
    assert files(out) == set()


def test_a_file_of_another_source_is_not_written_over(
    fake: Fake, fetcher: Fetcher, out: Path, census: bytes
) -> None:
    (out / "cin_underlying").mkdir(parents=True)
    (out / "cin_underlying" / "ud.csv").write_text("mine,own\n1,2\n")
    fake.on(CIN_PAGE, Reply(attachments(("Underlying data", "/media/2/ud.csv"))))
    fake.on("/media/2/ud.csv", Reply(census))
    (entry,) = fetcher.fetch(SOURCES["cin-2013"]).fetched
    assert entry.path == "cin_underlying/cin-2013-ud.csv"
    assert (out / "cin_underlying" / "ud.csv").read_text() == "mine,own\n1,2\n"


def test_a_file_put_in_the_folder_by_hand_counts(
    fake: Fake, fetcher: Fetcher, out: Path, census: bytes
) -> None:
    (out / "anywhere").mkdir(parents=True)
    (out / "anywhere" / "Download (1).csv").write_bytes(census)
    assert fetcher.fetch(SOURCES["cin-2013"]).state == THERE
    assert fake.seen == []
    entry = fetcher.manifest.find("cin-2013", "table")
    assert entry is not None
    assert (entry.path, entry.url) == ("anywhere/Download (1).csv", "")


def test_a_workbook_that_is_none_is_refused_and_the_page_asked_next(
    fake: Fake, fetcher: Fetcher, out: Path
) -> None:
    for locator in SOURCES["deprivation-2015"].locators[:1]:
        fake.on(f"/{locator.path}", Reply(b"PK\x03\x04 broken"))  # type: ignore[union-attr]
    outcome = fetcher.fetch(SOURCES["deprivation-2015"])
    assert outcome.state == FAILED
    assert "not a readable workbook" in problems(outcome)
    assert fake.count("/api/content/government/statistics/english-indices-of-deprivation-2015") == 1
    assert files(out) == set()


def test_a_source_without_address_says_so(fetcher: Fetcher, fake: Fake) -> None:
    outcome = fetcher.fetch(SOURCES["neighbours"])
    assert "no address" in problems(outcome)
    assert fake.seen == []


def test_an_interrupt_leaves_no_half_file(
    fake: Fake, client: Client, out: Path, census: bytes
) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    fake.on(CIN_PAGE, Reply(attachments(("Underlying data", "/media/2/ud.csv"))))
    fake.on("/media/2/ud.csv", Reply(census, headers={"ETag": '"v1"'}))
    fetcher = Fetcher(client, fake.hosts, out, Manifest(out), progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetcher.fetch(SOURCES["cin-2013"])
    assert scan(out) == []
    assert all(name.startswith(INCOMING) for name in files(out))


# ------------------------------------------------------------------------------ ArcGIS

LAYER = SOURCES["boundaries-2023"]
QUERY = (
    "/ESMARspQHYMw9BZ9/arcgis/rest/services/"
    "Counties_and_Unitary_Authorities_December_2023_Boundaries_UK_BUC/FeatureServer/0/query"
)


def layer(count: int, size: int, *, repeat: bool = False) -> Callable[[Seen], Reply]:
    """A layer of ``count`` areas that gives ``size`` a page; with ``repeat`` it ignores where the
    page is to begin.
    """

    def reply(seen: Seen) -> Reply:
        words = parse_qs(urlsplit(seen.path).query)
        if "returnCountOnly" in words:
            return Reply(json.dumps({"count": count}).encode())
        start = 0 if repeat else int(words.get("resultOffset", ["0"])[0])
        some = areas(min(size, count - start), start)
        return Reply(feature_collection(some, cut=start + size < count))

    return reply


def test_one_page_is_kept_as_it_came(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    fake.on(QUERY, layer(200, 1000))
    (entry,) = fetcher.fetch(LAYER).fetched
    assert (out / entry.path).read_bytes() == feature_collection(areas(200))
    assert "OS data" in entry.attribution


def test_pages_are_joined_in_order(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    fake.on(QUERY, layer(217, 50))
    (entry,) = fetcher.fetch(LAYER).fetched
    document = json.loads((out / entry.path).read_text())
    assert document == {"type": "FeatureCollection", "features": areas(217)}
    assert entry.note.startswith("joined from 5 pages")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(b'{"error": {"code": 400, "message": "Invalid URL"}}'), "400 Invalid URL"),
        (Reply(b"<html>blocked</html>"), "a web page and not JSON"),
        (Reply(b'{"count": "many"}'), "no count"),
        (layer(217, 50, repeat=True), "areas again"),
        (layer(20, 50), "20 areas, fewer than 150"),
    ],
)
def test_an_error_with_status_200_is_refused(
    fake: Fake, fetcher: Fetcher, out: Path, reply: Reply, words: str
) -> None:
    fake.on(QUERY, reply)
    assert words in problems(fetcher.fetch(LAYER))
    assert files(out) == set()


def test_a_passing_error_with_status_200_is_tried_again(
    fake: Fake, client: Client, slept: list[float]
) -> None:
    busy = Reply(b'{"error": {"code": 504, "message": "Busy"}}')
    fake.on(QUERY, busy, layer(200, 1000), layer(200, 1000))
    fetch_layer(client, fake.hosts, LAYER.locators[0])  # type: ignore[arg-type]
    assert slept == [1.0]


def test_areas_that_are_missing_are_noticed(fake: Fake, client: Client) -> None:
    count = Reply(b'{"count": 218}')
    fake.on(QUERY, count, Reply(feature_collection(areas(217))))
    with pytest.raises(DownloadError, match="217 of 218 areas"):
        fetch_layer(client, fake.hosts, LAYER.locators[0])  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ Nomis

NOMIS = SOURCES["nomis-2001"]
TABLE = "/api/v01/dataset/NM_2002_1.data.csv"


def test_a_whole_table_is_kept(fake: Fake, fetcher: Fetcher, out: Path) -> None:
    fake.on(TABLE, Reply(nomis(range(2001, 2007))))
    (entry,) = fetcher.fetch(NOMIS).fetched
    assert (out / entry.path).read_bytes() == nomis(range(2001, 2007))
    query = parse_qs(urlsplit(fake.seen[0].path).query)
    assert query["c_age"] == ["101...118"]
    assert query["date"] == ["2001-2006"]


@pytest.mark.parametrize(
    "body",
    [
        b"\n".join(nomis(range(2001, 2007), areas=300).splitlines()[:25_001]),
        b"\n".join(nomis(range(2001, 2007)).splitlines()[:-1]),
        nomis(range(2001, 2006)),
        nomis(range(2002, 2008)),
        nomis(range(2001, 2007), ages=range(17)),
        nomis(range(2001, 2007)) + b'2001,"E06000001","Place","Age 0",100\n',
    ],
    ids=["cut at 25,000", "a row short", "a year short", "other years", "an age short", "twice"],
)
def test_a_table_that_is_cut_is_refused(
    fake: Fake, fetcher: Fetcher, out: Path, body: bytes
) -> None:
    fake.on(TABLE, Reply(body))
    assert "make it whole" in problems(fetcher.fetch(NOMIS))
    assert files(out) == set()


@pytest.mark.parametrize("body", [b"<html>Sorry</html>", b"", b"error\nnot found\n"])
def test_what_is_no_table_is_refused(fake: Fake, client: Client, body: bytes) -> None:
    fake.on(TABLE, Reply(body))
    with pytest.raises(DownloadError, match=r"no table|no column"):
        fetch_nomis(client, fake.hosts, NOMIS.locators[0])  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ manifest


def test_an_entry_takes_the_place_of_the_one_before(out: Path) -> None:
    manifest = Manifest(out)
    first = Entry("a.csv", "s", "m", "", 1, "x", "", "")
    manifest.add(first)
    manifest.add(Entry("b.csv", "s", "m", "", 2, "y", "", ""))
    assert [entry.path for entry in Manifest(out)] == ["b.csv"]
    assert not manifest.is_there(first)


def test_a_release_is_known_by_its_own_id(fake: Fake, fetcher: Fetcher) -> None:
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(release_zip("c1", "d3")))
    fetcher.fetch(cin_source())
    assert {entry.url for entry in fetcher.manifest} == {f"{fake.address}{zip_url(CURRENT)}"}
