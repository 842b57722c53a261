"""README names every model with its question; pictures of documents are there, and are small."""

import re

from models import CATALOGUE
from tests.docs.commands import DOCUMENTS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_model_is_listed_with_its_question() -> None:
    assert [
        n for n, entry in CATALOGUE.items() if f"| {entry.question} | here |" not in README
    ] == []


def test_pictures_are_there_shown_and_small() -> None:
    shown = {
        (path.parent / address).resolve()
        for path in DOCUMENTS
        for alt, address in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", path.read_text("utf-8"))
        if len(alt) > 20
    }
    images = set((ROOT / "docs" / "images").iterdir())
    assert images == {path for path in shown if path.parent.name == "images"}
    assert all(path.is_file() for path in shown)
    assert max(path.stat().st_size for path in images) < 300_000
