"""What `funnel` sees: referrals, flows from stage to stage and shares of referrals, LA by LA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, within_sentence
from data_prep.joint_observations import (
    JointCounts,
    observe_joint_counts,
    read_deprivation,
    without_authorities,
)

CHILDREN, REFERRALS = "population_0_17", "referrals"
# Stages after referral, in order, and the stage of which each is counted by default.
STAGE_BEFORE = {"section47": REFERRALS, "icpc": "section47", "cpp_starts": "icpc"}
FLOWS = tuple(STAGE_BEFORE)
SHARES = ("referrals_nfa", "referrals_not_in_need")
INDEX_NAMES = {"imd": "IMD", "idaci": "IDACI"}
# Fewer authorities than this leave nothing to judge a gradient by.
FEWEST_LAS = 5


class Choices(Protocol):
    """The options of `funnel` that decide which cells are seen."""

    @property
    def denominator(self) -> str: ...
    @property
    def shares(self) -> tuple[str, ...]: ...
    @property
    def deprivation(self) -> str: ...
    @property
    def edition(self) -> int: ...


@dataclass(frozen=True)
class FunnelCounts(JointCounts):
    """Counts of all stages: cells of rates before those of shares, exact ones first in both.

    Attributes
    ----------
    deprivation : Series
        Standard score by LA code.
    children : ndarray (cell,)
        Children of the LA in the cell's year.
    parent_cell : ndarray (cell,)
        Place of the cell that is this one's denominator among the cells of its own outcome; -1
        where there is none, as for rates per child.
    """

    deprivation: pd.Series
    children: np.ndarray
    parent_cell: np.ndarray

    @property
    def flows(self) -> tuple[str, ...]:
        """Stages after referral."""
        return tuple(name for name in self.outcomes if name in FLOWS)

    @property
    def shares(self) -> tuple[str, ...]:
        """True shares of referrals."""
        return tuple(name for name in self.outcomes if name in SHARES)

    def of(self, outcome: str) -> np.ndarray:
        """Places of an outcome's cells among all."""
        return np.flatnonzero(self.cells["outcome"] == outcome)


def exposures_of(options: Choices) -> dict[str, str]:
    """The denominator of each outcome: referrals, shares of them, then the stages in order."""
    flows = {
        "previous_stage": STAGE_BEFORE,
        "referrals": dict.fromkeys(FLOWS, REFERRALS),
        "children": dict.fromkeys(FLOWS, CHILDREN),
    }[options.denominator]
    shares = dict.fromkeys((name for name in SHARES if name in options.shares), REFERRALS)
    return {REFERRALS: CHILDREN, **shares, **flows}


def observe_funnel(
    cube: xr.DataTree,
    options: Choices,
    *,
    years: tuple[int, int] | None = None,
    exclude: Sequence[str] = (),
) -> FunnelCounts:
    """The cells that ``options`` select.

    A flow whose denominator is suppressed or missing is dropped with its reason, and so is a cell
    of an LA-year whose children are not known: its rate per child would not be.

    Raises
    ------
    DataError
        With every reason why nothing, or too little, is left.
    """
    faults: list[Fault] = []
    counts = scores = None
    try:
        counts = observe_joint_counts(
            cube, exposures_of(options), years=years, exclude=exclude, shares=options.shares
        )
    except DataError as error:
        faults += error.faults
    try:
        scores = read_deprivation(cube, options.deprivation, options.edition)
    except DataError as error:
        faults += error.faults
    if counts is None or scores is None:
        raise DataError(faults)
    score = scores.reindex(counts.las.index)
    children = _children(cube, counts)
    label = f"{INDEX_NAMES[options.deprivation]} {options.edition}"
    left_out = dict.fromkeys(score.index[score.isna()], f"{label}: no score")
    counts = _with_known_children(without_authorities(counts, left_out), children)
    if problems := _too_little(counts):
        raise DataError(problems)
    score = score.loc[counts.las.index]
    spread = float(score.std(ddof=0))
    if not spread > 0:
        raise DataError(
            [
                Fault(
                    "every authority has the same score",
                    "choose another index",
                    column="options.deprivation",
                    value=options.deprivation,
                )
            ]
        )
    is_share = counts.cells["outcome"].isin(SHARES).sort_values(kind="stable")
    cells = counts.cells.loc[is_share.index].reset_index(drop=True)
    return FunnelCounts(
        **vars(replace(counts, cells=cells)),
        deprivation=(score - score.mean()) / spread,
        children=_at(children, cells),
        parent_cell=_parents(cells, counts.exposures),
    )


def _children(cube: xr.DataTree, counts: JointCounts) -> pd.DataFrame:
    """Children of each LA (la, year), over the years with figures."""
    table = cube["cube"].to_dataset()[CHILDREN].sel(la=list(counts.las.index), year=counts.years)
    values = table.transpose("la", "year").to_numpy()
    return pd.DataFrame(values, index=list(counts.las.index), columns=counts.years)


def _at(table: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    rows = table.index.get_indexer(pd.Index(cells["la"]))
    columns = table.columns.get_indexer(pd.Index(cells["year"]))
    return np.asarray(table.to_numpy()[rows, columns])


def _with_known_children(counts: JointCounts, children: pd.DataFrame) -> JointCounts:
    known = np.isfinite(_at(children, counts.cells)) & (_at(children, counts.cells) > 0)
    lost = counts.cells.loc[~known, ["outcome", "la", "year"]]
    reason = f"{within_sentence(MEASURES[CHILDREN].label)}: not known"
    cells = counts.cells[known].reset_index(drop=True)
    years_of = {
        name: sorted({int(year) for year in cells.loc[cells["outcome"] == name, "year"]})
        for name in counts.outcomes
    }
    dropped = pd.concat([counts.dropped, lost.assign(reason=reason)], ignore_index=True)
    return replace(counts, cells=cells, dropped=dropped, years_of=years_of)


def _too_little(counts: JointCounts) -> list[Fault]:
    """Outcomes that cannot be fitted, all at once."""
    faults = []
    for name, years in counts.years_of.items():
        label = within_sentence(MEASURES[name].label)
        remedy = "use other years"
        if name in SHARES:
            remedy += ", or leave it out of options.shares"
        las = counts.cells.loc[counts.cells["outcome"] == name, "la"].nunique()
        if len(years) < 2:
            problem = f"{label}: one year cannot tell an authority's level from its scatter"
        elif las < FEWEST_LAS:
            problem = f"{label}: {las} authorities with figures cannot show a gradient"
        else:
            continue
        faults.append(Fault(problem, remedy, file=counts.cube_name, column=name))
    return faults


def _parents(cells: pd.DataFrame, exposures: Mapping[str, str]) -> np.ndarray:
    """Place of each cell's denominator among the cells of that outcome, -1 where there is none."""
    found = np.full(len(cells), -1)
    for name, exposure in exposures.items():
        own = np.flatnonzero(cells["outcome"] == name)
        parent = cells.loc[cells["outcome"] == exposure, ["la", "year"]]
        if len(parent):
            keys = pd.MultiIndex.from_frame(cells.loc[own, ["la", "year"]])
            found[own] = pd.MultiIndex.from_frame(parent).get_indexer(keys)
    return found
