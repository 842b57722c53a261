"""Simulation-based calibration: does the fit give back what the model itself drew.

Parameters and data are drawn from the model's own prior on the skeleton of a cube (authorities,
years, exposures), rounded and suppressed as published counts are, and fitted. If model, likelihood
and sampler agree, the rank of each true value among nearly independent posterior draws is uniform
(Talts and others 2018, arXiv:1804.06788). One compiled model serves all replicates; each replicate
is a file of its own, so that an interrupted study goes on where it stopped. No replicate is
discarded: one that fails is counted and named.

The log likelihood is ranked too: a fit that ignored its data would leave every other rank uniform
(Modrák and others 2023, arXiv:2211.02383).
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from data_prep.schema import load_cube
from experiments import provenance, store
from experiments.config import Experiment, SamplerConfig
from experiments.diagnostics import convergence
from experiments.runtime import RESULTS
from models.priors import Prior
from models.spec import ModelSpec

log = logging.getLogger("experiments")

LAS = 30
REPLICATES = 200
SAMPLER = {"chains": 2, "draws": 750, "tune": 400}
# Draws of a replicate that are ranked, evenly thinned from all.
RANKED_DRAWS = 50
# A replicate whose smallest effective sample size falls short of its ranked draws, which are then
# not nearly independent, is sampled once more with this many times the draws, and says so.
LONGER = 4
# Worlds drawn at once; part of what decides a replicate.
_BATCH = 100
LOG_LIKELIHOOD = "log_likelihood"
INTERVALS = (0.5, 0.9)


@dataclass(frozen=True)
class Plan:
    """A study that was checked against its cube; nothing has been compiled.

    ``fit_priors`` are those of the fit where they differ from those that worlds are drawn from:
    for showing that a wrong fit is found.
    """

    name: str
    spec: ModelSpec
    options: Any
    priors: Mapping[str, Prior]
    observations: Any
    sampler: SamplerConfig
    folder: Path
    document: Mapping[str, Any]
    fit_priors: Mapping[str, Prior] | None = None


def plan_study(experiment: Experiment, *, las: int = LAS) -> Plan:
    """Take the skeleton from the experiment's cube: ``las`` authorities, evenly spaced by code.

    Raises
    ------
    DataError
        When the cube cannot be read or the options cannot be fitted to it.
    """
    spec, config = experiment.spec, experiment.config
    spec.check_study()
    cube = load_cube(store.cube_path(config.data.cube))
    whole = experiment.observe(cube)
    codes = list(whole.las.index)
    places = np.linspace(0, len(codes) - 1, min(las, len(codes))).round().astype(int)
    kept = {codes[place] for place in places}
    left_out = tuple(code for code in codes if code not in kept)
    observations = experiment.observe(cube, without=left_out)
    sampler = config.sampler.model_copy(update=SAMPLER)
    document = {
        "experiment": experiment.name,
        "config": experiment.resolved() | {"sampler": sampler.model_dump()},
        "cube_hash": str(cube.attrs["cube_hash"]),
        "cube": observations.cube_name,
        "las": sorted(kept),
        "ranked_draws": RANKED_DRAWS,
        "source_hash": provenance.source_hash(spec.observe.__module__),
        "harness_hash": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    decides = {k: v for k, v in document.items() if k not in ("config", "cube")}
    study_id = provenance.run_id(
        {**experiment.resolved(), "study": decides},
        document["cube_hash"],
        document["source_hash"],
    )
    return Plan(
        name=experiment.name,
        spec=spec,
        options=experiment.options,
        priors=experiment.priors,
        observations=observations,
        sampler=sampler,
        folder=RESULTS / "calibration" / experiment.name / study_id,
        document={"study_id": study_id, **document},
    )


class Study:
    """Models built once: one to draw worlds from, one compiled to fit them."""

    def __init__(self, plan: Plan) -> None:
        from experiments import sampling
        from models.replaceable import replaceable_data

        self.plan = plan
        self._worlds: dict[int, tuple[xr.Dataset, xr.Dataset, Mapping[str, xr.DataArray]]] = {}
        arguments = (plan.observations, plan.options)
        with replaceable_data() as self.exchange:
            self.generator = plan.spec.build(*arguments, plan.priors)
            model = plan.spec.build(*arguments, plan.fit_priors or plan.priors)
        self.observed = [rv.name for rv in model.observed_RVs]
        self._check_observed(model)
        free = [rv.name for rv in model.free_RVs]
        self.parameters = list(_parameters(plan, free, {str(v) for v in model.named_vars}))
        self.compiled = sampling.compile_model(model)
        self.log_density = sampling.LogDensity(model, self.observed, self.exchange.natural)

    def _check_observed(self, model: Any) -> None:
        """Every observed variable must be exchangeable, or replicates would share its data."""
        missing = sorted(set(self.observed) - set(self.exchange.publish))
        if missing:
            raise ValueError(
                f"{self.plan.spec.name} cannot be calibrated: {', '.join(missing)} does not say "
                "how it is published; see models/replaceable.py"
            )
        data = {variable.name for variable in model.data_vars}
        _, drawn, _ = self._batch(0)
        given = set(self._data(drawn, 0))
        if data != given:
            raise ValueError(
                f"{self.plan.spec.name} cannot be calibrated: its data {sorted(data)} are not "
                f"those that its likelihoods publish, {sorted(given)}"
            )

    def _data(self, drawn: xr.Dataset, index: int) -> dict[str, np.ndarray]:
        one = drawn.isel(chain=0, draw=index)
        return self.exchange.data_of({name: one[name].to_numpy() for name in self.observed})

    def _batch(self, number: int) -> tuple[xr.Dataset, xr.Dataset, Mapping[str, xr.DataArray]]:
        """Parameters, data and estimands of the worlds of one batch, each (chain, draw, ...)."""
        import pymc as pm

        if number not in self._worlds:
            seed = _seeds(self.plan, "worlds", number)[0]
            tree = pm.sample_prior_predictive(
                _BATCH,
                model=self.generator,
                random_seed=seed,
                compile_kwargs={"mode": "FAST_COMPILE"},
            )
            truth = tree["prior"].to_dataset()
            self._worlds[number] = (
                truth,
                tree["prior_predictive"].to_dataset(),
                self._estimands(truth),
            )
        return self._worlds[number]

    def _estimands(self, draws: xr.Dataset) -> dict[str, xr.DataArray]:
        plan = self.plan
        answer = plan.spec.estimands(draws, plan.observations, plan.options, plan.priors)
        return {name: a for name, a in answer.values.items() if "draw" in a.dims}

    def replicate(self, number: int) -> dict[str, Any]:
        """Draw, publish, fit and rank one world; ``number`` counts from 1."""
        start = time.monotonic()
        batch, index = divmod(number - 1, _BATCH)
        _, drawn, _ = self._batch(batch)
        data = self._data(drawn, index)
        result: dict[str, Any] = {"replicate": number, "failed": "", "values": []}
        first, again, ranking = _seeds(self.plan, "fits", number)
        sampler = self.plan.sampler
        try:
            result |= self._fit(number, data, sampler, first, ranking)
            if result["least_ess"] < RANKED_DRAWS:
                short = {f"first_{k}": result[k] for k in ("least_ess", "divergences")}
                longer = sampler.model_copy(update={"draws": LONGER * sampler.draws})
                result |= {**self._fit(number, data, longer, again, ranking), **short}
        except (RuntimeError, ArithmeticError) as error:
            # The first is nutpie's word for a sampler that found no place to start.
            result |= {"failed": str(error), "values": []}
        return result | {"seconds": round(time.monotonic() - start, 2)}

    def _fit(
        self,
        number: int,
        data: Mapping[str, np.ndarray],
        sampler: SamplerConfig,
        seed: int,
        ranking_seed: int,
    ) -> dict[str, Any]:
        from experiments import sampling

        batch, index = divmod(number - 1, _BATCH)
        truth, _, estimands = self._batch(batch)
        cores = min(os.cpu_count() or 1, sampler.chains)
        fitted = self.compiled.with_data(**data)
        posterior, statistics = sampling.sample(fitted, sampler, seed, cores)
        scalars = [
            (*scalar, "parameter")
            for name in self.parameters
            for scalar in _scalars(name, truth[name].isel(draw=[index]), posterior[name])
        ]
        for name, draws in self._estimands(posterior).items():
            true = estimands[name].isel(draw=[index])
            scalars += [(*scalar, "estimand") for scalar in _scalars(name, true, draws)]
        scalars.append(self._log_likelihood(data, truth.isel(draw=[index]), posterior))
        values = _rank(scalars, np.random.default_rng(ranking_seed))
        known = [row["ess_bulk"] for row in values if row["ess_bulk"] is not None]
        return {
            "draws": sampler.draws,
            "divergences": int(statistics["diverging"].sum()),
            "tree_depth_hits": int(statistics["reached_max_treedepth"].sum()),
            "gradient_evaluations": int(statistics["n_steps"].sum()),
            "least_ess": min(known),
            "values": values,
        }

    def _log_likelihood(
        self, data: Mapping[str, np.ndarray], truth: xr.Dataset, posterior: xr.Dataset
    ) -> tuple[str, str, float, np.ndarray, str]:
        for name, values in data.items():
            self.log_density.model.set_data(name, values)

        def total(draws: xr.Dataset) -> np.ndarray:
            found = self.log_density(draws).astype(float)
            sums = found.sum([dim for dim in found.dims if dim not in ("chain", "draw")])
            return np.sum([part.to_numpy() for part in sums.data_vars.values()], axis=0)

        ranked = posterior.isel(draw=_thinned(posterior.sizes["chain"], posterior.sizes["draw"]))
        return LOG_LIKELIHOOD, "", float(total(truth).item()), total(ranked), "data"


def _seeds(plan: Plan, purpose: str, number: int) -> list[int]:
    """Seeds that depend on nothing but the study's root seed, the purpose and the number."""
    root = np.random.SeedSequence(
        plan.sampler.seed, spawn_key=({"worlds": 1, "fits": 2}[purpose], number)
    )
    return [int(word) for word in root.generate_state(3)]


def _parameters(plan: Plan, free: list[str], named: set[str]) -> Iterator[str]:
    """Variables of the model's blocks, then other free ones; raw forms give way to natural ones."""
    listed = [name for block in plan.spec.blocks(plan.options) for name in block.variables]
    for name in dict.fromkeys([*listed, *free]):
        natural = name.removesuffix("_raw").removesuffix("_z")
        if name in named and (natural == name or natural not in named):
            yield name


def _scalars(
    name: str, truth: xr.DataArray, draws: xr.DataArray
) -> Iterator[tuple[str, str, float, np.ndarray]]:
    """Name, coordinate, true value and draws (chain, draw) of the scalars that are followed.

    Of a vector these are its first, middle and last element; of a table the first of the first
    row, the middle of the middle, the last of the last.
    """
    dims = [str(dim) for dim in draws.dims if dim not in ("chain", "draw")]
    sizes = [draws.sizes[dim] for dim in dims]
    places = [tuple(int(f * (size - 1)) for size in sizes) for f in (0, 0.5, 1)]
    for place in dict.fromkeys(places):
        at = dict(zip(dims, place, strict=True))
        values = draws.isel(at)
        coordinate = ", ".join(
            f"{coord}={values[coord].item()}"
            for coord in values.coords
            if coord not in ("chain", "draw") and values[coord].ndim == 0
        )
        yield name, coordinate, truth.isel(at).item(), values.transpose("chain", "draw").to_numpy()


def _thinned(chains: int, draws: int) -> np.ndarray:
    """Positions of the ranked draws of each chain, evenly spaced, the last among them."""
    wanted = RANKED_DRAWS // chains
    return ((np.arange(wanted) + 1) * draws / wanted).astype(int) - 1


def _rank(
    scalars: list[tuple[str, str, float, np.ndarray, str]], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """One row per scalar: where its true value lies among the draws, and how good those are."""
    rows = []
    for name, coordinate, truth, draws, kind in scalars:
        if not (np.isfinite(truth) and np.isfinite(draws).all()):
            raise ArithmeticError(f"{name} {coordinate}: not a finite number")
        chains, length = draws.shape
        is_thin = length * chains <= RANKED_DRAWS
        ranked = draws if is_thin else draws[:, _thinned(chains, length)]
        ties = int((ranked == truth).sum())
        row = {
            "quantity": name,
            "coordinate": coordinate,
            "kind": kind,
            "truth": truth,
            "mean": float(draws.mean()),
            "sd": float(draws.std(ddof=1)),
            # A tie is broken by chance, so that discrete quantities have uniform ranks too.
            "rank": int((ranked < truth).sum() + rng.integers(0, ties + 1)),
        }
        for width in INTERVALS:
            low, high = np.quantile(draws, [(1 - width) / 2, (1 + width) / 2])
            row[f"in_{round(100 * width)}"] = bool(low <= truth <= high)
        rows.append(row | {"ess_bulk": None, "r_hat": None})
    # Convergence of what was sampled whole; ranked draws alone are too few to judge.
    whole = [i for i, scalar in enumerate(scalars) if scalar[3].size > RANKED_DRAWS]
    found = convergence(np.stack([scalars[i][3] for i in whole]))
    for place, i in enumerate(whole):
        for statistic in ("ess_bulk", "r_hat"):
            value = float(found[statistic][place])
            # A quantity that never varies, as the rank of an outlying authority, has none.
            rows[i][statistic] = None if np.isnan(value) else value
    return rows


# ------------------------------------------------------------------------------------- many


def run_study(plan: Plan, replicates: int = REPLICATES, *, at_most: int | None = None) -> None:
    """Fit what is not yet there of replicates 1 to ``replicates``; ``at_most`` that many now."""
    waiting = [n for n in range(1, replicates + 1) if not replicate_path(plan.folder, n).is_file()]
    done, waiting = replicates - len(waiting), waiting[:at_most]
    plan.folder.mkdir(parents=True, exist_ok=True)
    if waiting:
        log.info("calibration of %s: %d of %d done, compiling ...", plan.name, done, replicates)
        study = Study(plan)
        stated = {**plan.document, "published": study.exchange.rules}
        store.write_json(plan.folder / "study.json", stated)
    start, divergent, failed = time.monotonic(), 0, 0
    for number, index in enumerate(waiting, 1):
        result = study.replicate(index)
        _write(plan.folder, index, result)
        divergent += result.get("divergences", 0) > 0
        failed += bool(result["failed"])
        each = (time.monotonic() - start) / number
        left = each * (replicates - done - number)
        log.info(
            "calibration of %s: %d of %d, %.1f s each, %s left; of these %d divergent, %d failed",
            plan.name,
            done + number,
            replicates,
            each,
            f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s",
            divergent,
            failed,
        )


def replicate_path(folder: Path, number: int) -> Path:
    return folder / "replicates" / f"{number:05d}.json"


def _write(folder: Path, number: int, result: dict[str, Any]) -> None:
    with store.whole(replicate_path(folder, number)) as path:
        store.write_json(path, result)
