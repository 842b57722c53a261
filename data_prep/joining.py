"""Records of authorities joined to stable units."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from data_prep import register
from data_prep.checks import PASS, WARNING, Finding
from data_prep.geography import Unit
from data_prep.indicators import NOT_ADDITIVE
from data_prep.markers import DERIVED, EXACT, NOT_AVAILABLE, ROUNDED
from data_prep.schema import CONFIDENCE, KNOWN

_KEYS = ["unit", "measure", "year"]


def join_records(records: pd.DataFrame, units: Sequence[Unit]) -> pd.DataFrame:
    """Records of authorities, joined to stable units.

    A unit's count is the sum of its members' counts, and is not available unless all members of
    that year have one, or report one figure together (``register.joint_code``). England's rows,
    authorities of no unit and joint figures of authorities that are no unit are left out.

    Parameters
    ----------
    records
        One row per authority, year and measure (``schema.RECORD_COLUMNS``).
    units
        Units of the window.

    Returns
    -------
    DataFrame
        The same columns with unit codes in ``la_code``, in the order of unit, measure and year.
    """
    unit_of = {member.la_code: unit for unit in units for member in unit.members}
    placed = records.assign(
        unit=[_unit_code(*area, unit_of) for area in _areas(records)],
        joint=[str(code).startswith("K") for code in records["la_code"]],
    )
    placed = placed[placed["unit"] != ""]
    placed = placed.sort_values([*_KEYS, "la_code"], ignore_index=True)
    # A joint figure of all members of a unit takes the place of their empty records.
    spoken_for = placed.groupby(_KEYS)["joint"].transform("any")
    placed = placed[placed["joint"] | ~spoken_for].reset_index(drop=True)
    members = {
        (unit.code, year): len(unit.members_in(year))
        for unit in units
        for year in placed["year"].unique()
    }
    expected = pd.Series(
        [members[key] for key in zip(placed["unit"], placed["year"], strict=True)],
        index=placed.index,
        dtype=int,
    ).mask(placed["joint"], 1)
    alone = placed[expected == 1]
    joined = [
        _join_members(group, int(expected.loc[group.index[0]]))
        for _, group in placed[expected > 1].groupby(_KEYS, sort=True)
    ]
    parts = [alone, pd.DataFrame(joined, columns=placed.columns)] if joined else [alone]
    together = pd.concat(parts, ignore_index=True)
    together["la_code"] = together["unit"]
    return together.sort_values(_KEYS, ignore_index=True)[list(records.columns)]


def check_joint_returns(
    records: pd.DataFrame, units: Sequence[Unit], years: Iterable[int]
) -> list[Finding]:
    """Figures that several authorities report together: whose they are, or that they are no unit's.

    One finding for each group of authorities and each fate, with the years and measures.
    """
    unit_of = {member.la_code: unit for unit in units for member in unit.members}
    names = {unit.code: unit.name for unit in units}
    chosen = records[
        records["la_code"].str.startswith("K") & records["year"].isin(list(years))
    ].assign(la_code=lambda joint: joint["la_code"].astype(str))
    fates = [_unit_code(*area, unit_of) for area in _areas(chosen)]
    findings = []
    for (code, fate), group in chosen.assign(fate=fates).groupby(["la_code", "fate"]):
        at = sorted({int(year) for year in group["year"]})
        members = register.joint_members(str(code), at[0])
        measures = ", ".join(sorted(set(group["measure"])))
        span = f"{at[0]}-{at[-1]}" if len(at) > 1 else str(at[0])
        together = " and ".join(member.name for member in members)
        if fate:
            problem, remedy = f"one figure for both, taken for {names[str(fate)]}", ""
        else:
            problem = "one figure for both, left out: they are no unit of this cube"
            remedy = "it belongs to neither alone; see the decision on joint returns"
        findings.append(
            Finding(
                "joint returns",
                PASS if fate else WARNING,
                problem,
                remedy,
                ", ".join(sorted(set(group["source"]))),
                together,
                value=f"{span}: {measures}",
            )
        )
    return findings or [Finding("joint returns", PASS, "nothing to report")]


def _areas(records: pd.DataFrame) -> Iterator[tuple[str, int]]:
    return zip(records["la_code"].astype(str), records["year"].astype(int), strict=True)


def _unit_code(la_code: str, year: int, unit_of: Mapping[str, Unit]) -> str:
    """Code of the unit that a record belongs to, blank for none: that of its authority, or that
    whose authorities of the year are exactly those behind a joint code.
    """
    if la_code in unit_of:
        return unit_of[la_code].code
    behind = register.joint_members(la_code, year)
    if not behind or behind[0].la_code not in unit_of:
        return ""
    unit = unit_of[behind[0].la_code]
    return unit.code if set(unit.members_in(year)) == set(behind) else ""


def _join_members(group: pd.DataFrame, expected: int) -> dict[Hashable, Any]:
    """One record for the members of a unit in one year and measure."""
    first = group.iloc[0].to_dict()
    statuses = set(group["status"])
    confidences = set(group["confidence"])
    first["low_reliability"] = int(group["low_reliability"].max())
    first["confidence"] = confidences.pop() if len(confidences) == 1 else CONFIDENCE["none"]
    complete = len(group) == expected and group["status"].isin(KNOWN).all()
    if complete and first["measure"] not in NOT_ADDITIVE:
        for column in ("value", "lower", "upper"):
            first[column] = group[column].sum(skipna=False)
        first["status"] = statuses.pop() if statuses in ({EXACT}, {ROUNDED}) else DERIVED
    else:
        first["value"] = first["lower"] = first["upper"] = np.nan
        unknown = statuses - set(KNOWN)
        same = len(unknown) == 1 and len(statuses) == 1 and len(group) == expected
        first["status"] = unknown.pop() if same else NOT_AVAILABLE
    return first
