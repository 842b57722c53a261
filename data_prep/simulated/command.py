"""The command that writes a simulated cube; ``python -m data_prep simulate`` hooks it in."""

import argparse
import json
from pathlib import Path

from data_prep.errors import DataError, Fault
from data_prep.schema import cubes_folder, save_cube
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import DEFAULT_SEED, SimulationOptions

_FOLDER = cubes_folder()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--name", default="simulated", help="name of the cube and its file")
    parser.add_argument("--seed", default=str(DEFAULT_SEED), help="root seed of all random numbers")
    parser.add_argument("--las", default="152", help="number of LAs")
    parser.add_argument("--years", default="2001-2014", help="years with LA figures, as 2001-2014")
    parser.add_argument(
        "--national-years", default="", help="earlier years with England totals only, as 1996-2000"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="any other option, or <measure>.<parameter>; may be repeated",
    )
    parser.add_argument("--out", type=Path, default=_FOLDER, help="folder to write to")


def run(args: argparse.Namespace) -> int:
    """Build and save the cube that ``args`` describe; 0 when written.

    Raises
    ------
    DataError
        When an argument is unknown or impossible.
    """
    options = parse_options(args)
    tree = build_simulated(options)
    path = save_cube(tree, args.out / f"{options.name}.nc")
    print(
        f"{path}: {tree.attrs['kind']}, {options.las} LAs, {options.first_year}-"
        f"{options.last_year}, seed {options.seed}, hash {tree.attrs['cube_hash'][:12]}"
    )
    return 0


def parse_options(args: argparse.Namespace) -> SimulationOptions:
    """Turn arguments into options."""
    faults: list[Fault] = []
    values: dict[str, object] = {"name": args.name, "seed": args.seed, "las": args.las}
    years = _parse_years(args.years, "--years", faults)
    if years:
        values |= {"first_year": years[0], "last_year": years[-1]}
    if args.national_years:
        values["national_years"] = _parse_years(args.national_years, "--national-years", faults)
    overrides: dict[str, object] = {}
    for text in args.set:
        name, equals, value = text.partition("=")
        if not equals:
            faults.append(
                Fault(
                    problem="no '=' in it",
                    remedy="write --set OPTION=VALUE",
                    column="--set",
                    value=text,
                )
            )
        elif "." in name:
            overrides[name] = _parse_value(value)
        else:
            values[name] = _parse_value(value)
    if faults:
        raise DataError(faults)
    if overrides:
        values["overrides"] = overrides
    return SimulationOptions(**values)


def _parse_years(text: str, column: str, faults: list[Fault]) -> list[int]:
    first, _, last = text.partition("-")
    try:
        years = list(range(int(first), int(last or first) + 1))
    except ValueError:
        years = []
    if not years:
        faults.append(
            Fault(
                problem="not a span of years",
                remedy="write first and last year, as 2001-2014",
                column=column,
                value=text,
            )
        )
    return years


def _parse_value(text: str) -> object:
    """JSON where it is JSON (numbers, lists, true, null), text otherwise."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
