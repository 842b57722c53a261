"""CSV that a spreadsheet opens as text: no cell of a file that somebody else wrote is run.

Spreadsheets take a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break for a
formula. Such cells are given a leading apostrophe, unless they are plain numbers.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# The wide forms of the four signs count too: some spreadsheets read them alike.
FORMULA_SIGNS = "=+-@\t\r\n＝＋－＠"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def neutralise(cell: object) -> str:
    """The text of a cell, with an apostrophe before it where it would be read as a formula."""
    text = "" if cell is None else str(cell)
    if text[:1] and text[0] in FORMULA_SIGNS and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Header and rows as CSV, every cell neutralised; None is a blank."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([neutralise(cell) for cell in row] for row in rows)
    return stream.getvalue()
