"""The run id changes with all that decides draws, and with nothing else."""

import copy
import sys
from pathlib import Path

import pytest

from experiments import provenance
from experiments.config import load_experiment
from experiments.runtime import ROOT
from models import CATALOGUE

CONFIG = load_experiment("national_trend").resolved()


def changed(section: str, key: str, value: object) -> dict:
    config = copy.deepcopy(CONFIG)
    config[section][key] = value
    return config


def test_the_same_makes_the_same_id() -> None:
    first = provenance.run_id(CONFIG, "cube", "sources")
    assert first == provenance.run_id(copy.deepcopy(CONFIG), "cube", "sources")
    assert len(first) == 12
    assert set(first) <= set("0123456789abcdef")


def test_the_order_of_keys_is_no_difference() -> None:
    turned = dict(reversed(CONFIG.items()))
    assert provenance.run_id(turned, "c", "s") == provenance.run_id(CONFIG, "c", "s")


def test_the_cube_s_name_is_no_difference_but_its_hash_is() -> None:
    named = changed("data", "cube", "another name")
    assert provenance.run_id(named, "cube", "s") == provenance.run_id(CONFIG, "cube", "s")
    assert provenance.run_id(CONFIG, "other", "s") != provenance.run_id(CONFIG, "cube", "s")


@pytest.mark.parametrize(
    "config",
    [
        changed("options", "knot", 2009),
        changed("sampler", "seed", 1),
        changed("gates", "r_hat", 1.02),
        changed("data", "years", "2010-2014"),
        changed("data", "exclude", ["E06000001"]),
        changed("priors", "la_level_sd", {"distribution": "HalfNormal"}),
    ],
    ids=["option", "seed", "gate", "years", "exclude", "prior"],
)
def test_every_part_of_the_config_makes_another_id(config: dict) -> None:
    assert provenance.run_id(config, "c", "s") != provenance.run_id(CONFIG, "c", "s")


def test_sources_and_versions_make_another_id(monkeypatch: pytest.MonkeyPatch) -> None:
    first = provenance.run_id(CONFIG, "c", "s")
    assert provenance.run_id(CONFIG, "c", "other") != first
    monkeypatch.setattr(provenance, "versions", lambda: {"pymc": "0"})
    assert provenance.run_id(CONFIG, "c", "s") != first


@pytest.mark.parametrize("name", CATALOGUE)
def test_source_files_follow_imports_of_project_modules_only(name: str) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for path in provenance.source_files(CATALOGUE[name].module)
    }
    assert CATALOGUE[name].module.replace(".", "/") + ".py" in files
    assert {"models/__init__.py", "models/priors.py", "data_prep/__init__.py"} <= files
    assert all(file.startswith(("data_prep/", "models/")) for file in files)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of its own in place of the project's, found before it."""
    for package in ("toy_models", "toy_data"):
        # Looking for a module imports its package, which the next test has elsewhere.
        monkeypatch.delitem(sys.modules, package, raising=False)
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "toy_models" / "trend.py").write_text(
        "import numpy\nfrom toy_models import effects\n\n"
        "def build():\n    import toy_data.reader\n    import toy_models.absent\n"
    )
    (tmp_path / "toy_models" / "effects.py").write_text("import toy_models.trend\n")
    (tmp_path / "toy_models" / "unused.py").write_text("")
    (tmp_path / "toy_data" / "reader.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(provenance, "PROJECT_PACKAGES", ("toy_models", "toy_data"))
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    provenance._imports.cache_clear()
    return tmp_path


def test_imports_are_followed_round_circles_and_into_functions(project: Path) -> None:
    found = provenance.source_files("toy_models.trend")
    assert [path.relative_to(project).as_posix() for path in found] == [
        "toy_data/__init__.py",
        "toy_data/reader.py",
        "toy_models/__init__.py",
        "toy_models/effects.py",
        "toy_models/trend.py",
    ]


def test_source_hash_changes_with_what_is_imported_and_nothing_else(project: Path) -> None:
    first = provenance.source_hash("toy_models.trend")
    (project / "toy_models" / "unused.py").write_text("x = 1\n")
    assert provenance.source_hash("toy_models.trend") == first
    (project / "toy_data" / "reader.py").write_text("x = 1\n")
    assert provenance.source_hash("toy_models.trend") != first


def test_data_files_beside_the_source_belong_to_the_cube_not_to_the_code() -> None:
    files = provenance.source_files("models.national_trend")
    assert {path.suffix for path in files} == {".py"}


def test_command_repeats_every_choice() -> None:
    text = provenance.command("national_trend", "line", ["a.b=1", "c.d=2"], "mine")
    assert text == 'make fit MODEL=national_trend VARIANT=line CUBE=mine SET="a.b=1 c.d=2"'
    assert provenance.command("national_trend", None, [], None) == "make fit MODEL=national_trend"
    formula = ["options.formula=cpp_starts ~ imd + (1|la)", "options.family=poisson"]
    assert provenance.command("formula", None, formula, None) == (
        'make fit MODEL=formula SET="options.formula=cpp_starts~imd+(1|la) options.family=poisson"'
    )


def test_machine_and_memory_are_told() -> None:
    assert {"system", "processor", "cores"} == provenance.machine().keys()
    assert 10 < provenance.peak_memory_mib() < 100_000
    assert set(provenance.DECIDING) < provenance.versions().keys()
