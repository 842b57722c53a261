"""The command `sensitivity`: what a run's answer leans on, added to its folder and its report."""

import argparse
from typing import Any

from experiments.commands_fits import DONE, FAILED, add_workers, run_and_tell, workers_of


def add_commands(commands: Any) -> None:
    """Add this module's command to the command line."""
    command = commands.add_parser(
        "sensitivity", help="power-scaling of hyperpriors and influence of single authorities"
    )
    command.add_argument("--model", default="", help="see 'list'; fitted where it is not stored")
    command.add_argument("--variant", help="configs/<model>--<variant>.toml")
    command.add_argument("--cube", help="name in results/cubes or path of a cube")
    command.add_argument("--set", action="append", default=[], dest="sets", metavar="PATH=VALUE")
    command.add_argument("--run", dest="run_name", help="a stored run instead of a model")
    command.add_argument(
        "--refits",
        type=int,
        default=20,
        help="authorities refitted whose importance weights cannot be trusted, at most",
    )
    add_workers(command)
    command.set_defaults(run=_sensitivity)


def _sensitivity(args: argparse.Namespace) -> int:
    from experiments import provenance, store
    from experiments.compare import read_side, restore_run
    from experiments.config import load_experiment
    from experiments.fit import prepare
    from experiments.jobs import job_of
    from experiments.sensitivity import assess

    if args.run_name:
        run = store.resolve_run(args.run_name)
        prepared = restore_run(read_side(run))
    else:
        prepared = prepare(load_experiment(args.model, args.variant, args.sets, args.cube))
        command = provenance.command(args.model, args.variant, args.sets, args.cube)
        _, code = run_and_tell([job_of(prepared, command)], workers_of(args))
        found = store.find_run(prepared.experiment.name, prepared.run_id)
        if found is None:
            return code or FAILED
        run = found
    path = assess(run, prepared, args.refits)
    _tell(run)
    from reports.run_report import render_run

    print(f"Written: {path}\nReport: {render_run(run)}")
    return DONE


def _tell(run: Any) -> None:
    import json

    from experiments.sensitivity import read_sensitivity

    found = read_sensitivity(run)
    spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
    names = {code: la["name"] for code, la in spec["las"].items()}
    moving = [row for row in found["hyperpriors"] if row["moves"]]
    print(f"{len(moving)} of {len(found['hyperpriors'])} pairs of hyperprior and estimand move:")
    for row in sorted(moving, key=lambda row: -row["value"])[:10]:
        print(f"  {row['hyperprior']:<28}{_what(row)}: {row['value']:.2f}")
    known = [row for row in found["influence"] if row["shift"] is not None]
    unknown = {row["la"] for row in found["influence"] if row["shift"] is None}
    print(f"largest shifts when one authority is left out ({len(unknown)} not assessed):")
    for row in sorted(known, key=lambda row: -abs(row["shift"]))[:5]:
        name = names.get(row["la"], row["la"])
        shift = f"{row['shift']:+.2f}".replace("-", "−")
        print(f"  {name:<28}{_what(row)}: {shift} sd ({row['how']})")


def _what(row: dict[str, Any]) -> str:
    return f"{row['label']} {row['at']}".strip()
