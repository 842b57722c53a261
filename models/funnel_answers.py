"""What `funnel` answers with: expected counts turned into ratios; the same for draws and truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import xarray as xr

from models.funnel_data import (
    CHILDREN,
    INDEX_NAMES,
    REFERRALS,
    SHARES,
    STAGE_BEFORE,
    FunnelCounts,
)
from models.gradients import fifths
from models.joint import pairs
from models.spec import Estimand
from models.true_gradients import log_count, true_gradient

_NFA = "referrals_nfa"
_HERE = "expected rate, these authorities"
_POPULATION = "expected rate, a population of authorities"


@dataclass(frozen=True)
class Process:
    """Logs that answers are made of, drawn or true.

    ``level`` (..., la) and ``path`` (..., year) by outcome: log ratios to the denominator that the
    model uses, or log odds of shares; ``slope`` (..., outcome) on the same scale; ``passed_on``
    (..., flow) where it is estimated. ``growth`` (la, year) by outcome is what a true process has
    beyond level and path.
    """

    level: Mapping[str, xr.DataArray]
    path: Mapping[str, xr.DataArray]
    slope: xr.DataArray
    passed_on: xr.DataArray | None = None
    growth: Mapping[str, xr.DataArray] | None = None


def stage_before(observations: FunnelCounts) -> dict[str, str]:
    """What each flow is reported per: its denominator; per stage before where that is children."""
    return {
        name: STAGE_BEFORE[name]
        if observations.exposures[name] == CHILDREN
        else observations.exposures[name]
        for name in observations.flows
    }


def declared_estimands(options: Any) -> tuple[Estimand, ...]:
    """Every quantity that this model answers with, whether or not the data can give it."""
    index = f"{INDEX_NAMES[options.deprivation]} {options.edition}"
    per = "per 100 referrals" if options.denominator == "referrals" else "per 100 of stage before"
    found = [
        Estimand(
            "gate_ratio",
            "Flow ratio",
            per,
            "cases expected at the stage over those expected at the stage it is counted of, all "
            "authorities and years together; may exceed 100",
            _HERE,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "gate_ratio_by_year",
            "Flow ratio by year",
            per,
            "as the flow ratio, in that year",
            _HERE,
            ("outcome", "year"),
        ),
        Estimand(
            "stage_per_referrals",
            "Cases per 100 referrals",
            "per 100 referrals",
            "cases expected at the stage over referrals expected, all authorities and years "
            "together",
            _HERE,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "stage_per_referrals_by_fifth",
            "Cases per 100 referrals, by fifth of deprivation",
            "per 100 referrals",
            "the same over a fifth of authorities; 5 is the most deprived",
            _HERE,
            ("outcome", "fifth"),
        ),
        Estimand(
            "ratio_per_sd",
            f"Ratio per sd of deprivation ({index})",
            "ratio",
            "rate or flow ratio of an authority one sd more deprived than another over that "
            "other's; odds ratio of shares",
            _POPULATION,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "fifth_ratio",
            "Most over least deprived fifth",
            "ratio",
            "referrals per child, flow ratio or share of the most over that of the least deprived "
            "fifth of authorities, all their cases together",
            _HERE,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "child_rate_correlation",
            "Correlation of rates per child beyond deprivation",
            "correlation",
            "correlation over authorities of what a straight gradient leaves of log rates per "
            "child at two stages",
            _HERE,
            ("outcome", "other_outcome"),
        ),
        Estimand(
            "gate_correlation",
            "Correlation of gates beyond deprivation (neighbours share a term)",
            "correlation",
            "the same of log flow ratios and log odds of shares; a count that is below in one and "
            "above in the other makes it lower than that of the rates",
            _HERE,
            ("outcome", "other_outcome"),
        ),
        Estimand(
            "la_gate",
            "Gate of each authority",
            "per 100",
            "its own flow ratio (geometric mean over the years) or share",
            _HERE,
            ("outcome", "la"),
        ),
    ]
    if options.shares:
        found[2:2] = [
            Estimand(
                "share",
                "Share of referrals",
                "per 100 referrals",
                "referrals expected to end so over all referrals expected, all authorities and "
                "years together",
                _HERE,
                ("outcome",),
                headline=True,
            ),
            Estimand(
                "share_by_year",
                "Share of referrals by year",
                "per 100 referrals",
                "as the share, in that year",
                _HERE,
                ("outcome", "year"),
            ),
        ]
    if _NFA in options.shares:
        found[4:4] = [
            Estimand(
                "assessed_share",
                "Referrals assessed",
                "per 100 referrals",
                "referrals not closed before an assessment over all referrals, expected, years "
                "with figures of both",
                _HERE,
                headline=True,
            ),
            Estimand(
                "section47_per_assessed",
                "Section 47 enquiries per 100 assessed referrals",
                "per 100 assessed referrals",
                "enquiries expected over referrals expected to be assessed, years with figures of "
                "both; may exceed 100",
                _HERE,
            ),
        ]
    if options.departures == "passed_on_in_part" and options.denominator != "children":
        found.append(
            Estimand(
                "passed_on",
                "Part of a year's departure that is passed on",
                "elasticity",
                "per cent by which a stage departs from its level for each per cent by which the "
                "stage that it is counted of does in that year",
                _POPULATION,
                ("outcome",),
                headline=True,
            )
        )
    return tuple(found)


def answers(process: Process, observations: FunnelCounts, options: Any) -> dict[str, xr.DataArray]:
    """Every declared estimand, from draws (chain, draw, ...) or from the truth."""
    total, by_fifth = _totals(process, observations)
    before = stage_before(observations)
    shares, flows = observations.shares, observations.flows
    last = (*shares, *flows)
    bases = dict.fromkeys(shares, REFERRALS) | before

    def over(
        sums: Mapping[tuple[str, int], xr.DataArray], name: str, base: str, years: list[int]
    ) -> xr.DataArray:
        top, bottom = (sum(sums[one, year] for year in years) for one in (name, base))
        return cast(xr.DataArray, 100 * top / bottom)

    def overall(sums: Mapping, name: str, base: str) -> xr.DataArray:
        return over(sums, name, base, _both(observations, name, base))

    def by_year(names: tuple[str, ...]) -> xr.DataArray:
        at = [(name, year) for name in names for year in _both(observations, name, bases[name])]
        parts = [over(total, name, bases[name], [year]) for name, year in at]
        joined = xr.concat(parts, "at", coords="minimal", compat="override")
        return joined.assign_coords(
            outcome=("at", [name for name, _ in at]), year=("at", [year for _, year in at])
        )

    def by_outcome(parts: Mapping[str, xr.DataArray]) -> xr.DataArray:
        joined = xr.concat(list(parts.values()), "outcome", coords="minimal", compat="override")
        return joined.assign_coords(outcome=list(parts))

    fifth = {name: overall(by_fifth, name, bases[name]) for name in last}
    fifth = {REFERRALS: overall(by_fifth, REFERRALS, CHILDREN), **fifth}
    per_child, gates = _per_child(process, observations)
    values = {
        "gate_ratio": by_outcome({name: overall(total, name, before[name]) for name in flows}),
        "gate_ratio_by_year": by_year(flows),
        "stage_per_referrals": by_outcome({name: overall(total, name, REFERRALS) for name in last}),
        "stage_per_referrals_by_fifth": by_outcome(
            {name: overall(by_fifth, name, REFERRALS) for name in last}
        ),
        "ratio_per_sd": cast(xr.DataArray, np.exp(process.slope)),
        "fifth_ratio": by_outcome(
            {
                name: of.sel(fifth=5, drop=True) / of.sel(fifth=1, drop=True)
                for name, of in fifth.items()
            }
        ),
        "child_rate_correlation": _correlations(per_child, observations),
        "gate_correlation": _correlations(gates, observations),
        "la_gate": by_outcome(
            {name: 100 * (_share if name in SHARES else _ratio)(gates[name]) for name in last}
        ),
    }
    if shares:
        values["share"] = by_outcome({name: overall(total, name, REFERRALS) for name in shares})
        values["share_by_year"] = by_year(shares)
    if _NFA in shares:
        values["assessed_share"] = 100 - overall(total, _NFA, REFERRALS)
        with_enquiries = _both(observations, "section47", REFERRALS)
        years = [y for y in _both(observations, _NFA, REFERRALS) if y in with_enquiries]
        assessed = sum(total[REFERRALS, year] - total[_NFA, year] for year in years)
        enquiries = sum(total["section47", year] for year in years)
        values["section47_per_assessed"] = cast(xr.DataArray, 100 * enquiries / assessed)
    if process.passed_on is not None:
        values["passed_on"] = process.passed_on.rename(flow="outcome")
    return values


def _both(observations: FunnelCounts, name: str, base: str) -> list[int]:
    """Years with figures of an outcome and of its base; rates per child need those of referrals."""
    known = set(observations.years_of[REFERRALS])
    if base != CHILDREN:
        known &= set(observations.years_of[base])
    return [year for year in observations.years_of[name] if year in known]


def _share(log_odds: xr.DataArray) -> xr.DataArray:
    return cast(xr.DataArray, 1 / (1 + np.exp(-log_odds)))


def _ratio(log_ratio: xr.DataArray) -> xr.DataArray:
    return cast(xr.DataArray, np.exp(log_ratio))


def _totals(
    process: Process, observations: FunnelCounts
) -> tuple[dict[tuple[str, int], xr.DataArray], dict[tuple[str, int], xr.DataArray]]:
    """Expected cases of each outcome and year over all LAs, and over each fifth of deprivation.

    Year by year, so that no array of all draws, LAs and years is ever held.
    """
    number = fifths(observations.deprivation.to_numpy())
    members = xr.DataArray(
        (number[:, None] == np.arange(1, 6)).astype(float),
        coords={"la": list(observations.las.index), "fifth": list(range(1, 6))},
    )
    weights = observations.weights.sel(outcome=REFERRALS, drop=True)
    total, by_fifth = {}, {}
    for year in observations.years_of[REFERRALS]:
        children = weights.sel(year=year, drop=True).fillna(0)
        expected = {CHILDREN: children}
        for name in observations.outcomes:
            log_ratio = process.level[name] + process.path[name].sel(year=year, drop=True)
            if process.growth is not None:
                log_ratio = log_ratio + process.growth[name].sel(year=year, drop=True)
            ratio = (_share if name in SHARES else _ratio)(log_ratio)
            expected[name] = expected[observations.exposures[name]] * ratio
        for name, cases in expected.items():
            total[name, year] = cases.sum("la")
            by_fifth[name, year] = xr.dot(cases, members, dim="la")
    return total, by_fifth


def _per_child(
    process: Process, observations: FunnelCounts
) -> tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    """Log rates per child and gates of each LA (..., la), by outcome."""
    per_child: dict[str, xr.DataArray] = {}
    for name in observations.outcomes:
        level, base = process.level[name], observations.exposures[name]
        log_ratio = cast(xr.DataArray, np.log(_share(level))) if name in SHARES else level
        per_child[name] = log_ratio if base == CHILDREN else log_ratio + per_child[base]
    before = stage_before(observations)
    gates = {
        name: per_child[name] - per_child[before[name]] if name in before else process.level[name]
        for name in observations.outcomes
    }
    return per_child, gates


def _correlations(logs: Mapping[str, xr.DataArray], observations: FunnelCounts) -> xr.DataArray:
    """Correlation over LAs of what a straight gradient leaves, along ``pair``."""
    x = xr.DataArray(observations.deprivation, dims="la")
    left = {}
    for name, log in logs.items():
        centred = log - log.mean("la")
        rest = centred - x * (centred * x).mean("la") / (x**2).mean("la")
        left[name] = rest / np.sqrt((rest**2).mean("la"))
    both = pairs(observations.outcomes)
    found = [xr.dot(left[a], left[b], dim="la") / len(x) for a, b in both]
    joined = xr.concat(found, "pair", coords="minimal", compat="override")
    return joined.assign_coords(
        outcome=("pair", [a for a, _ in both]), other_outcome=("pair", [b for _, b in both])
    )


# ------------------------------------------------------------------------------------- truth


def true_process(truth: xr.Dataset, observations: FunnelCounts, options: Any) -> Process:
    """The process behind a simulated cube, on the scale on which the model describes it.

    Levels are means over each outcome's years under their definitions, the path is that of the
    average LA, and what is left is growth. What is passed on is what least squares would find in
    the process: scatter and growth of two stages go together, and chance in the stage before
    weakens it.
    """
    las, x = list(observations.las.index), xr.DataArray(observations.deprivation, dims="la")
    level, path, growth, slope = {}, {}, {}, []
    for name in observations.outcomes:
        years = observations.years_of[name]
        if name in SHARES:
            trend = truth[f"{name}_share_trend"].rename(national_year="year")
            trend = trend.sel(year=observations.years)
            level[name] = truth[f"{name}_share_level"].sel(la=las) + trend.sel(year=years).mean()
            path[name] = trend - trend.sel(year=years).mean()
            growth[name] = xr.zeros_like(path[name])
            closeness = xr.corr(x, truth["deprivation_z"].sel(la=las))
            slope.append(float(truth[f"{name}_share_deprivation_slope"] * closeness))
            continue
        base = observations.exposures[name]
        logs = log_count(truth, name, las, observations.years) - log_count(
            truth, base, las, observations.years
        )
        level[name] = logs.sel(year=years).mean("year")
        path[name] = logs.mean("la") - level[name].mean("la")
        growth[name] = logs - level[name] - path[name]
        slope.append(true_gradient(truth, name, base, years, x).slope)
    passed_on = None
    if options.departures == "passed_on_in_part" and options.denominator != "children":
        passed_on = xr.DataArray(
            [_passed_on(truth, name, observations) for name in observations.flows],
            coords={"flow": list(observations.flows)},
            dims="flow",
        )
    return Process(
        level=level,
        path=path,
        slope=xr.DataArray(slope, coords={"outcome": list(observations.outcomes)}, dims="outcome"),
        passed_on=passed_on,
        growth=growth,
    )


def _passed_on(truth: xr.Dataset, name: str, observations: FunnelCounts) -> float:
    base = observations.exposures[name]
    las, years = list(observations.las.index), observations.years_of[name]
    time_variance = float(np.var(years))
    own, before = (truth[f"{one}_slope"].sel(la=las) for one in (name, base))
    scatter, scatter_before = (float(truth[f"{one}_dispersion"]) ** -0.5 for one in (name, base))
    together = truth["scatter_correlation"].sel(measure=name, other_measure=base)
    # That of the typical LA: the smallest ones have most chance and tell least.
    chance = float((1 / truth[f"{base}_mu"].sel(la=las, year=years)).median())
    covariance = (
        time_variance * float(xr.cov(own, before)) + float(together) * scatter * scatter_before
    )
    return covariance / (time_variance * float(before.var(ddof=1)) + scatter_before**2 + chance)
