"""The command that builds the cube of published England."""

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from data_prep import checks
from data_prep.checks import Finding
from data_prep.errors import DataError, Fault
from data_prep.published import build_published, default_name
from data_prep.releases import LATEST, RULES
from data_prep.schema import cubes_folder, findings_path, measures_in, save_cube

# Findings of one check that are printed; all of them are in the findings file.
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--raw", type=Path, required=True, help="folder of the official files")
    parser.add_argument("--years", required=True, help="years with LA figures, as 2010-2014")
    parser.add_argument(
        "--national-years", default="", help="years of England totals, as 2001-2014"
    )
    parser.add_argument("--name", default="", help="name of the cube and its file")
    parser.add_argument(
        "--prefer",
        choices=RULES,
        default=LATEST,
        help="which release wins where several publish a figure (default: %(default)s)",
    )
    parser.add_argument(
        "--least-children",
        type=int,
        default=0,
        help="leave out authorities with fewer children in any year (default: none)",
    )
    parser.add_argument("--out", type=Path, default=cubes_folder(), help="folder to write to")


def run(args: argparse.Namespace) -> int:
    """Build and save the cube that ``args`` describe; 0 when written.

    Raises
    ------
    DataError
        When an argument or a file is bad; an earlier cube of the same name is then left untouched.
    """
    years, national_years, name = parse_selection(args)
    print(f"reading {args.raw}", flush=True)
    start = time.monotonic()

    def report(step: str) -> None:
        print(f"  {time.monotonic() - start:5.1f} s  {step}", flush=True)

    tree, findings = build_published(
        args.raw, years, national_years, name, args.prefer, args.least_children, report
    )
    print(f"{len(findings)} findings of {len({f.check for f in findings})} checks", flush=True)
    path = save_cube(tree, args.out / f"{name}.nc", checks.findings_csv(findings))
    print(describe_findings(findings, findings_path(path)))
    print(describe_coverage(tree))
    print(
        f"{path}: {tree.attrs['kind']}, {tree['cube'].sizes['la']} LAs, {years[0]}-{years[-1]}, "
        f"hash {tree.attrs['cube_hash'][:12]}"
    )
    return 0


def parse_selection(args: argparse.Namespace) -> tuple[list[int], list[int] | None, str]:
    """Years, national years and name, all faults of the three at once."""
    faults: list[Fault] = []
    years = parse_years(args.years, "--years", faults)
    national_years = (
        parse_years(args.national_years, "--national-years", faults)
        if args.national_years
        else None
    )
    name = args.name or (default_name(years) if years else "")
    if name and not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        faults.append(
            Fault(
                column="--name",
                value=name,
                problem="not a name for a cube",
                remedy="use small letters, digits, dots, hyphens and underscores",
            )
        )
    if faults:
        raise DataError(faults)
    return years, national_years, name


def parse_years(text: str, column: str, faults: list[Fault]) -> list[int]:
    """Every year of ``2010-2014`` or ``2010``; a fault is added and none given otherwise."""
    match = re.fullmatch(r"\s*(\d{4})(?:\s*-\s*(\d{4}))?\s*", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        faults.append(
            Fault(
                column=column,
                value=text,
                problem="not a span of years",
                remedy="write first and last year ending 31 March, as 2010-2014",
            )
        )
    return list(range(first, last + 1))


def describe_findings(findings: Sequence[Finding], listing: Path) -> str:
    """Findings by check, the first few of each."""
    lines = []
    for check in dict.fromkeys(finding.check for finding in findings):
        group = [finding for finding in findings if finding.check == check]
        open_ones = [finding for finding in group if finding.level != checks.PASS]
        lines += [str(finding) for finding in group[:SHOWN]]
        if len(open_ones) > SHOWN:
            lines.append(f"  and {len(open_ones) - SHOWN} more of this check in {listing}")
    return "\n".join(lines)


def describe_coverage(tree: xr.DataTree) -> str:
    """LAs with a number, and with bounds only (after a plus sign), by measure and year."""
    cube = tree["cube"].to_dataset()
    years = [int(year) for year in cube["year"].values]
    lines = ["LAs with a number + with bounds only:"]
    lines.append(f"  {'':28}" + "".join(f"{year:>9}" for year in years))
    for measure in measures_in(cube):
        exact = np.isfinite(cube[measure].values).sum(axis=0)
        bounded = np.isfinite(cube[f"{measure}_upper"].values).sum(axis=0) - exact
        cells = (
            f"{number}+{bounds}" if bounds else str(number) if number else "."
            for number, bounds in zip(exact, bounded, strict=True)
        )
        lines.append(f"  {measure:28}" + "".join(f"{cell:>9}" for cell in cells))
    return "\n".join(lines)
