"""What documents tell a reader to type exists: targets, variables, options, variants, settings."""

import argparse
import importlib
import re
import shutil
from pathlib import Path

import pytest

import benchmarks.__main__
from data_prep.__main__ import COMMANDS
from experiments import config
from experiments.__main__ import _parser
from models import CATALOGUE
from tests.docs.commands import DOCUMENTS, ROOT, behind, examples, fences, make_lines

VARIABLES = {
    *re.findall(r"^([A-Z_]+) \?=", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE),
    *("PYTHON", "LEAST_CHILDREN"),
}
TYPED = [path for path in DOCUMENTS if make_lines(path.read_text(encoding="utf-8"))]
EXAMPLES = examples()


@pytest.fixture
def with_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configs, and beside them those that documents ask their readers to save."""
    folder = tmp_path / "configs"
    shutil.copytree(config.CONFIGS, folder)
    for name, text in EXAMPLES.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(config, "CONFIGS", folder)
    return folder


@pytest.mark.parametrize("path", TYPED, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.usefixtures("with_examples")
def test_every_command_can_be_typed(path: Path) -> None:
    for line in make_lines(path.read_text(encoding="utf-8")):
        assert set(re.findall(r"\b([A-Z_]+)=", line)) <= VARIABLES, line
        for program, *words in behind(line):
            _parse(program, words)


def _parse(program: str, words: list[str]) -> None:
    """Read a command as its program would; options that it does not know end the test."""
    if program == "experiments":
        args = _parser().parse_args(words)
        variants = getattr(args, "variants", None) or [getattr(args, "variant", None)]
        # Without a model the command lists them.
        for variant in variants if getattr(args, "model", "") in CATALOGUE else ():
            named = None if variant == "base" else variant
            config.load_experiment(args.model, named, getattr(args, "sets", ()))
    elif program == "data_prep":
        parser = argparse.ArgumentParser()
        importlib.import_module(COMMANDS[words[0]][0]).add_arguments(parser)
        parser.parse_args(words[1:])
    elif program == "benchmarks":
        benchmarks.__main__._parser().parse_args(words)
    else:
        assert program in ("pytest", "ruff", "mypy", "experiments.aftermath_study"), program


def test_faults_of_a_document_would_be_found() -> None:
    assert make_lines("`make fit MODEL=<name>`, `make fit`\n\n    make test   # all\n") == [
        "make fit",
        "make test",
    ]
    with pytest.raises(SystemExit):
        _parse("experiments", ["fit", "--modle", "national_trend"])
    with pytest.raises(config.DataError):
        _parse("experiments", ["fit", "--model", "national_trend", "--set", "options.tend=linear"])
    with pytest.raises(config.DataError):
        _parse("experiments", ["fit", "--model", "national_trend", "--variant", "none"])


def test_commands_in_fences_are_calls_of_make() -> None:
    """So that the tests above see them all."""
    for path in DOCUMENTS:
        for block in fences(path.read_text(encoding="utf-8"), "sh"):
            assert [line for line in block.splitlines() if not line.startswith("make ")] == []


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.usefixtures("with_examples")
def test_an_example_of_a_variant_is_accepted_and_differs_from_its_base(name: str) -> None:
    model, _, variant = name.partition("--")
    experiment = config.load_experiment(model, variant)
    assert experiment.overridden
    assert experiment.resolved() != config.load_experiment(model).resolved()


def test_readme_and_how_to_have_an_example_each() -> None:
    assert set(EXAMPLES) == {"national_trend--conferences", "national_trend--plans_alone"}
