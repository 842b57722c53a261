"""The assurance log covers every model and every source, and its numbers are unique."""

import re

import pytest

from data_prep.sources.catalogue import READERS, Reader
from models import CATALOGUE
from tests.docs.commands import DOCS

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "assurance").glob("*.md")}


@pytest.mark.parametrize("page", ["assumptions", "caveats", "data_log", "traps"])
def test_a_number_stands_for_one_row(page: str) -> None:
    numbers = re.findall(r"^\| ([A-Z]\d+[a-d]?) \|", PAGES[page], re.MULTILINE)
    assert len(numbers) > 10
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("model", CATALOGUE)
def test_assumptions_of_every_model_are_linked(model: str) -> None:
    assert f"](../models/{model}.md#assumptions)" in PAGES["assumptions"]
    assert f"`models/{model}" in PAGES["assumptions"] + PAGES["caveats"]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_every_source_has_a_row_in_the_data_log(reader: Reader) -> None:
    assert f"`data_prep/sources/{reader.name}.py`" in PAGES["data_log"]
