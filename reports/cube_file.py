"""A cube, read for printing: plain arrays, and every group but ``/cube`` may be missing."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import netCDF4
import numpy as np

# What an indicator's cell has when both counts are known and there is nothing to divide by.
NOTHING_TO_DIVIDE_BY = "nothing_to_divide_by"
PRINTED_NUMBERS = ("per", "printed", "half_unit", "rebuilt_lower", "rebuilt_upper")


@dataclass(frozen=True)
class Series:
    """Values with their bounds, (la, year) or (year,); ``reason`` says why there is no number.

    ``value`` is NaN where no single number was published; bounds are NaN where nothing is known.
    """

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    reason: np.ndarray

    @property
    def has_number(self) -> np.ndarray:
        return np.isfinite(self.value)

    @property
    def has_bounds(self) -> np.ndarray:
        """Known within bounds, and no number."""
        return np.isfinite(self.upper) & ~np.isfinite(self.value)

    @property
    def is_missing(self) -> np.ndarray:
        return ~np.isfinite(self.upper) & ~np.isfinite(self.value)

    @property
    def middle(self) -> np.ndarray:
        """The number, or the middle of the bounds."""
        return np.where(self.has_number, self.value, (self.lower + self.upper) / 2)

    def at(self, index: int) -> "Series":
        """The series of one authority."""
        return Series(self.value[index], self.lower[index], self.upper[index], self.reason[index])


@dataclass(frozen=True)
class Regime:
    """A span of years in which a measure kept one definition; None leaves that end open."""

    name: str
    first: int | None
    last: int | None


@dataclass(frozen=True)
class Measure:
    """A measure's words."""

    name: str
    label: str
    units: str
    definition: str
    source: str
    regimes: tuple[Regime, ...]

    @property
    def is_additive(self) -> bool:
        """False for a mean, such as cases per full-time equivalent."""
        return " per " not in self.units


@dataclass(frozen=True)
class Indicator:
    """One measure over another, times ``per``."""

    name: str
    label: str
    unit: str
    numerator: str
    denominator: str
    per: float
    is_share: bool


@dataclass(frozen=True)
class Finding:
    """One row of the findings file."""

    check: str
    level: str
    problem: str
    remedy: str
    file: str
    la: str
    year: str
    value: str


@dataclass(frozen=True)
class Printed:
    """Printed rates, one row each: places in ``las`` and ``years``, names of the two measures.

    ``rebuilt_lower`` and ``rebuilt_upper`` are what the counts of the figure's own release allow;
    NaN where that release does not let it be tested.
    """

    la: np.ndarray
    year: np.ndarray
    measure: np.ndarray
    base: np.ndarray
    per: np.ndarray
    printed: np.ndarray
    half_unit: np.ndarray
    rebuilt_lower: np.ndarray
    rebuilt_upper: np.ndarray
    source: np.ndarray


class CubeFile:
    """The contents of a cube and of the findings beside it, loaded whole."""

    def __init__(
        self,
        path: Path,
        attributes: dict[str, Any],
        groups: dict[str, Any],
        contents: dict[str, dict[str, int]],
    ) -> None:
        self.path = path
        # Sizes of the dimensions of every group, read or not.
        self.contents = contents
        self.attributes = attributes
        self._groups = groups

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When it holds no group ``/cube``.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no cube at {path}")
        with netCDF4.Dataset(path) as file:
            file.set_auto_mask(False)
            attributes = {name: file.getncattr(name) for name in file.ncattrs()}
            contents = {
                name: {key: len(d) for key, d in group.dimensions.items()}
                for name, group in file.groups.items()
            }
            # What models alone read is left on disk.
            groups = {
                name: {key: _Variable.read(v) for key, v in group.variables.items()}
                for name, group in file.groups.items()
                if name not in ("boundaries", "truth")
            }
        if "cube" not in groups:
            raise ValueError(f"{path} holds no group /cube")
        return cls(path, attributes, groups, contents)

    def has(self, group: str) -> bool:
        return group in self._groups

    def names(self, group: str) -> set[str]:
        """Names of a group's variables; none where the cube has no such group."""
        return set(self._groups.get(group, {}))

    def values(self, group: str, name: str) -> np.ndarray:
        return np.asarray(self._groups[group][name].values)

    def texts(self, group: str, name: str) -> list[str]:
        return [str(value) for value in self.values(group, name)]

    # -- words -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return str(self.attributes.get("name") or self.path.stem)

    @property
    def kind(self) -> str:
        return str(self.attributes.get("kind") or "data of unknown kind")

    @property
    def is_simulated(self) -> bool:
        return "simulated" in self.kind.lower()

    @cached_property
    def las(self) -> list[str]:
        return self.texts("cube", "la")

    @cached_property
    def la_names(self) -> list[str]:
        return self.texts("cube", "la_name")

    @cached_property
    def years(self) -> list[int]:
        return [int(year) for year in self.values("cube", "year")]

    @cached_property
    def national_years(self) -> list[int]:
        if not self.has("national"):
            return []
        return [int(year) for year in self.values("national", "year")]

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Measures of ``/cube`` in the file's order."""
        found = self._groups["cube"]
        return {
            name: Measure(
                name,
                str(variable.attributes.get("long_name") or name),
                str(variable.attributes.get("units") or "units not given"),
                str(variable.attributes.get("definition") or ""),
                str(variable.attributes.get("source") or ""),
                tuple(_regimes(str(variable.attributes.get("regimes") or ""))),
            )
            for name, variable in found.items()
            if f"{name}_status" in found
        }

    def label(self, name: str) -> str:
        """A measure in words."""
        return self.measures[name].label if name in self.measures else name.replace("_", " ")

    @cached_property
    def indicators(self) -> list[Indicator]:
        """Indicators whose measures the cube holds."""
        if not self.has("indicators"):
            return []
        names = ("indicator", "label", "unit", "numerator", "denominator", "per", "is_share")
        rows = zip(*(self.values("indicators", name) for name in names), strict=True)
        found = [
            Indicator(
                str(name), str(label), str(unit), str(above), str(below), float(per), bool(share)
            )
            for name, label, unit, above, below, per, share in rows
        ]
        return [i for i in found if {i.numerator, i.denominator} <= set(self.measures)]

    def regimes(self, indicator: Indicator) -> list[Regime]:
        """Definitions of the numerator, then those of the denominator that differ."""
        both = (*self.measures[indicator.numerator].regimes, *self._denominator(indicator))
        return list(dict.fromkeys(both))

    def _denominator(self, indicator: Indicator) -> tuple[Regime, ...]:
        return self.measures[indicator.denominator].regimes

    def breaks(self, indicator: Indicator) -> list[Regime]:
        """Regimes that begin within the years that have a figure of authorities or of England."""
        years = self.years_known(indicator)
        return [
            regime
            for regime in self.regimes(indicator)
            if regime.first is not None and years and min(years) < regime.first <= max(years)
        ]

    def years_known(self, indicator: Indicator) -> set[int]:
        """Years with a figure of any authority or of England."""
        known = ~self.rates[indicator.name].is_missing
        found = {year for year, some in zip(self.years, known.any(axis=0), strict=True) if some}
        england = self.rate(indicator, "national")
        if england is not None:
            missing = england.is_missing
            found |= {y for y, gone in zip(self.national_years, missing, strict=True) if not gone}
        return found

    @cached_property
    def statuses(self) -> list[str]:
        """Meanings of the status codes, spaces for underlines."""
        name = next(iter(self.measures))
        meanings = self._groups["cube"][f"{name}_status"].attributes["flag_meanings"]
        return [text.replace("_", " ") for text in str(meanings).split()]

    # -- numbers ---------------------------------------------------------------------------------

    def measure(self, name: str, group: str = "cube") -> Series:
        """A measure as it stands."""
        found = self._groups[group]
        codes = np.asarray(found[f"{name}_status"].values, int)
        value, lower, upper = (
            np.asarray(found[key].values, float) for key in (name, f"{name}_lower", f"{name}_upper")
        )
        return Series(value, lower, upper, np.array(self.statuses, object)[codes])

    def rate(self, indicator: Indicator, group: str = "cube") -> Series | None:
        """An indicator by authority and year, or England's by year; None where it has no counts.

        Bounds hold whatever numerator and denominator are within their own bounds.
        """
        found = self._groups.get(group, {})
        if indicator.numerator not in found or indicator.denominator not in found:
            return None
        above, below = (
            self.measure(name, group) for name in (indicator.numerator, indicator.denominator)
        )
        per = indicator.per
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(below.value > 0, per * above.value / below.value, np.nan)
            lower = np.where(below.upper > 0, per * above.lower / below.upper, np.nan)
            upper = np.where(below.lower > 0, per * above.upper / below.lower, np.nan)
        if indicator.is_share:
            # Not below the lower bound, should a part exceed its whole after all.
            upper = np.where(np.isfinite(lower), np.fmax(lower, np.fmin(upper, per)), np.nan)
        lower = np.where(np.isfinite(upper), lower, np.nan)
        reason = np.where(above.is_missing, above.reason, below.reason)
        both = ~above.is_missing & ~below.is_missing
        empty = both & ~np.isfinite(value) & ~np.isfinite(upper)
        reason = np.where(empty, NOTHING_TO_DIVIDE_BY.replace("_", " "), reason)
        hidden = both & ~empty & ~np.isfinite(above.value)
        return Series(value, lower, upper, np.where(hidden, above.reason, reason))

    @cached_property
    def rates(self) -> dict[str, Series]:
        """Every indicator by authority and year."""
        found = {indicator.name: self.rate(indicator) for indicator in self.indicators}
        return {name: series for name, series in found.items() if series is not None}

    @cached_property
    def printed(self) -> Printed | None:
        """Printed rates of authorities that the cube holds."""
        if not self.has("printed"):
            return None
        la_of = {code: index for index, code in enumerate(self.las)}
        year_of = {year: index for index, year in enumerate(self.years)}
        codes = self.texts("printed", "la_code")
        la = np.array([la_of.get(code, -1) for code in codes])[self.values("printed", "la")]
        year = np.array([year_of.get(int(year), -1) for year in self.values("printed", "year")])
        names = np.array(self.texts("printed", "measure_name"), object)
        sources = np.array(self.texts("printed", "source_file"), object)
        columns = (
            la,
            year,
            names[self.values("printed", "measure")],
            names[self.values("printed", "base")],
            *(self.values("printed", key) for key in PRINTED_NUMBERS),
            sources[self.values("printed", "source")],
        )
        kept = (la >= 0) & (year >= 0)
        return Printed(*(column[kept] for column in columns))

    @cached_property
    def neighbours(self) -> tuple[str, list[list[int]]] | None:
        """Edition and, for each authority, the places of its statistical neighbours, nearest first.

        The latest edition that was out by the end of the window, else the first.
        """
        # Simulated and published cubes name the same table of codes (la, rank, edition).
        names = [n for n in ("neighbour", "neighbour_code") if n in self.names("neighbours")]
        if not names:
            return None
        editions = [int(edition) for edition in self.values("neighbours", "edition")]
        if not editions:
            return None
        out = [edition for edition in editions if edition <= self.years[-1]]
        chosen = max(out) if out else min(editions)
        table = self.values("neighbours", names[0])[..., editions.index(chosen)]
        rows = dict(zip(self.texts("neighbours", "la"), table, strict=True))
        place = {code: index for index, code in enumerate(self.las)}
        # Authorities that were joined may name one another, or one unit twice.
        named = [
            list(dict.fromkeys(place[str(c)] for c in rows.get(la, ()) if str(c) in place))
            for la in self.las
        ]
        return str(chosen), [[n for n in row if n != i] for i, row in enumerate(named)]

    @cached_property
    def peers(self) -> list[tuple[str, list[int]]]:
        """What is drawn beside each authority: its statistical neighbours, else its region."""
        near = self.neighbours
        regions = self.texts("cube", "region") if "region" in self.names("cube") else []
        found = []
        for la in range(len(self.las)):
            if near and near[1][la]:
                found.append((f"Statistical neighbours ({near[0]} model)", near[1][la]))
            elif regions and regions[la]:
                others = [i for i, r in enumerate(regions) if r == regions[la] and i != la]
                found.append((f"Others of its region, {regions[la]}", others))
            else:
                found.append(("", []))
        return found

    @cached_property
    def findings(self) -> list[Finding] | None:
        """Findings of the checks; None where no file of them stands beside the cube."""
        path = self.path.with_suffix(".findings.csv")
        if not path.is_file():
            return None
        with path.open(encoding="utf-8", newline="") as file:
            names = list(Finding.__dataclass_fields__)
            return [
                Finding(**{name: row.get(name) or "" for name in names})
                for row in csv.DictReader(file)
            ]


@dataclass(frozen=True)
class _Variable:
    values: np.ndarray
    attributes: dict[str, Any]

    @classmethod
    def read(cls, variable: Any) -> Self:
        attributes = {name: variable.getncattr(name) for name in variable.ncattrs()}
        return cls(variable[...], attributes)


def _regimes(text: str) -> Iterator[Regime]:
    """Parse ``name: first-last; name: first-``."""
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, years = part.rpartition(":")
        first, _, last = years.strip().partition("-")
        yield Regime(name.strip(), int(first) if first else None, int(last) if last else None)
