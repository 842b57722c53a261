"""What data and models say of the study's findings: the experiments they need, and the verdicts.

A verdict comes from the posterior probability of a claim, by the rule that `findings.toml` gave
beforehand. A run that is not reportable, an experiment that the data refuse, or a figure that is
not published gives no verdict: its reason stands in the verdict's place.
"""

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.csv_safe import csv_text
from data_prep.errors import DataError
from data_prep.indicator_types import (
    INDICATOR_TYPES,
    QUALITY,
    count_types,
    published_indicators,
    readings,
    share_of_quality,
)
from data_prep.indicators import INDICATORS
from data_prep.schema import load_cube
from experiments import provenance, store
from experiments.config import Experiment
from experiments.diagnostics import convergence
from experiments.findings_config import FINDINGS, Finding, Findings, Part, Rule, load_findings
from experiments.fit import Prepared, prepare
from experiments.jobs import job_of
from experiments.schedule import Job, Outcome
from models.spec import Answer

NOT_REPORTABLE, NOT_ASSESSED, DESCRIBED = "not reportable", "not assessed", "described"
# The verdict on a conjunction of claims is the first of these that any of them has.
_ORDER = ("not supported", NOT_REPORTABLE, NOT_ASSESSED, "undecided", "supported")
# A probability as near to its limit as this many Monte Carlo errors might fall on either side.
NEAR = 2.0

COLUMNS = (
    *("finding", "part", "role", "claim", "state", "reason", "experiment", "run", "estimand"),
    *("at", "label", "unit", "mean", "lower", "upper", "interval", "event", "probability", "mcse"),
    *("near_limit", "truth", "truth_holds", "multiverse_least", "multiverse_most"),
    *("multiverse_specifications", "multiverse_clear", "misfits"),
)


@dataclass(frozen=True)
class Plan:
    """Findings, their experiments checked against a cube, and jobs for those that can be fitted.

    ``refused`` maps an experiment that the data refuse to the reason.
    """

    config: Findings
    path: Path
    cube: xr.DataTree
    cube_argument: str | None
    sets: tuple[str, ...]
    experiments: Mapping[str, Experiment]
    prepared: Mapping[str, Prepared]
    refused: Mapping[str, str]
    jobs: Sequence[Job]

    @property
    def cube_name(self) -> str:
        return str(self.cube.attrs["name"])

    @property
    def folder(self) -> Path:
        """Where the findings are written."""
        return store.results_folder() / "findings" / self.cube_name


def plan_findings(cube: str | None = None, path: Path = FINDINGS, sets: Sequence[str] = ()) -> Plan:
    """Check the config, and each experiment against the cube.

    Raises
    ------
    DataError
        When the config is faulty or the cube cannot be read. An experiment that these data refuse
        is no fault: its findings are not assessed.
    """
    config, experiments = load_findings(path, tuple(sets), cube)
    first = next(iter(experiments.values()), None)
    named = cube or (first.config.data.cube if first else "simulated")
    loaded = load_cube(store.cube_path(named))
    prepared: dict[str, Prepared] = {}
    refused: dict[str, str] = {}
    jobs = []
    for name, experiment in experiments.items():
        try:
            checked = prepare(experiment, loaded)
        except DataError as error:
            refused[name] = error.problems
            continue
        needed = config.experiments[name]
        command = provenance.command(needed.model, needed.variant, [*needed.set, *sets], cube)
        prepared[name] = checked
        jobs.append(job_of(checked, command))
    return Plan(config, path, loaded, cube, tuple(sets), experiments, prepared, refused, jobs)


def write_findings(plan: Plan, outcomes: Sequence[Outcome]) -> Path:
    """Judge every finding on what is stored; the folder with ``findings.json`` and ``.csv``."""
    became = {outcome.run_id: outcome for outcome in outcomes}
    sources = {name: _Source(plan, name, became) for name in plan.config.experiments}
    found = [_judge_finding(finding, plan, sources) for finding in plan.config.findings]
    folder = plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": 1,
        "source": plan.config.source,
        "caveats": list(plan.config.caveats),
        "cube": {
            "name": plan.cube_name,
            "kind": str(plan.cube.attrs["kind"]),
            "hash": str(plan.cube.attrs["cube_hash"]),
        },
        "config": {
            "file": plan.path.name,
            "hash": hashlib.sha256(plan.path.read_bytes()).hexdigest(),
            "sets": list(plan.sets),
        },
        "command": "make findings" + (f" CUBE={plan.cube_argument}" if plan.cube_argument else ""),
        "findings": found,
    }
    with store.whole(folder / "findings.json") as path:
        store.write_json(path, document)
    with store.whole(folder / "findings.csv") as path:
        path.write_text(csv_text(COLUMNS, map(_row, _flat(found))), encoding="utf-8")
    return folder


def _flat(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"finding": one["key"], **part} for one in found for part in one["parts"]]


def _row(part: Mapping[str, Any]) -> list[object]:
    """A part as a row of `findings.csv`; blank where it has no such value."""
    answer, multiverse = part.get("answer") or {}, part.get("multiverse") or {}
    given = {
        **(part.get("declared") or {}),
        **part,
        **answer,
        "event": _event(part.get("rule") or {}),
        "part": part["key"],
        "at": ", ".join(f"{name}={value}" for name, value in (part.get("at") or {}).items()),
        "misfits": "; ".join(part.get("misfits") or ()),
        "multiverse_least": multiverse.get("least"),
        "multiverse_most": multiverse.get("most"),
        "multiverse_specifications": multiverse.get("specifications"),
        "multiverse_clear": multiverse.get("clear"),
    }
    return [_plain(given.get(name)) for name in COLUMNS]


def _event(rule: Mapping[str, Any]) -> str:
    """What the claim says of its estimand, as ``above 1`` or ``within -1 1``."""
    for side in ("above", "below", "within", "outside"):
        if side in rule:
            limits = rule[side] if isinstance(rule[side], list) else [rule[side]]
            return " ".join([side, *(f"{limit:g}" for limit in limits)])
    return ""


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value


# -------------------------------------------------------------------------------------- judging


def combine(states: Sequence[str]) -> str:
    """The verdict on a finding from those on its primary parts, all of which it claims.

    One claim that is not supported is enough to leave the whole unsupported; one that is not
    reportable or not assessed leaves the whole without a verdict.
    """
    judged = [state for state in states if state != DESCRIBED]
    return next((state for state in _ORDER if state in judged), DESCRIBED)


def combine_truth(held: Sequence[bool | None]) -> bool | None:
    """Whether all claims hold in truth; None where that is not known."""
    if False in held:
        return False
    return None if None in held or not held else True


def _judge_finding(
    finding: Finding, plan: Plan, sources: Mapping[str, "_Source"]
) -> dict[str, Any]:
    parts = [_judge_part(part, plan, sources) for part in finding.parts]
    primary = [part for part in parts if part["role"] == "primary"]
    return {
        **finding.model_dump(mode="json", exclude={"parts"}),
        "state": combine([part["state"] for part in primary]),
        "truth_holds": combine_truth([part.get("truth_holds") for part in primary]),
        "parts": parts,
    }


def _judge_part(part: Part, plan: Plan, sources: Mapping[str, "_Source"]) -> dict[str, Any]:
    found: dict[str, Any] = {
        **part.model_dump(mode="json", include={"key", "claim", "role", "estimand"}),
        "rule": part.rule.model_dump(mode="json", exclude_none=True) if part.rule else None,
        "state": NOT_ASSESSED,
        "reason": "",
    }
    if part.not_measurable:
        return {**found, "reason": part.not_measurable}
    if part.counted:
        found |= _count(part, plan.cube["cube"].to_dataset())
        # A count of what is published is its own truth.
        known = "truth" in plan.cube.children and found["state"] in ("supported", "not supported")
        return found | ({"truth_holds": found["state"] == "supported"} if known else {})
    return {**found, **sources[str(part.experiment)].judge(part)}


def _count(part: Part, cube: xr.Dataset) -> dict[str, Any]:
    """Published indicators by type. A count has no probability: all readings agree, or not."""
    assert part.counted is not None
    assert part.rule is not None
    published = published_indicators(cube)
    names = [indicator for indicator in published if INDICATOR_TYPES[indicator] in QUALITY]
    if not names:
        return {"reason": "the cube holds no indicator of quality"}
    shares = [
        share_of_quality(count_types(published, reading), part.counted) for reading in readings()
    ]
    holds = [bool(part.rule.holds(share)) for share in shares]
    by_year = {
        int(year): count_types([n for n, years in published.items() if int(year) in years])
        for year in cube["year"].values
    }
    return {
        "state": "supported" if all(holds) else "undecided" if any(holds) else "not supported",
        "counted": {
            "type": part.counted,
            "share": shares[0],
            "least": min(shares),
            "most": max(shares),
            "readings": len(shares),
            "types": dict(count_types(published)),
            "by_year": {year: dict(counts) for year, counts in by_year.items()},
            "indicators": {
                kind: [INDICATORS[n].label for n in published if INDICATOR_TYPES[n] == kind]
                for kind in dict.fromkeys(INDICATOR_TYPES.values())
            },
        },
    }


@dataclass
class _Source:
    """A run that findings draw on, or the reason why there is none."""

    plan: Plan
    name: str
    became: Mapping[str, Outcome]

    @cached_property
    def run(self) -> Path | None:
        """Its stored run."""
        prepared = self.plan.prepared.get(self.name)
        if prepared is None:
            return None
        return store.find_run(prepared.experiment.name, prepared.run_id)

    @cached_property
    def absent(self) -> str:
        """Why there is no run; blank where there is one."""
        if self.name in self.plan.refused:
            return f"these data refuse the experiment: {self.plan.refused[self.name]}"
        if self.run is not None:
            return ""
        outcome = self.became.get(self.plan.prepared[self.name].run_id)
        if outcome is None:
            return "not fitted yet"
        became = "failed" if outcome.status == "failed" else "was not run"
        return f"its fit {became}: {outcome.reason}"

    @cached_property
    def answer(self) -> Answer:
        """Draws of every estimand, from the stored posterior."""
        assert self.run is not None
        prepared = self.plan.prepared[self.name]
        experiment = prepared.experiment
        with closing(xr.open_dataset(self.run / "trace.nc", group="posterior")) as file:
            posterior = file.load()
        return experiment.spec.estimands(
            posterior, prepared.observations, experiment.options, experiment.priors
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """`estimands.csv`."""
        assert self.run is not None
        return pd.read_csv(self.run / "estimands.csv", keep_default_na=False, na_values=[""])

    @cached_property
    def documents(self) -> dict[str, dict[str, Any]]:
        """The verdict and `spec.json`."""
        assert self.run is not None
        return {name: store.read_json(self.run / f"{name}.json") for name in ("verdict", "spec")}

    @cached_property
    def truth(self) -> Mapping[str, xr.DataArray] | str:
        """What a perfect fit would say on simulated England, or why that is not known."""
        prepared = self.plan.prepared[self.name]
        experiment = prepared.experiment
        try:
            return experiment.spec.true_estimands(
                prepared.cube, prepared.observations, experiment.options
            )
        except DataError as error:
            return error.faults[0].problem

    def judge(self, part: Part) -> dict[str, Any]:
        """State, answer and all that stands beside it."""
        prepared = self.plan.prepared.get(self.name)
        experiment = self.plan.experiments[self.name]
        (declared,) = (
            estimand
            for estimand in experiment.spec.declared_estimands(experiment.options)
            if estimand.name == part.estimand
        )
        found: dict[str, Any] = {
            "experiment": experiment.name,
            "at": dict(part.at),
            "declared": {
                key: getattr(declared, key) for key in ("label", "unit", "definition", "about")
            },
        }
        if prepared is not None:
            found["multiverse"] = self._multiverse(part, prepared)
        if self.absent or self.run is None:
            return {**found, "state": NOT_ASSESSED, "reason": self.absent}
        verdict, spec = self.documents["verdict"], self.documents["spec"]
        found |= {
            "run": self.run.name,
            "years": spec["data"].get("years", []),
            "loosened": verdict.get("loosened", []),
            "misfits": [
                str(check["label"])
                for check in verdict["predictive_checks"]
                if check["status"] == "misfit"
            ],
        }
        if not verdict["reportable"]:
            failed = [
                f"{gate['label']} {gate['status']}"
                for gate in verdict["gates"]
                if gate.get("blocking", True) and gate["status"] != "pass"
            ]
            return {**found, "state": NOT_REPORTABLE, "reason": "; ".join(failed)}
        try:
            return {**found, **self._answer(part)}
        except _UnansweredError as reason:
            return {**found, "state": NOT_ASSESSED, "reason": str(reason)}

    def _answer(self, part: Part) -> dict[str, Any]:
        """The estimand at its coordinates, the claim's probability and the verdict by rule."""
        name = str(part.estimand)
        if name not in self.answer.values:
            reasons = [n.reason for n in self.answer.not_estimable if n.estimand == name]
            raise _UnansweredError(f"not estimable: {reasons[0] if reasons else 'no draws of it'}")
        draws, at = select(self.answer.values[name], part.at)
        row = self._stored_row(name, at)
        found: dict[str, Any] = {"state": DESCRIBED, "at": at, "answer": row}
        if {"chain", "draw"} - set(draws.dims):
            if part.rule:
                raise _UnansweredError("the estimand is itself a summary of draws and has none")
            return {**found, **self._true_value(part)}
        values = draws.transpose("chain", "draw").to_numpy()
        # What is printed is the stored summary; what is judged are the draws behind it.
        if not np.isclose(values.mean(), row["mean"], rtol=1e-4, atol=1e-3 * float(row["sd"])):
            raise _UnansweredError("the stored summary is not that of the stored draws")
        if part.rule:
            found |= judge_draws(values, part.rule)
        return {**found, **self._true_value(part)}

    def _stored_row(self, name: str, at: Mapping[str, str | int]) -> dict[str, Any]:
        rows = self.table[self.table["estimand"] == name]
        for coordinate, value in at.items():
            rows = rows[rows[coordinate] == value]
        if len(rows) != 1:
            raise _UnansweredError(f"estimands.csv holds {len(rows)} rows of it")
        kept = ("label", "unit", "mean", "sd", "lower", "upper", "interval", "ess_bulk", "ess_tail")
        values = rows.iloc[0].to_dict()
        return {key: None if pd.isna(values[key]) else values[key] for key in kept}

    def _true_value(self, part: Part) -> dict[str, Any]:
        """The truth behind simulated figures; nothing where figures are published."""
        if "truth" not in self.plan.cube.children:
            return {}
        if isinstance(self.truth, str):
            return {"truth_reason": self.truth}
        unknown = {"truth_reason": "the truth of simulated England does not hold it"}
        try:
            value = float(select(self.truth[str(part.estimand)], part.at)[0])
        except (KeyError, _UnansweredError):
            return unknown
        if not np.isfinite(value):
            return unknown
        held = {"truth_holds": bool(part.rule.holds(value))} if part.rule else {}
        return {"truth": value, **held}

    def _multiverse(self, part: Part, prepared: Prepared) -> dict[str, Any]:
        """The range of a stored multiverse that asks the same, or why there is none."""
        model = prepared.experiment.spec.name
        if not prepared.experiment.config.multiverse.options:
            return {"absent": "the model declares no grid of options"}
        if not part.multiverse:
            return {"absent": "no curve of the model's grid asks this"}
        command = f"make multiverse MODEL={model}"
        if self.plan.cube_argument:
            command += f" CUBE={self.plan.cube_argument}"
        absent = {"absent": "multiverse not run", "command": command}
        folder = store.results_folder() / "multiverse" / model
        if not (folder / "multiverse.json").is_file():
            return absent
        cells, curves = (
            pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
            for name in ("cells", "curves")
        )
        stored = store.read_json(folder / "multiverse.json")
        if stored["cube"] != self.plan.cube_name or not self._same_cube(model, cells):
            return absent
        if not set(part.multiverse) <= set(cells):
            return {**absent, "absent": "the multiverse that is stored has another grid"}
        for option, level in part.multiverse.items():
            cells = cells[cells[option].astype(str) == level]
            curves = curves[curves[option].astype(str) == level]
        at = ", ".join(str(part.at[key]) for key in sorted(part.at))
        curves = curves[(curves["estimand"] == part.estimand) & (curves["at"].fillna("") == at)]
        return {**gather_range(cells, curves, part.rule), "command": command}

    def _same_cube(self, model: str, cells: pd.DataFrame) -> bool:
        """Whether the cells that are stored were fitted to this very cube."""
        hashes = set()
        for run_id in cells.loc[cells["seconds"].notna(), "run"]:
            run = store.find_run(model, str(run_id).partition(".")[0])
            if run is not None:
                hashes.add(store.read_json(run / "provenance.json")["cube"]["hash"])
        return hashes == {self.plan.cube.attrs["cube_hash"]}


class _UnansweredError(Exception):
    """Why a stored run has no answer to a part."""


def judge_draws(values: np.ndarray, rule: Rule) -> dict[str, Any]:
    """Probability of the claim with its Monte Carlo error, and the verdict.

    Parameters
    ----------
    values : (chain, draw)
    """
    holds = rule.holds(values)
    probability = float(holds.mean())
    # No error can be told where every draw agrees: fewer than one in their number does not.
    mcse = float(convergence(holds[None].astype(float))["mcse_mean"][0])
    known = np.isfinite(mcse)
    gap = min(abs(probability - limit) for limit in (rule.supported, rule.not_supported))
    return {
        "state": rule.verdict(probability),
        "probability": probability,
        "mcse": mcse if known else None,
        "near_limit": bool(known and gap < NEAR * mcse),
    }


def select(
    array: xr.DataArray, at: Mapping[str, str | int]
) -> tuple[xr.DataArray, dict[str, str | int]]:
    """The one place of an array that ``at`` names, and its coordinates in full.

    A year may be ``first`` or ``last``; a text may hold ``*``. Coordinates need not be indexed.
    """
    found: dict[str, str | int] = {}
    for name, wanted in at.items():
        labels = array[name].to_numpy()
        if wanted in ("first", "last"):
            chosen = np.arange(len(labels)) == (0 if wanted == "first" else len(labels) - 1)
        elif isinstance(wanted, int):
            chosen = labels == wanted
        else:
            chosen = np.array([fnmatch.fnmatchcase(str(label), wanted) for label in labels])
        (dim,) = array[name].dims
        array = array.isel({dim: np.flatnonzero(chosen)})
    for name, wanted in at.items():
        if array[name].size != 1:
            raise _UnansweredError(f"the run holds {array[name].size} of {name} {wanted}")
        label = array[name].to_numpy()[0]
        found[name] = int(label) if isinstance(label, np.integer) else str(label)
    dims = {dim for name in at for dim in array[name].dims}
    return array.squeeze(list(dims), drop=True), found


def gather_range(cells: pd.DataFrame, curves: pd.DataFrame, rule: Rule | None) -> dict[str, Any]:
    """Least and most mean over reportable specifications, and how many are clear of the limit.

    ``clear`` counts specifications whose house interval lies on the claimed side as a whole.
    """
    asked = cells[cells["state"] != "left out"]
    good = curves[curves["reportable"].astype(bool)]
    found: dict[str, Any] = {
        "asked": len(asked),
        "fitted": len(curves),
        "specifications": len(good),
    }
    if good.empty:
        return {**found, "absent": "no specification of the multiverse is reportable"}
    found |= {"least": float(good["mean"].min()), "most": float(good["mean"].max())}
    found |= {"sd": float(good["sd"].median()), "unit": str(good["unit"].iloc[0])}
    if rule and rule.above is not None:
        found["clear"] = int((good["lower"] > rule.above).sum())
    elif rule and rule.below is not None:
        found["clear"] = int((good["upper"] < rule.below).sum())
    elif rule and rule.within:
        inside = (good["lower"] > rule.within[0]) & (good["upper"] < rule.within[1])
        found["clear"] = int(inside.sum())
    elif rule and rule.outside:
        out = (good["upper"] < rule.outside[0]) | (good["lower"] > rule.outside[1])
        found["clear"] = int(out.sum())
    return found
