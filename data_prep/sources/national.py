"""Published England totals: the project's own table of facts, for years without authority figures.

``national_series.csv`` holds one figure a row with its source, its vintage and the unit that it is
rounded to. ``kind`` is ``count``, ``interval`` (bounds only) or ``per_cent`` (of ``base``), from
which the numerator is derived with its interval.

Rule where two sources speak for one year: England's row of the census file that the cube was built
from wins; the table fills the other years. ``checks.py`` compares the two.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data_prep.errors import DataError, Fault
from data_prep.markers import DERIVED, Cell, interval_cell, rounded_cell
from data_prep.register import ENGLAND
from data_prep.schema import CONFIDENCE, RECORD_COLUMNS


@dataclass(frozen=True)
class NationalSource:
    """Where a figure comes from and what its total includes."""

    citation: str
    coverage: str


SOURCES = {
    "first releases": NationalSource(
        "DfES, DCSF and DfE statistical first releases 2001-2010 (CPR3 and child protection "
        "register returns)",
        "all authorities, estimates for missing returns included; aggregate returns, rounded",
    ),
    "CIN underlying data": NationalSource(
        "DfE children in need census, underlying data 2010-2017, England rows as first published",
        "all authorities, estimates for missing returns included; rounded",
    ),
    "CLA time series": NationalSource(
        "DfE children looked after in England, national time series, release 2024",
        "all authorities; rounded to 10",
    ),
    "LAIT": NationalSource(
        "DfE local authority interactive tool, England rows, 2026 vintage",
        "as revised by the publisher; rounded to 10",
    ),
    "implied": NationalSource(
        "implied by DfE England counts and whole-number rates per 10,000 (SFR27/2010; child "
        "protection register 2005)",
        "interval of all populations that give the printed rates",
    ),
    "assumed": NationalSource(
        "assumed: within the range seen 2005-2010, half a million children wider",
        "no figure at hand, a wide interval in its place",
    ),
}
# The table says in ``source`` and the England rows say in ``release`` where a record comes from.
CENSUS_COVERAGE = SOURCES["CIN underlying data"].coverage

TABLE = Path(__file__).parents[1] / "national_series.csv"


def read_national_series(years: Iterable[int], path: Path = TABLE) -> pd.DataFrame:
    """Records of England's totals in ``years``, as far as the table holds them.

    Raises
    ------
    DataError
        When ``years`` holds a year before the first or after the last of the table.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = [int(row["year"]) for row in rows]
    wanted = set(years)
    outside = sorted(year for year in wanted if not min(known) <= year <= max(known))
    if outside:
        raise DataError(
            [
                Fault(
                    column="national years",
                    value=", ".join(map(str, outside)),
                    problem=f"England totals are known for {min(known)}-{max(known)} only",
                    remedy="choose --national-years within them",
                )
            ]
        )
    counts = {
        (row["measure"], row["year"]): _cell(row, {}) for row in rows if row["kind"] != "per_cent"
    }
    records = []
    for row in rows:
        if int(row["year"]) in wanted:
            cell = _cell(row, counts)
            records.append(
                (
                    ENGLAND,
                    int(row["year"]),
                    row["measure"],
                    cell.value,
                    cell.lower,
                    cell.upper,
                    cell.status,
                    0,
                    CONFIDENCE["none"],
                    SOURCES[row["source"]].citation,
                    row["vintage"],
                    int(row["year"]),
                )
            )
    return pd.DataFrame(records, columns=list(RECORD_COLUMNS))


def _cell(row: dict[str, str], counts: dict[tuple[str, str], Cell]) -> Cell:
    if row["kind"] == "interval":
        return interval_cell(float(row["lower"]), float(row["upper"]), DERIVED)
    printed = rounded_cell(float(row["value"]), float(row["unit"]))
    if row["kind"] == "count":
        return printed
    base = counts[row["base"], row["year"]]
    return interval_cell(
        math.ceil(base.lower * printed.lower / 100),
        math.floor(base.upper * printed.upper / 100),
        DERIVED,
    )


def derive_national(census: pd.DataFrame, series: pd.DataFrame) -> pd.DataFrame:
    """England's records, the census rows first and the table where they are silent.

    Parameters
    ----------
    census
        Records of the census files; rows of authorities are left out.
    series
        Records from :func:`read_national_series`.
    """
    england = census[(census["la_code"] == ENGLAND) & census["upper"].notna()]
    both = pd.concat([england, series], ignore_index=True)
    return both.drop_duplicates(["year", "measure"], keep="first").reset_index(drop=True)


def describe_coverage(records: pd.DataFrame) -> str:
    """What the totals of one measure include, by source and years."""
    by_citation = {source.citation: source.coverage for source in SOURCES.values()}
    parts = []
    for citation, group in records.groupby("source", sort=False):
        coverage = by_citation.get(str(citation), CENSUS_COVERAGE)
        if coverage == CENSUS_COVERAGE and (group["measure"] == "population_0_17").all():
            coverage = "mid-year estimate of the Office for National Statistics, rounded"
        parts.append((group["year"].min(), group["year"].max(), coverage))
    merged: dict[str, list[int]] = {}
    for first, last, coverage in sorted(parts):
        merged.setdefault(coverage, []).extend((int(first), int(last)))
    return "; ".join(f"{min(years)}-{max(years)}: {coverage}" for coverage, years in merged.items())
