"""The multiverse of a model: every sensible combination of options fitted, and how answers vary.

Each cell is a normal run with its own gates. A curve gathers the cells that ask one question: one
estimand, one outcome, one denominator. What is said of a curve describes the specifications that
were declared: shares of them are not probabilities, for nobody drew them at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_prep.errors import DataError, Fault
from data_prep.schema import load_cube
from experiments import provenance, store
from experiments.config import Experiment, load_experiment
from experiments.diagnostics import SUMMARY_COLUMNS
from experiments.fit import Prepared, prepare
from experiments.grid import Cell, list_cells
from experiments.jobs import job_of
from experiments.schedule import Job, Outcome

# Units on which a factor is the natural distance: their logs are analysed.
RATIOS = ("rate ratio", "odds ratio")


@dataclass(frozen=True)
class Plan:
    """The cells of a model's grid, each checked against the cube; nothing has been compiled."""

    experiment: Experiment
    cells: list[Cell]
    prepared: dict[str, Prepared]
    impossible: dict[str, str]
    jobs: list[Job]

    @property
    def folder(self) -> Path:
        """Where the multiverse is written."""
        return store.results_folder() / "multiverse" / self.experiment.name


def plan_multiverse(
    model: str, variant: str | None = None, sets: Sequence[str] = (), cube: str | None = None
) -> Plan:
    """Check every cell of the declared grid against the cube.

    Raises
    ------
    DataError
        When the config declares no grid, or no cell of it can be fitted.
    """
    experiment = load_experiment(model, variant, sets, cube)
    grid = experiment.config.multiverse
    if not grid.options:
        remedy = "declare options and levels under [multiverse.options.<name>]"
        raise DataError(
            [Fault("the config declares no grid of options", remedy, column="multiverse")]
        )
    cells = list_cells(grid)
    loaded = load_cube(store.cube_path(experiment.config.data.cube))
    prepared: dict[str, Prepared] = {}
    impossible: dict[str, str] = {}
    jobs = []
    for cell in cells:
        if cell.excluded:
            continue
        settings = [*sets, *cell.sets]
        try:
            checked = prepare(load_experiment(model, variant, settings, cube), loaded)
        except DataError as error:
            impossible[cell.name] = "; ".join(str(fault) for fault in error.faults)
            continue
        prepared[cell.name] = checked
        command = provenance.command(model, variant, settings, cube)
        jobs.append(job_of(checked, command, cell.batch))
    if not jobs:
        faults = [
            Fault(reason, "mend the level or leave it out by a rule", column=name)
            for name, reason in impossible.items()
        ]
        raise DataError(faults)
    return Plan(experiment, cells, prepared, impossible, jobs)


def write_multiverse(plan: Plan, outcomes: Sequence[Outcome]) -> Path:
    """Gather what is stored of the cells into the multiverse's folder, and return it."""
    became = {outcome.run_id: outcome for outcome in outcomes}
    cells = pd.DataFrame(
        [_cell_row(plan, number, cell, became) for number, cell in _numbered(plan)]
    )
    curves = gather_curves(plan, cells)
    folder = plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (
        ("cells", cells),
        ("curves", curves),
        ("shares", describe_curves(curves)),
        ("variance", decompose(curves, _pooled(plan))),
    ):
        with store.whole(folder / f"{name}.csv") as path:
            table.to_csv(path, index=False, float_format="%.6g")
    store.write_json(folder / "multiverse.json", _document(plan))
    return folder


def _numbered(plan: Plan) -> list[tuple[int, Cell]]:
    return list(enumerate(plan.cells, 1))


def _pooled(plan: Plan) -> list[str]:
    grid = plan.experiment.config.multiverse
    return [name for name in grid.options if name not in grid.separate]


def _cell_row(plan: Plan, number: int, cell: Cell, became: dict[str, Outcome]) -> dict[str, Any]:
    row: dict[str, Any] = {"cell": number, **cell.levels}
    blank = {"run": "", "seconds": np.nan, "failed_gates": "", "misfits": 0}
    if cell.excluded:
        return {**row, "state": "left out", "reason": cell.excluded, **blank}
    if cell.name in plan.impossible:
        return {**row, "state": "impossible", "reason": plan.impossible[cell.name], **blank}
    run_id = plan.prepared[cell.name].run_id
    run = store.find_run(plan.experiment.name, run_id)
    if run is None:
        outcome = became.get(run_id)
        state = outcome.status if outcome else "not run"
        reason = outcome.reason if outcome else "not asked for yet"
        return {**row, "state": state, "reason": reason, **blank, "run": run_id}
    verdict = store.read_verdict(run)
    failed = [g for g in verdict["gates"] if g.get("blocking", True) and g["status"] != "pass"]
    seconds = _document_of(run, "provenance")["seconds"]
    return {
        **row,
        "state": "reportable" if verdict["reportable"] else "not reportable",
        "reason": "; ".join(
            f"{gate['label']} {gate['status']}: {gate['where']}" for gate in failed
        ),
        "run": run.name,
        "seconds": round(sum(seconds.values()), 1),
        "failed_gates": ", ".join(gate["name"] for gate in failed),
        "misfits": sum(check["status"] == "misfit" for check in verdict["predictive_checks"]),
    }


def _document_of(run: Path, name: str) -> dict[str, Any]:
    import json

    return dict(json.loads((run / f"{name}.json").read_text(encoding="utf-8")))


# -------------------------------------------------------------------------------------- curves


def gather_curves(plan: Plan, cells: pd.DataFrame) -> pd.DataFrame:
    """Estimates of every fitted cell, one row for each estimand and coordinate, by curve.

    Columns ``curve, estimand, label, unit, at, cell, reportable``, a column for each option,
    ``mean, sd, lower, upper, interval, reference``. ``at`` names the coordinates that are not an
    authority; estimands of single authorities get no curve.
    """
    grid = plan.experiment.config.multiverse
    declared = plan.experiment.spec.declared_estimands(plan.experiment.options)
    wanted = grid.estimands or tuple(e.name for e in declared if e.headline)
    parts = []
    for cell in cells[cells["run"].ne("") & cells["seconds"].notna()].to_dict("records"):
        run = store.runs_folder() / plan.experiment.name / cell["run"]
        table = pd.read_csv(run / "estimands.csv", keep_default_na=False, na_values=[""])
        table = table[table["estimand"].isin(wanted) & table["mean"].notna()]
        coordinates = [c for c in table if c not in SUMMARY_COLUMNS]
        if "la" in table:
            table = table[table["la"].isna()]
        at = [
            ", ".join(str(v) for v in row if pd.notna(v)) for row in table[coordinates].to_numpy()
        ]
        kept = table[["estimand", "label", "unit", "mean", "sd", "lower", "upper", "interval"]]
        levels = {option: cell[option] for option in grid.options}
        parts.append(
            kept.assign(
                at=at, cell=cell["cell"], reportable=cell["state"] == "reportable", **levels
            )
        )
    columns = ["curve", "estimand", "label", "unit", "at", "cell", "reportable", *grid.options]
    columns += ["mean", "sd", "lower", "upper", "interval", "reference"]
    if not parts:
        return pd.DataFrame(columns=columns)
    curves = pd.concat(parts, ignore_index=True)
    separate = list(grid.separate)
    keys = curves[["estimand", "at", *separate]].astype(str).agg(" | ".join, axis=1)
    curves["curve"] = pd.factorize(keys)[0] + 1
    curves["label"] = curves.groupby("estimand")["label"].transform(
        lambda labels: common_label(labels.tolist())
    )
    curves["reference"] = curves["estimand"].map(grid.reference).astype(float)
    return curves[columns].sort_values(["curve", "cell"], ignore_index=True)


def common_label(labels: Sequence[str]) -> str:
    """What the labels of one estimand share: some name the option that a cell chose."""
    first, last = min(labels), max(labels)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    if same is None:
        return first
    return first[:same].rpartition("(")[0].strip(" ,") or first[:same].strip(" ,(")


def describe_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Each curve by the sign and size of its specifications: counts and quantiles of their means.

    ``above`` and ``below`` count means on either side of the reference, ``clearly_above`` and
    ``clearly_below`` whole intervals; they are blank where no reference was declared.
    ``between_sd`` is the sd of the means, ``within_sd`` the usual posterior sd.
    """
    rows = []
    for curve, part in curves.groupby("curve"):
        means, reference = part["mean"], part["reference"].iloc[0]
        row = {
            "curve": curve,
            "specifications": len(part),
            "reportable": int(part["reportable"].sum()),
            "least": means.min(),
            "lower_quartile": means.quantile(0.25),
            "median": means.median(),
            "upper_quartile": means.quantile(0.75),
            "most": means.max(),
            "between_sd": means.std(ddof=0),
            "within_sd": part["sd"].median(),
        }
        if np.isfinite(reference):
            row |= {
                "reference": reference,
                "above": int((means > reference).sum()),
                "below": int((means < reference).sum()),
                "clearly_above": int((part["lower"] > reference).sum()),
                "clearly_below": int((part["upper"] < reference).sum()),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def decompose(curves: pd.DataFrame, options: Sequence[str]) -> pd.DataFrame:
    """Which option moves the answer: shares of the variance between specifications.

    Least squares of the means (their logs where they are ratios) on the options' levels. ``alone``
    is the share that the option explains by itself, ``added`` what it adds to all others; they are
    equal where every combination was fitted. The row ``(together)`` holds what no single option
    explains. ``low`` and ``high`` are the levels with the lowest and the highest mean answer.
    """
    rows = []
    for curve, part in curves.groupby("curve"):
        y = part["mean"].to_numpy(float)
        is_ratio = part["unit"].iloc[0] in RATIOS
        y = np.log(y) if is_ratio else y
        varying = [name for name in options if part[name].nunique() > 1]
        if len(part) < 3 or not np.ptp(y):
            continue
        full = _explained(y, part, varying)
        for name in varying:
            by_level = pd.Series(y).groupby(part[name].to_numpy()).mean()
            low, high = str(by_level.idxmin()), str(by_level.idxmax())
            ends = np.exp(by_level) if is_ratio else by_level
            others = [other for other in varying if other != name]
            rows.append(
                {
                    "curve": curve,
                    "option": name,
                    "alone": _explained(y, part, [name]),
                    "added": full - _explained(y, part, others),
                    "low": low,
                    "low_mean": ends[low],
                    "high": high,
                    "high_mean": ends[high],
                }
            )
        rows.append({"curve": curve, "option": "(together)", "alone": 1 - full, "added": 1 - full})
    columns = ["curve", "option", "alone", "added", "low", "low_mean", "high", "high_mean"]
    return pd.DataFrame(rows, columns=columns)


def _explained(y: np.ndarray, table: pd.DataFrame, options: Sequence[str]) -> float:
    """Share of the variance of ``y`` that levels of ``options`` explain, without interactions."""
    columns = [np.ones(len(y))]
    for name in options:
        levels = table[name].to_numpy()
        columns += [(levels == level).astype(float) for level in pd.unique(table[name])[1:]]
    design = np.stack(columns, axis=1)
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - rest.var() / y.var())


def _document(plan: Plan) -> dict[str, Any]:
    """`multiverse.json`: what was asked, so that a page needs no config."""
    experiment = plan.experiment
    grid = experiment.config.multiverse
    used = next(iter(plan.prepared.values())).observations
    return {
        "schema": 1,
        "experiment": experiment.name,
        "title": experiment.spec.title,
        "question": experiment.config.question,
        "cube": used.cube_name,
        "kind": used.kind,
        "options": {
            name: {
                level: "; ".join(f"{path} = {value}" for path, value in values.items())
                for level, values in levels.items()
            }
            for name, levels in grid.options.items()
        },
        "separate": list(grid.separate),
        "sampler": {
            **experiment.config.sampler.model_dump(mode="json"),
            **grid.sampler,
        },
        "rules": [rule.model_dump(mode="json") for rule in grid.exclude],
    }
