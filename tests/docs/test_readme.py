"""README names every model with its question, and its picture is small."""

from models import CATALOGUE
from tests.docs.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_model_is_listed_with_its_question() -> None:
    assert [
        n for n, entry in CATALOGUE.items() if f"| {entry.question} | here |" not in README
    ] == []


def test_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size < 400_000
