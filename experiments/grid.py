"""The option grid of a multiverse as a config declares it: options, levels, rules, nothing else."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# What a level may set. A sampler is not an option: it must not move an answer.
SECTIONS = ("options", "data", "priors")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Exclusion(_Section):
    """Combinations that make no sense, by the levels that meet in them."""

    when: dict[str, str | list[str]] = Field(min_length=1)
    """option to level or levels; a cell that matches all of them is left out"""
    reason: str = Field(min_length=1)
    """why they make no sense together"""

    def meets(self, levels: Mapping[str, str]) -> bool:
        """Whether a cell of these levels is left out."""
        return all(
            levels[option] == given if isinstance(given, str) else levels[option] in given
            for option, given in self.when.items()
        )


class Multiverse(_Section):
    """The grid: every combination of levels is a cell, but for those that a rule leaves out."""

    options: dict[str, dict[str, dict[str, Any]]] = {}
    """option to its levels, each with the values that it sets, as `"options.edition" = 2010`; cells
    that differ in the last option alone are fitted together and share compiled code if they can"""
    separate: tuple[str, ...] = ()
    """options whose levels ask different questions: a curve for each, never pooled"""
    estimands: tuple[str, ...] = ()
    """estimands that get curves; the model's headline ones when left out"""
    reference: dict[str, float] = {}
    """by estimand the value that means no difference, for counting signs"""
    sampler: dict[str, Any] = {}
    """sampler of the cells, where it differs from the experiment's"""
    exclude: tuple[Exclusion, ...] = ()
    """rules that leave combinations out"""

    @model_validator(mode="after")
    def _closed(self) -> Self:
        problems = []
        for option, levels in self.options.items():
            if len(levels) < 2:
                problems.append(f"option {option!r} needs two levels or more")
            problems += [
                f"{option!r}, {level!r}: {path!r} is not the path of an option, of data or a prior"
                for level, values in levels.items()
                for path in values
                if path.split(".")[0] not in SECTIONS or "." not in path
            ]
        problems += [f"separate: no option {n!r}" for n in self.separate if n not in self.options]
        for rule in self.exclude:
            for option, given in rule.when.items():
                known = self.options.get(option, {})
                named = [given] if isinstance(given, str) else given
                problems += [
                    f"exclude: option {option!r} has no level {level!r}"
                    for level in named
                    if level not in known
                ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


@dataclass(frozen=True)
class Cell:
    """One combination of levels. ``sets`` are ``path=value`` texts as `load_experiment` takes them;
    ``excluded`` says why it is left out, blank where it is not.
    """

    levels: Mapping[str, str]
    sets: tuple[str, ...]
    excluded: str = ""

    @property
    def batch(self) -> str:
        """The same for cells that differ in the last option alone."""
        return " | ".join(list(self.levels.values())[:-1])

    @property
    def name(self) -> str:
        """Its levels in words."""
        return ", ".join(self.levels.values())


def list_cells(grid: Multiverse) -> list[Cell]:
    """Every combination in the order of declaration, the last option fastest."""
    cells = []
    for combination in itertools.product(*(levels.items() for levels in grid.options.values())):
        levels = dict(zip(grid.options, (name for name, _ in combination), strict=True))
        values = {path: value for _, given in combination for path, value in given.items()}
        values |= {f"sampler.{name}": value for name, value in grid.sampler.items()}
        reasons = [rule.reason for rule in grid.exclude if rule.meets(levels)]
        sets = tuple(f"{path}={_text(value)}" for path, value in values.items())
        cells.append(Cell(levels, sets, "; ".join(reasons)))
    return cells


def _text(value: Any) -> str:
    """A TOML value as ``--set`` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return re.sub(r"\s", "", str(value))
