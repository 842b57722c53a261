"""The official files on deprivation, statistical neighbours and codes, where they are at hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep import geography, register
from data_prep.checks import FAIL, WARNING
from data_prep.deprivation import check_deprivation, derive_deprivation
from data_prep.neighbours import check_neighbours, derive_neighbours
from data_prep.sources import catalogue
from data_prep.sources.deprivation import read_deprivation
from data_prep.sources.files import RawFile, scan
from data_prep.sources.lookups import check_lookups
from data_prep.sources.neighbours import read_neighbours

RAW = Path(__file__).parents[2] / ".." / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]

# Invented weights: the files of these sources hold no populations.
CHILDREN = pd.DataFrame(
    [
        (code, year, "population_0_17", 1_000.0)
        for code, authority in register.authorities().items()
        for year in range(2010, 2025)
        if authority.exists_in(year)
    ],
    columns=["la_code", "year", "measure", "value"],
)


@pytest.fixture(scope="module")
def files() -> list[RawFile]:
    return scan(RAW)


@pytest.fixture(scope="module")
def scores(files: list[RawFile]) -> pd.DataFrame:
    return read_deprivation(files)


@pytest.fixture(scope="module")
def lists(files: list[RawFile]) -> pd.DataFrame:
    return read_neighbours(files)


def test_ten_files_are_recognised_and_no_other(files: list[RawFile]) -> None:
    folders: dict[str, set[str]] = {"deprivation": set(), "neighbours": set(), "lookups": set()}
    for file in files:
        found = catalogue.recognise(file)
        if found and found[0] in folders:
            folders[found[0]].add(file.path.parts[0])
    assert folders == {
        "deprivation": {"deprivation"},
        "neighbours": {"statistical_neighbours"},
        "lookups": {"lookups"},
    }


def test_every_edition_has_all_authorities(scores: pd.DataFrame) -> None:
    numbers = scores.groupby("edition")[["imd_score", "idaci_score"]].count()
    assert numbers["imd_score"].to_dict() == {2004: 152, 2007: 152, 2010: 152, 2015: 152, 2019: 151}
    assert numbers["idaci_score"].to_dict() == {2004: 0, 2007: 0, 2010: 0, 2015: 152, 2019: 151}


@pytest.mark.parametrize(
    ("edition", "code", "imd", "idaci"),
    [
        (2015, "E06000001", 33.178, 0.307),
        (2015, "E10000032", 14.027, 0.129),
        (2019, "E06000001", 35.037, 0.283),
        (2019, "E10000034", 18.089, 0.142),
        (2004, "E06000002", 41.063, np.nan),
        (2010, "E10000002", 10.288, np.nan),
    ],
)
def test_scores_as_printed(
    scores: pd.DataFrame, edition: int, code: str, imd: float, idaci: float
) -> None:
    (row,) = scores[(scores["edition"] == edition) & (scores["la_code"] == code)].to_dict("records")
    assert row["imd_score"] == imd
    assert row["idaci_score"] == pytest.approx(idaci, nan_ok=True)


def test_the_study_window_lacks_only_three_authorities_of_2019(scores: pd.DataFrame) -> None:
    units = geography.stable_units(2010, 2014)
    group = derive_deprivation(scores, units, range(2010, 2015), CHILDREN)
    missing = np.isnan(group["imd_score"]).sum("la")
    assert missing.to_series().to_dict() == {2004: 0, 2007: 0, 2010: 0, 2015: 0, 2019: 3}
    findings = check_deprivation(scores, units, range(2010, 2015), CHILDREN)
    named = {finding.la for finding in findings if finding.value == "edition 2019"}
    assert named == {"Bournemouth", "Poole", "Dorset"}
    assert (
        group["imd_score"].attrs["edition_of_year"].endswith("2012: 2010; 2013: 2015; 2014: 2015")
    )


def test_a_long_window_lacks_none(scores: pd.DataFrame) -> None:
    units = geography.stable_units(2010, 2024)
    group = derive_deprivation(scores, units, range(2010, 2025), CHILDREN)
    assert not np.isnan(group["imd_score"]).any()
    joined = group["imd_score"].sel(la="J06000028", edition=2015)
    parts = scores[(scores["edition"] == 2015)].set_index("la_code")["imd_score"]
    own = parts[["E06000028", "E06000029", "E10000009"]]
    assert joined.item() == pytest.approx(own.mean())


def test_editions_rank_authorities_alike(scores: pd.DataFrame) -> None:
    units = geography.stable_units(2010, 2018)
    group = derive_deprivation(scores, units, range(2010, 2019), CHILDREN)
    table = group["imd_score"].to_pandas()
    assert table.corr("spearman").to_numpy().min() > 0.9


def test_every_authority_has_ten_neighbours(lists: pd.DataFrame) -> None:
    assert lists.groupby("edition")["la_code"].nunique().to_dict() == {2021: 156, 2025: 153}
    assert (lists.groupby(["edition", "la_code"]).size() == 10).all()
    assert set(lists["closeness"]) == {1, 2, 3, 4, 5}


def test_neighbours_as_printed(lists: pd.DataFrame) -> None:
    leeds = lists[lists["la_code"] == "E08000035"].set_index(["edition", "rank"])["neighbour"]
    sheffield, north_lincolnshire = "E08000039", "E06000013"
    assert leeds[2021, 1] == sheffield
    old = lists[lists["la_code"] == "E06000029"].set_index("rank")["neighbour"]
    assert old[6] == "E10000009"
    telford = lists[(lists["la_code"] == "E06000020") & (lists["edition"] == 2021)]
    assert north_lincolnshire in set(telford["neighbour"])


def test_the_study_window_uses_lists_of_abolished_authorities(lists: pd.DataFrame) -> None:
    units = geography.stable_units(2010, 2014)
    group = derive_neighbours(lists, units)
    blank = (group["neighbour"] == "").all("rank").sum("la")
    assert blank.to_series().to_dict() == {2021: 0, 2025: 5}
    codes = {unit.code for unit in units}
    assert set(np.unique(group["neighbour"])) <= codes | {""}
    findings = check_neighbours(lists, units)
    without = {f.la for f in findings if f.value == "edition 2025" and "whole unit" in f.problem}
    assert without == {"Bournemouth", "Poole", "Dorset", "Cumbria", "Northamptonshire"}


def test_official_lists_do_not_contradict_the_register(files: list[RawFile]) -> None:
    findings = check_lookups(files)
    assert not [finding for finding in findings if finding.level == FAIL]
    assert not [f for f in findings if "codes that the register does not know" in f.problem]
    assert not [f for f in findings if "authorities of the register that" in f.problem]
    warned = {finding.problem.split(";")[0] for finding in findings if finding.level == WARNING}
    assert warned == {
        "codes replaced in 2009 for the same area",
        "codes of several authorities that report together",
        "rows without a code of an English authority",
        "regions that the register does not know",
        "English bodies without a SNAC code",
    }
