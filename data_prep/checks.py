"""Checks of records before a cube is saved: PASS, WARNING or FAIL, each with its remedy.

A FAIL means figures that no publication can have meant; the cube is not saved. A WARNING names an
oddity that the publications really hold (a printed rate that contradicts its count, authorities
that add up to more than England): it is reported and the figures stay as published.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from data_prep import register
from data_prep.csv_safe import csv_text
from data_prep.indicators import MEASURES, NOT_ADDITIVE
from data_prep.markers import NOT_AVAILABLE
from data_prep.register import ENGLAND
from data_prep.releases import definitions
from data_prep.schema import CONFIDENCES, KNOWN, STATUSES

PASS, WARNING, FAIL = "PASS", "WARNING", "FAIL"

# Shares of a column's rates that may contradict their counts before the column must be wrong.
RATE_MISMATCH_LIMIT = 0.05
# Authorities may differ by this much from England before one of the two must be wrong: core
# assessments of 2010 exceed it by 3 per cent, those on time fall short by 4.
SUM_GAP_LIMIT = 0.10
# A count that grows or shrinks by this factor within a year, from JUMP_COUNT or more, is named.
JUMP_FACTOR = 8.0
JUMP_COUNT = 100


@dataclass(frozen=True)
class Finding:
    """What one check found in one place."""

    check: str
    level: str
    problem: str
    remedy: str = ""
    file: str = ""
    la: str = ""
    year: int | None = None
    value: str = ""

    def __str__(self) -> str:
        place = ", ".join(
            part for part in (self.file, self.la, str(self.year or ""), self.value) if part
        )
        text = f"{self.level} {self.check}: {place + ': ' if place else ''}{self.problem}"
        return f"{text}. {self.remedy}." if self.remedy else f"{text}."


FINDING_COLUMNS = tuple(field.name for field in fields(Finding))


def findings_csv(findings: Iterable[Finding]) -> str:
    """The findings as CSV, one row each, cells that a spreadsheet would run made harmless."""
    rows = ([getattr(finding, name) for name in FINDING_COLUMNS] for finding in findings)
    return csv_text(FINDING_COLUMNS, rows)


def check_releases(records: pd.DataFrame, ratios: pd.DataFrame) -> list[Finding]:
    """The checks that each release must pass by itself, before one of them is preferred.

    Parameters
    ----------
    records
        Records of all releases (``docs/artefacts.md``).
    ratios
        Printed rates and per cents (``reading.RATIO_COLUMNS``).
    """
    return _run(
        {
            "uniqueness": lambda: check_unique(records),
            "known codes": lambda: check_codes(records),
            "bounds": lambda: check_bounds(records),
            "printed rates": lambda: check_rates(records, ratios),
            "revisions": lambda: check_revisions(records),
        }
    )


def check_records(records: pd.DataFrame, series: pd.DataFrame) -> list[Finding]:
    """The checks of the records that a cube is made of.

    Parameters
    ----------
    records
        One record for each authority or England, year and measure.
    series
        Records of the project's table of England totals.
    """
    return _run(
        {
            "parts within wholes": lambda: check_parents(records),
            "authorities against England": lambda: check_sums(records),
            "England against the table": lambda: check_series(records, series),
            "jumps": lambda: check_jumps(records),
        }
    )


def _run(checks: Mapping[str, Callable[[], Iterable[Finding]]]) -> list[Finding]:
    """All findings in the order of the checks; a check without findings gives one PASS."""
    findings: list[Finding] = []
    for name, check in checks.items():
        found = list(check())
        findings += found or [Finding(name, PASS, "nothing to report")]
    return findings


def _name(la_code: object) -> str:
    authority = register.authorities().get(str(la_code))
    return authority.name if authority else "England" if la_code == ENGLAND else str(la_code)


def _text(row: object, name: str) -> str:
    return str(getattr(row, name))


def _bounds(lower: float, upper: float) -> str:
    return f"{lower:g}" if lower == upper else f"{lower:g}-{upper:g}"


def check_unique(records: pd.DataFrame) -> Iterable[Finding]:
    """One record for each authority, year, measure and release."""
    keys = ["la_code", "year", "measure", "released"]
    for row in records[records.duplicated(keys)].itertuples():
        yield Finding(
            "uniqueness",
            FAIL,
            f"second record of {row.measure}",
            "read each file once",
            _text(row, "source"),
            _name(row.la_code),
            int(_text(row, "year")),
        )


def check_codes(records: pd.DataFrame) -> Iterable[Finding]:
    """Known authorities or joint codes of them, measures, statuses and confidences."""
    areas = records[["la_code", "year"]].drop_duplicates()
    joint = {
        str(code)
        for code, year in zip(areas["la_code"], areas["year"], strict=True)
        if register.joint_members(str(code), int(year))
    }
    for column, known in (
        ("la_code", {*register.authorities(), ENGLAND, *joint}),
        ("measure", set(MEASURES)),
        ("status", set(range(len(STATUSES)))),
        ("confidence", set(range(len(CONFIDENCES)))),
    ):
        for value in sorted(set(records[column]) - known, key=str):
            yield Finding(
                "known codes", FAIL, f"unknown {column}", "declare or correct it", value=str(value)
            )


def check_bounds(records: pd.DataFrame) -> Iterable[Finding]:
    """Bounds in order, around the value, not negative, and there exactly when the status says."""
    known = records["status"].isin(KNOWN)
    lower, upper, value = records["lower"], records["upper"], records["value"]
    bad = (known & ~(lower <= upper)) | (~known & (lower.notna() | value.notna())) | (lower < 0)
    bad |= value.notna() & ~((lower <= value) & (value <= upper))
    for row in records[bad].itertuples():
        yield Finding(
            "bounds",
            FAIL,
            f"{row.measure} is {row.value:g} with bounds {row.lower:g} and {row.upper:g}",
            "report it: the reader is wrong",
            _text(row, "source"),
            _name(row.la_code),
            int(_text(row, "year")),
        )


def check_parents(records: pd.DataFrame) -> Iterable[Finding]:
    """No part above its whole. England's figures are rounded and may be; its bounds may not."""
    table = records.set_index(["la_code", "year", "measure"])
    for part, measure in MEASURES.items():
        if measure.parent is None:
            continue
        parts = records[(records["measure"] == part) & records["lower"].notna()]
        keys = pd.MultiIndex.from_arrays(
            [parts["la_code"], parts["year"], np.full(len(parts), measure.parent)]
        )
        whole = table["upper"].reindex(keys).to_numpy()
        for row, most in zip(parts.itertuples(), whole, strict=True):
            if _number(row.lower) > most:
                yield Finding(
                    "parts within wholes",
                    FAIL,
                    f"{part} exceeds {measure.parent}",
                    "fetch the file again; if so published, ask the publisher",
                    _text(row, "source"),
                    _name(row.la_code),
                    int(_text(row, "year")),
                    f"{_number(row.lower):g} above {most:g}",
                )


def _number(value: object) -> float:
    return float(str(value))


def rebuilt_bounds(records: pd.DataFrame, ratios: pd.DataFrame) -> pd.DataFrame:
    """What the counts of its own release allow each printed ratio to be, in the ratio's unit.

    Parameters
    ----------
    records
        Records of all releases (``docs/artefacts.md``).
    ratios
        Printed rates and per cents (``reading.RATIO_COLUMNS``).

    Returns
    -------
    DataFrame
        ``rebuilt_lower`` and ``rebuilt_upper`` on the index of ``ratios``, before the rounding of
        the printed figure. Both are NaN where the release does not give both counts, or where the
        base may be zero: there is no such ratio, and the files print 0 there.
    """
    keys = ["la_code", "year", "measure", "released"]
    bounds = records.drop_duplicates(keys).set_index(keys)[["lower", "upper"]]
    joined = ratios.join(bounds, on=keys).join(
        bounds.add_suffix("_base"), on=["la_code", "year", "base", "released"]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        least = joined["lower"] / joined["upper_base"] * joined["per"]
        most = joined["upper"] / joined["lower_base"] * joined["per"]
    testable = (joined["lower_base"] > 0) & least.notna() & most.notna()
    return pd.DataFrame(
        {"rebuilt_lower": least.where(testable), "rebuilt_upper": most.where(testable)}
    )


def check_rates(records: pd.DataFrame, ratios: pd.DataFrame) -> Iterable[Finding]:
    """Printed rates and per cents against what the counts of their release allow, within rounding.

    A rate whose counts the same release does not give cannot be tested.
    """
    joined = ratios.join(rebuilt_bounds(records, ratios))
    least = joined["rebuilt_lower"] - joined["half_unit"]
    most = joined["rebuilt_upper"] + joined["half_unit"]
    testable = joined["rebuilt_upper"].notna()
    slack = 1e-6
    wrong = testable & ((joined["printed"] < least - slack) | (joined["printed"] > most + slack))
    for (source, column), group in joined[testable].groupby(["source", "column"], sort=False):
        bad = group[wrong[group.index]]
        if len(bad) > RATE_MISMATCH_LIMIT * len(group):
            yield Finding(
                "printed rates",
                FAIL,
                f"{len(bad)} of {len(group)} figures of {column} contradict their counts",
                "a column is shifted or damaged: fetch the file again",
                str(source),
            )
            continue
        for index, row in zip(bad.index, bad.itertuples(), strict=True):
            yield Finding(
                "printed rates",
                WARNING,
                f"{column} contradicts {row.measure} / {row.base}, which allow "
                f"{least.loc[index]:.2f}-{most.loc[index]:.2f}",
                "counts are used, printed rates are not",
                str(source),
                _name(row.la_code),
                int(_text(row, "year")),
                f"{row.printed:g}",
            )


def check_revisions(records: pd.DataFrame) -> Iterable[Finding]:
    """How far the last release of a figure is from its first, where both print a number.

    Only figures of one definition are compared; populations are rebased by each release.
    """
    numbers = records[records["value"].notna() & (records["la_code"] != ENGLAND)]
    numbers = numbers.assign(definition=definitions(numbers)).sort_values("released")
    cells = numbers.groupby(["measure", "la_code", "year", "definition"])
    both = cells.agg(first=("value", "first"), last=("value", "last"), times=("value", "size"))
    both = both[both["times"] > 1]
    size = (both["last"] - both["first"]).abs() / both["first"].clip(lower=1)
    for measure, group in both.assign(size=size).groupby("measure"):
        changed = group[group["last"] != group["first"]].sort_values("size")
        if changed.empty:
            continue
        worst = changed.reset_index().iloc[-1]
        yield Finding(
            "revisions",
            WARNING,
            f"{measure}: {len(changed):,} of {len(group):,} figures differ between their first and "
            f"last release, half of them by {changed['size'].median():.1%} or more; the most is "
            "shown",
            "see which release is preferred",
            "",
            _name(worst["la_code"]),
            int(worst["year"]),
            f"{worst['first']:g} to {worst['last']:g}",
        )


def check_sums(records: pd.DataFrame) -> Iterable[Finding]:
    """Authorities add up to England; missing returns are counted, since England estimates them."""
    records = records[~records["measure"].isin(NOT_ADDITIVE)]
    is_england = records["la_code"] == ENGLAND
    sums = (
        records[~is_england]
        .assign(missing=records["status"] == NOT_AVAILABLE)
        .groupby(["measure", "year"], as_index=False)[["lower", "upper", "missing"]]
        .sum()
    )
    totals = records[is_england & records["upper"].notna()]
    joined = totals.merge(sums, on=["measure", "year"], suffixes=("", "_sum"))
    for row in joined.itertuples():
        lower, upper = _number(row.lower), _number(row.upper)
        lower_sum, upper_sum = _number(row.lower_sum), _number(row.upper_sum)
        missing = int(_number(row.missing))
        if lower_sum > upper:
            gap = lower_sum / upper - 1
            problem = f"authorities exceed England by {gap:.2%}"
        elif missing == 0 and upper_sum < lower:
            gap = 1 - upper_sum / lower
            problem = f"authorities fall short of England by {gap:.2%}"
        else:
            continue
        yield Finding(
            "authorities against England",
            FAIL if gap > SUM_GAP_LIMIT else WARNING,
            f"{problem} ({missing} returns missing)",
            "authority figures are used as published",
            _text(row, "source"),
            "England",
            int(_text(row, "year")),
            f"{row.measure} {_bounds(lower_sum, upper_sum)} against {_bounds(lower, upper)}",
        )


def check_series(records: pd.DataFrame, series: pd.DataFrame) -> Iterable[Finding]:
    """England's row of a file against the project's own table of England totals."""
    england = records[records["la_code"] == ENGLAND]
    joined = england.merge(series, on=["year", "measure"], suffixes=("", "_table"))
    apart = (joined["lower"] > joined["upper_table"]) | (joined["upper"] < joined["lower_table"])
    for row in joined[apart].itertuples():
        yield Finding(
            "England against the table",
            WARNING,
            f"{row.measure} differs from the table's "
            f"{_bounds(_number(row.lower_table), _number(row.upper_table))}",
            "the file's row is used",
            _text(row, "source"),
            "England",
            int(_text(row, "year")),
            _bounds(_number(row.lower), _number(row.upper)),
        )


def check_jumps(records: pd.DataFrame) -> Iterable[Finding]:
    """Counts that change by a large factor from one year to the next."""
    counts = records[records["value"].notna() & (records["la_code"] != ENGLAND)]
    ordered = counts.sort_values(["measure", "la_code", "year"])
    before = ordered.groupby(["measure", "la_code"])[["year", "value"]].shift()
    follows = ordered["year"] - before["year"] == 1
    low = np.minimum(ordered["value"], before["value"])
    high = np.maximum(ordered["value"], before["value"])
    jumped = follows & (high >= JUMP_COUNT) & (high > JUMP_FACTOR * low)
    for row, old in zip(ordered[jumped].itertuples(), before.loc[jumped, "value"], strict=True):
        yield Finding(
            "jumps",
            WARNING,
            f"{row.measure} changed more than {JUMP_FACTOR:g}-fold in a year",
            "used as published; see whether the definition or the system changed",
            _text(row, "source"),
            _name(row.la_code),
            int(_text(row, "year")),
            f"{_number(old):g} to {_number(row.value):g}",
        )
