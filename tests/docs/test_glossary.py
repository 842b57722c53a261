"""The glossary owns its terms: words that it bans appear in no document and no report text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "GLOSSARY.md"


def _rows() -> list[tuple[str, str, str]]:
    found = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        is_row = line.startswith("|") and len(cells) == 3
        if is_row and cells[0] != "Term" and set(cells[0]) != {"-"}:
            found.append((cells[0], cells[1], cells[2]))
    return found


ROWS = _rows()
BANNED = {w.strip(): term for term, _, words in ROWS for w in words.split(",") if w.strip()}


def _texts() -> Iterator[tuple[str, str]]:
    """Every text that a reader sees, by where it stands."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if path != GLOSSARY:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "reports" / "templates").glob("*.html")):
        source = path.read_text(encoding="utf-8")
        yield str(path.relative_to(ROOT)), re.sub(r"<[^>]*>|{[{%].*?[}%]}", " ", source)
    findings = ROOT / "experiments" / "findings.toml"
    yield str(findings.relative_to(ROOT)), findings.read_text(encoding="utf-8")
    for folder in ("reports", "models", "experiments"):
        for path in sorted((ROOT / folder).glob("*.py")):
            yield str(path.relative_to(ROOT)), "\n".join(_sentences(path))


def _sentences(path: Path) -> Iterator[str]:
    """Strings of a module that read as words; docstrings speak to programmers and are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings and " " in node.value.strip():
            yield node.value


def _uses(text: str, banned: str) -> list[str]:
    return re.findall(rf"(?<![\w-]){re.escape(banned)}s?(?![\w-])", text, re.IGNORECASE)


def test_glossary_defines_each_term_once_in_one_sentence() -> None:
    terms = [term for term, _, _ in ROWS]
    assert len(terms) > 40
    assert len(set(terms)) == len(terms)
    sentences = {term: definition for term, definition, _ in ROWS}
    assert [t for t, text in sentences.items() if not re.fullmatch(r"[A-Z][^.]*\.", text)] == []


def test_no_term_is_banned_elsewhere() -> None:
    terms = {re.sub(r" \(.*\)", "", term) for term, _, _ in ROWS}
    assert terms & set(BANNED) == set()


TEXTS = dict(_texts())


@pytest.mark.parametrize("where", TEXTS)
def test_banned_words_are_not_used(where: str) -> None:
    text = TEXTS[where]
    found = {word: f"say {term!r}" for word, term in BANNED.items() if _uses(text, word)}
    assert found == {}, where


def test_a_banned_word_is_found() -> None:
    assert _uses("Their credible intervals overlap.", "credible interval")
    assert not _uses("The literature.", "era")
