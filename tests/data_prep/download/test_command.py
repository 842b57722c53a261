"""The command: arguments, exit codes, what is printed, and files taken in from a folder."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.__main__ import main
from data_prep.download import command
from data_prep.download.catalogue import CATALOGUE
from data_prep.download.client import Client
from data_prep.download.manifest import Manifest
from data_prep.sources.ees_cin import TABLES, read_ees_cin
from data_prep.sources.files import scan
from tests.data_prep.download.material import (
    SOURCES,
    attachments,
    cin_source,
    ees_table,
    release_zip,
    releases,
    releases_url,
    zip_url,
)
from tests.data_prep.download.server import Fake, Reply
from tests.data_prep.ees_files import write_release

type Download = Callable[..., int]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def download(fake: Fake, client: Client, out: Path) -> Download:
    """Run the download of some sources against the server; the exit code."""

    def run(*names: str, all_required: bool = False) -> int:
        sources = [cin_source() if name == "ees-cin" else SOURCES[name] for name in names]
        return command.run_download(out, Manifest(out), sources, fake.hosts, all_required, client)

    return run


def census_page(fake: Fake, body: bytes) -> None:
    fake.on(
        "/api/content/government/statistics/"
        "characteristics-of-children-in-need-in-england-2012-to-2013",
        Reply(attachments(("Underlying data", "/media/2/ud.csv"))),
    )
    fake.on("/media/2/ud.csv", Reply(body))


# ------------------------------------------------------------------------------ download


def test_one_source_that_fails_does_not_stop_the_rest(
    fake: Fake,
    download: Download,
    write_census: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    census_page(fake, write_census(2013).read_bytes())
    assert download("cin-2012", "cin-2013") == 1
    shown = capsys.readouterr()
    assert "cin-2013  fetched" in shown.out
    assert "cin-2012  failed" in shown.out
    assert f"by hand: {SOURCES['cin-2012'].landing_page}" in shown.out
    assert f"by hand: {SOURCES['cin-2013'].landing_page}" not in shown.out
    assert "404" in shown.out
    assert "[2/2] Children in need census" in shown.err


def test_all_that_is_required_makes_0(
    fake: Fake,
    download: Download,
    out: Path,
    write_census: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    census_page(fake, write_census(2013).read_bytes())
    fake.on(releases_url(), Reply(releases()))
    fake.on(zip_url(), Reply(release_zip("c1", "d3")))
    assert download("cin-2013", "ees-cin", "neighbours") == 0
    assert "failed (optional)" in capsys.readouterr().out
    fake.seen.clear()
    assert download("cin-2013", "ees-cin") == 0
    assert fake.seen == []
    shown = capsys.readouterr().out
    assert shown.count("already there") == 2
    assert (out / "manifest.json").is_file()


def test_an_optional_source_that_was_asked_for_counts(download: Download) -> None:
    assert download("neighbours") == 0
    assert download("neighbours", all_required=True) == 1


def test_an_interrupt_makes_130(
    fake: Fake, client: Client, out: Path, download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "fetch_json", interrupted)
    assert download("cin-2013") == 130


def test_a_disk_that_is_full_is_told(
    fake: Fake,
    download: Download,
    write_census: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    census_page(fake, write_census(2013).read_bytes())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert download("cin-2013") == 1
    assert "No space left on device" in capsys.readouterr().out


# ------------------------------------------------------------------------------ arguments


def test_the_list_names_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--list"]) == 0
    shown = capsys.readouterr().out
    for source in CATALOGUE:
        assert source.name in shown
        assert source.landing_page in shown


def test_an_unknown_name_makes_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--out", str(tmp_path), "--only", "cin-1999", "nothing"]) == 2
    shown = capsys.readouterr().err
    assert "2 faults" in shown
    assert "cin-2013" in shown


def test_two_calls_at_once_make_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with command.locked(tmp_path):
        assert main(["data", "--out", str(tmp_path), "--from", str(tmp_path)]) == 2
    assert "under way" in capsys.readouterr().err
    with command.locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_makes_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["data", "--out", str(tmp_path / "file"), "--from", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_damaged_manifest_makes_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": 99, "files": []}')
    assert main(["data", "--out", str(tmp_path), "--from", str(tmp_path)]) == 2
    assert "damaged record" in capsys.readouterr().err


# ------------------------------------------------------------------------------ from a folder


@pytest.fixture
def given(tmp_path: Path, write_census: Callable[..., Path]) -> Path:
    """A folder with files under names that say nothing."""
    folder = tmp_path / "given"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(write_census(2013), folder / "one.csv")
    shutil.copy(write_census(2012), folder / "deep" / "SFR45-2013ud.csv")
    (folder / "two.csv").write_bytes(ees_table("c1"))
    (folder / "shopping.csv").write_text("item,price\nmilk,1\n")
    (folder / "broken.xlsx").write_bytes(b"PK\x03\x04")
    (folder / "notes.txt").write_text("not a table")
    return folder


def test_files_are_known_by_what_they_hold(
    given: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "--from", str(given), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert (out / "cin_underlying" / "one.csv").is_file()
    assert (out / "ees_cin" / "two.csv").read_bytes() == ees_table("c1")
    assert "unknown  shopping.csv" in shown
    assert "unknown  broken.xlsx" in shown
    assert "3 copied, 0 already there, 0 refused, 2 unknown" in shown
    manifest = Manifest(out)
    entry = manifest.find("cin-2012", "table")
    assert entry is not None
    assert entry.path == "cin_underlying/SFR45-2013ud.csv"
    assert all(manifest.is_there(item) for item in manifest)


def test_a_second_time_copies_nothing(
    given: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["data", "--from", str(given), "--out", str(out)])
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.csv")}
    assert main(["data", "--from", str(given), "--out", str(out)]) == 0
    assert "0 copied, 3 already there" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.csv")} == before


def test_what_was_given_is_not_downloaded(
    fake: Fake, download: Download, given: Path, out: Path
) -> None:
    main(["data", "--from", str(given), "--out", str(out)])
    assert download("cin-2012", "cin-2013") == 0
    assert fake.seen == []


def test_another_version_of_a_file_is_refused(
    given: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["data", "--from", str(given), "--out", str(out)])
    (given / "two.csv").write_bytes(ees_table("c1", 2014))
    assert main(["data", "--from", str(given), "--out", str(out)]) == 1
    assert "another" in capsys.readouterr().err
    assert (out / "ees_cin" / "two.csv").read_bytes() == ees_table("c1")


def test_releases_that_are_read_beside_each_other_are_both_taken_in(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "releases"
    tables = [table for table in TABLES if table.name == "D6"]
    for last_year in (2014, 2015):
        folder = given / str(last_year)
        write_release(folder, tables, last_year, edits={})
        for path in folder.iterdir():
            path.rename(folder / f"{path.name[:2]}.csv")
    assert main(["data", "--from", str(given), "--out", str(out)]) == 0
    assert "4 copied" in capsys.readouterr().out
    reading = read_ees_cin(scan(out), [2014])
    assert set(reading.records["released"]) == {2014, 2015}
    # The same release a second time, changed, is another file of its kind, and readers take one.
    (path,) = (given / "2015").glob("d6*")
    path.write_bytes(path.read_bytes().replace(b"Leeds", b"LEEDS"))
    assert main(["data", "--from", str(given), "--out", str(out)]) == 1
    shown = capsys.readouterr()
    assert "3 already there, 1 refused" in shown.out
    assert "another" in shown.err


def test_a_folder_without_official_files_makes_2(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["data", "--from", str(tmp_path / "empty"), "--out", str(out)]) == 2
    assert main(["data", "--from", str(tmp_path / "absent"), "--out", str(out)]) == 2
    shown = capsys.readouterr().err
    assert "no official file" in shown
    assert "no such folder" in shown


def test_the_lock_is_advisory_and_let_go(tmp_path: Path) -> None:
    with command.locked(tmp_path):
        pass
    with (tmp_path / ".incoming" / "lock.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
