"""Small cubes for tests of the data report: simulated counts, with what only published ones have.

Names of authorities and texts of findings hold markup and formulas.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.checks import Finding, findings_csv, rebuilt_bounds
from data_prep.cube import derive_printed
from data_prep.geography import Unit
from data_prep.register import Authority
from data_prep.schema import PUBLISHED, save_cube
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions
from data_prep.sources.reading import RATIO_COLUMNS

HOSTILE = "<script>alert(\"x\")</script></script><!-- & 'Sons'"
FORMULA = "=HYPERLINK(1)"
# Authority, year and distance of the printed rates that contradict their counts.
MISPRINTS = ((2, 2010, 40.0), (4, 2012, -3.0))

FINDINGS = [
    Finding("uniqueness", "PASS", "nothing to report"),
    Finding("jumps", "WARNING", f"moved {HOSTILE}", "look", "a <b>.csv", HOSTILE, 2011, FORMULA),
    *(
        Finding("jumps", "WARNING", f"count {i} changed", "look", "b.csv", f"Place {i}", 2010, "8")
        for i in range(14)
    ),
    Finding("sums", "WARNING", "apart", "one remedy", "c.csv", "England", 2010, "5 against 6"),
    Finding("sums", "WARNING", "far apart", "another remedy", "d.csv", "", None, "-5"),
]


@cache
def _simulated(las: int, years: tuple[int, int]) -> xr.DataTree:
    return build_simulated(
        SimulationOptions(
            las=las, first_year=years[0], last_year=years[1], national_years=(years[0] - 3,), seed=4
        )
    )


def make_tree(las: int = 9, years: tuple[int, int] = (2009, 2012)) -> xr.DataTree:
    """A cube that calls itself published, with printed rates, two of them misprinted."""
    tree = _simulated(las, years).copy(deep=True)
    names = tree["cube"].to_dataset()["la_name"].values.astype(object)
    names[0] = HOSTILE
    names[1] = " + ".join(["Long Name"] * 12)
    cube = tree["cube"].to_dataset().assign_coords(la_name=("la", names.astype(str)))
    del tree["truth"]
    tree["cube"] = xr.DataTree(cube)
    tree["printed"] = xr.DataTree(_printed(cube))
    tree.attrs |= {"kind": PUBLISHED, "name": "small", "title": "Small England"}
    return tree


def _printed(cube: xr.Dataset) -> xr.Dataset:
    rows = []
    names = ("referrals", "rereferrals", "initial_assessments", "population_0_17")
    counts = {name: cube[name].values for name in names}
    for i, code in enumerate(cube["la"].values):
        for column, year in enumerate(cube["year"].values):
            for measure, base, per in (
                ("referrals", "population_0_17", 10_000),
                ("rereferrals", "referrals", 100),
                ("initial_assessments", "referrals", 100),
            ):
                rate = per * counts[measure][i, column] / counts[base][i, column]
                if np.isnan(rate):
                    continue
                moved = [d for la, y, d in MISPRINTS if (la, y) == (i, year)]
                printed = round(rate + (moved[0] if moved and measure == "referrals" else 0), 1)
                rows.append(
                    (str(code), int(year), measure, base, per, printed, 0.05, "c", "f.csv", year)
                )
    units = [
        Unit(str(c), "", "", "", (Authority(str(c), "", "", "", "", 1990, 9999),))
        for c in cube["la"].values
    ]
    ratios = pd.DataFrame(rows, columns=list(RATIO_COLUMNS))
    ratios = ratios.join(rebuilt_bounds(_records(cube, names), ratios))
    return derive_printed(ratios, units, [int(year) for year in cube["year"].values])


def _records(cube: xr.Dataset, names: Iterable[str]) -> pd.DataFrame:
    """Records of the cube's own counts, every year released in that year."""
    rows = [
        (str(code), int(year), name, lower, upper, int(year))
        for name in names
        for code, lowers, uppers in zip(
            cube["la"].values, cube[f"{name}_lower"].values, cube[f"{name}_upper"].values,
            strict=True,
        )
        for year, lower, upper in zip(cube["year"].values, lowers, uppers, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["la_code", "year", "measure", "lower", "upper", "released"])


def write_cube(tree: xr.DataTree, folder: Path, findings: list[Finding] | None = None) -> Path:
    """Save under the tree's own name, with findings beside it unless None."""
    text = None if findings is None else findings_csv(findings)
    return save_cube(tree, folder / f"{tree.attrs['name']}.nc", text)
