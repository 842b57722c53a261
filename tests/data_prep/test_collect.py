"""All readers over one folder."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data_prep.checks import FAIL, check_unique
from data_prep.errors import DataError
from data_prep.sources import catalogue, collect
from data_prep.sources.catalogue import READERS, RECORDS
from data_prep.sources.collect import check_files, collect_records
from data_prep.sources.ees_cin import TABLES
from data_prep.sources.files import RawFile, scan
from data_prep.sources.reading import Reading
from tests.data_prep.ees_files import write_release


@pytest.fixture
def folder(tmp_path: Path, write_census: Callable[..., Path]) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    write_census(2013).rename(raw / "census.csv")
    write_release(raw, TABLES[:3], 2014, edits={})
    return raw


def test_sources_lie_beside_each_other(folder: Path) -> None:
    steps: list[str] = []
    reading = collect_records(scan(folder), [2013, 2014], steps.append)
    assert steps == [reader.title for reader in READERS if reader.gives == RECORDS]
    assert set(reading.records["released"]) == {2013, 2014}
    assert not reading.records.duplicated(["la_code", "year", "measure", "released"]).any()


def test_a_figure_that_a_release_prints_twice_is_kept_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = next(reader for reader in READERS if reader.name == "population")
    monkeypatch.setattr(collect, "READERS", (reader,))
    once = collect_records(scan(folder), [2013]).records
    assert len(once) > 100
    monkeypatch.setattr(collect, "READERS", (reader, reader))
    assert collect_records(scan(folder), [2013]).records.equals(once)


def test_figures_that_differ_within_a_release_are_both_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the check of uniqueness refuses them."""
    read = catalogue.Reader.read

    def read_more(self: catalogue.Reader, files: list[RawFile], years: list[int]) -> Reading:
        reading = read(self, files, years)
        if self.name != "population":
            return reading
        more = reading.records.assign(lower=1.0, value=1.0, upper=1.0)
        return Reading(pd.concat([reading.records, more]), reading.ratios)

    monkeypatch.setattr(catalogue.Reader, "read", read_more)
    records = collect_records(scan(folder), [2013]).records
    assert {finding.level for finding in check_unique(records)} == {FAIL}


def test_faults_of_all_sources_come_together(folder: Path) -> None:
    census = folder / "census.csv"
    census.write_text(census.read_text(encoding="utf-8").replace("Leeds", "Lids", 1))
    text = census.read_text(encoding="utf-8")
    census.write_text(text.replace(text.splitlines()[5].split(",")[6], "abc,", 1))
    (table,) = folder.glob("b1_*.csv")
    table.write_text(table.read_text(encoding="utf-8").replace("Started_episodes,", "Began,", 1))
    with pytest.raises(DataError) as raised:
        collect_records(scan(folder), [2013, 2014])
    assert {Path(fault.file).name for fault in raised.value.faults} == {"census.csv", table.name}


def test_unknown_files_and_absent_sources_are_named(folder: Path) -> None:
    (folder / "shopping.csv").write_text("item,price\nmilk,1\n")
    findings = list(check_files(scan(folder)))
    assert [f.file for f in findings if f.file] == ["shopping.csv"]
    assert findings[0].problem.endswith("its columns: item, price")
    assert {f.value for f in findings if f.value} == {
        reader.name
        for reader in READERS
        if reader.name not in {"cin_underlying", "ees_cin", "population"}
    }
