"""A run folder, read for printing: every file may be missing, and what is missing stays missing."""

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import netCDF4
import numpy as np
import pandas as pd

# Columns of estimands.csv before the coordinates.
SUMMARY_COLUMNS = (
    "estimand",
    "label",
    "unit",
    "mean",
    "sd",
    "lower",
    "upper",
    "interval",
    "ess_bulk",
    "ess_tail",
    "r_hat",
)
DIAGNOSTIC_COLUMNS = (
    "variable",
    "block",
    "coordinate",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "mcse_mean",
)
RANK_COLUMNS = (
    "estimand",
    "rank",
    "rank_lower",
    "rank_upper",
    "p_top_fifth",
    "p_bottom_fifth",
    "authorities",
)
INTERVAL = "90% equal-tailed"


@dataclass
class Run:
    """The contents of a run folder. Groups of the trace are opened when asked for."""

    folder: Path
    spec: dict[str, Any]
    verdict: dict[str, Any]
    provenance: dict[str, Any]
    config: str
    estimands: pd.DataFrame
    diagnostics: pd.DataFrame
    _draws: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the small files.

        Raises
        ------
        FileNotFoundError
            When there is no ``spec.json``: nothing can be said of such a folder.
        """
        if not (folder / "spec.json").is_file():
            raise FileNotFoundError(f"{folder} is not a run folder: it holds no spec.json")
        config = folder / "config.toml"
        return cls(
            folder=folder,
            spec=_read_json(folder / "spec.json"),
            verdict=_read_json(folder / "verdict.json"),
            provenance=_read_json(folder / "provenance.json"),
            config=config.read_text(encoding="utf-8") if config.is_file() else "",
            estimands=_read_estimands(folder / "estimands.csv"),
            diagnostics=_read_table(folder / "diagnostics.csv", DIAGNOSTIC_COLUMNS),
        )

    def close(self) -> None:
        if self.trace is not None:
            self.trace.close()

    # -- trace -------------------------------------------------------------------------------

    @cached_property
    def trace(self) -> netCDF4.Dataset | None:
        """The open trace. Read without xarray: a report needs a few plain arrays, soon."""
        path = self.folder / "trace.nc"
        if not path.is_file():
            return None
        file = netCDF4.Dataset(path)
        file.set_auto_mask(False)
        return file

    def group(self, name: str) -> netCDF4.Group | None:
        """A group of the trace, values still on disk; None where the run has none."""
        return None if self.trace is None else self.trace.groups.get(name)

    def variable(self, group: str, name: str) -> np.ndarray | None:
        """Values of one variable of the trace, or None."""
        found = self.group(group)
        if found is None or name not in found.variables:
            return None
        return np.asarray(found[name][...])

    def dims(self, group: str, name: str) -> tuple[str, ...]:
        """Dimensions of a variable that the trace holds."""
        found = self.group(group)
        return () if found is None else tuple(found[name].dimensions)

    def draws(self, group: str, name: str = "y") -> np.ndarray | None:
        """Draws of a variable as (draw, ...), chains one after the other, or None."""
        if (group, name) not in self._draws:
            values = self.variable(group, name)
            if values is None:
                return None
            dims = self.dims(group, name)
            sampled = [dims.index(dim) for dim in ("chain", "draw", "sample") if dim in dims]
            values = np.moveaxis(values, sampled, range(len(sampled)))
            self._draws[group, name] = values.reshape(-1, *values.shape[len(sampled) :])
        return self._draws[group, name]

    def labels(self, coordinate: str) -> list[Any]:
        """Labels that the indices ``constant_data.la`` and ``.year`` point to."""
        for group in ("constant_data", "posterior"):
            # constant_data.la is an index along obs, not the coordinate that it points to.
            found = self.variable(group, coordinate)
            if found is not None and self.dims(group, coordinate) == (coordinate,):
                return list(found.tolist())
        return list(self.spec.get("las", {})) if coordinate == "la" else self.years

    @cached_property
    def cells(self) -> pd.DataFrame | None:
        """The observations, one row per cell of ``obs``.

        Columns ``la, name, region, year, lower, upper, y, exposure``, and ``outcome`` (a label,
        blank where the model has one outcome); an interval's ``y`` is its midpoint. None where the
        trace does not say.
        """
        names = ("la", "year", "y_lower", "y_upper", "exposure")
        la, year, lower, upper, exposure = (self.variable("constant_data", name) for name in names)
        if la is None or year is None or lower is None or upper is None or exposure is None:
            return None
        codes = np.array(self.labels("la"), dtype=object)[la.astype(int)]
        years = np.array(self.labels("year"))[year.astype(int)]
        return pd.DataFrame(
            {
                "la": codes,
                "name": [self.la_name(code) for code in codes],
                "region": [self.la_region(code) for code in codes],
                "year": years,
                "lower": lower.astype(float),
                "upper": upper.astype(float),
                "y": (lower + upper) / 2,
                "exposure": exposure.astype(float),
                "outcome": self._outcome_of_cells(len(la)),
            }
        )

    def _outcome_of_cells(self, cells: int) -> list[str]:
        index = self.variable("constant_data", "outcome")
        labels = [str(row["label"]) for row in self.spec.get("outcomes", [])]
        if index is None or len(labels) < 2:
            return [""] * cells
        return [labels[i] for i in index.astype(int)]

    @cached_property
    def sensitivity(self) -> dict[str, Any]:
        """What was computed of sensitivity after the fit; empty where nothing was."""
        return _read_json(self.folder / "sensitivity.json")

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Ranks of authorities by estimand; empty where the run holds none."""
        return _read_estimands(self.folder / "ranks.csv", RANK_COLUMNS)

    @property
    def has_ranks(self) -> bool:
        """Whether ranks were taken; of what has none then, none are to be had."""
        return (self.folder / "ranks.csv").is_file()

    @cached_property
    def places(self) -> dict[str, Any]:
        """Neighbours, outlines and squares of authorities; empty where the run holds none."""
        return _read_json(self.folder / "places.json")

    # -- words and numbers ---------------------------------------------------------------------

    @property
    def years(self) -> list[int]:
        return [int(year) for year in self.spec.get("data", {}).get("years", [])]

    @property
    def kind(self) -> str:
        return str(self.spec.get("data", {}).get("kind") or "data of unknown kind")

    @property
    def is_simulated(self) -> bool:
        return "simulated" in self.kind.lower()

    @property
    def per(self) -> float:
        return float(self.spec.get("exposure", {}).get("per") or 1)

    @property
    def rate_unit(self) -> str:
        return str(self.spec.get("exposure", {}).get("unit") or "per unit of exposure")

    def scale_of(self, outcome: str) -> tuple[float, str]:
        """Multiplier and unit of the rates of an outcome (its label); the run's where it has none.

        Outcomes that are counted of different things have a scale each.
        """
        names = {str(row["label"]): str(row["name"]) for row in self.spec.get("outcomes", [])}
        own = self.spec.get("exposure", {}).get("by_outcome", {}).get(names.get(outcome, ""))
        return (float(own["per"]), str(own["unit"])) if own else (self.per, self.rate_unit)

    @property
    def has_values(self) -> bool:
        """Whether the outcome is taken as it is, and not as counts over an exposure."""
        return str(self.spec.get("exposure", {}).get("outcome")) == "values"

    @property
    def outcome(self) -> str:
        return str(self.spec.get("outcome", {}).get("label") or "Outcome")

    @property
    def interval(self) -> str:
        """Kind and width of the interval in ``estimands.csv``."""
        printed = self.estimands["interval"].dropna().unique()
        return str(printed[0]) if len(printed) else INTERVAL

    def la_name(self, code: str) -> str:
        return str(self.spec.get("las", {}).get(code, {}).get("name") or code)

    def la_region(self, code: str) -> str:
        return str(self.spec.get("las", {}).get(code, {}).get("region") or "region not given")

    def named(self, text: str) -> str:
        """``text`` with the codes of LAs, and numbers of observations, replaced by their names."""
        known = self.spec.get("las", {})
        text = re.sub(r"\bobs=(\d+)", lambda m: self._cell_name(int(m[1])) or m[0], text)
        return re.sub(r"[A-Z]\w{8}", lambda m: self.la_name(m[0]) if m[0] in known else m[0], text)

    def _cell_name(self, place: int) -> str:
        """Authority and year of an observation, and its outcome where there are several."""
        if self.cells is None or place >= len(self.cells):
            return ""
        cell = self.cells.iloc[place]
        return " ".join(str(cell[name]) for name in ("outcome", "name", "year")).strip()

    def estimand(self, name: str) -> pd.DataFrame:
        """Rows of one estimand that hold a number, in the file's order."""
        rows = self.estimands[self.estimands["estimand"] == name]
        return rows[rows["mean"].notna()]


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame({name: [] for name in columns})
    # A blank is a blank, and an authority called "NA" would be a name.
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def _read_estimands(path: Path, columns: tuple[str, ...] = SUMMARY_COLUMNS) -> pd.DataFrame:
    table = _read_table(path, columns)
    for name in ("year", "year_from"):
        if name not in table:
            table[name] = pd.NA
        table[name] = table[name].astype("Int64")
    if "la" not in table:
        table["la"] = pd.NA
    return table
