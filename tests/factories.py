"""Small simulated run folders in the layout of ``docs/artefacts.md``, for tests of reports.

Numpy makes them from a fixed seed: nothing is fitted, and the "posterior" is noise around the
values that made the data.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

REGIONS = (
    "North East",
    "North West",
    "Yorkshire and The Humber",
    "East Midlands",
    "West Midlands",
    "East of England",
    "London",
    "South East",
    "South West",
)
PER = 10_000
INTERVAL = "90% equal-tailed"


# The smallest graph of `national_trend`, for compiling is what takes long: tests that fit it share
# its code.
SMALLEST_FIT = [
    "options.trend=linear",
    "options.la_effect=level",
    "options.knot=2012",
    "sampler.draws=200",
    "sampler.tune=200",
    "sampler.chains=2",
]


def make_run(
    folder: Path,
    *,
    n_las: int = 12,
    years: tuple[int, ...] = tuple(range(2005, 2015)),
    chains: int = 4,
    draws: int = 50,
    predictive_draws: int = 100,
    names: dict[int, str] | None = None,
    seed: int = 11,
    first_code: str = "E06000001",
    criticised: bool = True,
) -> Path:
    """Write a complete run of ``national_trend`` to ``folder`` and return it.

    ``names`` replaces the invented names of LAs by position. Groups and files are taken away by
    :func:`without_groups` and plain deletion.
    """
    maker = _Maker(n_las, years, chains, draws, predictive_draws, names or {}, seed, first_code)
    folder.mkdir(parents=True, exist_ok=True)
    tree = maker.trace()
    if criticised:
        from experiments.criticism import criticise

        tree["criticism"] = xr.DataTree(criticise(tree))
    tree.to_netcdf(folder / "trace.nc", engine="netcdf4")
    maker.estimands().to_csv(folder / "estimands.csv", index=False)
    maker.ranks().to_csv(folder / "ranks.csv", index=False)
    write_json(folder / "places.json", maker.places())
    maker.diagnostics().to_csv(folder / "diagnostics.csv", index=False)
    write_json(folder / "spec.json", maker.spec())
    write_json(folder / "verdict.json", maker.verdict())
    write_json(folder / "provenance.json", maker.provenance())
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    return folder


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON."""
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def edit_json(path: Path, **changes: Any) -> None:
    """Replace top-level keys of a JSON file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, value | changes)


def without_groups(folder: Path, *groups: str) -> None:
    """Take groups out of a run's trace."""
    path = folder / "trace.nc"
    with xr.open_datatree(path, engine="netcdf4") as opened:
        tree = opened.load()
    smaller = folder / "smaller.nc"
    kept = {name: node for name, node in tree.children.items() if name not in groups}
    xr.DataTree(children={name: node.copy() for name, node in kept.items()}).to_netcdf(
        smaller, engine="netcdf4"
    )
    shutil.move(smaller, path)


CONFIG = """model = "national_trend"
question = "How has the national rate moved?"

[data]
cube = "simulated"

[sampler]
chains = 4
draws = 50
"""


class _Maker:
    """Draws the England of one run and writes each of its files."""

    def __init__(
        self,
        n_las: int,
        years: tuple[int, ...],
        chains: int,
        draws: int,
        predictive_draws: int,
        names: dict[int, str],
        seed: int,
        first_code: str,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.years = np.array(years)
        self.codes = [f"{first_code[0]}{int(first_code[1:]) + i:08d}" for i in range(n_las)]
        self.names = [names.get(i, f"Northmere {i + 1}") for i in range(n_las)]
        self.regions = [REGIONS[i % len(REGIONS)] for i in range(n_las)]
        self.shape = (chains, draws)
        self.predictive_draws = predictive_draws
        n_years = len(years)
        t = self.years - 2008
        self.trend = np.log(30) + 0.02 * t + 0.05 * np.maximum(t, 0)
        self.level_sd = 0.4
        self.level = self.rng.normal(0, self.level_sd, n_las)
        self.slope = self.rng.normal(0, 0.02, n_las)
        self.population = np.round(np.exp(self.rng.normal(np.log(60_000), 0.6, n_las)))
        self.log_rate = self.level[:, None] + self.trend + self.slope[:, None] * t
        self.dispersion = 60.0
        la, year = np.divmod(np.arange(n_las * n_years), n_years)
        # One cell in forty is missing, as in published returns.
        kept = self.rng.random(la.size) > 0.025
        kept[0] = True
        self.la, self.year = la[kept], year[kept]
        self.dropped = int((~kept).sum())
        self.exposure = self.population[self.la]
        self.mu = self.exposure / PER * np.exp(self.log_rate[self.la, self.year])
        self.y = self._counts(self.mu)
        self.suppressed = (self.y >= 1) & (self.y <= 5)
        self.lower = np.where(self.suppressed, 1, self.y)
        self.upper = np.where(self.suppressed, 5, self.y)

    def _counts(self, mu: np.ndarray) -> np.ndarray:
        p = self.dispersion / (self.dispersion + mu)
        return self.rng.negative_binomial(self.dispersion, p)

    def _noise(self, centre: Any, sd: float) -> np.ndarray:
        centre = np.asarray(centre, float)
        return centre + sd * self.rng.normal(size=(*self.shape, *centre.shape))

    def trace(self) -> xr.DataTree:
        from scipy.stats import nbinom

        chain, draw = np.arange(self.shape[0]), np.arange(self.shape[1])
        sampled = {"chain": chain, "draw": draw, "la": self.codes, "year": self.years}
        d = ("chain", "draw")
        posterior = xr.Dataset(
            {
                "trend": ((*d, "year"), self._noise(self.trend, 0.02)),
                "level": ((*d, "la"), self._noise(self.level, 0.04)),
                "slope": ((*d, "la"), self._noise(self.slope, 0.004)),
                "level_sd": (d, np.abs(self._noise(self.level_sd, 0.03))),
                "slope_sd": (d, np.abs(self._noise(0.02, 0.003))),
                "level_slope_correlation": (d, np.tanh(self._noise(-0.2, 0.1))),
                "dispersion": (d, np.exp(self._noise(np.log(self.dispersion), 0.06))),
            },
            coords=sampled,
        )
        prior_shape = (1, 500)
        prior = xr.Dataset(
            {
                "level_sd": (d, np.abs(self.rng.normal(0, 0.5, prior_shape))),
                "slope_sd": (d, np.abs(self.rng.normal(0, 0.05, prior_shape))),
                "level_slope_correlation": (d, self.rng.uniform(-1, 1, prior_shape)),
                "dispersion": (d, np.exp(self.rng.normal(3, 1, prior_shape))),
            },
            coords={"chain": [0], "draw": np.arange(500)},
        )
        each = max(1, self.predictive_draws // self.shape[0])
        thinned = np.linspace(0, self.shape[1] - 1, min(each, self.shape[1])).astype(int)
        size = (self.shape[0], thinned.size, self.y.size)
        mu = self.mu * np.exp(0.04 * self.rng.normal(size=(*self.shape, self.mu.size)))
        log_p = nbinom.logpmf(self.y, self.dispersion, self.dispersion / (self.dispersion + mu))
        predicted = self._counts(mu[:, thinned])
        vague = self.exposure / PER * np.exp(self.rng.normal(3.4, 1, (1, 100, 1)))
        vague = vague * np.exp(self.rng.normal(0, 0.6, (1, 100, self.y.size)))
        steps = np.full(self.shape, 15)
        stats = xr.Dataset(
            {
                "tree_depth": (d, np.full(self.shape, 4)),
                "reached_max_treedepth": (d, np.zeros(self.shape, "int8")),
                "acceptance_rate": (d, np.clip(self._noise(0.85, 0.05), 0, 1)),
                "lp": (d, self._noise(-9000, 10)),
                "energy": (d, self._noise(9100, 14)),
                "diverging": (d, np.zeros(self.shape, "int8")),
                "step_size": (d, np.full(self.shape, 0.31)),
                "n_steps": (d, steps),
            },
            coords={"chain": chain, "draw": draw},
        )
        constant = {
            "la": self.la,
            "year": self.year,
            "y_lower": self.lower.astype(float),
            "y_upper": self.upper.astype(float),
            "exposure": self.exposure,
            "status": np.where(self.suppressed, 2, 0).astype("int8"),
        }
        y = np.where(self.suppressed, np.nan, self.y)
        assert predicted.shape == size
        groups = {
            "posterior": posterior,
            "sample_stats": stats,
            "log_likelihood": xr.Dataset(
                {"y": ((*d, "obs"), log_p)}, coords={"chain": chain, "draw": draw}
            ),
            "observed_data": xr.Dataset({"y": ("obs", y)}),
            "constant_data": xr.Dataset({k: ("obs", v) for k, v in constant.items()}),
            "prior": prior,
            "prior_predictive": xr.Dataset(
                {"y": ((*d, "obs"), self._counts(vague))},
                coords={"chain": [0], "draw": np.arange(100)},
            ),
            "posterior_predictive": xr.Dataset(
                {"y": ((*d, "obs"), predicted)}, coords={"chain": chain, "draw": draw[thinned]}
            ),
        }
        return xr.DataTree.from_dict(groups)

    def estimands(self) -> pd.DataFrame:
        """Rows as a fit would write them, intervals a normal's."""
        rows: list[dict[str, Any]] = []
        years, last = self.years, int(self.years[-1])
        rate = np.exp(self.log_rate)
        national = (rate * self.population[:, None]).sum(0) / self.population.sum()

        def add(estimand: str, mean: float, sd: float, **coordinates: Any) -> None:
            label, unit = LABELS[estimand]
            row = {"estimand": estimand, "label": label, "unit": unit, "mean": mean, "sd": sd}
            row |= {"lower": mean - 1.645 * sd, "upper": mean + 1.645 * sd}
            row |= {"interval": INTERVAL, "ess_bulk": 1800.0, "ess_tail": 1500.0, "r_hat": 1.002}
            rows.append(row | coordinates)

        for j, year in enumerate(years):
            add("national_rate", national[j], 0.012 * national[j], year=int(year))
        for j in range(1, len(years)):
            change = 100 * (national[j] / national[j - 1] - 1)
            add("national_change", change, 1.6, year=int(years[j]), year_from=int(years[j - 1]))
        if len(years) > 2:
            change = 100 * (national[-1] / national[0] - 1)
            add("national_change", change, 2.2, year=last, year_from=int(years[0]))
        add("slope_change", 5.1, 0.8)
        for j, year in enumerate(years):
            spread = self.level_sd + 0.01 * j
            add("between_la_sd", spread, 0.02, year=int(year))
            add("la_ratio_90_10", float(np.exp(2.56 * spread)), 0.1, year=int(year))
        for i, code in enumerate(self.codes):
            for j, year in enumerate(years):
                add("la_rate", rate[i, j], 0.06 * rate[i, j], la=code, year=int(year))
        order = (-rate[:, -1]).argsort().argsort() + 1
        top = max(1, len(self.codes) // 5)
        for i, code in enumerate(self.codes):
            add("la_rank", float(order[i]), 0.8, la=code)
            p = float(1 / (1 + np.exp(order[i] - top - 0.5)))
            add("la_p_top_fifth", p, float(np.sqrt(p * (1 - p))), la=code)
            add("la_growth", 100 * (np.exp(0.06 + self.slope[i]) - 1), 0.6, la=code)
        frame = pd.DataFrame(rows)
        first = ["estimand", "label", "unit", "mean", "sd", "lower", "upper", "interval"]
        first += ["ess_bulk", "ess_tail", "r_hat"]
        frame = frame[first + sorted(set(frame) - set(first))]
        return frame.astype(dict.fromkeys(set(frame) & {"year", "year_from"}, "Int64"))

    def ranks(self) -> pd.DataFrame:
        """Ranks of the last year's rates and of growth, as wide as in the estimands."""
        rows = []
        for estimand, values, year in (
            ("la_rate", self.log_rate[:, -1], int(self.years[-1])),
            ("la_growth", self.slope, None),
        ):
            order = (-values).argsort().argsort() + 1
            n, top = len(order), max(1, len(order) // 5)
            for code, rank in zip(self.codes, order.tolist(), strict=True):
                row = {"estimand": estimand, "la": code, "year": year, "rank": rank + 0.1}
                row |= {"rank_lower": max(1, rank - 2), "rank_upper": min(n, rank + 2)}
                row["p_top_fifth"] = float(1 / (1 + np.exp(rank - top - 0.5)))
                row["p_bottom_fifth"] = float(1 / (1 + np.exp(n - rank - top + 0.5)))
                rows.append(row | {"authorities": n})
        return pd.DataFrame(rows).astype({"year": "Int64"})

    def places(self) -> dict[str, Any]:
        """Square authorities in rows of four, and one more that was not fitted."""
        codes = [*self.codes, "E09999999"]
        at = {code: divmod(i, 4)[::-1] for i, code in enumerate(codes)}

        def square(x: int, y: int) -> dict[str, Any]:
            west, south = -1 + 0.1 * x, 53 - 0.1 * y
            ring = [[west, south], [west + 0.1, south], [west + 0.1, south + 0.1]]
            ring += [[west, south + 0.1], [west, south]]
            return {"type": "MultiPolygon", "coordinates": [[ring]]}

        near = {code: self.codes[max(0, i - 3) : i] for i, code in enumerate(self.codes)}
        return {
            "schema": 1,
            "las": {
                code: {"name": name, "region": "London"}
                for code, name in zip(codes, [*self.names, "Never Fitted"], strict=True)
            },
            "neighbours": near,
            "outlines": {code: square(*where) for code, where in at.items()},
            "tiles": {code: list(where) for code, where in at.items()},
            "attribution": "Invented outlines",
        }

    def diagnostics(self) -> pd.DataFrame:
        rows = []

        def add(variable: str, block: str, coordinate: str = "") -> None:
            bulk, tail = self.rng.uniform(900, 3500, 2)
            row = (variable, block, coordinate, 1 + self.rng.uniform(0, 0.006), bulk, tail, 0.001)
            rows.append(row)

        for year in self.years:
            add("trend", "national trend", f"year={year}")
        for code in self.codes:
            add("level", "LA effects", f"la={code}")
            add("slope", "LA effects", f"la={code}")
        for name in ("level_sd", "slope_sd", "level_slope_correlation"):
            add(name, "hyperparameters")
        add("dispersion", "observation")
        names = ["variable", "block", "coordinate", "r_hat", "ess_bulk", "ess_tail", "mcse_mean"]
        return pd.DataFrame(rows, columns=names)

    def spec(self) -> dict[str, Any]:
        years = [int(year) for year in self.years]
        used, interval = int(self.y.size), int(self.suppressed.sum())
        per = "per 10,000 children"
        about = "the expected rate, these LAs"
        start = float(np.exp(self.log_rate[:, 0]) @ self.population / self.population.sum())
        totals = []
        for year in range(years[0] - 3, years[0]):
            rate = start * (1 - 0.02 * (years[0] - year))
            total = {"total": 1_100 * rate, "lower": 1_080 * rate, "upper": 1_120 * rate}
            totals.append({"year": year, **total, "used": True, "exposure": 11_000_000.0})
        return {
            "schema": 1,
            "model": "national_trend",
            "title": "National trend: section 47 enquiries",
            "question": "How has the national rate of section 47 enquiries moved, and how do "
            "local authorities differ around it?",
            "answer": "The national rate rose from 27 per 10,000 children in 2005 to 52 in 2014 "
            "(90% interval 51 to 53), and growth quickened after March 2008.",
            "outcome": {
                "name": "section47",
                "label": "Section 47 enquiries",
                "units": "enquiries",
                "definition": "Enquiries under section 47 of the Children Act 1989 begun in the "
                "year ending 31 March.",
            },
            "exposure": {
                "name": "population_0_17",
                "label": "Children aged 0-17",
                "per": PER,
                "unit": per,
            },
            "equations": [
                "y[i,t] ~ NegBin(mu[i,t], dispersion)",
                "log mu[i,t] = log e[i,t] + trend[t] + level[i] + slope[i] * (t - 2008)",
                "trend[t] ~ random walk with a break of level and slope at the knot",
            ],
            "assumptions": ["Populations are known without error within LAs."],
            "cannot_say": ["Why the rate moved: the series is observational."],
            "options": [
                {
                    "name": "trend",
                    "value": "break",
                    "choices": ["random_walk", "linear", "break", "free"],
                    "meaning": "shape of the national trend",
                },
                {"name": "knot", "value": 2008, "choices": [], "meaning": "last year before"},
            ],
            "priors": [
                _prior("level_sd", "HalfNormal", {"sigma": 0.5}, "LAs differ by up to e times"),
                _prior("slope_sd", "HalfNormal", {"sigma": 0.05}, "growth differs by few % a year"),
                _prior("level_slope_correlation", "LKJ", {"eta": 2}, "any sign"),
                _prior("dispersion", "LogNormal", {"mu": 3, "sigma": 1}, "scatter of 10 to 60 %"),
            ],
            "blocks": [
                {"name": "national trend", "variables": ["trend"]},
                {"name": "LA effects", "variables": ["level", "slope"]},
                {
                    "name": "hyperparameters",
                    "variables": ["level_sd", "slope_sd", "level_slope_correlation"],
                },
                {"name": "observation", "variables": ["dispersion"]},
            ],
            "hyperparameters": ["level_sd", "slope_sd", "level_slope_correlation", "dispersion"],
            "estimands": [
                {
                    "name": name,
                    "label": label,
                    "unit": unit,
                    "definition": f"{label}, from the population-weighted mean of LA rates.",
                    "about": about,
                    "coordinates": COORDINATES[name],
                    "headline": name in ("national_rate", "national_change", "slope_change"),
                }
                for name, (label, unit) in LABELS.items()
            ],
            "not_estimable": [],
            "notes": ["All data are simulated: no real authority is described."],
            "data": {
                "cube": "simulated",
                "kind": "simulated England",
                "cube_hash": "0f" * 32,
                "years": years,
                "national_years": [row["year"] for row in totals],
                "las": len(self.codes),
                "cells": used + self.dropped,
                "used": used,
                "exact": used - interval,
                "interval": interval,
                "dropped": [
                    {
                        "reason": "not available: no return",
                        "cells": self.dropped,
                        "examples": [f"{self.names[0]} {years[-1]}"],
                    }
                ],
            },
            "regimes": [
                {"name": "CPR3 aggregate return", "first_year": None, "last_year": 2009},
                {"name": "child-level census", "first_year": 2010, "last_year": None},
            ],
            "knot": 2008,
            "figures": ["national_trend"],
            "national_series": totals,
            "regime_sensitivity": [
                {
                    "estimand": "slope_change",
                    "label": LABELS["slope_change"][0],
                    "unit": LABELS["slope_change"][1],
                    "offset_sd_percent": sd,
                    "mean": 5.1 - 0.03 * sd,
                    "lower": 3.8 - 0.2 * sd,
                    "upper": 6.4 + 0.2 * sd,
                }
                for sd in (0, 2, 5, 10)
            ],
            "las": {
                code: {"name": name, "region": region}
                for code, name, region in zip(self.codes, self.names, self.regions, strict=True)
            },
        }

    def verdict(self) -> dict[str, Any]:
        def gate(name: str, value: float, limit: float, where: str = "") -> dict[str, Any]:
            row = {"name": name, "status": "pass", "value": value, "limit": limit}
            return row | {"where": where, "blocking": True}

        return {
            "schema": 1,
            "completed": True,
            "reportable": True,
            "loosened": [],
            "gates": [
                gate("r_hat", 1.006, 1.01, f"level[{self.codes[-1]}]"),
                gate("ess_bulk", 911, 400, f"slope[{self.codes[0]}]"),
                gate("ess_tail", 902, 400, "level_sd"),
                gate("divergences", 0, 0),
                gate("tree_depth", 0, 0),
                gate("e_bfmi", 0.97, 0.3, "chain 2"),
            ],
            "predictive_checks": [
                {
                    "name": "max_rate",
                    "label": "Highest LA rate",
                    "statistic": "maximum over cells",
                    "observed": 140.2,
                    "lower": 110.0,
                    "upper": 181.0,
                    "p": 0.41,
                    "status": "pass",
                    "where": "",
                }
            ],
            "advisory": [],
        }

    def provenance(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "run_id": "5e1f0c7a2b",
            "experiment": "national_trend",
            "cube_hash": "0f" * 32,
            "versions": {"python": "3.13.1", "pymc": "6.4.0", "arviz": "1.3.0"},
            "seeds": {"root": 20160401},
            "seconds": {"build": 1.2, "compile": 4.3, "sample": 9.8, "summaries": 2.2},
            "command": "make fit MODEL=national_trend CUBE=simulated",
        }


def _prior(name: str, distribution: str, parameters: dict, meaning: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "distribution": distribution, "parameters": parameters}
    return row | {"meaning": meaning, "reason": "weak beside 152 LAs", "overridden": False}


LABELS = {
    "national_rate": ("National rate", "per 10,000 children"),
    "national_change": ("Change of the national rate", "per cent"),
    "slope_change": ("Change of annual growth at the knot", "percentage points"),
    "between_la_sd": ("Standard deviation between LAs", "log points"),
    "la_ratio_90_10": ("Ratio of the 90th to the 10th percentile of LAs", "ratio"),
    "la_rate": ("LA rate", "per 10,000 children"),
    "la_rank": ("LA rank, 1 = highest", "rank"),
    "la_p_top_fifth": ("Probability of being in the highest fifth", "probability"),
    "la_growth": ("LA growth", "per cent a year"),
}
COORDINATES: dict[str, list[str]] = {
    "national_rate": ["year"],
    "national_change": ["year", "year_from"],
    "slope_change": [],
    "between_la_sd": ["year"],
    "la_ratio_90_10": ["year"],
    "la_rate": ["la", "year"],
    "la_rank": ["la"],
    "la_p_top_fifth": ["la"],
    "la_growth": ["la"],
}
