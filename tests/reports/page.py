"""A small reader of report pages for tests."""

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

_PICTURE = re.compile(r"data:image/svg\+xml;charset=utf-8,([^\"]+)")
VOID = {"meta", "link", "img", "input", "br", "hr"}


def pictures(page: str) -> list[str]:
    """Every picture that the page holds as SVG, as text."""
    return [content_of(f",{found}") for found in _PICTURE.findall(page)]


def addresses(page: str) -> list[str]:
    """What a page might load from elsewhere, within its pictures too; names of XML are none."""
    outside = re.sub(_PICTURE, "", page)
    inside = [re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg) for svg in pictures(page)]
    found = [re.findall(r"https?:.{0,40}|@import|url\((?!#)", text) for text in (outside, *inside)]
    return [address for part in found for address in part]


def content_of(uri: str) -> str:
    """The text behind a data URI as it stands in an attribute."""
    return unquote(unescape(uri.partition(",")[2]))


class Page(HTMLParser):
    """Tags in order, headings, figures with their text, and cells that carry a raw value."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.figures: list[dict[str, str]] = []
        # data-estimand -> (text, data-v) of its mean cells, in order
        self.means: dict[str, list[tuple[str, str]]] = {}
        self.stack: list[str] = []
        self.unbalanced: list[str] = []
        self._table = ""
        self._value: str | None = None
        self._text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.stack.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self._text = []
        if tag == "figure":
            self.figures.append({"id": attributes.get("id") or "", "text": "", "alt": ""})
        if tag == "img" and self.figures:
            self.figures[-1]["alt"] = attributes.get("alt") or ""
        if tag == "table":
            self._table = attributes.get("data-estimand") or ""
        if tag == "td":
            self._value, self._text = attributes.get("data-v"), []

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.unbalanced.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), "".join(self._text).strip()))
        if tag == "td" and self._table and self._value is not None:
            cell = ("".join(self._text).strip(), self._value)
            self.means.setdefault(self._table, []).append(cell)
            self._value = None

    def handle_data(self, data: str) -> None:
        self._text.append(data)
        if "figure" in self.stack:
            self.figures[-1]["text"] += data
