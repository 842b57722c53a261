"""The command `multiverse`: the declared grid of options, fitted, gathered and drawn."""

import argparse
from typing import Any

from experiments.commands_fits import DONE, INTERRUPTED, add_workers, run_and_tell, workers_of


def add_commands(commands: Any) -> None:
    """Add this module's command to the command line."""
    command = commands.add_parser(
        "multiverse", help="fit every sensible combination of options that a config declares"
    )
    command.add_argument("--model", default="", help="see 'list'")
    command.add_argument("--variant", help="configs/<model>--<variant>.toml")
    command.add_argument("--cube", help="name in results/cubes or path of a cube")
    command.add_argument("--set", action="append", default=[], dest="sets", metavar="PATH=VALUE")
    command.add_argument(
        "--stored", action="store_true", help="fit nothing: gather and draw what is stored"
    )
    add_workers(command)
    command.set_defaults(run=_multiverse)


def _multiverse(args: argparse.Namespace) -> int:
    from experiments import store
    from experiments.multiverse import plan_multiverse, write_multiverse

    plan = plan_multiverse(args.model, args.variant, args.sets, args.cube)
    stored = sum(store.find_run(plan.experiment.name, job.run_id) is not None for job in plan.jobs)
    left_out = sum(bool(cell.excluded) for cell in plan.cells)
    print(
        f"{len(plan.cells)} combinations: {left_out} left out by rule, {len(plan.impossible)} "
        f"impossible on these data, {len(plan.jobs)} to fit, of which {stored} stored"
    )
    outcomes, code = ([], DONE) if args.stored else run_and_tell(plan.jobs, workers_of(args))
    folder = write_multiverse(plan, outcomes)
    if code == INTERRUPTED:
        return code
    from reports.multiverse_report import render_multiverse

    print(f"Report: {render_multiverse(folder)}")
    return code
