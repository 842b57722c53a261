"""Runs side by side: estimands, configs, and how well each predicts what it has not seen.

Predictions are compared only where the runs saw the same observations under the same rules for
intervals; where they did not, the comparison says why and shows estimands and configs alone.

References
----------
Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out
cross-validation and WAIC. Yao, Vehtari, Simpson and Gelman (2018), Using stacking to average
Bayesian predictive distributions.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.errors import DataError, Fault
from experiments import store
from experiments.config import restore_experiment
from experiments.criticism import criticise
from experiments.diagnostics import SUMMARY_COLUMNS
from experiments.fit import Prepared, prepare
from experiments.holdout import Fold, Prediction, Unit, folds_of, predict_folds

LARGEST_K = 0.7
# Up to this many cells whose weights cannot be trusted are predicted by exact refits.
REFITS = 10
FOLDS = 5
# Folder in a run that keeps what its refits predicted.
HOLDOUT = "holdout"
_CONVERGED = 1e-9


@dataclass(frozen=True)
class Side:
    """One run of a comparison. ``cells`` has a row for each observation: ``key``, ``la, year``,
    ``lower, upper``, and of leave-one-out ``elpd`` and ``pareto_k``.
    """

    name: str
    folder: Path
    spec: Mapping[str, Any]
    verdict: Mapping[str, Any]
    config: Mapping[str, Any]
    estimands: pd.DataFrame
    cells: pd.DataFrame

    @property
    def observations(self) -> str:
        """Hash of what was observed, with its bounds."""
        table = self.cells.sort_values("key")[["key", "lower", "upper"]]
        return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


def read_side(run: Path, name: str = "") -> Side:
    """A run as a comparison needs it."""
    spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
    with xr.open_datatree(run / "trace.nc", engine="netcdf4") as opened:
        tree = opened.load()
    return Side(
        name=name or f"{run.parent.name}/{run.name}",
        folder=run,
        spec=spec,
        verdict=store.read_verdict(run),
        config=tomllib.loads((run / "config.toml").read_text(encoding="utf-8")),
        estimands=pd.read_csv(run / "estimands.csv", keep_default_na=False, na_values=[""]),
        cells=_cells(tree, spec),
    )


def _cells(tree: xr.DataTree, spec: Mapping[str, Any]) -> pd.DataFrame:
    constant = tree["constant_data"].to_dataset()
    posterior = tree["posterior"].to_dataset()

    def labels(name: str, otherwise: Sequence[Any]) -> np.ndarray:
        known = list(posterior[name].values) if name in posterior.coords else list(otherwise)
        return np.array(known, dtype=object)[constant[name].to_numpy().astype(int)]

    outcomes = [row["name"] for row in spec.get("outcomes", [spec["outcome"]])]
    position = constant["outcome"].to_numpy() if "outcome" in constant else 0
    la, year = labels("la", list(spec["las"])), labels("year", spec["data"]["years"])
    outcome = np.array(outcomes, dtype=object)[np.broadcast_to(position, la.shape)]
    criticism = tree["criticism"].to_dataset() if "criticism" in tree.children else criticise(tree)
    if criticism is None:
        raise DataError(
            [Fault("the run holds no log likelihood", "fit it again", file=str(spec.get("model")))]
        )
    key = pd.Series([f"{o} {a} {y}" for o, a, y in zip(outcome, la, year, strict=True)])
    # An authority may be inspected twice in a year; the order of the data tells these apart.
    again = key.groupby(key).cumcount()
    key = key.where(again == 0, key + " (" + (again + 1).astype(str) + ")")
    return pd.DataFrame(
        {
            "key": key.to_numpy(),
            "la": la,
            "year": year,
            "lower": constant["y_lower"].to_numpy(),
            "upper": constant["y_upper"].to_numpy(),
            "elpd": criticism["elpd"].to_numpy(),
            "pareto_k": criticism["pareto_k"].to_numpy(),
        }
    )


def refusals(sides: Sequence[Side]) -> list[str]:
    """Why predictions of these runs cannot be compared; empty when they can."""
    first, *others = sides
    reasons = []
    for other in others:
        if other.observations == first.observations:
            continue
        both = first.cells.merge(other.cells, on="key", suffixes=("", "_other"))
        own, theirs = len(first.cells) - len(both), len(other.cells) - len(both)
        if own or theirs:
            reasons.append(
                f"{first.name} and {other.name} saw different observations: {own} only in the "
                f"first, {theirs} only in the second, {len(both)} in both"
            )
        differ = (both["lower"] != both["lower_other"]) | (both["upper"] != both["upper_other"])
        if differ.any():
            reasons.append(
                f"{first.name} and {other.name} hold {int(differ.sum())} of the same cells under "
                "other bounds: densities of exact counts and probabilities of intervals do not "
                "compare"
            )
    return reasons


# ---------------------------------------------------------------------------------- predictions


@dataclass(frozen=True)
class Scores:
    """Log predictive densities of one kind of hold-out, one column a run.

    ``values`` has a row for each ``key``; ``group`` names the unit within which they are summed
    before their spread is judged. ``notes`` says of each run what a reader must know.
    """

    kind: str
    values: pd.DataFrame
    group: pd.Series
    notes: Mapping[str, str]


def leave_one_out(sides: Sequence[Side], refits: Mapping[str, Sequence[Prediction]]) -> Scores:
    """PSIS-LOO of every run, exact where ``refits`` predicted a cell whose weights failed."""
    columns, notes = {}, {}
    for side in sides:
        table = side.cells.set_index("key")
        bad = table["pareto_k"] > LARGEST_K
        values = table["elpd"].to_numpy(float, copy=True)
        for prediction in refits.get(side.name, ()):
            values[prediction.positions] = prediction.density
        columns[side.name] = pd.Series(values, table.index)
        number, exact = int(bad.sum()), len(refits.get(side.name, ()))
        notes[side.name] = f"{number} of {len(table)} cells with Pareto k above {LARGEST_K}"
        if exact:
            notes[side.name] += f", {exact} predicted by exact refits"
        elif number:
            notes[side.name] += (
                ": of these leave-one-out is not to be trusted, a hold-out is (UNIT=)"
            )
    joined = pd.DataFrame(columns).sort_index()
    return Scores("leave one cell out", joined, pd.Series(joined.index, joined.index), notes)


def hold_out(
    sides: Sequence[Side], folds: Mapping[str, Sequence[Prediction]], unit: Unit
) -> Scores:
    """Log densities of what whole folds were predicted to be, summed within authorities unless
    cells or inspections are what is left out.
    """
    columns, notes = {}, {}
    for side in sides:
        keys = side.cells["key"].to_numpy()
        parts = [pd.Series(p.density, index=keys[p.positions]) for p in folds[side.name]]
        columns[side.name] = pd.concat(parts)
        worst = max(p.r_hat for p in folds[side.name])
        divergent = sum(p.divergences for p in folds[side.name])
        notes[side.name] = (
            f"{len(parts)} refits, {divergent} divergences, largest R-hat of a hyperparameter "
            f"{worst:.3f}"
        )
    values = pd.DataFrame(columns).sort_index()
    la = sides[0].cells.set_index("key")["la"].reindex(values.index)
    words = {
        "la": "leave authorities out",
        "year": "predict later years",
        "cell": "K-fold of cells",
        "inspection": "K-fold of inspections",
    }
    single = unit in ("cell", "inspection")
    group = pd.Series(values.index, values.index) if single else la
    return Scores(words[unit], values, group, notes)


def score_table(scores: Scores) -> pd.DataFrame:
    """Each run's score, its distance from the best with a standard error, and its weight.

    Best first. ``elpd`` is the sum of log predictive densities, higher is better; ``difference`` is
    that to the best run and ``difference_se`` its standard error over units; ``weight`` is the
    run's share in the mixture that predicts best (stacking).
    """
    grouped = scores.values.groupby(scores.group).sum()
    total = grouped.sum()
    best = total.idxmax()
    weights = stacking_weights(grouped.to_numpy())
    rows = []
    for place, name in enumerate(grouped.columns):
        difference = grouped[name] - grouped[best]
        rows.append(
            {
                "holdout": scores.kind,
                "run": name,
                "elpd": total[name],
                "se": _sum_error(grouped[name]),
                "difference": difference.sum(),
                "difference_se": _sum_error(difference) if name != best else np.nan,
                "weight": weights[place],
                "units": len(grouped),
                "note": scores.notes[name],
            }
        )
    return pd.DataFrame(rows).sort_values("elpd", ascending=False, ignore_index=True)


def _sum_error(values: pd.Series) -> float:
    """Standard error of the sum of independent values."""
    return float(np.sqrt(len(values) * values.var(ddof=0)))


def stacking_weights(log_density: np.ndarray) -> np.ndarray:
    """Weights of the mixture with the highest log score; ``log_density`` is (unit, run).

    The problem is concave; expectation-maximisation climbs it without a step size.
    """
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    weights = np.full(density.shape[1], 1 / density.shape[1])
    for _ in range(100_000):
        shares = density * weights
        new = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(new - weights).max() < _CONVERGED:
            break
        weights = new
    return np.asarray(new)


# --------------------------------------------------------------------------------------- refits


def restore_run(side: Side) -> Prepared:
    """The run's experiment on its cube, checked to see what the run saw.

    Raises
    ------
    DataError
        When cube or code have changed since.
    """
    provenance = json.loads((side.folder / "provenance.json").read_text(encoding="utf-8"))
    experiment = restore_experiment(side.folder.parent.name, side.config)
    prepared = prepare(experiment)
    if prepared.run_id != provenance["run_id"]:
        raise DataError(
            [
                Fault(
                    "the run is stale: a fit now would be another run",
                    "fit it again ('make runs' says what changed)",
                    value=side.name,
                )
            ]
        )
    return prepared


def refit_bad_cells(side: Side, prepared: Prepared) -> list[Prediction]:
    """Exact leave-one-out of the cells whose weights failed, if they are few; else none."""
    bad = np.flatnonzero(side.cells["pareto_k"] > LARGEST_K)
    if not 0 < len(bad) <= REFITS:
        return []
    keys = side.cells["key"]
    folds = [Fold(str(keys[i]), np.array([i]), np.array([i])) for i in bad]
    return predict_folds(prepared, folds, side.folder / HOLDOUT)


def predict_units(
    side: Side, prepared: Prepared, unit: Unit, count: int, order: Sequence[str]
) -> list[Prediction]:
    """Predictions of every fold; folds are the same authorities or cells for every run."""
    positions = pd.Series(range(len(side.cells)), index=side.cells["key"]).loc[list(order)]
    sorted_cells = side.cells.set_index("key").loc[list(order)]
    folds = folds_of(
        unit, sorted_cells["la"].to_numpy(str), sorted_cells["year"].to_numpy(int), count
    )
    place = positions.to_numpy()
    return predict_folds(
        prepared,
        [Fold(f.label, place[f.predicted], place[f.hidden]) for f in folds],
        side.folder / HOLDOUT,
    )


# --------------------------------------------------------------------------- estimands, configs


def join_estimands(sides: Sequence[Side]) -> pd.DataFrame:
    """Estimands of all runs, one below the other, with the columns of `estimands.csv` and ``run``.

    ``shared`` says whether every run answers that row in the same unit.
    """
    parts = [side.estimands.assign(run=side.name) for side in sides]
    table = pd.concat(parts, ignore_index=True)
    coordinates = sorted(str(c) for c in table if c not in (*SUMMARY_COLUMNS, "run"))
    named = table[["estimand", "unit", *coordinates]]
    keys = named.map(lambda value: "" if pd.isna(value) else str(value)).agg("|".join, axis=1)
    known = table["mean"].notna()
    runs = keys.where(known).map(table[known].groupby(keys[known])["run"].nunique())
    table["shared"] = (runs == len(sides)).fillna(False)
    return table[["run", "shared", *SUMMARY_COLUMNS, *coordinates]]


def config_differences(sides: Sequence[Side]) -> pd.DataFrame:
    """Values in which the configs differ, priors among them: a row each, a column for each run."""
    leaves = {side.name: dict(_leaves(side.config)) for side in sides}
    paths = sorted({path for table in leaves.values() for path in table})
    rows = []
    for path in paths:
        values = [leaves[side.name].get(path, "") for side in sides]
        words = path.endswith((".meaning", ".reason"))
        if len(set(map(str, values))) > 1 and not words and path != "question":
            rows.append({"path": path, **dict(zip(leaves, map(str, values), strict=True))})
    return pd.DataFrame(rows, columns=["path", *leaves])


def _leaves(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        path = f"{prefix}{key}"
        found += _leaves(value, f"{path}.") if isinstance(value, Mapping) else [(path, value)]
    return found


# --------------------------------------------------------------------------------------- writing


def write_comparison(
    folder: Path, sides: Sequence[Side], refused: Sequence[str], scores: Sequence[Scores]
) -> Path:
    """Write tables and `comparison.json`; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = [score_table(score) for score in scores]
    columns = ["holdout", "run", "elpd", "se", "difference", "difference_se", "weight", "units"]
    predictive = pd.concat(tables) if tables else pd.DataFrame(columns=[*columns, "note"])
    pointwise = [s.values.assign(holdout=s.kind).reset_index(names="cell") for s in scores]
    for name, table in {
        "estimands": join_estimands(sides),
        "configs": config_differences(sides),
        "predictive": predictive,
        "pointwise": pd.concat(pointwise) if pointwise else pd.DataFrame(columns=["cell"]),
    }.items():
        with store.whole(folder / f"{name}.csv") as path:
            table.to_csv(path, index=False, float_format="%.6g")
    store.write_json(
        folder / "comparison.json",
        {
            "schema": 1,
            "title": sides[0].spec["title"],
            "runs": [
                {
                    "name": side.name,
                    "run": side.folder.name,
                    "question": side.spec["question"],
                    "answer": side.spec["answer"],
                    "reportable": bool(side.verdict["reportable"]),
                    "misfits": [
                        check["label"]
                        for check in side.verdict["predictive_checks"]
                        if check["status"] == "misfit"
                    ],
                    "kind": side.spec["data"]["kind"],
                    "cube": side.spec["data"]["cube"],
                    "observations": side.observations[:12],
                    "cells": len(side.cells),
                }
                for side in sides
            ],
            "headline": [row["name"] for row in sides[0].spec["estimands"] if row.get("headline")],
            "refused": list(refused),
            "largest_k": LARGEST_K,
        },
    )
    return folder
