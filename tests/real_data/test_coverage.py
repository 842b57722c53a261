"""The page of coverage is that of the official files."""

import re
from pathlib import Path

import numpy as np
import pytest

from data_prep.indicators import INDICATORS
from data_prep.published import build_published
from data_prep.rates import derive_rates

ROOT = Path(__file__).parents[2]
RAW = ROOT.parent / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]


def table() -> dict[str, list[str]]:
    """Cells by indicator, measure or heading of the row, in the order of years."""
    text = (ROOT / "docs" / "assurance" / "coverage.md").read_text(encoding="utf-8")
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line] for line in lines if len(line) == len(lines[0])]
    return {(re.findall(r"`(\w+)`", row[0]) or [row[0]])[0]: row[1:] for row in rows}


@pytest.mark.parametrize("year", [2010, 2017])
def test_the_page_of_coverage_is_right(year: int) -> None:
    rows = table()
    at = rows["Indicator"].index(str(year))
    cube = build_published(RAW, (year, year))[0]["cube"].to_dataset()
    assert rows["Authorities of the year"][at] == str(cube.sizes["la"])
    assert set(INDICATORS) <= set(rows)
    for name, indicator in INDICATORS.items():
        number = known = 0
        if indicator.numerator in cube and indicator.denominator in cube:
            rates = derive_rates(cube, indicator)
            number = int(np.isfinite(rates.value).sum())
            known = int(np.isfinite(rates.upper).sum())
        bounds = known - number
        said = f"{number}+{bounds}" if bounds else str(number) if number else ""
        assert rows[name][at] == said, name
