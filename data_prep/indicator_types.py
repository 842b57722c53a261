"""What each indicator speaks of: timeliness, outcome, activity or workforce.

Indicators of *timeliness* and of *outcome* are those by which the quality of services has been
judged; *activity* says how much is done, at which stage and for how long, and *workforce* who does
it. The sorting follows the England-wide set of performance indicators of 2008-11, which held
initial and core assessments within their days, plans reviewed on time, second plans and plans of
two years or more (Department for Communities and Local Government, 2007, The New Performance
Framework for Local Authorities), and takes later indicators for what they replaced.
"""

import itertools
from collections.abc import Collection, Mapping
from typing import Literal

import xarray as xr

from data_prep.indicators import INDICATORS
from data_prep.rates import derive_rates

Type = Literal["timeliness", "outcome", "activity", "workforce"]
QUALITY: tuple[Type, ...] = ("timeliness", "outcome")

INDICATOR_TYPES: dict[str, Type] = {
    "referral_rate": "activity",
    "rereferral_share": "outcome",
    "nfa_share": "activity",
    "not_in_need_share": "activity",
    "ia_7_days_share": "timeliness",
    "ia_10_days_share": "timeliness",
    "ca_35_days_share": "timeliness",
    "sa_45_days_share": "timeliness",
    "section47_rate": "activity",
    "icpc_rate": "activity",
    "icpc_15_days_share": "timeliness",
    "cpp_start_rate": "activity",
    "cpp_rate": "activity",
    "second_plan_share": "outcome",
    "cpp_open_2_years_share": "outcome",
    "cpp_ended_2_years_share": "outcome",
    "cpp_reviewed_share": "timeliness",
    "cin_rate": "activity",
    "cin_ended_3_months_share": "activity",
    "cin_ended_3_6_months_share": "activity",
    "cin_ended_6_12_months_share": "activity",
    "cin_ended_1_2_years_share": "activity",
    "cin_ended_2_years_share": "activity",
    "cin_open_2_years_share": "activity",
    "cla_rate": "activity",
    "cla_start_rate": "activity",
    "agency_share": "workforce",
    "vacancy_share": "workforce",
    "turnover_rate": "workforce",
    "average_caseload": "workforce",
}

# Where another reading is as good: the type instead, or None for an indicator that another one
# already stands for. Indicators of one group are read alike.
DISPUTED: dict[str, tuple[tuple[str, ...], Type | None]] = {
    "initial assessments within 7 and within 10 days are one indicator under two standards": (
        ("ia_7_days_share",),
        None,
    ),
    "plans of two years or more say how long work lasts, and not how it ends": (
        ("cpp_open_2_years_share", "cpp_ended_2_years_share"),
        "activity",
    ),
}


def published_indicators(cube: xr.Dataset) -> dict[str, list[int]]:
    """Indicators of ``/cube`` by name, with the years in which some authority has a figure."""
    found = {}
    for name, indicator in INDICATORS.items():
        rates = derive_rates(cube, indicator)
        if rates is None:
            continue
        seen = (~rates.is_missing).any(axis=0)
        if seen.any():
            found[name] = [int(year) for year in cube["year"].values[seen]]
    return found


def count_types(
    names: Collection[str], types: Mapping[str, Type | None] = INDICATOR_TYPES
) -> dict[Type, int]:
    """How many of the indicators are of each type; none is counted where its type is None."""
    given = [types[name] for name in names]
    return {kind: given.count(kind) for kind in ("timeliness", "outcome", "activity", "workforce")}


def share_of_quality(counts: Mapping[Type, int], kind: Type) -> float:
    """Indicators of ``kind`` per 100 indicators of quality; NaN where there are none of quality."""
    total = sum(counts[one] for one in QUALITY)
    return 100 * counts[kind] / total if total else float("nan")


def readings() -> list[dict[str, Type | None]]:
    """Every way to sort the indicators, the house's own first."""
    found = []
    for chosen in itertools.product((False, True), repeat=len(DISPUTED)):
        types: dict[str, Type | None] = dict(INDICATOR_TYPES)
        for differs, (names, kind) in zip(chosen, DISPUTED.values(), strict=True):
            if differs:
                types |= dict.fromkeys(names, kind)
        found.append(types)
    return found
