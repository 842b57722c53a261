"""What every page shares: templates, figures shown as pictures, writing whole or not at all."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from reports.figures import HERE, Panel, Rows, embed, text_uri
from reports.wording import capital

# A spreadsheet takes a cell that begins so for a formula; the wide forms of the signs count too.
FORMULA_SIGNS = "=+-@\t\r\n＝＋－＠"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


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


def show_panel(panel: Panel, stamp: str, rows: Rows | None = None) -> dict[str, Any]:
    """A panel with its picture, which bears the stamp and the interval that it draws.

    ``rows`` are where its numbers stand, if the panel does not say.
    """
    if panel.figure is None:
        return {"panel": panel, "uri": "", "width": 0, "height": 0}
    footer = f"{stamp} · {panel.interval}" if panel.interval else stamp
    uri, width, height = embed(panel.figure, footer)
    shown = {"panel": panel, "uri": uri, "width": width, "height": height}
    if panel.numbers is not None:
        return shown | {"csv": text_uri("text/csv", table_csv(panel.numbers))}
    rows = panel.rows or rows
    return shown | ({"numbers": rows} if rows and rows[2] else {})


def download(path: Path) -> str:
    """A file as a data URI, or nothing."""
    if not path.is_file():
        return ""
    return text_uri("text/csv", path.read_bytes().decode("utf-8"))


def table_csv(table: pd.DataFrame) -> str:
    """A table as a CSV file: no number longer than it need be, no cell that a spreadsheet runs."""
    texts = table.select_dtypes(exclude="number").columns
    safe = table.assign(
        **{name: [neutralise(None if pd.isna(x) else x) for x in table[name]] for name in texts}
    )
    return str(safe.to_csv(index=False, float_format=_short, lineterminator="\n"))


def _short(value: Any) -> str:
    """Six figures, and never less than the whole number: counts stay as they are."""
    return f"{value:.0f}" if abs(value) >= 1e5 else f"{value:.6g}"


def neutralise(cell: object) -> str:
    """The text of a cell, with an apostrophe before it where it would be read as a formula."""
    text = "" if cell is None else str(cell)
    if text[:1] and text[0] in FORMULA_SIGNS and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


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
