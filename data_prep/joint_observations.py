"""Several outcomes of one cube at once, and what is known of the deprivation of each authority."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, Regime, within_sentence
from data_prep.observations import CountObservations, observe_counts, observe_shares
from data_prep.schema import STATUS

JOINT_COLUMNS = ("outcome", "la", "year", "lower", "upper", "exposure", "status")


@dataclass(frozen=True)
class JointCounts:
    """Counts of several outcomes, each with its own exposure, of the same authorities.

    Attributes
    ----------
    exposures : mapping
        Exposure of each outcome, in the order in which outcomes were asked for.
    las : DataFrame
        ``name, region, la_type`` by LA code: every LA with an exposure of some outcome.
    cells : DataFrame
        One row per usable cell, exact cells first: ``outcome`` and the columns of
        `CountObservations`.
    dropped : DataFrame
        ``outcome, la, year, reason``.
    weights : DataArray (outcome, la, year)
        Exposure, NaN where the outcome has none, whether or not the count is usable.
    years_of : mapping
        Years with at least one usable figure, by outcome.
    regimes_of : mapping
        Names of the definitions of those years, by outcome.
    names : mapping
        Name of every LA of the cube, those left out among them.
    """

    cube_name: str
    kind: str
    cube_hash: str
    exposures: Mapping[str, str]
    las: pd.DataFrame
    cells: pd.DataFrame
    dropped: pd.DataFrame
    weights: xr.DataArray
    years_of: Mapping[str, list[int]]
    regimes_of: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes, in order."""
        return tuple(self.exposures)

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """None that all outcomes share; ``regimes_of`` has those of each."""
        return ()

    @property
    def national_series(self) -> pd.DataFrame:
        """England totals: none, for several outcomes have no common one."""
        return pd.DataFrame()

    @property
    def years(self) -> list[int]:
        """Years with a usable figure of any outcome."""
        return sorted({year for years in self.years_of.values() for year in years})


def observe_joint_counts(
    cube: xr.DataTree,
    exposures: Mapping[str, str],
    *,
    years: tuple[int, int] | None = None,
    exclude: Sequence[str] = (),
    shares: Collection[str] = (),
) -> JointCounts:
    """Counts of each outcome over its exposure, for every LA and year of the cube.

    Parameters
    ----------
    exposures
        The exposure of each outcome.
    shares
        Outcomes that are true parts of their exposure and are held to it: as in `observe_shares`.
    years, exclude
        As in `observe_counts`.

    Raises
    ------
    DataError
        With every fault of every outcome.
    """
    parts: dict[str, CountObservations] = {}
    faults: list[Fault] = []
    for outcome, exposure in exposures.items():
        try:
            parts[outcome] = (
                observe_shares(cube, part=outcome, whole=exposure, years=years, exclude=exclude)
                if outcome in shares
                else observe_counts(
                    cube,
                    outcome=outcome,
                    exposure=exposure,
                    years=years,
                    national=False,
                    exclude=exclude,
                )
            )
        except DataError as error:
            # Outcomes share years and exclusions: what is wrong with those is said once.
            faults += [fault for fault in error.faults if fault not in faults]
    if faults:
        raise DataError(faults)
    first = next(iter(parts.values()))
    names = pd.concat([part.las for part in parts.values()])
    las = names[~names.index.duplicated()].sort_index()
    table = cube["cube"].to_dataset()
    las = las.assign(la_type=table["la_type"].sel(la=list(las.index)).values.astype(str))
    cells = pd.concat([part.cells.assign(outcome=name) for name, part in parts.items()])
    interval = (cells["upper"] > cells["lower"]).astype(int)
    cells = cells.assign(interval=interval).sort_values("interval", kind="stable")
    dropped = pd.concat([part.dropped.assign(outcome=name) for name, part in parts.items()])
    weights = xr.concat(
        [part.weights for part in parts.values()],
        xr.DataArray(list(parts), dims="outcome", name="outcome"),
        join="outer",
        coords="minimal",
        compat="override",
    )
    return JointCounts(
        cube_name=first.cube_name,
        kind=first.kind,
        cube_hash=first.cube_hash,
        exposures=dict(exposures),
        las=las,
        cells=cells.reset_index(drop=True)[list(JOINT_COLUMNS)],
        dropped=dropped.reset_index(drop=True)[["outcome", "la", "year", "reason"]],
        weights=weights.reindex(la=list(las.index)),
        years_of={name: part.la_years for name, part in parts.items()},
        regimes_of={
            name: tuple(regime.name for regime in part.regimes) for name, part in parts.items()
        },
        names=dict(
            zip(table["la"].values.astype(str), table["la_name"].values.astype(str), strict=True)
        ),
    )


def without_authorities(observations: JointCounts, reasons: Mapping[str, str]) -> JointCounts:
    """The same without the LAs that ``reasons`` names, each cell kept among the dropped.

    Raises
    ------
    DataError
        When an outcome has no usable cell left.
    """
    cells = observations.cells
    out = cells["la"].isin(list(reasons))
    left = cells[~out].reset_index(drop=True)
    if gone := [name for name in observations.outcomes if name not in set(left["outcome"])]:
        raise DataError(
            [
                Fault(
                    file=observations.cube_name,
                    column=name,
                    problem="no usable figure is left: " + "; ".join(sorted(set(reasons.values()))),
                    remedy="choose other years, another outcome or another edition",
                )
                for name in gone
            ]
        )
    lost = cells[out].assign(reason=cells.loc[out, "la"].map(dict(reasons)))
    kept = observations.las[~observations.las.index.isin(list(reasons))]
    years_of = {
        name: sorted(int(y) for y in left.loc[left["outcome"] == name, "year"].unique())
        for name in observations.outcomes
    }
    return replace(
        observations,
        las=kept,
        cells=left,
        dropped=pd.concat(
            [observations.dropped, lost[["outcome", "la", "year", "reason"]]], ignore_index=True
        ),
        weights=observations.weights.sel(la=list(kept.index)),
        years_of=years_of,
    )


def read_deprivation(cube: xr.DataTree, measure: str, edition: int) -> pd.Series:
    """Deprivation of each LA of the cube, NaN where unknown; higher is more deprived.

    Parameters
    ----------
    measure
        ``imd`` or ``idaci``.
    edition
        Year of the index, one of the cube's.

    Returns
    -------
    Series
        Score by LA code, as published.

    Raises
    ------
    DataError
        When the cube holds no such score.
    """
    name, variable = str(cube.attrs["name"]), f"{measure}_score"
    if "deprivation" not in cube.children:
        raise DataError(
            [
                Fault(
                    file=name,
                    column="options.deprivation",
                    value=measure,
                    problem="the cube holds no deprivation scores",
                    remedy="build the cube again with the files of the deprivation indices",
                )
            ]
        )
    table = cube["deprivation"].to_dataset()
    known = [
        int(year)
        for year in table["edition"].values
        if variable in table and bool(table[variable].sel(edition=year).notnull().any())
    ]
    if edition not in known:
        raise DataError(
            [
                Fault(
                    file=name,
                    column="options.edition",
                    value=str(edition),
                    problem=f"the cube holds no {measure.upper()} scores of this edition",
                    remedy=f"use one of: {', '.join(map(str, known)) or '(none)'}",
                )
            ]
        )
    scores = table[variable].sel(edition=edition)
    return pd.Series(
        scores.values.astype(float), index=pd.Index(table["la"].values.astype(str), name="la")
    )


def read_borders(cube: xr.DataTree, las: Sequence[str]) -> np.ndarray:
    """Pairs of neighbouring LAs as positions in ``las``, (edge, 2); LAs outside it are left out.

    Raises
    ------
    DataError
        When the cube does not say which LAs are neighbours.
    """
    if "adjacency" not in cube.children:
        raise DataError(
            [
                Fault(
                    file=str(cube.attrs["name"]),
                    column="options.level_structure",
                    value="spatial",
                    problem="the cube does not say which authorities border on each other",
                    remedy="build the cube again with boundaries, or choose another structure",
                )
            ]
        )
    table = cube["adjacency"].to_dataset()
    index = pd.Index(list(las))
    pairs = np.stack(
        [
            index.get_indexer(pd.Index(table[name].values.astype(str)))
            for name in ("la_from", "la_to")
        ],
        axis=1,
    )
    return np.asarray(pairs[(pairs >= 0).all(axis=1)])


def describe_joint_counts(observations: JointCounts) -> dict[str, object]:
    """What was used and dropped over all outcomes, for `spec.json`: counts of cells, and examples
    of each reason.
    """
    cells, dropped = observations.cells, observations.dropped
    labels = {name: within_sentence(MEASURES[name].label) for name in observations.outcomes}
    names = observations.names
    reasons: list[dict[str, object]] = []
    for (outcome, reason), rows in dropped.groupby(["outcome", "reason"]):
        # Reasons of counts name their measure already; those of authorities and exposures do not.
        label = labels[str(outcome)]
        text = str(reason) if str(reason).startswith(label) else f"{label}, {reason}"
        examples = [f"{names[str(row.la)]} {row.year}" for row in rows.head(5).itertuples()]
        reasons.append({"reason": text, "cells": len(rows), "examples": examples})
    exact = int((cells["lower"] == cells["upper"]).sum())
    never = sorted(set(observations.las.index) - set(cells["la"]))
    return {
        "cube": observations.cube_name,
        "kind": observations.kind,
        "cube_hash": observations.cube_hash,
        "years": observations.years,
        "national_years": [],
        "las": len(observations.las),
        "las_without_figures": [names[str(code)] for code in never],
        "cells": len(cells) + len(dropped),
        "used": len(cells),
        "exact": exact,
        "interval": len(cells) - exact,
        "rounded": int((cells["status"] == STATUS["rounded"]).sum()),
        "dropped": reasons,
    }
