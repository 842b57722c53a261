"""Every trap on the page of traps names tests, and they exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "assurance" / "traps.md"
ROWS = re.findall(r"^\| ([TMR]\d+[a-d]?) \|.*\| ([^|]*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("number", "tests"), ROWS, ids=[number for number, _ in ROWS])
def test_a_trap_has_tests(number: str, tests: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", tests)
    assert len(named) == tests.count("`") / 2 > 0
    for file, test in named:
        path = TESTS / file if "/" in file else TESTS / "data_prep" / file
        assert test in names_in(path)
    # One of them at least must run where the official files are not.
    assert any(not file.startswith("real_data/") for file, _ in named)


def test_no_trap_is_left_out() -> None:
    numbers = [number for number, _ in ROWS]
    assert len(numbers) == len(set(numbers))
    assert {re.sub(r"[a-d]$", "", number) for number in numbers} >= {f"T{n}" for n in range(1, 13)}
