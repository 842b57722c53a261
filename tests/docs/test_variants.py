"""Every variant shows only its differences, asks its own question and passes its model's checks."""

import tomllib
from typing import Any

import pytest

from experiments.config import CONFIGS, load_experiment

VARIANTS = sorted(path.stem for path in CONFIGS.glob("*--*.toml"))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"))


def _repeated(variant: dict[str, Any], base: dict[str, Any]) -> list[str]:
    """Keys of ``variant`` that only say again what ``base`` says."""
    found = []
    for key, value in variant.items():
        if isinstance(value, dict):
            found += [f"{key}.{name}" for name in _repeated(value, base.get(key, {}))]
        elif key in base and base[key] == value:
            found.append(key)
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_shows_only_its_differences(name: str) -> None:
    variant, base = _read(name), _read(name.split("--")[0])
    if "formula" in variant.get("options", {}):
        # Priors belong to the terms of a formula: another formula starts without any.
        base.pop("priors", None)
    assert _repeated(variant, base) == []


def test_every_experiment_asks_its_own_question() -> None:
    questions = [_read(path.stem)["question"] for path in CONFIGS.glob("*.toml")]
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_is_accepted_and_differs_from_its_base(name: str) -> None:
    model, _, variant = name.partition("--")
    experiment, base = load_experiment(model, variant), load_experiment(model)
    changed, usual = experiment.resolved(), base.resolved()
    assert {k: v for k, v in changed.items() if k != "question"} != {
        k: v for k, v in usual.items() if k != "question"
    }
