"""What `aftermath` sees: stacked cohorts of judged authorities and those they are held against.

A stack belongs to one financial year, that of publication. In it stand authorities with a given
judgement published in that year, and authorities inspected in the same year with other grades. An
authority may stand in several stacks; each of its figures still enters the likelihood once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, within_sentence
from data_prep.observations import CountObservations, observe_counts, observe_shares

# Years before and after publication that belong to a stack.
FIRST_EVENT, LAST_EVENT = -3, 3
# Comparison authorities for each judged one, where they are matched.
MATCHES = 3

# Worst grade of a year (codes of the schema) for each class of judgement.
GRADES_OF = {"inadequate": (0,), "requires_improvement": (1,), "good_or_better": (2, 3)}
CLASS_LABELS = {
    "inadequate": "an inadequate judgement",
    "requires_improvement": "a judgement of requires improvement",
    "good_or_better": "a judgement of good or better",
}
FRAMEWORKS_OF = {
    "all": ("SLAC", "CPI", "SIF", "ILACS"),
    "2009_to_2018": ("SLAC", "CPI", "SIF"),
    "since_2018": ("ILACS",),
}
# Outcomes that are true parts of a whole, and the whole; all others are counts over an exposure.
WHOLES = {
    "icpc_15_days": "icpc",
    "cpp_reviewed_on_time": "cpp_due_review",
    "single_assessments_45_days": "single_assessments",
    "initial_assessments_10_days": "initial_assessments",
    "rereferrals": "referrals",
    "referrals_nfa": "referrals",
    "cpp_second_or_subsequent": "cpp_starts",
}


class Choices(Protocol):
    """The options of `aftermath` that decide which cells are seen."""

    @property
    def outcome(self) -> str: ...
    @property
    def exposure(self) -> str: ...
    @property
    def judgement(self) -> str: ...
    @property
    def frameworks(self) -> str: ...
    @property
    def comparison(self) -> str: ...
    @property
    def years_early(self) -> int: ...


@dataclass(frozen=True)
class Stack:
    """One cohort: the year of publication, who was judged so, and who is held against them."""

    cohort: int
    judged: tuple[str, ...]
    comparison: tuple[str, ...]


@dataclass(frozen=True)
class AftermathObservations(CountObservations):
    """Figures of authorities in the years around their inspections.

    Attributes
    ----------
    stacks : tuple of Stack
        Cohorts, oldest first, each with someone judged and someone to hold against.
    members : DataFrame
        One row per cell and stack that it stands in: ``cell`` (row of ``cells``), ``cohort``,
        ``event_time`` (years since publication) and ``judged``.
    set_aside : DataFrame
        ``cohort, reason, las``: judged authorities that stand in no stack, and why.
    is_share : bool
        Whether the outcome is a true part of the exposure.
    rise : float
        Cases above the first year's rate, all authorities and later years together; NaN for shares.
    """

    stacks: tuple[Stack, ...]
    members: pd.DataFrame
    set_aside: pd.DataFrame
    is_share: bool
    rise: float


def observe_aftermath(
    cube: xr.DataTree,
    options: Choices,
    *,
    years: tuple[int, int] | None = None,
    exclude: Sequence[str] = (),
) -> AftermathObservations:
    """The cells of every stack that can be formed.

    Raises
    ------
    DataError
        With every reason why no stack, or too little, is left.
    """
    whole = WHOLES.get(options.outcome)
    if whole is not None:
        base: CountObservations = observe_shares(
            cube, part=options.outcome, whole=whole, years=years, exclude=exclude
        )
    else:
        base = observe_counts(
            cube,
            outcome=options.outcome,
            exposure=options.exposure,
            years=years,
            national=False,
            exclude=exclude,
        )
    worst = worst_grades(cube, base)
    found, aside = _form_stacks(worst, base, options)
    if options.comparison != "all":
        found, more = _choose(found, base, cube, options)
        aside += more
    if not found:
        listed = pd.DataFrame(aside, columns=["cohort", "reason", "las"])
        why = "; ".join(
            f"{sum(map(len, group['las']))} {reason}"
            for reason, group in listed.groupby("reason", sort=False)
        )
        raise DataError(
            [
                Fault(
                    file=base.cube_name,
                    column="options.judgement",
                    value=options.judgement,
                    problem="no authority with this judgement can be followed: "
                    + (why or "nobody was so judged in these years"),
                    remedy="choose another judgement, other frameworks, outcome or years",
                )
            ]
        )
    members = _memberships(found, base, options)
    if options.years_early:
        # Years after a judgement would raise or lower the level that the trial reckons from.
        barred = worst[worst["grade"].isin([*GRADES_OF[options.judgement], 0])]
        first = barred.groupby("la")["year"].min()
        members = members[~(members["year"] >= members["la"].map(first))]
    return _collect(base, found, members, aside, is_share=whole is not None)


def worst_grades(cube: xr.DataTree, base: CountObservations) -> pd.DataFrame:
    """Worst grade of each authority and financial year of publication.

    Columns ``la, year, grade, frameworks``; all inspections of the cube, whatever years are fitted.

    Raises
    ------
    DataError
        When the cube holds no inspections.
    """
    table = cube["inspections"].to_dataset() if "inspections" in cube.children else None
    if table is None or table.sizes["inspection"] == 0:
        raise DataError(
            [
                Fault(
                    file=base.cube_name,
                    column="/inspections",
                    problem="the cube holds no inspections",
                    remedy="build it with Ofsted's workbooks, or with years that had inspections",
                )
            ]
        )
    dates = pd.DatetimeIndex(table["publication_date"].values)
    frame = pd.DataFrame(
        {
            "la": table["la"].values.astype(str),
            "year": dates.year + (dates.month >= 4),
            "grade": table["grade"].values.astype(int),
            "framework": table["framework"].values.astype(str),
        }
    )
    frame = frame.sort_values(["la", "year", "grade"], kind="stable")
    return frame.groupby(["la", "year"], as_index=False).first()


def _form_stacks(
    worst: pd.DataFrame, base: CountObservations, options: Choices
) -> tuple[list[Stack], list[tuple[int, str, tuple[str, ...]]]]:
    """Stacks before any choice among comparison authorities, and judged ones set aside."""
    own = set(GRADES_OF[options.judgement])
    barred = own | {0}
    known = set(base.las.index)
    history = {
        str(la): list(zip(group["year"], group["grade"], strict=True))
        for la, group in worst.groupby("la")
    }
    has_before = _years_with_figures(base)
    early = options.years_early

    def judged_so(la: str, first: int, last: int) -> bool:
        return any(first <= year <= last and grade in barred for year, grade in history[la])

    def can_be_followed(la: str, cohort: int) -> bool:
        start = cohort - early
        before = any(start + k in has_before[la] for k in range(FIRST_EVENT, 0))
        last = min(start + LAST_EVENT, cohort - 1) if early else start + LAST_EVENT
        return before and any(year in has_before[la] for year in range(start, last + 1))

    when = "ever" if early else "within the three years"
    stacks, aside = [], []
    for cohort, group in worst.groupby("year"):
        g = int(str(cohort))
        seen = group[group["la"].isin(known)]
        seen = seen[seen["framework"].isin(FRAMEWORKS_OF[options.frameworks])]
        so = sorted(seen.loc[seen["grade"].isin(own), "la"])
        # A pretended date is to be tried on authorities that no judgement has touched so far.
        since = 0 if early else g + FIRST_EVENT
        again = [la for la in so if judged_so(la, since, g - 1)]
        unseen = [la for la in so if la not in again and not can_be_followed(la, g)]
        judged = tuple(la for la in so if la not in again and la not in unseen)
        others = sorted(set(seen["la"]) - set(so))
        comparison = tuple(
            la
            for la in others
            if not judged_so(la, g + FIRST_EVENT, g + LAST_EVENT) and can_be_followed(la, g)
        )
        aside += [
            (g, f"so judged, or inadequate, {when} before", tuple(again)),
            (g, "without a figure before or after publication", tuple(unseen)),
        ]
        if judged and comparison:
            stacks.append(Stack(g, judged, comparison))
        else:
            aside.append((g, "with nobody to be held against", judged))
    return stacks, [row for row in aside if row[2]]


def _years_with_figures(base: CountObservations) -> Mapping[str, set[int]]:
    found: dict[str, set[int]] = {la: set() for la in base.las.index}
    for la, year in zip(base.cells["la"], base.cells["year"], strict=True):
        found[la].add(int(year))
    return found


# -------------------------------------------------------------------------------- matching


def _choose(
    stacks: Sequence[Stack], base: CountObservations, cube: xr.DataTree, options: Choices
) -> tuple[list[Stack], list[tuple[int, str, tuple[str, ...]]]]:
    """Each stack with the comparison authorities that ``options.comparison`` picks."""
    if options.comparison == "neighbours":
        pick = _neighbours_in(cube, base)
        without = "without a statistical neighbour among those inspected"
    else:
        pick = _nearest_by(base, options)
        without = "without figures of all three years before, or without a match"
    kept, aside = [], []
    for stack in stacks:
        chosen = {la: pick(stack, la) for la in stack.judged}
        alone = tuple(la for la, others in chosen.items() if not others)
        judged = tuple(la for la in stack.judged if la not in alone)
        if alone:
            aside.append((stack.cohort, without, alone))
        if judged:
            comparison = tuple(sorted({other for la in judged for other in chosen[la]}))
            kept.append(Stack(stack.cohort, judged, comparison))
    return kept, aside


def _neighbours_in(
    cube: xr.DataTree, base: CountObservations
) -> Callable[[Stack, str], tuple[str, ...]]:
    table = cube["neighbours"].to_dataset() if "neighbours" in cube.children else None
    if table is None or table.sizes["edition"] == 0:
        raise DataError(
            [
                Fault(
                    file=base.cube_name,
                    column="options.comparison",
                    value="neighbours",
                    problem="the cube holds no statistical neighbours",
                    remedy="set options.comparison=all, or build the cube with the neighbour files",
                )
            ]
        )
    editions = table["edition"].values.astype(int).tolist()

    def pick(stack: Stack, la: str) -> tuple[str, ...]:
        edition = min(editions, key=lambda year: abs(year - stack.cohort))
        listed = set(table["neighbour"].sel(la=la, edition=edition).values.astype(str))
        return tuple(other for other in stack.comparison if other in listed)

    return pick


def prior_values(base: CountObservations, drawn: np.ndarray | None = None) -> pd.DataFrame:
    """Log rates, or log odds of shares, (la, year), from the middle of each figure's bounds; or
    from counts ``drawn`` in their place.
    """
    cells = base.cells
    middle = ((cells["lower"] + cells["upper"]) / 2 if drawn is None else drawn) + 0.5
    is_share = base.outcome in WHOLES
    rest = cells["exposure"] - middle + 1.0 if is_share else cells["exposure"]
    frame = pd.DataFrame({"la": cells["la"], "year": cells["year"], "x": np.log(middle / rest)})
    return frame.pivot(index="la", columns="year", values="x")


def _nearest_by(base: CountObservations, options: Choices) -> Callable[[Stack, str], tuple]:
    """The MATCHES authorities whose three years before are nearest, by shape or by level."""
    table = prior_values(base)

    def pick(stack: Stack, la: str) -> tuple[str, ...]:
        start = stack.cohort - options.years_early
        before = table.reindex(columns=[start + k for k in range(FIRST_EVENT, 0)])
        before = before.reindex([la, *stack.comparison]).dropna()
        if la not in before.index or len(before) < 2:
            return ()
        if options.comparison == "matched_on_level":
            before = before.mean(axis=1).to_frame()
        else:
            before = before.sub(before.mean(axis=1), axis=0)
        distance = (((before - before.loc[la]) ** 2).sum(axis=1) ** 0.5).drop(la)
        nearest = distance.sort_values(kind="stable").index[:MATCHES]
        return tuple(str(code) for code in nearest)

    return pick


# -------------------------------------------------------------------------------- cells


def _memberships(
    stacks: Sequence[Stack], base: CountObservations, options: Choices
) -> pd.DataFrame:
    """``la, year, cohort, event_time, judged`` of every figure in every stack that it stands in."""
    early = options.years_early
    figures = base.cells[["la", "year"]]
    parts = []
    for stack in stacks:
        for las, judged in ((stack.judged, True), (stack.comparison, False)):
            own = figures[figures["la"].isin(las)].copy()
            own["event_time"] = own["year"] - (stack.cohort - early)
            inside = own["event_time"].between(FIRST_EVENT, LAST_EVENT)
            if early:
                # A pretended date is tried on years before the true one alone.
                inside &= own["year"] < stack.cohort
            parts.append(own[inside].assign(cohort=stack.cohort, judged=judged))
    return pd.concat(parts, ignore_index=True)


def _collect(
    base: CountObservations,
    stacks: Sequence[Stack],
    members: pd.DataFrame,
    aside: Sequence[tuple[int, str, tuple[str, ...]]],
    *,
    is_share: bool,
) -> AftermathObservations:
    keys = pd.MultiIndex.from_frame(base.cells[["la", "year"]])
    inside = keys.isin(pd.MultiIndex.from_frame(members[["la", "year"]]))
    cells = base.cells[inside].reset_index(drop=True)
    place = pd.MultiIndex.from_frame(cells[["la", "year"]])
    members = members.assign(
        cell=place.get_indexer(pd.MultiIndex.from_frame(members[["la", "year"]]))
    )
    las = base.las.loc[sorted(set(cells["la"]))]
    out = base.cells.loc[~inside, ["la", "year"]]
    reason = np.where(
        out["la"].isin(las.index),
        "outside the years around the authority's inspections",
        "the authority stands in no stack",
    )
    dropped = pd.concat([base.dropped, out.assign(reason=reason)], ignore_index=True)
    given = {field.name: getattr(base, field.name) for field in fields(CountObservations)}
    kept_years = sorted({int(year) for year in cells["year"]})
    return AftermathObservations(
        **given
        | {
            "las": las,
            "cells": cells,
            "dropped": dropped,
            "weights": base.weights.sel(la=list(las.index), year=kept_years),
        },
        stacks=tuple(stacks),
        members=members[["cell", "la", "year", "cohort", "event_time", "judged"]],
        set_aside=pd.DataFrame(aside, columns=["cohort", "reason", "las"]),
        is_share=is_share,
        rise=np.nan if is_share else _rise(base),
    )


def _rise(base: CountObservations) -> float:
    """Cases of all years above what the first year's national rate would have brought."""
    cells = base.cells.assign(y=(base.cells["lower"] + base.cells["upper"]) / 2)
    sums = cells.groupby("year")[["y", "exposure"]].sum()
    rate = sums["y"] / sums["exposure"]
    exposure = base.weights.sum("la").to_series().reindex(rate.index)
    return float(((rate - rate.iloc[0]) * exposure).sum())


def event_cells(observations: AftermathObservations) -> pd.DataFrame:
    """``cohort, event_time, judged, comparison``: authorities with a figure in each cell."""
    counted = (
        observations.members.groupby(["cohort", "event_time", "judged"]).size().unstack("judged")
    )
    every = pd.MultiIndex.from_product(
        [[s.cohort for s in observations.stacks], range(FIRST_EVENT, LAST_EVENT + 1)],
        names=["cohort", "event_time"],
    )
    counted = counted.reindex(index=every, columns=[True, False]).fillna(0).astype(int)
    return counted.rename(columns={True: "judged", False: "comparison"}).reset_index()


def outcome_label(outcome: str) -> str:
    """Name of an outcome within a sentence."""
    return within_sentence(MEASURES[outcome].label)
