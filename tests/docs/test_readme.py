"""What README tells a reader to type does exist, and its example of a variant is accepted."""

import re
from pathlib import Path

import pytest

from experiments import config
from models import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_make_target_and_variable_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    variables = {*re.findall(r"^([A-Z_]+) [?:]=", MAKEFILE, re.MULTILINE), "PYTHON"}
    lines = re.findall(r"(?:^ {4}|`)make ([^`#\n]*)", README, re.MULTILINE)
    words = [re.sub(r'"[^"]*"', "", line).split() for line in lines]
    named = {word for line in words for word in line if "=" not in word}
    given = {word.split("=")[0] for line in words for word in line if "=" in word}
    assert lines
    assert named - targets == set()
    assert given - variables == set()


def test_every_setting_is_accepted() -> None:
    for settings in re.findall(r'SET="([^"]*)"', README):
        config.load_experiment("national_trend", sets=settings.split())


def test_every_model_is_listed_with_its_question() -> None:
    assert [
        n for n, entry in CATALOGUE.items() if f"| {entry.question} | here |" not in README
    ] == []


def test_example_of_a_variant_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    base = config.CONFIGS / "national_trend.toml"
    (tmp_path / base.name).write_text(base.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "national_trend--conferences.toml").write_text(example, encoding="utf-8")
    monkeypatch.setattr(config, "CONFIGS", tmp_path)
    experiment = config.load_experiment("national_trend", "conferences")
    assert experiment.priors["la_level_sd"].parameters == {"sigma": 0.8}
    assert experiment.options.model_dump()["outcome"] == "icpc"


def test_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size < 400_000
