"""The cube's contract: groups, variables, status flags, hash, saving and loading.

A cube is one netCDF file, an :class:`xarray.DataTree`; ``docs/artefacts.md`` shows its groups.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import (
    INDICATORS,
    MEASURES,
    Indicator,
    format_regimes,
    within_sentence,
)

SCHEMA_VERSION = 1
SIMULATED = "simulated England"
PUBLISHED = "published England"

# How the bounds of a cell arose, in the order of the CF flag values.
STATUSES = (
    "exact",
    "rounded",
    "suppressed",
    "derived",
    "not_available",
    "not_applicable",
    "not_collected",
)
STATUS = {name: code for code, name in enumerate(STATUSES)}
# Statuses under which a cell has bounds; under the others value and bounds are NaN.
KNOWN = tuple(STATUS[name] for name in ("exact", "rounded", "suppressed", "derived"))

# What an authority said of its own figures (DfE columns ending DCI, 2010-2015).
CONFIDENCES = ("none", "low", "medium", "high", "aggregate", "pilot")
CONFIDENCE = {name: code for code, name in enumerate(CONFIDENCES)}

GRADES = ("inadequate", "requires improvement", "good", "outstanding")
FRAMEWORKS = ("SLAC", "CPI", "SIF", "ILACS")

RECORD_COLUMNS = (
    "la_code",
    "year",
    "measure",
    "value",
    "lower",
    "upper",
    "status",
    "low_reliability",
    "confidence",
    "source",
    "release",
    # Year in which the release came out: decides which of two releases wins.
    "released",
)


def flag_attributes(names: tuple[str, ...], long_name: str) -> dict[str, object]:
    """CF attributes of a flag variable whose values are the positions in ``names``."""
    return {
        "long_name": long_name,
        "flag_values": np.arange(len(names), dtype="int8"),
        "flag_meanings": " ".join(name.replace(" ", "_") for name in names),
    }


def measure_attributes(name: str) -> dict[str, str]:
    """CF-like attributes of a measure."""
    measure = MEASURES[name]
    return {
        "long_name": measure.label,
        "units": measure.units,
        "definition": measure.definition,
        "source": measure.source,
        "regimes": format_regimes(measure.regimes),
    }


def measure_variables(
    name: str,
    dims: tuple[str, ...],
    *,
    value: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    status: np.ndarray,
    low_reliability: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
) -> dict[str, xr.DataArray]:
    """The variables that hold one measure ``m``.

    They are ``m, m_lower, m_upper, m_status, m_low_reliability`` and, if given, ``m_confidence``.
    All arrays have the shape of ``dims``. ``value`` is NaN where no single number was published.
    """
    attributes = measure_attributes(name)
    label = attributes["long_name"]
    bound = {"units": attributes["units"]}
    if low_reliability is None:
        low_reliability = np.zeros(np.shape(value), dtype="int8")
    variables = {
        name: xr.DataArray(np.asarray(value, float), dims=dims, attrs=attributes),
        f"{name}_lower": xr.DataArray(
            np.asarray(lower, float),
            dims=dims,
            attrs={"long_name": f"{label}: lower bound", **bound},
        ),
        f"{name}_upper": xr.DataArray(
            np.asarray(upper, float),
            dims=dims,
            attrs={"long_name": f"{label}: upper bound", **bound},
        ),
        f"{name}_status": xr.DataArray(
            np.asarray(status, "int8"),
            dims=dims,
            attrs=flag_attributes(STATUSES, f"{label}: how the bounds arose"),
        ),
        f"{name}_low_reliability": xr.DataArray(
            np.asarray(low_reliability, "int8"),
            dims=dims,
            attrs={
                "long_name": f"{label}: publisher calls the figure unreliable",
                "flag_values": [0, 1],
            },
        ),
    }
    if confidence is not None:
        variables[f"{name}_confidence"] = xr.DataArray(
            np.asarray(confidence, "int8"),
            dims=dims,
            attrs=flag_attributes(CONFIDENCES, f"{label}: authority's own confidence"),
        )
    return variables


def measures_in(dataset: xr.Dataset) -> list[str]:
    """Names of the measures that a ``/cube`` or ``/national`` dataset holds, in the order of the
    registry.
    """
    return [name for name in MEASURES if name in dataset.data_vars]


def indicator_unit(indicator: Indicator) -> str:
    """What a value of the indicator is counted in, as a reader says it."""
    base = MEASURES[indicator.denominator]
    if indicator.denominator == "population_0_17":
        return f"per {indicator.per:,} children"
    label = within_sentence(base.label)
    return f"% of {label}" if indicator.per == 100 else f"per {indicator.per:,} {label}"


def derive_indicators(measures: Iterable[str]) -> xr.Dataset:
    """The group ``/indicators``: those that the measures of a cube allow, in the registry's order.

    It goes with the cube so that whoever reads the file needs no code to know them.
    """
    known = set(measures)
    chosen = [
        indicator
        for indicator in INDICATORS.values()
        if {indicator.numerator, indicator.denominator} <= known
    ]
    columns = {
        "label": ("Name in words", [indicator.label for indicator in chosen]),
        "unit": ("Unit", [indicator_unit(indicator) for indicator in chosen]),
        "numerator": ("Measure that is counted", [i.numerator for i in chosen]),
        "denominator": ("Measure that it is counted per", [i.denominator for i in chosen]),
        "per": ("Multiplied by", [indicator.per for indicator in chosen]),
        "is_share": ("Numerator is a part of it", [int(i.is_share) for i in chosen]),
    }
    return xr.Dataset(
        {
            name: ("indicator", np.array(values, None if chosen else "U1"), {"long_name": label})
            for name, (label, values) in columns.items()
        },
        coords={
            "indicator": (
                "indicator",
                np.array([indicator.name for indicator in chosen], "U"),
                {"long_name": "Indicator"},
            )
        },
    )


def _hash_items(tree: xr.DataTree) -> Iterator[tuple[str, bytes]]:
    for node in sorted(tree.subtree, key=lambda node: node.path):
        dataset = node.to_dataset(inherit=False)
        for key in sorted(dataset.attrs):
            if key != "cube_hash":
                yield f"{node.path}@{key}", _attribute_bytes(dataset.attrs[key])
        for name in sorted(map(str, dataset.variables)):
            variable = dataset.variables[name]
            values = np.asarray(variable.values)
            is_text = values.dtype.kind in "OUST"
            kind = "text" if is_text else values.dtype.str
            header = f"{node.path}/{name} {variable.dims} {kind} {values.shape}"
            if is_text:
                body = "\x1f".join(str(item) for item in values.ravel()).encode()
            else:
                body = np.ascontiguousarray(values).tobytes()
            yield header, body
            for key in sorted(variable.attrs):
                yield f"{node.path}/{name}@{key}", _attribute_bytes(variable.attrs[key])


def _attribute_bytes(value: object) -> bytes:
    # netCDF hands a one-element array back as a scalar, so both are hashed alike.
    return repr(np.atleast_1d(np.asarray(value)).tolist()).encode()


def cube_hash(tree: xr.DataTree) -> str:
    """SHA-256 over sorted groups, names, dims, dtypes, values and attributes; the hash attribute
    itself left out.
    """
    digest = hashlib.sha256()
    for header, body in _hash_items(tree):
        digest.update(header.encode())
        digest.update(len(body).to_bytes(8, "little"))
        digest.update(body)
    return digest.hexdigest()


def cubes_folder() -> Path:
    """Where cubes lie: below ``results``, or below the folder that ``CSC_RESULTS`` names."""
    return Path(os.environ.get("CSC_RESULTS") or "results") / "cubes"


def compression(tree: xr.DataTree, level: int) -> dict[str, dict[str, dict[str, int]]]:
    """Encoding by group and variable that packs the numbers of ``tree``, for ``to_netcdf``."""
    packed = {
        node.path: {
            str(name): {"zlib": True, "complevel": level, "shuffle": True}
            for name, variable in node.to_dataset(inherit=False).data_vars.items()
            if variable.dtype.kind in "fiu" and variable.ndim
        }
        for node in tree.subtree
    }
    return {path: variables for path, variables in packed.items() if variables}


def findings_path(path: Path) -> Path:
    """Where the findings of the cube at ``path`` stand."""
    return path.with_suffix(".findings.csv")


def save_cube(tree: xr.DataTree, path: Path, findings: str | None = None) -> Path:
    """Write ``tree`` to ``path`` at once or not at all, with its hash as the root attribute
    ``cube_hash``.

    ``findings`` is the CSV text of its checks and is written beside it. Findings of an earlier cube
    of that name go first: a cube never stands beside the findings of another.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tree.attrs["cube_hash"] = cube_hash(tree)
    partial = path.with_name(f".tmp-{path.name}-{os.getpid()}")
    listing = findings_path(path)
    partial_listing = listing.with_name(f".tmp-{listing.name}-{os.getpid()}")
    try:
        tree.to_netcdf(partial, engine="netcdf4", encoding=compression(tree, level=4))
        if findings is not None:
            partial_listing.write_text(findings, encoding="utf-8")
        listing.unlink(missing_ok=True)
        os.replace(partial, path)
        if findings is not None:
            os.replace(partial_listing, listing)
    finally:
        partial.unlink(missing_ok=True)
        partial_listing.unlink(missing_ok=True)
    return path


def load_cube(path: Path) -> xr.DataTree:
    """Read a whole cube into memory and check that it is one.

    Raises
    ------
    DataError
        When the file is absent, is not a cube, has another schema, or does not match its own hash.
    """
    if not path.is_file():
        raise DataError(
            [
                Fault(
                    file=str(path),
                    problem="no such cube",
                    remedy="build it with 'make cube', or name another with CUBE=",
                )
            ]
        )
    try:
        with xr.open_datatree(path, engine="netcdf4") as opened:
            tree = opened.load()
    except (OSError, ValueError) as error:
        raise DataError(
            [
                Fault(
                    file=str(path),
                    problem=f"not a readable netCDF file ({error})",
                    remedy="build the cube again with 'make cube'",
                )
            ]
        ) from error
    if tree.attrs.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            [
                Fault(
                    file=str(path),
                    column="schema_version",
                    value=str(tree.attrs.get("schema_version")),
                    problem=f"this version reads cubes of schema {SCHEMA_VERSION}",
                    remedy="build the cube again with 'make cube'",
                )
            ]
        )
    if tree.attrs.get("cube_hash") != cube_hash(tree):
        raise DataError(
            [
                Fault(
                    file=str(path),
                    column="cube_hash",
                    problem="contents do not match the stored hash",
                    remedy=(
                        "the file was changed after it was built; build it again with 'make cube'"
                    ),
                )
            ]
        )
    return tree
