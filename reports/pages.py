"""What every page shares: templates, figures shown as pictures, writing whole or not at all."""

import base64
import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports.figures import HERE, Panel, embed
from reports.wording import capital


@cache
def environment() -> jinja2.Environment:
    """The templates; all text is escaped."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        # What an older file does not hold is left out, not an error.
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # What an older file does not hold has no first letter.
    found.filters["capital"] = lambda text: capital(text) if text else ""
    return found


def show_panel(
    panel: Panel, stamp: str, numbers: tuple[str, str, Sequence[Any]] | None = None
) -> dict[str, Any]:
    """A panel with its picture, which bears the stamp and the interval that it draws.

    ``numbers`` are where its numbers stand: a file that the page offers, one of its columns, and
    the values of it that the figure shows.
    """
    if panel.figure is None:
        return {"panel": panel, "uri": "", "width": 0, "height": 0}
    footer = f"{stamp} · {panel.interval}" if panel.interval else stamp
    uri, width, height = embed(panel.figure, footer)
    shown = {"panel": panel, "uri": uri, "width": width, "height": height}
    return shown | ({"numbers": numbers} if numbers and numbers[2] else {})


def download(path: Path) -> str:
    """A file as a data URI, or nothing."""
    if not path.is_file():
        return ""
    return f"data:text/csv;base64,{base64.b64encode(path.read_bytes()).decode()}"


def script_data(document: Any) -> Markup:
    """JSON for a page's own script; no text in it can end the element that holds it."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def write_page(path: Path, html: str) -> Path:
    """Write a page whole or not at all."""
    partial = path.with_name(f".tmp-{path.stem}-{os.getpid()}.html")
    try:
        partial.write_text(html, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
