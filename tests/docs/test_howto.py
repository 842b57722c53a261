"""How-tos are true: their examples run, and every file, field and name in them exists."""

import dataclasses
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from data_prep import indicators, schema
from data_prep.errors import DataError
from data_prep.indicators import Indicator
from data_prep.schema import STATUS
from data_prep.simulated import SimulationOptions, build_simulated
from data_prep.sources import catalogue, collect
from data_prep.sources.catalogue import Reader
from data_prep.sources.files import scan
from experiments import config
from models.spec import ModelSpec
from tests.docs.commands import DOCS, DOCUMENTS, ROOT, examples, fences

HOWTO = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "howto").glob("*.md")}
FILE = r"`((?:data_prep|models|experiments|reports|tests|scripts)/[\w/.]+\.py)`"
LISTED = re.compile(rf"((?:`\w+`(?:, | or | and )?)+) in\s+{FILE}|{FILE}, ((?:`\w+`(?:, )?)+)")


def _named(text: str) -> list[tuple[str, str]]:
    """Names and the file in which a document says that they stand."""
    found = []
    for before, file, other, after in LISTED.findall(text):
        found += [(name, file or other) for name in re.findall(r"`(\w+)`", before or after)]
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_stand_in_the_files_that_documents_give(path: Path) -> None:
    absent = [
        (name, file)
        for name, file in _named(path.read_text(encoding="utf-8"))
        if not re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert absent == []


def test_how_tos_name_what_they_register() -> None:
    names = {name: {n for n, _ in _named(text)} for name, text in HOWTO.items()}
    assert {"_INDICATORS", "_MEASURES", "RATES", "SHARES"} <= names["add_an_indicator"]
    assert {"READERS", "RECORD_COLUMNS", "CATALOGUE"} <= names["add_a_source"]
    assert {"CATALOGUE", "ANSWERS", "ModelSpec"} <= names["add_a_model"]


def test_how_to_of_a_model_lists_every_field_of_its_spec() -> None:
    (table,) = re.findall(r"\| field \| what it is \|\n(.*?)\n\n", HOWTO["add_a_model"], re.S)
    listed = [n for row in table.splitlines() for n in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(ModelSpec))


def test_example_of_an_indicator_enters_the_cube(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = fences(HOWTO["add_an_indicator"], "python")
    added = eval(example, {"Indicator": Indicator})
    monkeypatch.setitem(indicators.INDICATORS, added.name, added)
    group = schema.derive_indicators(["cpp_starts", "icpc"])
    assert added.name in group["indicator"].to_numpy()
    assert not group.sel(indicator=added.name)["is_share"].item()


@pytest.fixture
def example_reader(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The reader of the how-to, registered as it says."""
    (example,) = fences(HOWTO["add_a_source"], "python")
    module = types.ModuleType("data_prep.sources.example")
    exec(example, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for place in (catalogue, collect):
        monkeypatch.setattr(place, "READERS", (Reader("example", "referrals by authority"),))
    return module


@pytest.mark.usefixtures("example_reader")
def test_example_of_a_reader_gives_records(tmp_path: Path) -> None:
    (tmp_path / "any name.csv").write_text(
        "year,la_code,la_name,referrals\n"
        '2013,E08000035,Leeds,"9,120"\n2014,E08000035,Leeds,c\n2014,E09000001,City of London,x\n',
        encoding="utf-8",
    )
    records = collect.collect_records(scan(tmp_path), [2013, 2014]).records
    cells = records.set_index(["la_code", "year"])
    assert cells.loc[("E08000035", 2013), "value"] == 9120
    assert tuple(cells.loc[("E08000035", 2014), ["lower", "upper"]]) == (1, 5)
    assert cells.loc[("E09000001", 2014), "status"] == STATUS["not_available"]
    assert np.isnan(cells.loc[("E09000001", 2014), "upper"])
    assert not list(collect.check_files(scan(tmp_path)))


@pytest.mark.usefixtures("example_reader")
def test_example_of_a_reader_tells_every_fault(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text(
        "year,la_code,la_name,referrals\n2013,E99999999,Leeds,1\n2014,E08000035,Leeds,?\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as caught:
        collect.collect_records(scan(tmp_path), [2013, 2014])
    assert [fault.row for fault in caught.value.faults] == [2, 3]
    assert "Leeds is E08000035" in caught.value.faults[0].remedy


def test_example_of_a_variant_can_be_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On simulated England it uses the years of plans alone, and no offset."""
    name = "national_trend--plans_alone"
    base = config.CONFIGS / "national_trend.toml"
    (tmp_path / base.name).write_bytes(base.read_bytes())
    (tmp_path / f"{name}.toml").write_text(examples()[name], encoding="utf-8")
    monkeypatch.setattr(config, "CONFIGS", tmp_path)
    experiment = config.load_experiment("national_trend", "plans_alone")
    observations = experiment.observe(build_simulated(SimulationOptions(las=12)))
    assert list(observations.la_years) == list(range(2009, 2015))
    used = experiment.spec.priors_used(experiment.options, observations)
    assert "regime_offset" not in used
    assert experiment.overridden <= set(used)
