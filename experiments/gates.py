"""Judges a run: blocking gates are about computation, and only they decide what is reportable.

Limits follow Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021) for rank R-hat and effective
sample sizes, and Betancourt (2016) for the energy fraction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from experiments.config import GateLimits

Status = Literal["pass", "fail", "not assessed"]


@dataclass(frozen=True)
class Gate:
    """One check, its value, its limit and the place of the worst value."""

    name: str
    label: str
    status: Status
    value: float | None
    limit: float
    where: str
    blocking: bool = True


def judge_computation(
    diagnostics: pd.DataFrame, estimands: pd.DataFrame, sample_stats: xr.Dataset, limits: GateLimits
) -> list[Gate]:
    """The blocking gates. ``sample_stats`` is (chain, draw) with normalised names."""
    table = _places(diagnostics, estimands)
    return [
        _largest(table, "r_hat", "rank R-hat", limits.r_hat),
        _smallest(table, "ess_bulk", "bulk effective sample size", limits.ess),
        _smallest(table, "ess_tail", "tail effective sample size", limits.ess),
        _counted(sample_stats, "diverging", "divergences", "divergences", limits.divergences),
        _counted(
            sample_stats,
            "reached_max_treedepth",
            "tree_depth_hits",
            "trajectories cut short",
            limits.tree_depth_hits,
        ),
        _energy(sample_stats, limits.e_bfmi),
    ]


def is_reportable(gates: Sequence[Gate]) -> bool:
    """Every blocking gate passed: absent evidence is not a pass."""
    return all(gate.status == "pass" for gate in gates if gate.blocking)


def loosened(limits: GateLimits) -> list[str]:
    """Names of the limits that let more through than the house's."""
    house = GateLimits()
    looser_when_higher = ("r_hat", "divergences", "tree_depth_hits")
    return [
        name
        for name in GateLimits.model_fields
        if (getattr(limits, name) - getattr(house, name))
        * (1 if name in looser_when_higher else -1)
        > 0
    ]


def _places(diagnostics: pd.DataFrame, estimands: pd.DataFrame) -> pd.DataFrame:
    """Parameters and sampled estimands in one table with a readable place for each."""
    columns = ["r_hat", "ess_bulk", "ess_tail"]
    parameters = diagnostics[columns].assign(
        where=diagnostics["variable"]
        + diagnostics["coordinate"].map(lambda c: f"[{c}]" if c else "")
    )
    # What is not estimable, or is itself a share of draws, has no interval and no chains to
    # compare; a rank that is the same in every draw has nothing to converge. A draw that is not a
    # number leaves an sd that is none either: it stays, and cannot pass.
    sampled = estimands[estimands["interval"].notna() & (estimands["sd"] != 0)]
    fixed = {"estimand", "label", "unit", "mean", "sd", "lower", "upper", "interval", *columns}
    coordinates = [column for column in estimands.columns if column not in fixed]

    def place(row: pd.Series) -> str:
        shown = [f"{c}={row[c]}" for c in coordinates if pd.notna(row[c]) and row[c] != ""]
        return f"estimand {row['estimand']}" + (f"[{', '.join(shown)}]" if shown else "")

    answers = sampled[columns].assign(where=sampled.apply(place, axis=1) if len(sampled) else "")
    return pd.concat([parameters, answers], ignore_index=True)


def _largest(table: pd.DataFrame, column: str, label: str, limit: float) -> Gate:
    if table.empty or table[column].isna().any():
        return _unassessed(table, column, label, limit)
    row = table.iloc[int(table[column].argmax())]
    value = float(row[column])
    return Gate(column, label, "pass" if value < limit else "fail", value, limit, row["where"])


def _smallest(table: pd.DataFrame, column: str, label: str, limit: float) -> Gate:
    if table.empty or table[column].isna().any():
        return _unassessed(table, column, label, limit)
    row = table.iloc[int(table[column].argmin())]
    value = float(row[column])
    return Gate(column, label, "pass" if value >= limit else "fail", value, limit, row["where"])


def _unassessed(table: pd.DataFrame, column: str, label: str, limit: float) -> Gate:
    where = "no draws" if table.empty else str(table.loc[table[column].isna(), "where"].iloc[0])
    return Gate(column, label, "not assessed", None, limit, where)


def _counted(stats: xr.Dataset, variable: str, name: str, label: str, limit: int) -> Gate:
    if variable not in stats:
        return Gate(name, label, "not assessed", None, limit, "the sampler did not say")
    by_chain = stats[variable].sum("draw").to_numpy()
    total = int(by_chain.sum())
    where = (
        ""
        if total == 0
        else "chains " + ", ".join(f"{chain}: {int(n)}" for chain, n in enumerate(by_chain) if n)
    )
    return Gate(name, label, "pass" if total <= limit else "fail", total, limit, where)


def _energy(stats: xr.Dataset, limit: float) -> Gate:
    label = "energy fraction (E-BFMI)"
    if "energy" not in stats:
        return Gate("e_bfmi", label, "not assessed", None, limit, "the sampler did not say")
    energy = stats["energy"].transpose("chain", "draw").to_numpy()
    with np.errstate(invalid="ignore"):
        variance = energy.var(axis=1)
    if not np.all(variance > 0):
        return Gate("e_bfmi", label, "not assessed", None, limit, "energy does not vary")
    fraction = (np.diff(energy, axis=1) ** 2).mean(axis=1) / variance
    worst = int(fraction.argmin())
    value = float(fraction[worst])
    status: Status = "pass" if value >= limit else "fail"
    return Gate("e_bfmi", label, status, value, limit, f"chain {worst}")
