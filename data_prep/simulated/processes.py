"""What each measure of simulated England does: its rate or share, trend, spread and scatter.

The numbers stand here and nowhere else. They are calibrated to published England figures (DfE
children in need census and its predecessors, years ending March 2001-14; ONS child populations)
and to the spread of authorities in 2010-14, so that a simulated cube looks like a real one.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from data_prep.indicators import MEASURES

# The year whose rates the table gives, and the year after which growth slows.
BASE_YEAR = 2008
LATE_YEAR = 2014


@dataclass(frozen=True)
class RateProcess:
    """A count per child.

    ``per_10000`` is the England rate in BASE_YEAR under the current definition. ``before``,
    ``after`` and ``late`` are growth in per cent a year up to the knot, beyond it, and beyond
    LATE_YEAR; ``jump`` is the per cent change of level at the knot. ``level_sd`` and ``slope_sd``
    (per year) are SDs of log rates between LAs, ``dispersion`` is alpha of the negative binomial
    (variance mu + mu^2 / alpha), ``deprivation`` the log rate ratio per SD of the deprivation
    score. ``position`` places the measure along the funnel: nearer measures are more correlated.
    ``regime`` is what the earlier definition counted, in per cent of the current one.
    """

    per_10000: float
    before: float
    jump: float
    after: float
    late: float
    level_sd: float
    dispersion: float
    deprivation: float
    position: float
    slope_sd: float = 0.03
    regime: float = 100.0


@dataclass(frozen=True)
class ShareProcess:
    """A true part of another measure.

    ``percent`` is the share in a typical LA in BASE_YEAR; ``before`` and ``after`` are changes of
    its log odds per year to and from the knot. ``level_sd`` is the SD of log odds between LAs,
    ``precision`` that of the beta-binomial (smaller is more scatter), ``deprivation`` the change of
    log odds per SD of the deprivation score, ``regime`` the change of log odds under the earlier
    definition. ``of`` is the measure it is drawn from where that is narrower than the published
    parent.
    """

    percent: float
    level_sd: float
    precision: float
    before: float = 0.0
    after: float = 0.0
    deprivation: float = 0.0
    regime: float = 0.0
    of: str = ""


RATES: dict[str, RateProcess] = {
    "referrals": RateProcess(505, -1.0, 6.0, 0.4, -0.3, 0.28, 22, 0.14, 0.0, regime=96.0),
    "initial_assessments": RateProcess(290, 3.5, 4.0, 5.0, 0.0, 0.30, 20, 0.14, 0.15),
    "core_assessments": RateProcess(95, 11.0, 4.0, 13.5, 0.0, 0.42, 12, 0.14, 0.40),
    "single_assessments": RateProcess(410, 2.0, 2.0, 2.0, 0.5, 0.30, 20, 0.14, 0.15),
    "section47": RateProcess(72, 2.0, 5.0, 8.0, 3.5, 0.33, 14, 0.16, 0.60),
    "icpc": RateProcess(35, 2.5, 6.0, 7.5, 2.5, 0.34, 15, 0.18, 0.89),
    "cpp_starts": RateProcess(30.9, 3.3, 4.0, 7.6, 2.0, 0.33, 30, 0.18, 0.92, regime=97.0),
    "cpp_ended": RateProcess(29.5, 3.0, 4.0, 7.6, 2.0, 0.33, 28, 0.18, 0.97),
    "cpp_at_31_march": RateProcess(26.6, 1.0, 9.0, 6.0, 1.0, 0.34, 23, 0.18, 1.02, regime=98.0),
    "cin_starts": RateProcess(300, 0.0, 3.0, 0.5, 0.0, 0.30, 25, 0.15, 0.20),
    "cin_ended": RateProcess(290, 0.0, 3.0, 1.0, 0.0, 0.30, 22, 0.14, 0.23),
    "cin_at_31_march": RateProcess(328, 0.5, 3.0, 0.5, 0.0, 0.28, 55, 0.15, 0.30),
    "cla_at_31_march": RateProcess(54, 0.3, 2.0, 1.2, 1.5, 0.38, 220, 0.26, 1.35, slope_sd=0.02),
    "cla_starts": RateProcess(21, 0.0, 5.0, 3.0, 1.0, 0.34, 60, 0.22, 1.30, slope_sd=0.02),
}

SHARES: dict[str, ShareProcess] = {
    "initial_assessments_10_days": ShareProcess(79, 0.52, 13, 0.03, -0.01, -0.05),
    "initial_assessments_7_days": ShareProcess(
        87, 0.30, 40, 0.03, -0.02, of="initial_assessments_10_days"
    ),
    "core_assessments_35_days": ShareProcess(79, 0.42, 19, 0.05, -0.01, -0.05),
    "single_assessments_45_days": ShareProcess(83, 0.40, 16, 0.0, 0.01, -0.05),
    "rereferrals": ShareProcess(23, 0.30, 90, 0.02, 0.0, 0.08, regime=-0.05),
    "children_referred": ShareProcess(87, 0.20, 120),
    "children_rereferred": ShareProcess(13.5, 0.25, 90, of="children_referred"),
    "referrals_nfa": ShareProcess(8.5, 1.15, 22, 0.0, -0.01, 0.15),
    "referrals_not_in_need": ShareProcess(21, 0.60, 20, 0.0, 0.01, 0.05),
    "icpc_15_days": ShareProcess(70, 0.50, 18, 0.02, 0.01),
    "cpp_second_or_subsequent": ShareProcess(13.5, 0.27, 75, 0.0, 0.02),
    "cpp_ended_2_years": ShareProcess(5.5, 0.40, 60),
    "cpp_due_review": ShareProcess(66, 0.15, 150),
    "cpp_open_2_years": ShareProcess(5.0, 0.40, 60, of="cpp_due_review"),
    "cpp_reviewed_on_time": ShareProcess(96.5, 0.60, 40),
    "cin_ended_3_months": ShareProcess(52, 0.41, 28, 0.0, -0.01, 0.10, regime=-0.05),
    "cin_open_2_years": ShareProcess(31, 0.30, 90, 0.0, 0.0, -0.10),
}

# Bounds of what may be overridden, measure by measure: smallest, largest, unit.
RATE_BOUNDS = {
    "per_10000": (0.1, 5_000.0, "per 10,000 children"),
    "before": (-30.0, 30.0, "per cent a year"),
    "jump": (-80.0, 300.0, "per cent"),
    "after": (-30.0, 30.0, "per cent a year"),
    "late": (-30.0, 30.0, "per cent a year"),
    "level_sd": (0.0, 2.0, "log rate"),
    "slope_sd": (0.0, 0.3, "log rate per year"),
    "dispersion": (0.5, float("inf"), "alpha"),
    "deprivation": (-1.0, 1.0, "log rate per SD"),
    "position": (-5.0, 5.0, "place along the funnel"),
    "regime": (20.0, 500.0, "per cent of the current definition"),
}
SHARE_BOUNDS = {
    "percent": (0.1, 99.9, "per cent"),
    "before": (-1.0, 1.0, "log odds per year"),
    "after": (-1.0, 1.0, "log odds per year"),
    "level_sd": (0.0, 3.0, "log odds"),
    "precision": (1.0, float("inf"), "beta precision"),
    "deprivation": (-2.0, 2.0, "log odds per SD"),
    "regime": (-2.0, 2.0, "log odds"),
}


def with_overrides(
    overrides: dict[str, float],
) -> tuple[dict[str, RateProcess], dict[str, ShareProcess]]:
    """The two tables with ``<measure>.<parameter>`` replaced; names and bounds are checked by the
    options.
    """
    rates, shares = dict(RATES), dict(SHARES)
    for path, value in overrides.items():
        measure, parameter = path.split(".")
        change: dict[str, Any] = {parameter: value}
        if measure in rates:
            rates[measure] = replace(rates[measure], **change)
        else:
            shares[measure] = replace(shares[measure], **change)
    return rates, shares


def drawn_from(measure: str, share: ShareProcess) -> str:
    """The measure whose realised count a part is drawn from."""
    parent = share.of or MEASURES[measure].parent
    assert parent is not None, measure
    return parent


def parameters_of(measure: str) -> dict[str, tuple[float, float, str]]:
    """Parameters of ``measure`` that may be overridden, with bounds and unit; none if unknown."""
    if measure in RATES:
        return RATE_BOUNDS
    return SHARE_BOUNDS if measure in SHARES else {}


assert {field.name for field in fields(RateProcess)} == set(RATE_BOUNDS)
assert {field.name for field in fields(ShareProcess)} == {*SHARE_BOUNDS, "of"}
